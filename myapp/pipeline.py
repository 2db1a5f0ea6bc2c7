"""Statements on PostgreSQL in one round trip, in libpq's pipeline mode.

What is sent together is one implicit transaction; rows come in binary. In this mode
`get_result` would block with the interpreter's lock held, so nothing is read before
`poll` has said that it is there.
"""

import select
from collections.abc import Mapping, Sequence
from itertools import count
from math import inf
from time import monotonic
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy
from psycopg import Connection, OperationalError, errors
from psycopg.abc import Transformer as Loader
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus, Format, PipelineStatus, TransactionStatus
from psycopg.pq.abc import PGresult
from sqlalchemy import PoolProxiedConnection

from myapp.postgres_connection import Unanswered
from myapp.postgres_query import Parameter, PostgresQuery, Row, arguments

SET_TENANT = PostgresQuery(
    sqlalchemy.select(
        sqlalchemy.func.set_config(
            sqlalchemy.literal_column("'app.account_id'"),
            sqlalchemy.bindparam("tenant", type_=sqlalchemy.String()),
            sqlalchemy.true(),
        )
    )
)
"""Its only parameter is the tenant, in hexadecimal digits."""
FAILED, SYNC = int(ExecStatus.FATAL_ERROR), int(ExecStatus.PIPELINE_SYNC)
IDLE, OFF = int(TransactionStatus.IDLE), int(PipelineStatus.OFF)
MOST_PREPARED = 256
"""Statements that a connection keeps prepared; the oldest goes first."""


class Prepared(NamedTuple):
    """A statement that the server has parsed, its parameters, what reads its rows."""

    name: bytes
    types: Sequence[int]
    parameters: Sequence[Parameter]
    loader: Loader


class Pipeline:
    """Carries out statements on one pooled connection.

    `seconds` is how long an answer may take; `prepares` says whether statements stay
    with the server. Raises Unanswered where a deadline passes, OperationalError where
    the connection is lost, and psycopg's exception for whatever the server refuses.
    """

    pooled: PoolProxiedConnection
    """What it has its connection from."""

    until: float
    """When the connection goes back, by the monotonic clock."""

    used_at = -inf
    """When it was free last."""

    def __init__(self, connection: Connection, seconds: float, prepares: bool) -> None:
        self._pgconn = connection.pgconn
        self._seconds = seconds
        self._prepares = prepares
        self._prepared: dict[PostgresQuery, Prepared] = {}
        self._names = count(1)
        self._readable, self._ready = select.poll(), select.poll()
        self._readable.register(self._pgconn.socket, select.POLLIN)
        self._ready.register(self._pgconn.socket, select.POLLIN | select.POLLOUT)

    @property
    def is_usable(self) -> bool:
        """Whether nothing is under way on the connection, and it is not lost."""
        pgconn = self._pgconn
        return pgconn.transaction_status == IDLE and pgconn.pipeline_status == OFF

    def close(self) -> None:
        """Close the connection."""
        self._pgconn.finish()

    def has_ended(self) -> bool:
        """Tell whether the server has ended the idle connection: it says no more."""
        return bool(self._readable.poll(0))

    def run(
        self, query: PostgresQuery, tenant: UUID | None, values: Mapping[str, Any]
    ) -> list[Row]:
        """Return the rows of a statement that is carried out for a tenant."""
        try:
            return self._run(query, tenant, values)
        except errors.FeatureNotSupported:  # 0A000: a table was altered
            self._deallocate(query)
        except errors.InvalidSqlStatementName:  # 26000: the server knows it no more
            self._prepared.clear()
        return self._run(query, tenant, values)  # nothing was done before

    def _run(
        self, query: PostgresQuery, tenant: UUID | None, values: Mapping[str, Any]
    ) -> list[Row]:
        known = self._prepared
        prepared = known.get(query) or self._prepare(query)
        given = arguments(prepared.parameters, values)  # may raise: nothing is sent yet
        if tenant is None:
            self._pgconn.enter_pipeline_mode()
        else:
            setting = known.get(SET_TENANT) or self._prepare(SET_TENANT)
            self._pgconn.enter_pipeline_mode()
            self._send(SET_TENANT, setting, [tenant.hex.encode()])
        self._send(query, prepared, given)
        result = self._exchange(1 if tenant is None else 2)[-1]
        loader = prepared.loader
        loader.set_pgresult(result, set_loaders=loader.pgresult is None)
        return query.read(loader.load_rows(0, result.ntuples, tuple))

    def _send(self, query: PostgresQuery, prepared: Prepared, given: list[Any]) -> None:
        if self._prepares:
            self._pgconn.send_query_prepared(
                prepared.name, given, query.formats, Format.BINARY
            )
        else:
            self._pgconn.send_query_params(
                query.sql, given, prepared.types, query.formats, Format.BINARY
            )

    def _prepare(self, query: PostgresQuery) -> Prepared:
        """Have the server parse a statement and say of what types its parameters are.

        Without a name, as poolers want it, only the types are kept.
        """
        if len(self._prepared) >= MOST_PREPARED:
            known = iter(self._prepared)
            self._deallocate(next(found for found in known if found is not SET_TENANT))
        name = b"myapp_%d" % next(self._names) if self._prepares else b""
        self._pgconn.enter_pipeline_mode()
        self._pgconn.send_prepare(name, query.sql)
        self._pgconn.send_describe_prepared(name)
        described = self._exchange(2)[-1]
        types = [described.param_type(index) for index in range(described.nparams)]
        parameters = query.parameters(types)
        prepared = Prepared(name, types, parameters, Transformer())
        self._prepared[query] = prepared
        return prepared

    def _deallocate(self, query: PostgresQuery) -> None:
        prepared = self._prepared.pop(query, None)
        if prepared and prepared.name:
            self._pgconn.enter_pipeline_mode()
            self._pgconn.send_query_params(b"DEALLOCATE " + prepared.name, None)
            self._exchange(1)

    def _exchange(self, sent: int) -> list[PGresult]:
        """Return the results of so many things sent, or raise what failed."""
        pgconn = self._pgconn
        pgconn.pipeline_sync()
        deadline = monotonic() + self._seconds
        while pgconn.flush():
            self._wait(self._ready, deadline)
        results: list[PGresult] = []
        for _ in range(2 * sent + 1):  # after each result comes None; the sync is last
            while pgconn.is_busy():
                self._wait(self._readable, deadline)
            result = pgconn.get_result()
            if result is not None:
                results.append(result)
        if not results or results.pop().status != SYNC:
            raise OperationalError("PostgreSQL has closed the connection")
        pgconn.exit_pipeline_mode()
        for result in results:
            if result.status == FAILED:
                raise errors.error_from_result(result)
        return results

    def _wait(self, socket: select.poll, deadline: float) -> None:
        """Take in what comes; raise Unanswered where nothing comes in time."""
        if not socket.poll(max(0, (deadline - monotonic()) * 1000)):
            raise Unanswered("PostgreSQL has not answered in time")
        self._pgconn.consume_input()
