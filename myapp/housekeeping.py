"""What has expired is removed, for good: each feature hands over what it owns.

On PostgreSQL the tables' owner finds whose rows have expired, which is all that it sees
of them (`row_security.expires`); the application's role removes them, each account's in
transactions of that account. Rows that somebody else is removing are left to them, so
two purges do not wait for each other.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Engine,
    NullPool,
    Select,
    Table,
    create_engine,
    delete,
    make_url,
    select,
    true,
)

from myapp import db, tables
from myapp.errors import Unprocessable
from myapp.tables import Base

logger = logging.getLogger(__name__)

BATCH = 1000
"""Rows that one transaction removes at most: nobody waits long for its locks."""


class Chore(NamedTuple):
    """Something that is removed when its time is over; `run` returns how many."""

    name: str
    run: Callable[[], int]


chores: list[Chore] = []
"""What `flask purge` does; a feature's models add theirs."""


def remove_expired(model: Any, kept: timedelta = timedelta(0)) -> None:
    """Have the rows of a tenants' table removed, `kept` after their `expires_at`."""
    table: Table = model.__table__
    chores.append(Chore(table.name, partial(_purge, table, kept)))


def _purge(table: Table, kept: timedelta) -> int:
    expired = table.c.expires_at < tables.now() - kept
    owners = found_by_owner(select(table.c.account_id).where(expired).distinct())
    return of_each(owners, lambda owner: _remove(owner, table, expired))


def of_each(owners: Iterable[UUID], remove: Callable[[UUID], int]) -> int:
    """Remove something of each account; return how much there was.

    Where that fails the others still have their turn; then the first failure is raised.
    """
    removed, failed = 0, []
    for owner in owners:
        try:
            removed += remove(owner)
        except Exception as error:
            logger.warning("What account %s has is not removed: %s", owner, error)
            failed.append(error)
    if failed:
        raise failed[0]
    return removed


def found_by_owner(ids: Select[Any]) -> list[UUID]:
    """Return ids of accounts that only the tables' owner sees.

    Raises Unprocessable on PostgreSQL where the settings name no owner.
    """
    settings = db.stores().settings
    engine = create_engine(settings["MIGRATION_DATABASE_URL"], poolclass=NullPool)
    with engine.connect() as connection:
        _refuse_application(engine, settings["DATABASE_URL"])
        return list(connection.scalars(ids))


def _refuse_application(engine: Engine, url: str) -> None:
    """Raise rather than find nothing: row-level security hides it from this role."""
    same = engine.url.username == make_url(url).username
    if same and engine.dialect.name == "postgresql":
        raise Unprocessable(
            "What has expired is seen by the tables' owner: give its URL in"
            " MIGRATION_DATABASE_URL, as for `flask db upgrade`."
        )


def remove_owned(tenant: UUID) -> int:
    """Remove what goes with an account, before its row goes: in batches."""
    last_first = reversed(Base.metadata.sorted_tables)
    owned = [table for table in last_first if _goes_with_account(table)]
    return sum(_remove(tenant, table, true()) for table in owned)


def _goes_with_account(table: Table) -> bool:
    parents = {key.target_fullname for key in table.foreign_keys}
    return "accounts.id" in parents


def _remove(tenant: UUID, table: Table, chosen: ColumnElement[bool]) -> int:
    """Remove rows of one account, a batch after the other; return how many."""
    own = table.c.account_id == tenant
    batch = select(table.c.id).where(own, chosen).limit(BATCH)
    removed = 0
    while True:
        with db.transaction(tenant) as connection:
            ids = connection.scalars(batch.with_for_update(skip_locked=True)).all()
            connection.execute(delete(table).where(own, table.c.id.in_(ids)))
        removed += len(ids)
        if len(ids) < BATCH:
            return removed
