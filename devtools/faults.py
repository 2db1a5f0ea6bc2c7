"""What befalls the stores of a service, for as long as a block lasts.

For tests and measurements that live through it, on servers of their own.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import sleep
from typing import Any, NamedTuple

import psycopg
from redis import Redis

from devtools.postgres_server import PostgresServer
from devtools.redis_server import RedisServer


@contextmanager
def frozen(*processes: int) -> Iterator[None]:
    """Let processes stand still for a block, those that are still there."""
    _send(signal.SIGSTOP, processes)
    try:
        yield
    finally:
        _send(signal.SIGCONT, processes)


def _send(number: signal.Signals, processes: tuple[int, ...]) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, number)


class Stores(NamedTuple):
    """The servers of one service, and a superuser's connection that stays open."""

    postgres: PostgresServer
    redis: RedisServer
    role: str
    """As whom the service connects to PostgreSQL."""

    @property
    def redis_client(self) -> Redis:
        return Redis(unix_socket_path=str(self.redis.socket))

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Send statements as the superuser; return the rows of the last."""
        url = self.postgres.url.replace("+psycopg", "")
        with psycopg.connect(url, autocommit=True) as connection:
            *before, last = statements
            for statement in before:
                connection.execute(statement.encode())
            cursor = connection.execute(last.encode())
            return cursor.fetchall() if cursor.description else []

    def processes(self) -> tuple[int, ...]:
        """Return the processes of PostgreSQL, the one that starts others first."""
        found = self.sql(
            "SELECT pid FROM pg_stat_activity WHERE pid != pg_backend_pid()"
        )
        return (self.postgres.pid, *(pid for (pid,) in found))


Fault = Callable[[Stores], Any]
"""A context manager: the fault begins, lasts as long as the block, and ends."""


@contextmanager
def restarted(stores: Stores) -> Iterator[None]:
    stores.postgres.halt()
    yield
    stores.postgres.launch()


@contextmanager
def killed(stores: Stores) -> Iterator[None]:
    _send(signal.SIGKILL, stores.processes())
    stores.postgres.halt()
    yield
    _until_it_works(stores.postgres.launch)


@contextmanager
def stopped(stores: Stores) -> Iterator[None]:
    with frozen(*stores.processes()):
        yield


@contextmanager
def read_only(stores: Stores) -> Iterator[None]:
    _set_read_only(stores, "on")
    yield
    _set_read_only(stores, "off")


def _set_read_only(stores: Stores, value: str) -> None:
    stores.sql(
        "SET default_transaction_read_only = off",
        f"ALTER SYSTEM SET default_transaction_read_only = {value}",
        "SELECT pg_reload_conf()",
    )


@contextmanager
def out_of_connections(stores: Stores) -> Iterator[None]:
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename ="
    stores.sql(
        f"ALTER ROLE {stores.role} CONNECTION LIMIT 0", f"{ended} '{stores.role}'"
    )
    yield
    stores.sql(f"ALTER ROLE {stores.role} CONNECTION LIMIT -1")


@contextmanager
def refused(stores: Stores) -> Iterator[None]:
    stores.redis.stop()
    yield
    stores.redis.start()


@contextmanager
def hung(stores: Stores) -> Iterator[None]:
    with frozen(stores.redis_client.info("server")["process_id"]):
        yield


@contextmanager
def flushed(stores: Stores) -> Iterator[None]:
    stores.redis_client.flushall()
    yield


@contextmanager
def full(stores: Stores) -> Iterator[None]:
    stores.redis_client.config_set("maxmemory", 1)
    yield
    stores.redis_client.config_set("maxmemory", 0)


def _until_it_works(call: Callable[[], None]) -> None:
    """Make a call again while it fails: what was killed is not gone at once."""
    for _ in range(5):
        try:
            return call()
        except RuntimeError:
            sleep(0.2)
    call()
