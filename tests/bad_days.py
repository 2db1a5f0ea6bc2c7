"""What befalls the stores of a service, and what those who call it see meanwhile.

Each fault is begun, lasts a while, and ends; all the time every probe calls again and
again. What they saw is the table of docs/bad-days.md.
"""

import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from threading import Event
from time import monotonic, sleep
from typing import Any, NamedTuple

import psycopg
import pytest
from redis import Redis

from devtools.postgres_server import PostgresServer
from devtools.redis_server import RedisServer
from tests.uwsgi_server import Answer, UwsgiServer

PAGE = Path(__file__).parents[1] / "docs" / "bad-days.md"
COMMAND = "./run test tests/test_bad_days.py --all --write-table"
BETWEEN = 0.05
"""Seconds between two calls of a probe."""
IN_A_ROW = 20
"""Successes that say that all is well: more than one worker has answered."""
RECOVERS_WITHIN = 30
"""Seconds after which a test gives up; how long it takes is in the table."""


# --- the faults


class Stores(NamedTuple):
    """The servers of one service, and a superuser's connection that stays open."""

    postgres: PostgresServer
    redis: RedisServer
    role: str
    """As whom the service connects to PostgreSQL."""
    settings: Mapping[str, str]
    """The URLs of its database."""

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

    def processes(self) -> list[int]:
        """Return the processes of PostgreSQL, the one that starts others first."""
        found = self.sql(
            "SELECT pid FROM pg_stat_activity WHERE pid != pg_backend_pid()"
        )
        return [self.postgres.pid, *(pid for (pid,) in found)]


Fault = Callable[[Stores], Any]
"""A context manager: the fault begins, lasts as long as the block, and ends."""


@contextmanager
def restarted(stores: Stores) -> Iterator[None]:
    stores.postgres.halt()
    yield
    stores.postgres.launch()


@contextmanager
def killed(stores: Stores) -> Iterator[None]:
    for process in stores.processes():
        send(process, signal.SIGKILL)
    stores.postgres.halt()
    yield
    until_it_works(stores.postgres.launch)


@contextmanager
def stopped(stores: Stores) -> Iterator[None]:
    processes = stores.processes()
    for process in processes:
        send(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            send(process, signal.SIGCONT)


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
    [process] = [stores.redis_client.info("server")["process_id"]]
    send(process, signal.SIGSTOP)
    try:
        yield
    finally:
        send(process, signal.SIGCONT)


@contextmanager
def flushed(stores: Stores) -> Iterator[None]:
    stores.redis_client.flushall()
    yield


@contextmanager
def full(stores: Stores) -> Iterator[None]:
    stores.redis_client.config_set("maxmemory", 1)
    yield
    stores.redis_client.config_set("maxmemory", 0)


def send(process: int, number: signal.Signals) -> None:
    """Send a signal to a process, if it is still there."""
    try:
        os.kill(process, number)
    except ProcessLookupError:
        pass


def until_it_works(call: Callable[[], None]) -> None:
    """Make a call again while it fails: what was killed is not gone at once."""
    for _ in range(5):
        try:
            return call()
        except RuntimeError:
            sleep(0.2)
    call()


# --- the probes


class Call(NamedTuple):
    """A request, and the status of its success."""

    method: str
    url: str
    succeeds: int = 200
    headers: Mapping[str, str] = {}
    body: bytes | None = None

    def send(self, server: UwsgiServer) -> Answer:
        """Send it."""
        return server.ask(self.method, self.url, self.headers, self.body)


class Seen(NamedTuple):
    """One answer, and when, by the monotonic clock."""

    answer: Answer
    asked_at: float
    answered_at: float

    @property
    def seconds(self) -> float:
        """How long the answer took."""
        return self.answered_at - self.asked_at


class Report(NamedTuple):
    """What one probe saw of a fault, and after it until all was well."""

    during: list[Seen]
    after: list[Seen]
    recovery: float
    """Seconds from the end of the fault to the first of many successes in a row."""

    @property
    def statuses(self) -> list[int]:
        """The statuses seen while it lasted."""
        return sorted({seen.answer.status for seen in self.during})

    @property
    def times(self) -> tuple[float, float]:
        """Seconds that an answer took while it lasted: the median, and the most."""
        taken = [seen.seconds for seen in self.during]
        return median(taken), max(taken)


def watch(
    server: UwsgiServer, call: Call, over: Event, ended_at: list[float]
) -> Report:
    """Call again and again, until the fault is over and many calls succeed in a row."""
    during: list[Seen] = []
    after: list[Seen] = []
    well: list[Seen] = []
    while len(well) < IN_A_ROW:
        asked_at = monotonic()
        seen = Seen(call.send(server), asked_at, monotonic())
        if over.is_set() and asked_at > ended_at[0]:
            after.append(seen)
            succeeded = seen.answer.status == call.succeeds
            well = [*well, seen] if succeeded else []
            assert asked_at < ended_at[0] + RECOVERS_WITHIN, f"{call.url}: {seen}"
        else:
            during.append(seen)
        sleep(BETWEEN)
    return Report(during, after, well[0].answered_at - ended_at[0])


def live_through(
    server: UwsgiServer,
    calls: Mapping[str, Call],
    fault: Fault,
    stores: Stores,
    seconds: float,
) -> dict[str, Report]:
    """Let a fault last so long; return what each probe saw until all was well."""
    over, ended_at = Event(), [0.0]
    with ThreadPoolExecutor(len(calls)) as pool:
        with fault(stores):
            watches = {
                name: pool.submit(watch, server, call, over, ended_at)
                for name, call in calls.items()
            }
            sleep(seconds)
        ended_at[0] = monotonic()
        over.set()
    return {name: watched.result() for name, watched in watches.items()}


# --- the table


def row(name: str, reports: Mapping[str, Report]) -> str:
    """Return one line: what each probe saw, and how long until all was well."""
    cells = []
    for found in reports.values():
        usual, most = (f"{seconds * 1000:.0f}" for seconds in found.times)
        cells.append(f"{' '.join(map(str, found.statuses))} · {usual} · {most}")
    recovery = max(found.recovery for found in reports.values())
    return f"| {' | '.join([name, *cells, f'{recovery:.1f} s'])} |\n"


def write(rows: Mapping[str, str], probes: list[str]) -> None:
    """Write the table between the marks of the page."""
    head = ["fault", *probes, "all well again after"]
    table = f"| {' | '.join(head)} |\n|{'---|' * len(head)}\n{''.join(rows.values())}"
    marked = re.compile(
        rf"(<!-- {re.escape(COMMAND)} -->\n).*?(<!-- end -->)", re.DOTALL
    )
    text, written = marked.subn(rf"\g<1>\n{table}\n\g<2>", PAGE.read_text())
    if not written:
        pytest.fail(f"{PAGE} has no place for the table: <!-- {COMMAND} -->")
    PAGE.write_text(text)
