"""A statement that is compiled once, and run the shortest way that its engine has."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any
from uuid import UUID

from myapp import db
from myapp.postgres_query import PostgresQuery, Row


class Statement:
    """One SQLAlchemy Core statement, for whichever tenant.

    On PostgreSQL it is one round trip, unless a transaction is open: that is joined.
    """

    def __init__(self, core: Any, *, read_only: bool = False) -> None:
        self.core = core
        self._read_only = read_only

    @cached_property
    def _query(self) -> PostgresQuery:
        return PostgresQuery(self.core)

    def all(self, tenant: UUID, values: Mapping[str, Any]) -> Sequence[Row]:
        """Return the rows, as tuples in the order of the columns."""
        pipelines = db.stores().pipelines
        if pipelines and not db.in_transaction():
            return pipelines.run(self._query, tenant, values)
        with db.transaction(tenant, read_only=self._read_only) as connection:
            rows: Any = connection.execute(self.core, values).all()
            return rows  # type: ignore[no-any-return]

    def one(self, tenant: UUID, values: Mapping[str, Any]) -> Any:
        """Return the one row, as a tuple, or None."""
        rows = self.all(tenant, values)
        return rows[0] if rows else None
