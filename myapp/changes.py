"""The statement that changes one row, with its audit entry, on either engine.

On PostgreSQL it is one statement that writes both, or neither. On SQLite, where
writers queue, the entry goes ahead in a statement of the same transaction.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    JSON,
    ColumnElement,
    Delete,
    Insert,
    Select,
    String,
    Table,
    Text,
    Update,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    type_coerce,
)

from myapp import db
from myapp.audit import AuditEntry, circumstances
from myapp.statement import Statement

Write = Insert | Update | Delete
Columns = Sequence[ColumnElement[Any]]
Conditions = Mapping[str, ColumnElement[bool]]

BOOKKEEPING = {"account_id", "id", "version", "created_at", "updated_at"}
"""The columns that every change writes: an entry does not name them."""


class Change(NamedTuple):
    """The statement that writes a row, and one ahead that writes the entry."""

    statement: Statement
    entry: Insert | None = None

    def execute(self, tenant: UUID, values: Mapping[str, Any]) -> Any:
        """Return the row that was written, or None."""
        noted = {f"entry_{name}": value for name, value in circumstances().items()}
        if self.entry is None:
            return self.statement.one(tenant, {**values, **noted})
        with db.transaction(tenant) as connection:
            connection.execute(self.entry, {**values, **noted})
            return connection.execute(self.statement.core, values).one_or_none()


def parameters(table: Table, fields: Sequence[str]) -> dict[str, ColumnElement[Any]]:
    """Return the parameters that hold the new values of a row's fields."""
    return {
        field: bindparam(f"new_{field}", type_=table.c[field].type) for field in fields
    }


def defaults_of(table: Table) -> Callable[[], dict[str, Any]]:
    """Return what makes the values that a new row has unless others are given.

    SQLAlchemy makes them itself, but not beside the INSERT of an entry.
    """
    made: Any = {column.name: column.default for column in table.c if column.default}
    constants = {name: made[name].arg for name in made if made[name].is_scalar}
    calls = {name: made[name].arg for name in made if made[name].is_callable}
    return lambda: constants | {name: call(None) for name, call in calls.items()}


def arguments(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values for those parameters."""
    return {f"new_{field}": value for field, value in values.items()}


def audited(write: Write, fields: Sequence[str], shown: Columns, engine: str) -> Change:
    """Return a write of one row's fields with its entry; the row is returned."""
    fields = [field for field in fields if field not in BOOKKEEPING]
    if isinstance(write, Insert):
        return _creation(write, fields, shown, engine)
    if engine == "postgresql":
        return Change(Statement(_with_entry(write, fields, shown)))
    return Change(Statement(write.returning(*shown)), _entry_ahead(write, fields))


def _creation(write: Any, fields: Sequence[str], shown: Columns, engine: str) -> Change:
    """Return the INSERT of a row with its entry, which names all that was given."""
    [id] = parameters(write.table, ["id"]).values()
    entry = _into(_entry(write.table, id, literal(1), literal(fields, JSON())))
    written = write.returning(*shown)
    if engine == "postgresql":
        return Change(Statement(written.add_cte(entry.cte("noted"))))
    return Change(Statement(written), entry)


def _with_entry(write: Any, fields: Sequence[str], shown: Columns) -> Select[Any]:
    """Return the one statement that writes a row and its entry, or neither."""
    table: Table = write.table
    wanted = (*table.primary_key, table.c.version, *(table.c[f] for f in fields))
    returned = {column.name: column for column in (*wanted, *shown)}
    written = write.returning(*returned.values()).cte("written")
    # All parts of a statement see the table as it was before. Only a writer without
    # If-Match that had to wait for another does not see what it replaced: it names
    # all that it wrote.
    before = table.alias("before")
    # Found by the parameters: joined by columns, all rows of the tenant may be read.
    keys = {"account_id": bindparam("tenant", type_=Uuid())}
    keys["id"] = bindparam("wanted_id", type_=Uuid())
    same = (before.c[key.name] == keys[key.name] for key in table.primary_key)
    replaced = and_(*same, before.c.version == written.c.version - 1)
    unseen = before.c.version.is_(None)
    names = _names({f: or_(unseen, _differ(before.c[f], written.c[f])) for f in fields})
    entry = _entry(table, written.c.id, written.c.version, cast(names, JSON()))
    if fields:
        entry = entry.select_from(written.outerjoin(before, replaced))
    answer = select(*(written.c[column.name] for column in shown))
    return answer.add_cte(_into(entry).cte("noted"))


def _entry_ahead(write: Any, fields: Sequence[str]) -> Insert:
    """Return the INSERT of the entry about the row that a write is going to find."""
    table: Table = write.table
    new = parameters(table, fields)
    names = _names({field: _differ(table.c[field], new[field]) for field in fields})
    version = table.c.version + 1 if isinstance(write, Update) else table.c.version
    entry = _entry(table, table.c.id, version, type_coerce(names, JSON()))
    return _into(entry.where(write.whereclause))


def _entry(table: Table, object_id: Any, version: Any, names: Any) -> Select[Any]:
    """Return the values of an entry, in the order of its columns."""
    known = {"account_id": bindparam("tenant", type_=Uuid()), "object_id": object_id}
    known |= {"resource": literal(table.name), "version": version, "fields": names}
    columns = AuditEntry.__table__.c
    return select(
        *(
            known.get(column.name, bindparam(f"entry_{column.name}", type_=column.type))
            for column in columns
        )
    )


def _into(entry: Select[Any]) -> Insert:
    return insert(AuditEntry).from_select(AuditEntry.__table__.c.keys(), entry)


def _differ(old: ColumnElement[Any], new: ColumnElement[Any]) -> ColumnElement[bool]:
    """Tell whether two values differ; PostgreSQL compares no JSON but as text."""
    if isinstance(old.type, JSON):
        old, new = cast(old, Text), cast(new, Text)
    return old.is_distinct_from(new)


def _names(differing: Conditions) -> ColumnElement[str]:
    """Return the JSON array of the names whose condition holds."""
    nothing = literal_column("''", String())
    listed: ColumnElement[str] = nothing
    for name, condition in differing.items():
        quoted = literal_column(f"',\"{name}\"'", String())
        listed = listed + case((condition, quoted), else_=nothing)
    return "[" + func.ltrim(listed, ",") + "]"
