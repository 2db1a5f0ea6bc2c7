"""Until when a key's principal is remembered: until PostgreSQL announces a change.

Time stands still but where a test lets it pass. A worker is an application on a
database of the test's own; whatever ends a key is done in another one, or past all.
"""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID

import flask_migrate
import psycopg
import pytest
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import ColumnClause
from sqlalchemy.sql import visitors

from devtools.faults import frozen
from myapp import access, change_feed
from myapp.api_keys import models as api_keys
from myapp.change_feed import CHANNEL, DECIDING, HOLDS, ChangeFeed
from tests.actors import Actor, sign_in, sign_up
from tests.databases import MIGRATIONS
from tests.stores import on_postgresql
from tests.tables import statements
from tests.waiting import until

pytestmark = on_postgresql

PATIENCE = 10  # seconds until a test gives up waiting
CUSTOMERS, USERS, KEYS = "/v1/sample_customers", "/v1/users", "/v1/api_keys"
LISTENER = """
FROM pg_stat_activity WHERE datname = current_database()
AND query LIKE '%pg_listening_channels%' AND pid <> pg_backend_pid()
"""
TERMINATE = f"SELECT pg_terminate_backend(pid) {LISTENER}"
LOGGED = "myapp.change_feed"
CLOCK: Any = change_feed
"""What has the clock that `pass_time` puts forward."""


class World(NamedTuple):
    """A worker with a caller of its own, another worker, and the database of both."""

    app: Flask
    elsewhere: Flask
    owner: Actor
    caller: Actor
    settings: dict[str, Any]
    pass_time: Callable[..., None]

    @property
    def feed(self) -> ChangeFeed:
        """The worker's feed."""
        feed = self.app.extensions["myapp"].feed
        assert isinstance(feed, ChangeFeed)
        return feed

    @property
    def key_url(self) -> str:
        """The URL of the caller's key."""
        return f"{KEYS}/{self.owner.get(KEYS).json['items'][0]['id']}"

    def beat(self) -> None:
        """Wait until PostgreSQL has answered a question that is asked from now on."""
        self.pass_time(seconds=0.01)
        wanted = CLOCK.monotonic() + HOLDS
        until(lambda: self.feed.period().until >= wanted)

    def call(self, url: str = CUSTOMERS) -> int:
        """Return the status that the worker answers its caller with."""
        status: int = self.caller.get(url).status_code
        return status

    def looks_up(self, url: str = CUSTOMERS) -> bool:
        """Call; tell whether the worker asks PostgreSQL who that is."""
        with statements(self.app) as executed:
            assert self.call(url) == 200
        return any("FROM api_keys JOIN accounts" in sql for sql in executed)

    def remember(self) -> None:
        """Let the worker remember its caller for as long as nothing changes."""
        self.beat()
        self.pass_time(seconds=1)
        self.call()
        self.pass_time(seconds=5)
        self.beat()
        assert not self.looks_up()

    @contextmanager
    def sql(self, url: str = "MIGRATION_DATABASE_URL") -> Iterator[Any]:
        """Connect past all that is tested, for the caller's account."""
        address = self.settings[url].replace("+psycopg", "")
        with psycopg.connect(address, autocommit=True) as connection:
            tenant = "SELECT set_config('app.account_id', %s, false)"
            connection.execute(tenant, [self.caller.account_id])
            yield connection

    def execute(self, statement: str) -> None:
        """Carry out a statement as the owner of the tables."""
        with self.sql() as connection:
            connection.execute(statement)

    @property
    def listener(self) -> int:
        """The process of PostgreSQL at the other end of the feed."""
        with self.sql("DATABASE_URL") as connection:
            [(process,)] = connection.execute(f"SELECT pid {LISTENER}").fetchall()
        return int(process)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask, and try again, after hundredths of a second."""
    monkeypatch.setattr(change_feed, "BEAT", 0.01)
    monkeypatch.setattr(change_feed, "PAUSES", (0.01, 0.02))


@pytest.fixture
def settings_of_own(databases) -> dict[str, Any]:
    """The settings of a database of the test's own."""
    return dict(databases.clone())


@pytest.fixture
def start(start_app, settings_of_own, pass_time, quick) -> Callable[..., World]:
    """Start two workers on that database; the settings given are of the first."""

    def start_world(**own: Any) -> World:
        app = start_app(**settings_of_own, **own)
        # It has no feed, so whoever listens is the first.
        elsewhere = start_app(**settings_of_own, PREPARED_STATEMENTS=False)
        owner = sign_up(elsewhere.test_client(), "acme")
        key = owner.with_key("admin", ["*"]).key
        caller = Actor(app.test_client(), owner.account_id, key)
        return World(app, elsewhere, owner, caller, settings_of_own, pass_time)

    return start_world


@pytest.fixture
def world(start: Callable[..., World]) -> World:
    """Two workers as shipped."""
    return start()


def listeners() -> set[threading.Thread]:
    """Return the threads that listen, of whichever application."""
    return {found for found in threading.enumerate() if found.name == "change feed"}


# --- while nothing changes


def test_key_is_looked_up_once_while_nothing_changes(world):
    world.remember()
    for _ in range(4):
        world.pass_time(seconds=5)
        world.beat()
        assert not world.looks_up()


def test_key_is_looked_up_again_after_a_while_so_that_its_use_is_noted(world):
    world.remember()
    world.pass_time(minutes=1)
    world.beat()
    assert world.looks_up()


def test_session_is_looked_up_every_second_since_it_ends_by_itself(world):
    user = sign_in(world.owner, "owner@example.com")
    user = Actor(world.app.test_client(), user.account_id, user.key)
    world.remember()
    user.get(CUSTOMERS)
    world.pass_time(seconds=1)
    world.beat()
    with statements(world.app) as executed:
        assert user.get(CUSTOMERS).status_code == 200
    assert any("FROM sessions" in sql for sql in executed)


def test_what_decides_nothing_is_not_announced(world):
    other = world.owner.with_key("viewer", ["*"])
    world.remember()
    period = world.feed.period()
    world.owner.get(CUSTOMERS)
    assert Actor(world.owner.client, "", other.key).get(CUSTOMERS).status_code == 200
    assert world.owner.delete(f"{KEYS}/{UUID(int=1)}").status_code == 404
    world.execute("UPDATE api_keys SET last_used_at = NULL, name = 'new'")
    world.execute("UPDATE accounts SET name = 'new'")
    world.execute("DELETE FROM api_keys WHERE name = 'nobody'")
    world.beat()
    assert world.feed.period() is period
    assert not world.looks_up()


# --- changes


def delete(world: World) -> None:
    world.owner.delete(world.key_url)


def demote(world: World) -> None:
    world.owner.merge(world.key_url, {"role": "member"})


def narrow(world: World) -> None:
    world.owner.merge(world.key_url, {"scopes": ["sample_customers:write"]})


def close(world: World) -> None:
    world.owner.delete(f"/v1/accounts/{world.owner.account_id}")


def statement(sql: str) -> Callable[[World], None]:
    return lambda world: world.execute(sql)


CHANGES = [
    pytest.param(delete, USERS, 401, id="deleted"),
    pytest.param(demote, USERS, 403, id="demoted"),
    pytest.param(narrow, USERS, 403, id="narrowed"),
    pytest.param(close, USERS, 401, id="account-closed"),
    *(
        pytest.param(statement(sql), USERS, status, id=sql.replace(" ", "-"))
        for sql, status in (
            ("DELETE FROM api_keys", 401),
            ("UPDATE api_keys SET role = 'member'", 403),
            ("UPDATE api_keys SET scopes = '[]'", 403),
            ("UPDATE api_keys SET key_sha256 = id", 401),
            ("UPDATE accounts SET closed_at = now()", 401),
            ("DELETE FROM accounts", 401),  # its keys go with it
            ("TRUNCATE accounts CASCADE", 401),
            ("TRUNCATE api_keys", 401),
        )
    ),
]


@pytest.mark.parametrize(("change", "url", "status"), CHANGES)
def test_change_holds_within_a_second_for_a_key_that_is_remembered(
    world, change, url, status
):
    world.remember()
    assert world.call(url) == 200
    change(world)
    world.pass_time(seconds=1)
    world.beat()
    assert world.call(url) == status


def test_change_in_a_transaction_holds_from_its_commit_on(world):
    world.remember()
    with world.sql() as connection:
        with connection.transaction():
            connection.execute("DELETE FROM api_keys")
            world.beat()
            assert world.call() == 200
        world.pass_time(seconds=1)
        world.beat()
        assert world.call() == 401


def test_change_while_a_key_is_looked_up_ends_what_was_found(world, monkeypatch):
    def find_late(key: str) -> access.Principal | None:
        principal = api_keys.principal_of(key)
        world.execute("DELETE FROM api_keys")
        world.beat()  # the change is known before what was found is remembered
        return principal

    world.beat()
    with monkeypatch.context() as patch:
        patch.setattr(access, "authenticators", [find_late])
        assert world.call() == 200
    world.pass_time(seconds=1)
    world.beat()
    assert world.call() == 401


def test_every_column_that_decides_is_announced(world):
    read = {
        (str(found.table), found.name)
        for found in visitors.iterate(api_keys._FIND.core)
        if isinstance(found, ColumnClause) and found.table is not None
    }
    announced = """
        SELECT tgrelid::regclass::text, attname FROM pg_trigger, pg_attribute
        WHERE tgname = %s AND attrelid = tgrelid AND attnum = ANY (tgattr)
    """
    with world.sql() as connection:
        found = {*connection.execute(announced, [CHANNEL])}
    assert read - found == {("api_keys", "last_used_at")}
    assert {table for table, _ in read} == set(DECIDING)


# --- when PostgreSQL does not answer


def test_lost_connection_ends_what_was_remembered_within_a_second(world, monkeypatch):
    world.remember()
    monkeypatch.setattr(change_feed, "PAUSES", (3600, 3600))
    with world.sql("DATABASE_URL") as connection:
        connection.execute(TERMINATE)
    delete(world)
    world.pass_time(seconds=1)
    assert world.call() == 401


def test_change_that_nobody_heard_ends_what_was_remembered(world, caplog):
    caplog.set_level(logging.INFO, LOGGED)
    world.remember()
    period = world.feed.period()
    with (
        world.sql() as connection,
        world.sql("DATABASE_URL") as other,
        closed_to_others(connection),
    ):
        other.execute(TERMINATE)
        until(lambda: "interrupted" in caplog.text)
        connection.execute("DELETE FROM api_keys")
    world.beat()
    assert world.feed.period() is not period
    assert world.call() == 401
    lines = [record for record in caplog.records if record.name == LOGGED]
    assert ["interrupted" in line.message for line in lines] == [True, False]


@contextmanager
def closed_to_others(connection: Any) -> Iterator[None]:
    """Let nobody connect anew inside the block."""
    name = connection.info.dbname
    connection.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 0")
    yield
    connection.execute(f"ALTER DATABASE {name} CONNECTION LIMIT -1")


@pytest.mark.skipif("TEST_DATABASE_URL" in os.environ, reason="not our own server")
def test_hung_server_ends_what_was_remembered_within_a_second(world):
    world.remember()
    with frozen(world.listener):
        delete(world)
        world.pass_time(seconds=1)
        assert world.call() == 401
    world.beat()
    assert world.call() == 401


@pytest.mark.skipif("TEST_DATABASE_URL" in os.environ, reason="not our own server")
def test_server_that_hangs_for_long_is_left(start, caplog):
    world = start(SQL_TIMEOUT=0.1)
    world.remember()
    with frozen(world.listener):
        world.beat()
        assert world.call() == 200
        assert "not answered in time" in caplog.text


@pytest.mark.parametrize("table", DECIDING)
@pytest.mark.parametrize("without", ["DISABLE TRIGGER", "ENABLE TRIGGER", ""])
def test_table_that_announces_nothing_is_looked_at_every_second(
    world, caplog, table, without
):
    world.remember()
    drop = f"DROP TRIGGER {CHANNEL} ON {table}"
    world.execute(f"ALTER TABLE {table} {without} {CHANNEL}" if without else drop)
    until(lambda: "nothing is announced" in caplog.text)
    world.pass_time(seconds=1)
    assert world.looks_up()
    world.execute("DELETE FROM api_keys")
    world.pass_time(seconds=1)
    assert world.call() == 401


def test_database_before_the_migration_is_asked_every_second(world, caplog):
    world.remember()
    announcing = ScriptDirectory(str(MIGRATIONS)).get_revision("0006")
    before = announcing.down_revision
    with world.app.app_context():
        flask_migrate.downgrade(directory=str(MIGRATIONS), revision=before)
    until(lambda: "nothing is announced" in caplog.text)
    world.pass_time(seconds=1)
    assert world.looks_up()
    with world.app.app_context():
        flask_migrate.upgrade(directory=str(MIGRATIONS))
    world.remember()


# --- behind a pooler


def test_connection_of_a_pooler_is_not_listened_on(world, monkeypatch, caplog):
    ask = change_feed._ask

    def ask_through_a_pooler(connection: Any) -> bool:
        if (
            threading.current_thread() is world.feed._thread
        ):  # and no other application's
            elsewhere = SimpleNamespace(backend_pid=0)
            connection = SimpleNamespace(execute=connection.execute, info=elsewhere)
        return ask(connection)

    monkeypatch.setattr(change_feed, "_ask", ask_through_a_pooler)
    before = listeners()
    world.call()
    until(lambda: "off: a pooler" in caplog.text)
    until(lambda: listeners() <= before)
    for _ in range(3):
        world.pass_time(seconds=1)
        assert world.looks_up()
    assert listeners() <= before
    assert caplog.text.count("The change feed is off") == 1
    delete(world)
    world.pass_time(seconds=1)
    assert world.call() == 401


def test_without_prepared_statements_nobody_listens(start):
    world = start(PREPARED_STATEMENTS=False)
    before = listeners()
    assert world.app.extensions["myapp"].feed is None
    for _ in range(3):
        assert world.looks_up()
        world.pass_time(seconds=1)
    assert listeners() <= before


# --- its thread


def test_thread_starts_with_the_first_look_up_and_ends_with_the_engine(world):
    before = listeners()
    world.app.test_client().get("/health/live")
    assert listeners() == before
    world.call()
    world.beat()
    [thread] = listeners() - before
    process = world.listener
    world.app.extensions["myapp"].engine.dispose()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    lives = "SELECT FROM pg_stat_activity WHERE pid = %s"
    with world.sql() as connection:
        until(lambda: not connection.execute(lives, [process]).fetchall())


FORKS = """
import os, time
from myapp import create_app
from tests.samples import FEATURES

app = create_app({settings!r}, FEATURES)
feed = app.extensions["myapp"].feed

def call():
    answer = app.test_client().get("/v1/sample_customers", headers={headers!r})
    assert answer.status_code == 200, answer.json

def listen():
    feed.period().until = 0.0
    while feed.period().until < time.monotonic():
        time.sleep(0.01)

if {late!r}:
    call()
    listen()
child = os.fork()
if not {late!r}:
    call()
listen()
if child:
    assert os.waitpid(child, 0)[1] == 0
    listen()  # the child has not ended our connection with itself
"""


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_forked_process_listens_by_itself_and_ends_in_silence(world, settings, late):
    own = {**settings, **world.settings}
    script = FORKS.format(settings=own, headers=world.caller.headers, late=late)
    options = ["-W", "error", "-W", "ignore::DeprecationWarning", "-c", script]
    done = subprocess.run(
        [sys.executable, *options],
        capture_output=True,
        text=True,
        timeout=6 * PATIENCE,
        env=os.environ | {"MYAPP_CONFIG": "development"},
        cwd=MIGRATIONS.parent,
    )
    lines = [line for line in done.stderr.splitlines() if line[:1] != "{"]
    assert (done.returncode, lines) == (0, [])
