"""Connections to PostgreSQL that wait for nothing without end.

The server ends a statement that takes too long; a server that hangs, or whose machine
is gone, ends nothing. So whoever waits has a deadline of its own, a little later.
`pipeline.py` has one, and for all that SQLAlchemy sends it is here.
"""

import select
from collections.abc import Mapping
from math import inf
from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from sqlalchemy import Engine, ExceptionContext, event
from sqlalchemy.exc import InvalidatePoolError

from myapp.breaker import Breaker

MERCY = 0.5
"""Seconds that the server's own limit has before ours: its refusal costs less."""
CONNECT = 2
"""Seconds until one host has let us in; libpq takes no less."""
PAUSE, PATIENCE = 1.0, 0.25
"""Seconds that no connection is asked for after one that did not come about, and that
others wait for the one that is."""
KEEPALIVE = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
"""Seconds, seconds, and a number: how a host is missed that went without a word."""

Value = TypeVar("Value")


class Unanswered(psycopg.OperationalError):
    """PostgreSQL has not answered in time."""


def deadline(settings: Mapping[str, Any]) -> float:
    """Return how many seconds an answer may take, seen from here."""
    seconds: float = settings["SQL_TIMEOUT"]
    return seconds + MERCY


class BoundedConnection(psycopg.Connection[Any]):
    """A connection on which each wait ends; it closes where one took too long."""

    seconds: float | None = None

    def wait(
        self, gen: PQGen[Value], interval: float = 0.1, timeout: float | None = None
    ) -> Value:
        """Wait for what is under way; raise Unanswered where that takes too long."""
        try:
            return super().wait(
                gen, interval, self.seconds if timeout is None else timeout
            )
        except psycopg.OperationalError as error:
            if self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            self.close()  # nobody knows what is still to come on it
            raise Unanswered("PostgreSQL has not answered in time") from error


def _connection(*args: Any, **parameters: Any) -> BoundedConnection:
    """Connect; raise ConnectionTimeout where any host was waited for in vain."""
    started = monotonic()
    try:
        return BoundedConnection.connect(*args, **parameters)
    except psycopg.OperationalError as error:
        if monotonic() - started < CONNECT:
            raise
        raise psycopg.errors.ConnectionTimeout(str(error)) from error


class Connector:
    """Makes an engine's connections: bounded, and few where they are made in vain.

    Those that are older than the last doubt are not used any more.
    """

    doubted_at = -inf
    """When the server last did not answer, by the monotonic clock."""

    def __init__(self, engine: Engine, settings: Mapping[str, Any]) -> None:
        self._seconds = deadline(settings)
        late = psycopg.errors.ConnectionTimeout
        self._breaker = Breaker(
            "PostgreSQL", (late,), psycopg.OperationalError, 1, PAUSE, PATIENCE
        )
        event.listen(engine, "do_connect", self._connect)
        event.listen(engine, "connect", self._set_up)
        event.listen(engine, "checkout", self._refuse)
        event.listen(engine, "handle_error", self._look_at)

    def doubt(self) -> None:
        """Let one new connection show that the server is there, before others do.

        Those that are there would be waited for in vain, one after the other.
        """
        self.doubted_at = monotonic()
        self._breaker.doubt()

    def _connect(
        self, _dialect: Any, _record: Any, args: list[Any], parameters: dict[str, Any]
    ) -> BoundedConnection:
        connection = self._breaker.call(_connection, *args, **parameters)
        connection.seconds = self._seconds
        return connection

    @staticmethod
    def _set_up(connection: Any, record: Any) -> None:
        record.info["since"] = monotonic()
        record.info["readable"] = readable = select.poll()
        readable.register(connection.fileno(), select.POLLIN)

    def _refuse(self, _connection: Any, record: Any, _: Any) -> None:
        # While it is idle a server says nothing but that it ends. To look costs 0.4 µs;
        # a round trip, as SQLAlchemy's pre_ping, 45 µs.
        info = record.info
        if info["since"] < self.doubted_at or info["readable"].poll(0):
            raise InvalidatePoolError()

    def _look_at(self, context: ExceptionContext) -> None:
        error = context.original_exception
        if isinstance(error, Unanswered):
            self.doubt()
        elif isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
            context.is_disconnect = True  # another host of the list may take writes
