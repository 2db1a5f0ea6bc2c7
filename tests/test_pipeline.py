"""How statements travel to PostgreSQL, and what becomes of a connection in trouble.

What they answer is in `test_statement.py`. Most tests look at an application with one
connection, so that they know which one was used.
"""

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from threading import Barrier, Event, Thread
from timeit import repeat
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from flask import Flask
from psycopg.errors import FeatureNotSupported
from psycopg.pq import ExecStatus, Trace
from sqlalchemy import (
    JSON,
    Integer,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    text,
)

from devtools.faults import frozen
from myapp import db, pipeline
from myapp.errors import Conflict, Unavailable
from myapp.statement import Statement
from tests.actors import OWNER, PASSWORD, Actor, sign_up
from tests.sample_customers import Customer, customers
from tests.stores import CUSTOMERS, on_postgresql
from tests.tables import rows_of
from tests.waiting import until

pytestmark = on_postgresql

THREADS = 8
SLEEP = Statement(select(func.pg_sleep(bindparam("seconds"))))
PROCESS = Statement(select(func.pg_backend_pid()))
SLOW_PROCESS = Statement(select(func.pg_backend_pid(), func.pg_sleep(0.1)))
PREPARED = "SELECT statement FROM pg_prepared_statements ORDER BY prepare_time"


class Link:
    """The one connection of an application, looked at past all that is tested."""

    def __init__(self, app: Flask) -> None:
        self._engine = app.extensions["myapp"].engine

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        with closing(self._engine.raw_connection()) as pooled:
            yield pooled.driver_connection.pgconn

    def ask(self, sql: str) -> list[str | None]:
        """Send SQL; return the first column of what it answers, as text."""
        with self._connection() as connection:
            result = connection.exec_(sql.encode())
        fine = result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)
        assert fine, result.error_message
        values = [result.get_value(row, 0) for row in range(result.ntuples)]
        return [value if value is None else value.decode() for value in values]

    @property
    def process(self) -> int:
        """The server's process at its other end."""
        [found] = self.ask("SELECT pg_backend_pid()")
        return int(found or "")

    @contextmanager
    def traced(self, file: Path) -> Iterator[None]:
        """Write down each message that passes inside the block (libpq's PQtrace)."""
        with file.open("wb") as opened:
            with self._connection() as connection:
                connection.trace(opened.fileno())
                connection.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)
            yield
            with self._connection() as connection:
                connection.untrace()


@pytest.fixture
def single(start_app: Callable[..., Flask]) -> Flask:
    """An application with one connection, on the stores that all share."""
    return start_app(SQL_CONNECTIONS=1)


@pytest.fixture
def link(single: Flask) -> Link:
    """That one connection."""
    return Link(single)


@pytest.fixture
def work(single: Flask) -> Iterator[None]:
    """Work on the one connection."""
    with db.use(single.extensions["myapp"]):
        yield


@pytest.fixture
def caller(single: Flask, acme: Actor) -> Actor:
    """Acme, who calls the application with one connection."""
    return calling(single, acme)


def calling(app: Flask, actor: Actor) -> Actor:
    """Return an actor who calls an application on the same stores."""
    return Actor(app.test_client(), actor.account_id, actor.key)


def observed(app: Flask, sql: str, **values: Any) -> Any:
    """Ask over a connection of another application; return the one value."""
    with app.extensions["myapp"].engine.connect() as connection:
        return connection.scalar(text(sql), values)


def number_of(app: Flask, waiting_for: str) -> int:
    """Return how many connections wait in the database for one thing."""
    found: int = observed(
        app,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND :event IN (wait_event, wait_event_type) AND state = 'active'",
        event=waiting_for,
    )
    return found


@contextmanager
def locked(app: Flask) -> Iterator[None]:
    """Keep everyone from the customers inside the block."""
    with app.extensions["myapp"].engine.begin() as connection:
        connection.execute(text("LOCK TABLE sample_customers IN ACCESS EXCLUSIVE MODE"))
        yield


def terminate(app: Flask, process: int) -> None:
    """End a process of the server, and wait for its end."""
    observed(app, "SELECT pg_terminate_backend(:process)", process=process)
    lives = "SELECT count(*) FROM pg_stat_activity WHERE pid = :process"
    until(lambda: not observed(app, lives, process=process))


def is_unavailable(answer: Any) -> bool:
    """Tell whether a request has been put off."""
    return (answer.status_code, answer.headers.get("Retry-After")) == (503, "1")


# --- one round trip


OPERATIONS: dict[str, Callable[[UUID, UUID], object]] = {
    "list": lambda tenant, _: CUSTOMERS.page(tenant),
    "create": lambda tenant, _: CUSTOMERS.create(tenant),
    "retrieve": customers.retrieve,
    "replace": lambda tenant, id: customers.replace(tenant, id, {"name": "new"}),
    "delete": customers.delete,
}
ONE_ROUND_TRIP = [*["Bind", "Describe", "Execute"] * 2, "Sync"]
"""The setting of the tenant and the statement, already parsed, at once."""


@pytest.mark.skipif(sys.platform != "linux", reason="psycopg traces on Linux alone")
@pytest.mark.usefixtures("work")
@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_is_one_round_trip_and_one_transaction(tenant, link, tmp_path, name):
    warm_up, id = CUSTOMERS.create(tenant), CUSTOMERS.create(tenant)
    OPERATIONS[name](tenant, warm_up)
    with link.traced(tmp_path / "trace"):
        OPERATIONS[name](tenant, id)
    lines = (tmp_path / "trace").read_text().splitlines()
    messages = [tuple(line.split("\t")) for line in lines]
    assert [kind for side, _, kind, *_ in messages if side == "F"] == ONE_ROUND_TRIP
    ready = [rest for _, _, kind, *rest in messages if kind == "ReadyForQuery"]
    assert ready == [[" I"]]  # idle: nothing is left open


@pytest.mark.usefixtures("work")
def test_operation_leaves_no_tenant_on_the_connection(tenant, link):
    process = link.process
    CUSTOMERS.create(tenant)
    assert link.ask("SELECT current_setting('app.account_id', true)") == [""]
    assert link.ask("SELECT name FROM sample_customers") == []
    assert link.process == process


@pytest.mark.usefixtures("work")
def test_refused_write_leaves_the_connection_as_it_was(tenant, link):
    CUSTOMERS.create(tenant)
    process, nobody = link.process, uuid4()
    with pytest.raises(Conflict):
        customers.create(nobody, CUSTOMERS.values("nobody's"))
    assert link.ask("SELECT current_setting('app.account_id', true)") == [""]
    assert len(CUSTOMERS.page(tenant).items) == 1
    assert link.process == process


@pytest.mark.usefixtures("work")
def test_value_that_cannot_be_sent_leaves_the_connection_as_it_was(tenant, link):
    process, naive = link.process, datetime(2026, 1, 1)
    with pytest.raises(ValueError, match="naive"):
        customers.create(tenant, CUSTOMERS.values("naive"), created_at=naive)
    assert CUSTOMERS.page(tenant).items == []
    assert link.process == process


@pytest.mark.usefixtures("work")
def test_more_than_a_socket_holds_passes_both_ways(tenant, link):
    process, document = link.process, {"text": "é" * 2_000_000}
    sent = bindparam("document", type_=JSON())
    echo = Statement(select(cast(sent, JSON())))
    assert echo.one(tenant, {"document": document}) == (document,)
    numbers = func.generate_series(1, bindparam("most", type_=Integer()))
    many = Statement(select(numbers.column_valued("number")))
    assert many.all(tenant, {"most": 50_000})[-1] == (50_000,)
    assert link.process == process


# --- prepared statements


@pytest.mark.usefixtures("work")
def test_statement_is_prepared_once_and_used_again(tenant, link):
    for _ in range(10):
        CUSTOMERS.page(tenant)
    used = "SELECT generic_plans + custom_plans FROM pg_prepared_statements"
    assert link.ask(f"{used} WHERE statement LIKE '%FROM sample_customers%'") == ["10"]
    assert link.ask(f"{used} WHERE statement LIKE '%set_config%'") == ["10"]


@pytest.mark.usefixtures("work")
def test_prepared_statements_are_bounded_and_the_oldest_goes(tenant, link, monkeypatch):
    monkeypatch.setattr(pipeline, "MOST_PREPARED", 4)
    statements = [Statement(select(literal_column(f"{n}"))) for n in range(10)]
    for n, statement in enumerate(statements):
        assert statement.all(tenant, {}) == [(n,)]
    setting, *kept = link.ask(PREPARED)
    assert setting and "set_config" in setting  # every statement needs it
    assert kept == ["SELECT 7", "SELECT 8", "SELECT 9"]
    assert statements[0].all(tenant, {}) == [(0,)]


def test_without_prepared_statements_none_stays_and_the_answers_are_the_same(
    start_app, client, acme
):
    app = start_app(SQL_CONNECTIONS=1, PREPARED_STATEMENTS=False)
    caller, link = calling(app, acme), Link(app)
    for number in range(8):  # psycopg prepares what it has seen five times
        body = {"name": f"{number}", "email": "a@example.com"}
        made = caller.post("/v1/sample_customers", json=body)
        assert caller.get(made.location).json == acme.get(made.location).json
        changed = caller.merge(made.location, {"name": "new"})
        assert changed.headers["ETag"].startswith('"2-')
        listed, expected = (
            actor.get("/v1/sample_customers?count=exact") for actor in (caller, acme)
        )
        assert listed.json == expected.json
        assert listed.headers["X-Total-Count"] == f"{number + 1}"
    assert link.ask(PREPARED) == []


# --- prepared statements that the server knows no more


@pytest.fixture
def own_settings(databases) -> dict[str, Any]:
    """The settings of a database of one's own, to change its tables."""
    return dict(databases.clone())


def alter(settings: dict[str, Any], link: Link) -> None:
    """Change the type of a column, as a migration does."""
    with psycopg.connect(settings["MIGRATION_DATABASE_URL"]) as connection:
        connection.execute("ALTER TABLE sample_customers ALTER COLUMN name TYPE text")


def deallocate(settings: dict[str, Any], link: Link) -> None:
    """Forget what is prepared."""
    link.ask("DEALLOCATE ALL")


def discard(settings: dict[str, Any], link: Link) -> None:
    """Forget all of a session, as poolers do."""
    link.ask("DISCARD ALL")


@pytest.mark.parametrize("outdate", [alter, deallocate, discard])
def test_outdated_statement_is_prepared_again_and_done_once(
    start_app, own_settings, outdate
):
    app = start_app(**own_settings, SQL_CONNECTIONS=1)
    caller, link = sign_up(app.test_client(), "acme"), Link(app)
    body = {"name": "old", "email": "a@example.com"}
    url, process = caller.post("/v1/sample_customers", json=body).location, link.process
    caller.put(url, json=body)
    caller.get(url)
    before = entries_of(app, caller)
    outdate(own_settings, link)
    assert caller.put(url, json=body | {"name": "new"}).json["name"] == "new"
    assert caller.get(url).headers["ETag"].startswith('"3-')
    assert caller.post("/v1/sample_customers", json=body).status_code == 201
    assert len(caller.get("/v1/sample_customers").json["items"]) == 2
    assert entries_of(app, caller) == before + 2
    assert link.process == process
    prepared = link.ask(PREPARED)
    assert len(prepared) == len(set(prepared))  # none of the outdated is left


def entries_of(app: Flask, caller: Actor) -> int:
    """Return how many entries the audit of an account has."""
    return len(rows_of(app, caller.account_id)["audit_entries"])


@pytest.mark.usefixtures("work")
def test_what_postgresql_does_not_offer_is_asked_for_twice_at_most(tenant, link):
    process = link.process
    counted = select(func.count()).select_from(Customer).with_for_update()
    with pytest.raises(FeatureNotSupported):
        Statement(counted).all(tenant, {})
    assert CUSTOMERS.page(tenant).items == []
    assert link.process == process


# --- a server that does not answer


@pytest.fixture
def hasty(start_app, acme) -> tuple[Actor, Link]:
    """Acme, who calls an application that waits 0.2 s; and its one connection."""
    app = start_app(SQL_CONNECTIONS=1, SQL_TIMEOUT=0.2)
    return calling(app, acme), Link(app)


def test_statement_that_the_server_ends_is_503_and_keeps_the_connection(app, hasty):
    caller, link = hasty
    process = link.process
    with locked(app):
        assert is_unavailable(caller.get("/v1/sample_customers"))
        assert link.process == process
    assert caller.get("/v1/sample_customers").status_code == 200
    assert link.process == process


def test_statement_without_an_answer_in_time_is_503_and_ends_the_connection(
    app, hasty, caplog
):
    caller, link = hasty
    process = link.process
    link.ask("SET statement_timeout = '10s'")  # as a pooler may leave it
    with locked(app):
        assert is_unavailable(caller.get("/v1/sample_customers"))
        assert link.process != process
    assert "sqlalchemy" not in {
        record.name.partition(".")[0] for record in caplog.records
    }
    assert caller.get("/v1/sample_customers").status_code == 200


def test_connection_without_an_answer_is_not_kept_at_hand(app, start_app, acme):
    several = start_app(SQL_CONNECTIONS=4, SQL_TIMEOUT=0.2)
    caller, tenant = calling(several, acme), UUID(acme.account_id)
    patient = select(func.set_config("statement_timeout", "10s", False))
    with db.use(several.extensions["myapp"]):
        Statement(patient).all(tenant, {})
        process = PROCESS.one(tenant, {})
        with locked(app):
            assert is_unavailable(caller.get("/v1/sample_customers"))
            assert caller.get("/v1/users").status_code == 200
        assert caller.get("/v1/sample_customers").status_code == 200
        assert PROCESS.one(tenant, {}) != process


def read(caller: Actor) -> Any:
    """Ask for something that takes one statement."""
    return caller.get("/v1/sample_customers")


def sign_up_once_more(caller: Actor) -> Any:
    """Ask for something that takes a transaction."""
    body = {"name": "late", "slug": f"late-{uuid4().hex[:12]}"}
    owner = {"email": OWNER, "password": PASSWORD}
    return caller.client.post("/v1/accounts", json=body | owner)


@pytest.mark.skipif("TEST_DATABASE_URL" in os.environ, reason="not our own server")
@pytest.mark.parametrize("ask", [read, sign_up_once_more])
def test_stopped_server_is_503_and_ends_the_connection(hasty, ask):
    caller, link = hasty
    process = link.process
    with frozen(process):
        assert is_unavailable(ask(caller))
        assert ask(caller).status_code in (200, 201)
    assert link.process != process


@pytest.mark.skipif("TEST_DATABASE_URL" in os.environ, reason="not our own server")
def test_server_stopped_amid_a_transaction_ends_the_wait_and_the_connection(hasty):
    caller, link = hasty
    process = link.process
    stores = caller.client.application.extensions["myapp"]
    with db.use(stores), pytest.raises(Unavailable):
        with db.transaction(UUID(caller.account_id)), frozen(process):
            CUSTOMERS.page(UUID(caller.account_id))
    assert caller.get("/v1/sample_customers").status_code == 200
    assert link.process != process


@pytest.mark.skipif("TEST_DATABASE_URL" in os.environ, reason="not our own server")
@pytest.mark.parametrize("number", [2, 4], ids=["in_the_pool", "kept_at_hand"])
@pytest.mark.parametrize("ask", [read, sign_up_once_more])
def test_server_that_hangs_is_waited_for_on_one_connection(
    start_app, acme, number, ask
):
    several = start_app(SQL_CONNECTIONS=number, SQL_TIMEOUT=0.2)
    caller, tenant = calling(several, acme), UUID(acme.account_id)
    stores, both = several.extensions["myapp"], Barrier(2, timeout=10)

    def process(_: int) -> int:
        with db.use(stores):
            both.wait()
            found: int = SLOW_PROCESS.one(tenant, {})[0]
            return found

    with ThreadPoolExecutor(2) as pool:
        stopped = {*pool.map(process, range(2))}
        with db.use(stores), db.transaction(tenant) as connection:
            stopped.add(connection.scalar(PROCESS.core))
        assert len(stopped) == (3 if number == 4 else 2)
        with frozen(*stopped):
            assert is_unavailable(ask(caller))
            assert read(caller).status_code == 200
            assert sign_up_once_more(caller).status_code == 201
            assert stopped.isdisjoint(pool.map(process, range(2)))


# --- others go on while some wait


@contextmanager
def waiting(app: Flask, tenant: UUID) -> Iterator[None]:
    """Let eight threads wait for PostgreSQL inside the block."""
    stores = app.extensions["myapp"]

    def wait() -> None:
        with db.use(stores), pytest.raises(Unavailable):  # cancelled below
            SLEEP.all(tenant, {"seconds": 10})

    with ThreadPoolExecutor(THREADS) as pool:
        waits = [pool.submit(wait) for _ in range(THREADS)]
        try:
            until(lambda: number_of(app, "PgSleep") == THREADS)
            yield
        finally:
            observed(
                app,
                "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity"
                " WHERE wait_event = 'PgSleep' AND datname = current_database()",
            )
    for waited in waits:
        waited.result()


def test_live_answers_at_once_while_all_others_wait(app, tenant):
    client = app.test_client()

    def ask() -> None:
        assert client.get("/health/live").status_code == 200

    with waiting(app, tenant):
        assert min(repeat(ask, number=1, repeat=20)) < 0.05
        assert number_of(app, "PgSleep") == THREADS


@pytest.mark.usefixtures("work")
def test_waiting_lets_other_threads_run(tenant):
    ticks, over = 0, Event()

    def tick() -> None:
        nonlocal ticks
        while not over.wait(0.001):
            ticks += 1

    ticking = Thread(target=tick)
    ticking.start()
    try:
        SLEEP.all(tenant, {"seconds": 0})
        before = ticks
        SLEEP.all(tenant, {"seconds": 0.3})
        assert ticks > before + 10
    finally:
        over.set()
        ticking.join()


# --- a connection that the server ends


def test_connection_ended_while_idle_is_replaced_unseen(app, caller, link):
    body = {"name": "a", "email": "a@example.com"}
    assert caller.get("/v1/sample_customers").status_code == 200
    terminate(app, link.process)
    assert caller.get("/v1/sample_customers").status_code == 200
    terminate(app, link.process)
    assert caller.post("/v1/sample_customers", json=body).status_code == 201
    assert len(caller.get("/v1/sample_customers").json["items"]) == 1


def test_connection_kept_at_hand_and_ended_is_replaced_unseen(app, start_app, acme):
    several = start_app(SQL_CONNECTIONS=4)
    caller = calling(several, acme)
    assert caller.get("/v1/sample_customers").status_code == 200
    with db.use(several.extensions["myapp"]):
        [process] = PROCESS.one(UUID(acme.account_id), {})
    terminate(app, process)
    assert caller.get("/v1/sample_customers").status_code == 200


def test_connection_ended_amid_a_statement_is_503_and_then_replaced(app, caller, link):
    assert caller.get("/v1/sample_customers").status_code == 200
    process = link.process
    with ThreadPoolExecutor(1) as pool, locked(app):
        asked: Future[Any] = pool.submit(caller.get, "/v1/sample_customers")
        until(lambda: number_of(app, "Lock") == 1)
        terminate(app, process)
        assert is_unavailable(asked.result())
    assert caller.get("/v1/sample_customers").status_code == 200
    assert link.process != process
