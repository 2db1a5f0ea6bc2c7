"""One account's data as JSON Lines: its rows of every table, its records in Redis.

Left out is what does nothing but prove who somebody is: hashes of passwords, digests of
keys, tokens, codes and secrets.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, Table, select

from myapp import db
from myapp.accounts.models import Account
from myapp.errors import NotFound
from myapp.tables import Base
from myapp.tenants import tenant_of

PROOF = re.compile(r"\w+_(sha256|hash|challenge)")
"""The names of columns that are left out."""
AT_ONCE = 500
"""Rows that are held in memory."""


def find(named: str) -> UUID:
    """Return the id of an account by it, or of an open one by its slug.

    Raises NotFound.
    """
    tenant = tenant_of(named) or _id_of(named)
    if tenant is None:
        raise NotFound(f"There is no account {named}: give the slug or id of one.")
    return tenant


def _id_of(text: str) -> UUID | None:
    try:
        tenant = UUID(text)
    except ValueError:
        return None
    chosen = select(Account.id).where(Account.id == tenant)
    with db.transaction(tenant, read_only=True) as connection:
        return connection.execute(chosen).scalar_one_or_none()


def lines(tenant: UUID) -> Iterator[bytes]:
    """Yield a line for each row, all as of one moment, and for each record in Redis."""
    with _snapshot(tenant) as connection:
        for table in Base.metadata.sorted_tables:
            for row in _rows(connection, table, tenant):
                yield _line(table.name, row)
    for name, record in _records(tenant):
        yield _line(name, record)


def _line(name: str, values: Any) -> bytes:
    shown = {str(field): value for field, value in values.items()}
    return msgspec.json.encode({"from": str(name), "values": shown}) + b"\n"


@contextmanager
def _snapshot(tenant: UUID) -> Iterator[Connection]:
    """Open a transaction that sees no later change; SQLite has no other kind."""
    engine = db.stores().engine
    options: dict[str, Any] = {"read_only": True}
    if engine.dialect.name == "postgresql":
        options["isolation_level"] = "REPEATABLE READ"
    with engine.connect().execution_options(**options) as connection:
        with connection.begin():
            db.set_tenant(connection, tenant)
            yield connection


def _rows(connection: Connection, table: Table, tenant: UUID) -> Iterator[Any]:
    owner = table.c.id if table.name == "accounts" else table.c.get("account_id")
    if owner is None:  # it belongs to the service
        return
    shown = [column for column in table.c if not PROOF.fullmatch(column.name)]
    owned = select(*shown).where(owner == tenant).execution_options(yield_per=AT_ONCE)
    with connection.execute(owned) as rows:
        yield from rows.mappings()


def _records(tenant: UUID) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the records as RedisRepository keeps them: `{account}:<resource>:<id>`."""
    for key in db.redis_store.scan_iter(match=f"{{{tenant}}}:*:*", count=AT_ONCE):
        held = db.redis_store.hgetall(key)
        if held:  # it has not expired just now
            fields = {name: msgspec.json.decode(text) for name, text in held.items()}
            yield key.split(":")[1], fields
