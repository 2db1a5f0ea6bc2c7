"""The SQL repository: one statement an operation, on SQLite and PostgreSQL alike.

SQLAlchemy Core on the engine. Every statement carries the tenant as a condition;
on PostgreSQL row-level security is the second lock.
"""

import operator
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    Row,
    Select,
    Table,
    Uuid,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    true,
    tuple_,
    update,
)

from myapp import db, tables
from myapp.changes import Change, arguments, audited, defaults_of, parameters
from myapp.contract import Contract
from myapp.errors import Forbidden, NotFound, PreconditionFailed, Problem
from myapp.pagination import Slice
from myapp.repository import Condition, Page, Record, Repository, Values, is_choice
from myapp.table_rules import check_table

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "gte": operator.ge,
    "gt": operator.gt,
    "lte": operator.le,
    "lt": operator.lt,
}
SHAPES = 256
"""How many shapes of a statement are kept built."""


class SqlRepository(Repository):
    """The records of one table, reached through one contract.

    `tenant` names the column that holds the account. Every change has its entry in
    the audit, unless `audited` is False: for what is no resource of the account's.
    Raises ContractError where contract and table disagree.
    """

    def __init__(
        self,
        model: Any,
        contract: Contract,
        *,
        tenant: str = "account_id",
        audited: bool = True,
    ) -> None:
        self.contract = contract
        self.table: Table = model.__table__
        check_table(contract, self.table, tenant)
        self._tenant = self.table.c[tenant]
        self._audited = audited
        self._defaults = defaults_of(self.table)
        self._shown = [self.table.c[field] for field in contract.shown]
        self._shown.append(self.table.c.version)
        self._one = and_(
            self._owned(), self.table.c.id == bindparam("wanted_id", type_=Uuid())
        )
        self._retrieve = select(*self._shown).where(self._one)
        self._matching = self.table.c.version == bindparam("if_match", type_=Integer())
        self._creation = lru_cache(SHAPES)(self._creation_of)
        self._change = lru_cache(SHAPES)(self._change_of)
        self._page = lru_cache(SHAPES)(self._page_statement)
        self._counting = lru_cache(SHAPES)(self._counting_statement)

    def _owned(self) -> ColumnElement[bool]:
        """Return the condition that no statement goes without."""
        owned: ColumnElement[bool] = self._tenant == bindparam("tenant", type_=Uuid())
        return owned

    def list(self, tenant: UUID, slice: Slice, **parent: Any) -> Page:
        """Return one page: keyset order, one row more than asked for is read."""
        values = {"tenant": tenant, "limit": slice.limit + 1} | parent
        for index, filter in enumerate(slice.filters):
            values[f"filter_{index}"] = filter.value
        shape = tuple((filter.field, filter.operator) for filter in slice.filters)
        selection = (shape, tuple(parent))
        if slice.after:
            values["after_value"], values["after_id"] = slice.after
        order = (slice.sort, slice.descending, bool(slice.after))
        with db.transaction(tenant, read_only=True) as connection:
            rows = connection.execute(self._page(*selection, *order), values).all()
            total = None
            if slice.counted:
                counting = self._counting(*selection)
                total = connection.execute(counting, values).scalar_one()
        return self._paged(rows, slice, total)

    def _paged(
        self, rows: Collection[Row[Any]], slice: Slice, total: int | None
    ) -> Page:
        records = [_record(row) for row in rows]
        if len(records) <= slice.limit:
            return Page(records, None, total)
        records.pop()
        value = self.contract.value(records[-1], slice.sort)
        id = self.contract.value(records[-1], "id")
        return Page(records, slice.cursor(value, id), total)

    def _selection(
        self, shape: tuple[tuple[str, str], ...], parents: tuple[str, ...]
    ) -> ColumnElement[bool]:
        """Return the condition of a list: tenant, parent and filters."""
        columns = self.table.c
        conditions = [self._owned()]
        for field in parents:
            conditions.append(columns[field] == bindparam(field))
        for index, (field, name) in enumerate(shape):
            value = bindparam(f"filter_{index}", type_=columns[field].type)
            conditions.append(OPERATORS[name](columns[field], value))
        return and_(*conditions)

    def _page_statement(
        self,
        shape: tuple[tuple[str, str], ...],
        parents: tuple[str, ...],
        sort: str,
        descending: bool,
        after: bool,
    ) -> Select[Any]:
        column, id = self.table.c[sort], self.table.c.id
        statement = select(*self._shown).where(self._selection(shape, parents))
        if after:
            statement = statement.where(_beyond(column, id, descending))
        order = [column, id] if sort != "id" else [id]
        if descending:
            statement = statement.order_by(*(key.desc() for key in order))
        else:
            statement = statement.order_by(*order)
        return statement.limit(bindparam("limit", type_=Integer()))

    def _counting_statement(
        self, shape: tuple[tuple[str, str], ...], parents: tuple[str, ...]
    ) -> Select[Any]:
        counted = select(func.count()).select_from(self.table)
        return counted.where(self._selection(shape, parents))

    def create(self, tenant: UUID, values: Values, **assigned: Any) -> Record:
        """Insert a row; raise Conflict where a unique value is taken."""
        moments = dict.fromkeys(("created_at", "updated_at"), tables.now())
        row = {**self._defaults(), **moments, **values, **assigned}
        row[self._tenant.name] = tenant
        chosen = {"tenant": tenant, **arguments(row)}
        with db.transaction(tenant) as connection:
            engine = connection.dialect.name
            change = self._creation(engine, tuple(sorted(row)))
            return _record(change.execute(connection, chosen))

    def retrieve(
        self, tenant: UUID, id: UUID, where: Condition | None = None, **parent: Any
    ) -> Record:
        """Return one record; raise NotFound, Forbidden where it is not `where`."""
        statement = self._retrieve.filter_by(**parent) if parent else self._retrieve
        if where:
            statement = statement.add_columns(self._met(where))
        values = {"tenant": tenant, "wanted_id": id}
        with db.transaction(tenant, read_only=True) as connection:
            row = connection.execute(statement, values).one_or_none()
        if row is None:
            raise NotFound()
        if where and not row[-1]:
            raise _out_of_reach()
        return _record(row[:-1] if where else row)

    def replace(
        self,
        tenant: UUID,
        id: UUID,
        values: Values,
        if_match: int | None = None,
        where: Condition | None = None,
    ) -> Record:
        """Update the given fields of a row, in one statement that also checks."""
        new = {"updated_at": tables.now(), **values}
        return _record(self._written(tenant, id, new, if_match, where))

    def delete(
        self,
        tenant: UUID,
        id: UUID,
        if_match: int | None = None,
        where: Condition | None = None,
    ) -> None:
        """Delete a row, in one statement that also checks."""
        self._written(tenant, id, {}, if_match, where)

    def _written(
        self,
        tenant: UUID,
        id: UUID,
        new: Values,
        if_match: int | None,
        where: Condition | None,
    ) -> Row[Any]:
        """Write new values to one row, or remove it; where it was not, say why."""
        chosen = {"tenant": tenant, "wanted_id": id, "if_match": if_match}
        chosen |= arguments(new)
        shape = (tuple(sorted(new)), if_match is not None)
        with db.transaction(tenant) as connection:
            engine = connection.dialect.name
            change_of = self._change_of if where else self._change
            change = change_of(engine, *shape, where or None)
            row: Row[Any] | None = change.execute(connection, chosen)
            if row is None:
                asked = select(self._met(where or {})).where(self._one)
                raise _refusal(connection.execute(asked, chosen).one_or_none())
            return row

    def _creation_of(self, engine: str, fields: tuple[str, ...]) -> Change:
        new = parameters(self.table, fields)
        return self._noted(insert(self.table).values(new), fields, engine)

    def _change_of(
        self,
        engine: str,
        fields: tuple[str, ...],
        matching: bool,
        where: Condition | None = None,
    ) -> Change:
        """Return the UPDATE of some fields, or the DELETE where there are none."""
        statement: Any = delete(self.table)
        if fields:
            new = parameters(self.table, fields)
            new["version"] = self.table.c.version + 1
            statement = update(self.table).values(new)
        statement = statement.where(self._one)
        if matching:
            statement = statement.where(self._matching)
        if where:
            statement = statement.where(self._met(where))
        return self._noted(statement, fields, engine)

    def _noted(self, write: Any, fields: tuple[str, ...], engine: str) -> Change:
        if self._audited:
            return audited(write, fields, self._shown, engine)
        return Change(write.returning(*self._shown))

    def _met(self, where: Condition) -> ColumnElement[bool]:
        """Return what a rule asks of the row."""
        columns = self.table.c
        conditions = (
            columns[field].in_(value) if _is_several(value) else columns[field] == value
            for field, value in where.items()
        )
        return and_(true(), *conditions)


def _is_several(wanted: Any) -> bool:
    return is_choice(wanted) or isinstance(wanted, Select)


def _out_of_reach() -> Forbidden:
    return Forbidden("Your role does not reach this one.")


def _refusal(found: Row[Any] | None) -> Problem:
    """Say why a row was not written: it is absent, out of reach, or another version."""
    if found is None:
        return NotFound()
    if not found[0]:
        return _out_of_reach()
    return PreconditionFailed()


def _record(row: Sequence[Any]) -> Record:
    return Record(tuple(row[:-1]), row[-1])


def _beyond(
    column: ColumnElement[Any], id: ColumnElement[UUID], descending: bool
) -> ColumnElement[bool]:
    """Return the condition of the rows behind a cursor."""
    here = tuple_(column, id)
    last = tuple_(
        bindparam("after_value", type_=column.type),
        bindparam("after_id", type_=Uuid()),
    )
    return here < last if descending else here > last
