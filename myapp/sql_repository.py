"""The SQL repository: one statement an operation, on SQLite and PostgreSQL alike."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Table

from myapp import db, tables
from myapp.changes import arguments, defaults_of
from myapp.contract import Contract
from myapp.errors import Forbidden, NotFound, PreconditionFailed, Problem
from myapp.pagination import Slice
from myapp.postgres_query import Row
from myapp.repository import Condition, D, Page, Record, Repository, Values
from myapp.sql_statements import USUAL_LIMITS, SqlStatements
from myapp.table_rules import check_table, references


class SqlRepository(Repository[D]):
    """The records of one table, reached through one contract.

    `tenant` names the column that holds the account. Every change has its entry in
    the audit, unless `audited` is False: for what is no resource of the account's.
    Raises ContractError where contract and table disagree.
    """

    def __init__(
        self,
        model: Any,
        contract: Contract[Any, D],
        *,
        tenant: str = "account_id",
        audited: bool = True,
    ) -> None:
        self.contract = contract
        self.table: Table = model.__table__
        check_table(contract, self.table, tenant)
        contract.references = references(contract, self.table)
        self._tenant = self.table.c[tenant]
        self._defaults = defaults_of(self.table)
        shown = [self.table.c[field] for field in contract.shown]
        self._statements = SqlStatements(self.table, shown, self._tenant, audited)

    def list(self, tenant: UUID, slice: Slice, **parent: Any) -> Page[D]:
        """Return one page: keyset order, one row more than asked for is read."""
        most = slice.limit + 1
        values = {"tenant": tenant, "limit": most, **parent}
        for index, filter in enumerate(slice.filters):
            values[f"filter_{index}"] = filter.value
        filters = tuple((filter.field, filter.operator) for filter in slice.filters)
        if slice.after:
            values["after_value"], values["after_id"] = slice.after
        selection = (filters, tuple(parent))
        order = (slice.sort, slice.descending, bool(slice.after))
        limit = most if slice.limit in USUAL_LIMITS else None
        page = self._statements.page(*selection, *order, limit)
        if not slice.counted:
            return self._paged(page.all(tenant, values), slice)
        count = self._statements.count(*selection)
        with db.transaction(tenant, read_only=True):
            rows = page.all(tenant, values)
            [total] = count.one(tenant, values)
        return self._paged(rows, slice, total)

    def _paged(
        self, rows: Sequence[Row], slice: Slice, total: int | None = None
    ) -> Page[D]:
        records = [Record(row[:-1], row[-1]) for row in rows]
        if len(records) <= slice.limit:
            return Page(records, None, total)
        records.pop()
        value = self.contract.value(records[-1], slice.sort)
        id = self.contract.value(records[-1], "id")
        return Page(records, slice.cursor(value, id), total)

    def create(self, tenant: UUID, values: Values, **assigned: Any) -> Record[D]:
        """Insert a row; raise Conflict where a unique value is taken."""
        moments = dict.fromkeys(("created_at", "updated_at"), tables.now())
        row = {**self._defaults(), **moments, **values, **assigned}
        row[self._tenant.name] = tenant
        creation = self._statements.creation(_engine(), tuple(sorted(row)))
        written: Row = creation.execute(tenant, {"tenant": tenant, **arguments(row)})
        return Record(written[:-1], written[-1])

    def retrieve(
        self, tenant: UUID, id: UUID, where: Condition | None = None, **parent: Any
    ) -> Record[D]:
        """Return one record; raise NotFound, Forbidden where it is not `where`."""
        values = {"tenant": tenant, "wanted_id": id, **parent}
        if where:
            return self._retrieve_where(tenant, values, tuple(parent), where)
        row = self._statements.retrieval(tuple(parent)).one(tenant, values)
        if row is None:
            raise NotFound()
        return Record(row[:-1], row[-1])

    def _retrieve_where(
        self,
        tenant: UUID,
        values: Values,
        parents: tuple[str, ...],
        where: Condition,
    ) -> Record[D]:
        statement = self._statements.retrieval_where(parents, where)
        with db.transaction(tenant, read_only=True) as connection:
            row = connection.execute(statement, values).one_or_none()
        if row is None:
            raise NotFound()
        *shown, version, is_met = row
        if not is_met:
            raise _out_of_reach()
        return Record(tuple(shown), version)

    def replace(
        self,
        tenant: UUID,
        id: UUID,
        values: Values,
        if_match: int | None = None,
        where: Condition | None = None,
    ) -> Record[D]:
        """Update the given fields of a row, in one statement that also checks."""
        new = {"updated_at": tables.now(), **values}
        row = self._written(tenant, id, new, if_match, where)
        return Record(row[:-1], row[-1])

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
    ) -> Row:
        """Write new values to one row, or remove it; where it was not, say why."""
        chosen = {"tenant": tenant, "wanted_id": id, "if_match": if_match}
        chosen |= arguments(new)
        shape = (_engine(), tuple(sorted(new)), if_match is not None)
        if where:  # its values are part of the statement, so it is not worth keeping
            with db.transaction(tenant):
                change = self._statements.change_where(*shape, where)
                row = change.execute(tenant, chosen)
        else:
            row = self._statements.change(*shape).execute(tenant, chosen)
        if row is None:
            raise self._refusal(tenant, chosen, where or {})
        written: Row = row
        return written

    def _refusal(self, tenant: UUID, chosen: Values, where: Condition) -> Problem:
        """Say why a row was not written: absent, out of reach, or another version."""
        check = self._statements.check(where)
        with db.transaction(tenant, read_only=True) as connection:
            found = connection.execute(check, chosen).one_or_none()
        if found is None:
            return NotFound()
        return PreconditionFailed() if found[0] else _out_of_reach()


def _engine() -> str:
    return db.stores().engine.dialect.name


def _out_of_reach() -> Forbidden:
    return Forbidden("Your role does not reach this one.")
