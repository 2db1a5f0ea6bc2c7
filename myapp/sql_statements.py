"""The statements of one table, each built once for its shape, and kept.

Every one carries the tenant as a condition; on PostgreSQL row-level security is the
second lock.
"""

import operator
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Integer,
    Select,
    Table,
    Uuid,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
    true,
    tuple_,
    update,
)

from myapp.changes import Change, audited, parameters
from myapp.repository import Condition, is_choice
from myapp.statement import Statement

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "gte": operator.ge,
    "gt": operator.gt,
    "lte": operator.le,
    "lt": operator.lt,
}
SHAPES = 256
"""How many shapes of a statement are kept built."""

USUAL_LIMITS = (20, 50, 100)
"""The sizes of a page that are written into its statement: PostgreSQL plans a LIMIT
that is a parameter anew at each call, at nearly twice the cost."""

Filters = tuple[tuple[str, str], ...]
"""The field and operator of each filter."""

_reading = partial(Statement, read_only=True)


class SqlStatements:
    """What is read from and written to one table; its parameters are:

    `tenant`, `wanted_id`, `if_match`; `new_<field>` for what is written; `filter_<n>`,
    `after_value`, `after_id` and `limit` for a page; the name of a parent's field.
    """

    def __init__(
        self,
        table: Table,
        shown: Iterable[Column[Any]],
        tenant: Column[Any],
        is_audited: bool,
    ) -> None:
        self._table = table
        self._shown = [*shown, table.c.version]
        self._is_audited = is_audited
        self._owned = owned(tenant)
        wanted = table.c.id == bindparam("wanted_id", type_=Uuid())
        self._one = and_(self._owned, wanted)
        self.retrieval = lru_cache(SHAPES)(self._retrieval)
        self.page = lru_cache(SHAPES)(self._page)
        self.count = lru_cache(SHAPES)(self._count)
        self.creation = lru_cache(SHAPES)(self._creation)
        self.change = lru_cache(SHAPES)(self.change_where)

    def _retrieval(self, parents: tuple[str, ...]) -> Statement:
        return _reading(select(*self._shown).where(self._one, *self._below(parents)))

    def retrieval_where(
        self, parents: tuple[str, ...], where: Condition
    ) -> Select[Any]:
        """Return a retrieval with a last column: whether the row meets a condition."""
        met: Select[Any] = self.retrieval(parents).core.add_columns(self._met(where))
        return met

    def check(self, where: Condition) -> Select[Any]:
        """Return the question whether the one row meets a condition."""
        return select(self._met(where)).where(self._one)

    def _below(self, parents: tuple[str, ...]) -> list[ColumnElement[bool]]:
        """Return the conditions of what lies below a parent."""
        columns = self._table.c
        return [columns[field] == bindparam(field) for field in parents]

    def _selection(
        self, filters: Filters, parents: tuple[str, ...]
    ) -> ColumnElement[bool]:
        """Return the condition of a list: tenant, parent and filters."""
        columns = self._table.c
        conditions = [self._owned, *self._below(parents)]
        for index, (field, name) in enumerate(filters):
            value = bindparam(f"filter_{index}", type_=columns[field].type)
            conditions.append(OPERATORS[name](columns[field], value))
        return and_(*conditions)

    def _page(
        self,
        filters: Filters,
        parents: tuple[str, ...],
        sort: str,
        descending: bool,
        after: bool,
        limit: int | None,
    ) -> Statement:
        """Return a page's statement; a limit of None is a parameter."""
        column, id = self._table.c[sort], self._table.c.id
        statement = select(*self._shown).where(self._selection(filters, parents))
        if after:
            statement = statement.where(_beyond(column, id, descending))
        order = [column, id] if sort != "id" else [id]
        if descending:
            statement = statement.order_by(*(key.desc() for key in order))
        else:
            statement = statement.order_by(*order)
        if limit is None:
            return _reading(statement.limit(bindparam("limit", type_=Integer())))
        return _reading(statement.limit(literal_column(str(limit))))

    def _count(self, filters: Filters, parents: tuple[str, ...]) -> Statement:
        counted = select(func.count()).select_from(self._table)
        return _reading(counted.where(self._selection(filters, parents)))

    def _creation(self, engine: str, fields: tuple[str, ...]) -> Change:
        new = parameters(self._table, fields)
        return self._noted(insert(self._table).values(new), fields, engine)

    def change_where(
        self,
        engine: str,
        fields: tuple[str, ...],
        is_matching: bool,
        where: Condition | None = None,
    ) -> Change:
        """Return the UPDATE of some fields, or the DELETE where there are none."""
        statement: Any = delete(self._table)
        if fields:
            new = parameters(self._table, fields)
            new["version"] = self._table.c.version + 1
            statement = update(self._table).values(new)
        statement = statement.where(self._one)
        if is_matching:
            wanted = bindparam("if_match", type_=Integer())
            statement = statement.where(self._table.c.version == wanted)
        if where:
            statement = statement.where(self._met(where))
        return self._noted(statement, fields, engine)

    def _noted(self, write: Any, fields: tuple[str, ...], engine: str) -> Change:
        if self._is_audited:
            return audited(write, fields, self._shown, engine)
        return Change(Statement(write.returning(*self._shown)))

    def _met(self, where: Condition) -> ColumnElement[bool]:
        """Return what a rule asks of the row."""
        columns = self._table.c
        conditions = (
            columns[field].in_(value) if _is_several(value) else columns[field] == value
            for field, value in where.items()
        )
        return and_(true(), *conditions)


def owned(tenant: Column[Any]) -> ColumnElement[bool]:
    """Return the condition that no statement goes without."""
    return tenant == bindparam("tenant", type_=Uuid())


def _is_several(wanted: Any) -> bool:
    return is_choice(wanted) or isinstance(wanted, Select)


def _beyond(
    column: ColumnElement[Any], id: ColumnElement[Any], descending: bool
) -> ColumnElement[bool]:
    """Return the condition of the rows behind a cursor."""
    here = tuple_(column, id)
    last = tuple_(
        bindparam("after_value", type_=column.type),
        bindparam("after_id", type_=Uuid()),
    )
    return here < last if descending else here > last
