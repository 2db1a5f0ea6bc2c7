"""Redis that does not answer: who needs it is put off, at once, and nobody else is."""

from collections.abc import Iterator
from time import monotonic
from uuid import UUID

import pytest

from devtools.redis_server import RedisServer
from myapp import breaker, db
from myapp.redis_client import MOST_FAILURES, PAUSE
from tests.actors import Actor, log_in
from tests.sample_checkouts import checkouts
from tests.silent_server import SilentServer, silent_server
from tests.stores import CHECKOUTS, on_sqlite

pytestmark = on_sqlite  # it holds no more than the accounts
SESSIONS = "/v1/sample_checkouts"


@pytest.fixture
def silent() -> Iterator[SilentServer]:
    """A Redis that hangs."""
    with silent_server() as server:
        yield server


@pytest.fixture
def caller(start_app, acme, silent) -> Actor:
    """Acme, who calls an application whose Redis is silent."""
    app = start_app(REDIS_URL=f"redis://127.0.0.1:{silent.port}/0", REDIS_TIMEOUT=0.05)
    return Actor(app.test_client(), acme.account_id, acme.key)


@pytest.mark.parametrize(
    "ask",
    [
        lambda caller: caller.get(SESSIONS),
        lambda caller: caller.post(
            SESSIONS,
            json={"amount": 1, "currency": "EUR", "success_url": "https://a.example"},
        ),
    ],
    ids=["list", "create"],
)
def test_silent_redis_is_asked_a_few_times_and_then_left_alone(caller, silent, ask):
    redis = caller.client.application.extensions["myapp"].redis
    assert not redis.is_away
    for _ in range(10):
        refused = ask(caller)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert silent.visits() == MOST_FAILURES
    assert redis.is_away


def test_silent_redis_is_asked_by_one_after_the_pause(caller, silent, monkeypatch):
    for _ in range(10):
        caller.get(SESSIONS)
    silent.visits()
    monkeypatch.setattr(breaker, "monotonic", lambda: monotonic() + PAUSE)
    for _ in range(10):
        assert caller.get(SESSIONS).status_code == 503
    assert silent.visits() == 1


def test_what_needs_no_redis_goes_on_without(acme, caller):
    body = {"name": "Ada", "email": "ada@example.com"}
    made = caller.post("/v1/sample_customers", json=body)
    assert made.status_code == 201
    assert caller.get(made.location).status_code == 200
    assert log_in(caller).status_code == 200
    assert log_in(caller, password="wrong").status_code == 401
    assert caller.get("/health/live").status_code == 200


# --- Redis that takes no writes


@pytest.fixture
def own(tmp_path) -> Iterator[RedisServer]:
    """A Redis of this test's own, for it is changed."""
    with RedisServer(tmp_path) as server:
        yield server


@pytest.mark.parametrize(
    ("setting", "value"),
    [("maxmemory", "1"), ("min-replicas-to-write", "1")],
    ids=["full", "without_its_replica"],
)
def test_write_that_redis_cannot_take_is_put_off_and_reads_go_on(
    start_app, acme, own, setting, value
):
    app = start_app(REDIS_URL=own.url)
    caller, tenant = (
        Actor(app.test_client(), acme.account_id, acme.key),
        UUID(acme.account_id),
    )
    with db.use(app.extensions["myapp"]):
        id = CHECKOUTS.create(tenant)
        db.redis_store.config_set(setting, value)
        checkouts.retrieve(tenant, id)
    url = f"{SESSIONS}/{id}"
    etag = caller.get(url).headers["ETag"]
    for _ in range(MOST_FAILURES + 1):
        refused = caller.merge(url, {"amount": 2}, headers={"If-Match": etag})
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert caller.get(url).headers["ETag"] == etag
