"""The SQL repository: one statement an operation, on SQLite and PostgreSQL alike.

SQLAlchemy Core on the engine. Every statement carries the tenant as a condition;
on PostgreSQL row-level security is the second lock.
"""

import operator
from collections.abc import Callable, Collection
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
    tuple_,
    update,
)

from myapp import db, tables
from myapp.contract import Contract
from myapp.errors import Forbidden, NotFound, PreconditionFailed, Problem
from myapp.pagination import Slice
from myapp.repository import Condition, Page, Record, Repository, Values
from myapp.table_rules import check_table

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "gte": operator.ge,
    "gt": operator.gt,
    "lte": operator.le,
    "lt": operator.lt,
}
SHAPES = 256
"""How many shapes of a list statement are kept built."""


class SqlRepository(Repository):
    """The records of one table, reached through one contract.

    `tenant` names the column that holds the account. Raises ContractError where
    contract and table disagree.
    """

    def __init__(
        self, model: Any, contract: Contract, *, tenant: str = "account_id"
    ) -> None:
        self.contract = contract
        self.table: Table = model.__table__
        check_table(contract, self.table, tenant)
        self._tenant = self.table.c[tenant]
        self._shown = [self.table.c[field] for field in contract.shown]
        self._shown.append(self.table.c.version)
        self._one = and_(
            self._owned(), self.table.c.id == bindparam("wanted_id", type_=Uuid())
        )
        self._retrieve = select(*self._shown).where(self._one)
        self._insert = insert(self.table).returning(*self._shown)
        self._delete = delete(self.table).where(self._one).returning(self.table.c.id)
        self._update = update(self.table).where(self._one).returning(*self._shown)
        self._page = lru_cache(SHAPES)(self._page_statement)

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

    def _counting(
        self, shape: tuple[tuple[str, str], ...], parents: tuple[str, ...]
    ) -> Select[Any]:
        counted = select(func.count()).select_from(self.table)
        return counted.where(self._selection(shape, parents))

    def create(self, tenant: UUID, values: Values, **assigned: Any) -> Record:
        """Insert a row; raise Conflict where a unique value is taken."""
        moments = dict.fromkeys(("created_at", "updated_at"), tables.now())
        row = {**moments, **values, **assigned, self._tenant.name: tenant}
        with db.transaction(tenant) as connection:
            return _record(connection.execute(self._insert, row).one())

    def retrieve(self, tenant: UUID, id: UUID, **parent: Any) -> Record:
        """Return one record; raise NotFound."""
        statement = self._retrieve.filter_by(**parent) if parent else self._retrieve
        with db.transaction(tenant, read_only=True) as connection:
            values = {"tenant": tenant, "wanted_id": id}
            row = connection.execute(statement, values).one_or_none()
        if row is None:
            raise NotFound()
        return _record(row)

    def replace(
        self,
        tenant: UUID,
        id: UUID,
        values: Values,
        if_match: int | None = None,
        where: Condition | None = None,
    ) -> Record:
        """Update the given fields of a row, in one statement that also checks."""
        met = self._conditions(if_match, where)
        fields = {
            **values,
            "version": self.table.c.version + 1,
            "updated_at": tables.now(),
        }
        statement = self._update.where(*met).values(fields)
        with db.transaction(tenant) as connection:
            chosen = {"tenant": tenant, "wanted_id": id}
            row = connection.execute(statement, chosen).one_or_none()
            if row is None:
                raise self._refusal(tenant, id, where)
            return _record(row)

    def delete(
        self,
        tenant: UUID,
        id: UUID,
        if_match: int | None = None,
        where: Condition | None = None,
    ) -> None:
        """Delete a row, in one statement that also checks."""
        statement = self._delete.where(*self._conditions(if_match, where))
        with db.transaction(tenant) as connection:
            chosen = {"tenant": tenant, "wanted_id": id}
            if connection.execute(statement, chosen).one_or_none() is None:
                raise self._refusal(tenant, id, where)

    def _conditions(
        self, if_match: int | None, where: Condition | None
    ) -> tuple[ColumnElement[bool], ...]:
        met = self._met(where)
        return met if if_match is None else (*met, self.table.c.version == if_match)

    def _met(self, where: Condition | None) -> tuple[ColumnElement[bool], ...]:
        columns = self.table.c
        return tuple(
            (
                columns[field].in_(value)
                if isinstance(value, Collection) and not isinstance(value, str)
                else columns[field] == value
            )
            for field, value in (where or {}).items()
        )

    def _refusal(self, tenant: UUID, id: UUID, where: Condition | None) -> Problem:
        """Say why no row came back, with one further read."""
        self.retrieve(tenant, id)
        if where:
            permitted = self._retrieve.where(*self._met(where))
            with db.transaction(tenant, read_only=True) as connection:
                chosen = {"tenant": tenant, "wanted_id": id}
                if connection.execute(permitted, chosen).one_or_none() is None:
                    return Forbidden("Your role does not reach this one.")
        return PreconditionFailed()


def _record(row: Row[Any]) -> Record:
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
