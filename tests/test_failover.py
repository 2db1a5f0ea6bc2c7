"""A store of several machines: who takes over is found, and nothing is restarted."""

import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import uuid4

import psycopg
import pytest
from redis import Redis, RedisError
from sqlalchemy import func, select, text

from devtools.postgres_server import PostgresServer
from devtools.redis_server import program
from myapp import db, postgres_connection
from myapp.errors import Unavailable
from myapp.statement import Statement
from tests.silent_server import silent_server
from tests.stores import CHECKOUTS, on_sqlite
from tests.waiting import until

ANSWERED_BY = Statement(select(func.current_setting("unix_socket_directories")))
NEXT_VALUE = Statement(select(func.nextval("numbers")))  # a write
TENANT = uuid4()


# --- PostgreSQL: a list of hosts


class Pair(NamedTuple):
    """Two servers, of which one takes writes."""

    first: PostgresServer
    second: PostgresServer

    @property
    def url(self) -> str:
        """The URL that names both."""
        hosts = [f"host={quote(str(server.directory))}" for server in self]
        return f"postgresql://postgres@/postgres?{'&'.join(hosts)}"


def send(server: PostgresServer, *statements: str) -> None:
    """Send statements to one of the servers."""
    url = server.url.replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def demote(server: PostgresServer) -> None:
    """Let a server refuse writes, as a standby does."""
    send(
        server,
        "ALTER SYSTEM SET default_transaction_read_only = on",
        "SELECT pg_reload_conf()",
    )


def promote(server: PostgresServer) -> None:
    """Let a server take writes."""
    send(
        server,
        "SET default_transaction_read_only = off",
        "ALTER SYSTEM SET default_transaction_read_only = off",
        "SELECT pg_reload_conf()",
    )


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two servers that know nothing of each other."""
    with ExitStack() as started:
        folders = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
        pair = [started.enter_context(PostgresServer(folder)) for folder in folders]
        for server in pair:
            send(server, "CREATE SEQUENCE numbers")
        yield Pair(*pair)


@pytest.fixture
def pair(servers: Pair) -> Iterator[Pair]:
    """The two: the first takes writes, the second is its standby."""
    promote(servers.first)
    demote(servers.second)
    yield servers
    servers.first.halt()
    servers.first.launch()


@pytest.fixture
def work(start_app: Callable[..., Any], pair: Pair) -> Iterator[None]:
    """Work on an application that knows both."""
    with db.use(start_app(DATABASE_URL=pair.url).extensions["myapp"]):
        yield


def who_answers() -> str:
    """Return the folder of the server that a repository's statement comes to."""
    found: str = ANSWERED_BY.one(TENANT, {})[0]
    return found


def write() -> None:
    """Write in a transaction."""
    with db.transaction(TENANT) as connection:
        connection.execute(text("SELECT nextval('numbers')"))


WRITES = pytest.mark.parametrize(
    "write",
    [lambda: NEXT_VALUE.one(TENANT, {}), write],
    ids=["pipeline", "transaction"],
)


@on_sqlite  # the application's own database is not asked here
@pytest.mark.slow
@pytest.mark.usefixtures("work")
@WRITES
def test_standby_that_is_promoted_is_found(pair, engine, write):
    write()
    assert who_answers() == str(pair.first.directory)
    pair.first.halt()
    with pytest.raises(Unavailable):
        write()
    promote(pair.second)
    write()
    assert who_answers() == str(pair.second.directory)


@on_sqlite
@pytest.mark.slow
@pytest.mark.usefixtures("work")
@WRITES
def test_server_that_takes_no_more_writes_is_left(pair, engine, write):
    write()
    demote(pair.first)
    promote(pair.second)
    with pytest.raises(Unavailable):
        write()
    write()
    assert who_answers() == str(pair.second.directory)


@on_sqlite
@pytest.mark.slow
def test_host_that_hangs_is_waited_for_once(start_app, engine, monkeypatch):
    monkeypatch.setattr(postgres_connection, "PAUSE", 60)
    with silent_server() as silent:
        hosts = f"127.0.0.1:{silent.port},127.0.0.1:1"  # the other refuses
        app = start_app(DATABASE_URL=f"postgresql://me@{hosts}/my")
        for _ in range(5):
            asked = app.test_client().get("/health/ready")
            assert asked.status_code == 503
        assert silent.visits() == 1


# --- Redis: Sentinels


class Redises:
    """A master, its replica, and a Sentinel who watches them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.master, self.replica, self.sentinel = free_ports(3)
        self._processes = [
            self._start("master", self.master, ""),
            self._start("replica", self.replica, f"replicaof 127.0.0.1 {self.master}"),
        ]
        watched = f"sentinel monitor mymaster 127.0.0.1 {self.master} 1"
        haste = "sentinel down-after-milliseconds mymaster 300"
        sentinel = f"{watched}\n{haste}\n"
        self._processes.append(
            self._start("sentinel", self.sentinel, sentinel, "--sentinel")
        )

    @property
    def url(self) -> str:
        """The URL of the Sentinel, after one who is away."""
        return f"redis+sentinel://127.0.0.1:1,127.0.0.1:{self.sentinel}/mymaster/0"

    def _start(
        self, name: str, port: int, configured: str, *options: str
    ) -> subprocess.Popen[bytes]:
        configuration = self._folder / f"{name}.conf"
        configuration.write_text(f'port {port}\nsave ""\n{configured}\n')
        return subprocess.Popen(
            [program(), configuration, *options],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
        )

    def wait(self) -> None:
        """Wait until the Sentinel knows both, and the replica has all."""
        until(lambda: at(self.replica).info()["master_link_status"] == "up", RedisError)
        sentinel = at(self.sentinel)
        known = partial(sentinel.sentinel_master, "mymaster")
        until(lambda: known()["num-slaves"] == 1, RedisError)

    def kill_master(self) -> None:
        """End the master without a word."""
        self._processes[0].kill()
        self._processes[0].wait()

    def end(self) -> None:
        """End all."""
        for process in self._processes:
            process.kill()
            process.wait()


def free_ports(number: int) -> list[int]:
    """Return ports of this machine that nobody listens on."""
    with ExitStack() as open_ones:
        made = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
        return [open_ones.enter_context(each).getsockname()[1] for each in made]


def at(port: int) -> Any:
    """Return a client of the server at a port."""
    return Redis(port=port, decode_responses=True)


@pytest.fixture
def redises(tmp_path: Path) -> Iterator[Redises]:
    started = Redises(tmp_path)
    try:
        started.wait()
        yield started
    finally:
        started.end()


@on_sqlite
@pytest.mark.slow
def test_replica_that_the_sentinels_choose_is_found(start_app, engine, tenant, redises):
    with db.use(start_app(REDIS_URL=redises.url).extensions["myapp"]):
        session = CHECKOUTS.create(tenant)
        assert at(redises.master).wait(1, 1000) == 1  # the replica has it, too
        redises.kill_master()
        with pytest.raises(RedisError):
            CHECKOUTS.create(tenant)

        until(lambda: bool(CHECKOUTS.create(tenant)), RedisError)
        kept = CHECKOUTS.repository.retrieve(tenant, session)
        assert CHECKOUTS.id(kept) == session
