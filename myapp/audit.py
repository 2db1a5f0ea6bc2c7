"""Who changed what: an entry for every committed change, in the same transaction.

An entry names fields and never holds a value. Repositories write theirs by themselves
(`changes`); a domain function that writes by a statement of its own calls `note`.
"""

from collections.abc import Collection, Iterable
from contextvars import ContextVar
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import JSON, Connection, Index, String, Uuid, insert
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from myapp import tables
from myapp.db import sql
from myapp.tables import UtcDateTime


class AuditEntry(sql.Model):
    """A row of audit_entries: it outlives its account, so there is no foreign key."""

    __tablename__ = "audit_entries"
    __table_args__ = (Index(None, "account_id", "object_id", "id"),)

    account_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    principal: Mapped[str] = mapped_column(String(120))
    operation: Mapped[str | None] = mapped_column(String(120))
    resource: Mapped[str] = mapped_column(String(63))
    object_id: Mapped[UUID] = mapped_column(Uuid)
    version: Mapped[int]
    fields: Mapped[list[str]] = mapped_column(JSON)
    request_id: Mapped[str | None] = mapped_column(String(64))


class Cause(NamedTuple):
    """Who is changing something, by which operation, in which request."""

    principal: str
    operation: str | None = None
    request_id: str | None = None


_cause: ContextVar[Cause] = ContextVar("cause", default=Cause("system"))


class caused_by:
    """Put down the changes inside the block to a principal: `with caused_by(…):`.

    `operation` and `request_id` stay as they are where they are not given.
    """

    def __init__(
        self,
        principal: str,
        *,
        operation: str | None = None,
        request_id: str | None = None,
    ) -> None:
        self._given = principal, operation, request_id

    def __enter__(self) -> None:
        principal, operation, request_id = self._given
        if not (operation and request_id):
            _, before, asked = _cause.get()
            operation, request_id = operation or before, request_id or asked
        self._token = _cause.set(Cause(principal, operation, request_id))

    def __exit__(self, *_: object) -> None:
        _cause.reset(self._token)


def note(
    connection: Connection,
    tenant: UUID,
    resource: str,
    object_id: UUID,
    version: int,
    fields: Collection[str] = (),
) -> None:
    """Write the entry of a change that was made by a statement of one's own."""
    about = {"account_id": tenant, "resource": resource, "object_id": object_id}
    entry = {**about, "version": version, "fields": sorted(fields), **circumstances()}
    connection.execute(insert(AuditEntry), entry)


def note_removals(
    connection: Connection,
    tenant: UUID,
    resource: str,
    removed: Iterable[Any],
) -> None:
    """Write the entries of rows that one statement removed: (id, version) of each."""
    about = {"account_id": tenant, "resource": resource, "fields": []}
    entries = [
        {**about, "object_id": id, "version": version, **circumstances()}
        for id, version in removed
    ]
    if entries:
        connection.execute(insert(AuditEntry), entries)


def circumstances() -> dict[str, Any]:
    """Return what an entry made now says of when, by whom and how."""
    return {"id": uuid7(), "created_at": tables.now(), **_cause.get()._asdict()}
