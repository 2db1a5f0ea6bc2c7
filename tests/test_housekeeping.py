"""`flask purge`: what has expired goes, of every account; what lives stays.

It is about all that there is, so each test here has a database of its own.
"""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, update

from myapp import create_app, db, housekeeping, tables
from myapp.errors import Unavailable
from myapp.sessions.models import Origin, begin
from myapp.tables import Base
from tests.actors import Actor
from tests.by_the_way import put_by_the_way
from tests.stores import on_postgresql
from tests.tables import rows_of

EXPIRING = ("authorization_codes", "one_time_tokens", "refresh_tokens", "sessions")


@pytest.fixture
def app(start_app, databases):
    """An application whose database is its own."""
    return start_app(**databases.clone())


@pytest.fixture
def purge(app: Flask) -> Callable[[], str]:
    """Run `flask purge`; return what it says."""

    def run() -> str:
        done = app.test_cli_runner().invoke(args=["purge"])
        assert done.exit_code == 0, done.output
        return done.output

    return run


@pytest.fixture
def grown(app: Flask, acme: Actor, rival: Actor) -> None:
    """A session, a code and a one-time token of each account."""
    with db.use(app.extensions["myapp"]):
        for actor in (acme, rival):
            put_by_the_way(UUID(actor.account_id))


def begin_sessions(app: Flask, actor: Actor, number: int) -> None:
    """Let an account have more sessions."""
    with db.use(app.extensions["myapp"]):
        for _ in range(number):
            begin(UUID(actor.account_id), ["*"], Origin())


def expire(app: Flask, actor: Actor, ago: timedelta = timedelta(days=2)) -> None:
    """Let all of an account's rows that expire have expired some time ago.

    The database has a clock of its own, so it is the rows that are moved.
    """
    tenant = UUID(actor.account_id)
    with db.use(app.extensions["myapp"]), db.transaction(tenant) as connection:
        for table in Base.metadata.sorted_tables:
            if "account_id" in table.c and "expires_at" in table.c:
                own = table.c.account_id == tenant
                past = {"expires_at": tables.now() - ago}
                connection.execute(update(table).where(own).values(past))


def counts(app: Flask, actor: Actor) -> dict[str, int]:
    """Return how many rows of each kind that expires an account has."""
    found = rows_of(app, actor.account_id)
    return {name: len(found[name]) for name in EXPIRING}


@pytest.mark.usefixtures("grown")
def test_purge_removes_what_has_expired_and_leaves_what_lives(app, acme, rival, purge):
    living = rows_of(app, rival.account_id)
    assert counts(app, acme) == dict.fromkeys(EXPIRING, 1)
    expire(app, acme)
    said = purge()
    assert counts(app, acme) == dict.fromkeys(EXPIRING, 0)
    assert rows_of(app, rival.account_id) == living
    for name in ("sessions", "authorization_codes", "one_time_tokens"):
        assert f"{name}: 1 removed\n" in said


@pytest.mark.usefixtures("grown")
def test_purge_keeps_a_used_code_for_a_day_to_notice_its_second_use(app, acme, purge):
    expire(app, acme, timedelta(hours=23))
    assert "authorization_codes: 0 removed\n" in purge()
    assert counts(app, acme)["authorization_codes"] == 1


@pytest.mark.usefixtures("grown")
def test_purge_goes_on_batch_by_batch(app, acme, purge, monkeypatch):
    begin_sessions(app, acme, 4)
    expire(app, acme)
    monkeypatch.setattr(housekeeping, "BATCH", 2)
    assert "sessions: 5 removed\n" in purge()
    assert counts(app, acme)["sessions"] == 0


@pytest.mark.usefixtures("grown")
def test_purge_twice_at_once_removes_each_row_once(app, acme, monkeypatch):
    begin_sessions(app, acme, 40)
    expire(app, acme)
    monkeypatch.setattr(housekeeping, "BATCH", 5)
    [chore] = [chore for chore in housekeeping.chores if chore.name == "sessions"]

    def run(_: int) -> int:
        with db.use(app.extensions["myapp"]):
            return chore.run()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(run, range(4))) == 41
    assert counts(app, acme)["sessions"] == 0


def test_purge_removes_accounts_closed_30_days_ago(app, acme, purge, pass_time):
    acme.delete(f"/v1/accounts/{acme.account_id}")
    pass_time(days=29)
    purge()
    assert rows_of(app, acme.account_id)["accounts"]
    pass_time(days=2)
    assert re.search("accounts: [1-9]", purge())
    left = {name for name, rows in rows_of(app, acme.account_id).items() if rows}
    assert left == {"audit_entries"}


def test_purge_forgets_keys_that_no_living_token_is_signed_with(app, purge, pass_time):
    signing_keys = "/.well-known/jwks.json"
    client = app.test_client()
    client.get(signing_keys)
    pass_time(days=1)
    assert app.test_cli_runner().invoke(args=["keys", "rotate"]).exit_code == 0
    assert "signing_keys: 0 removed\n" in purge()
    pass_time(days=1)
    assert "signing_keys: 1 removed\n" in purge()
    assert len(client.get(signing_keys).json["keys"]) == 2


@pytest.mark.usefixtures("grown")
def test_purge_goes_on_where_one_chore_fails_and_says_so(app, acme, monkeypatch):
    def fail() -> int:
        raise Unavailable()

    failing = housekeeping.Chore("something", fail)
    monkeypatch.setattr(housekeeping, "chores", [failing, *housekeeping.chores])
    expire(app, acme)
    done = app.test_cli_runner().invoke(args=["purge"])
    assert done.exit_code == 1
    assert "something: failed: Service unavailable" in done.output
    assert counts(app, acme) == dict.fromkeys(EXPIRING, 0)


@pytest.mark.usefixtures("grown")
def test_purge_goes_on_where_one_account_fails_and_says_so(
    app, acme, rival, monkeypatch
):
    remove = housekeeping._remove

    def fail(tenant: UUID, *chosen: Any) -> int:
        if tenant == UUID(acme.account_id):
            raise Unavailable()
        return remove(tenant, *chosen)

    monkeypatch.setattr(housekeeping, "_remove", fail)
    for actor in (acme, rival):
        expire(app, actor)
    done = app.test_cli_runner().invoke(args=["purge"])
    assert done.exit_code == 1
    assert "sessions: failed: Service unavailable" in done.output
    assert counts(app, acme) == dict.fromkeys(EXPIRING, 1)
    assert counts(app, rival) == dict.fromkeys(EXPIRING, 0)


def test_purge_without_a_database_says_what_to_do():
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    owner = "postgresql://somebody@127.0.0.1:1/nothing"
    urls = {"DATABASE_URL": nowhere, "MIGRATION_DATABASE_URL": owner}
    app = create_app({**urls, "REDIS_URL": "redis://none"})
    done = app.test_cli_runner().invoke(args=["purge"])
    assert done.exit_code == 1
    assert "\nError: The database does not answer: " in done.output


@on_postgresql
def test_purge_by_the_applications_role_is_refused_and_says_what_to_do(
    start_app, settings
):
    app = start_app(MIGRATION_DATABASE_URL=settings["DATABASE_URL"])
    done = app.test_cli_runner().invoke(args=["purge"])
    assert done.exit_code == 1
    assert "MIGRATION_DATABASE_URL" in done.output


@on_postgresql
@pytest.mark.usefixtures("grown")
def test_owner_finds_what_has_expired_and_nothing_else(app, acme, rival, at_work):
    expire(app, acme)
    for name in ("authorization_codes", "one_time_tokens", "sessions"):
        owners = housekeeping.found_by_owner(
            select(Base.metadata.tables[name].c.account_id)
        )
        assert UUID(acme.account_id) in owners
        assert UUID(rival.account_id) not in owners
