"""Bad days: a real uWSGI on real stores, to which what befalls stores is done.

The service is never restarted: it lives through all of it, one after the other. Times
are not asserted, but written into docs/bad-days.md by `--write-table`.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import make_url

from devtools import faults
from devtools.faults import Stores
from devtools.postgres_server import PostgresServer
from devtools.redis_server import RedisServer
from tests import bad_days
from tests.actors import OWNER, PASSWORD
from tests.bad_days import Call, Report, live_through
from tests.databases import PostgresDatabases
from tests.uwsgi_server import UwsgiServer, serving

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="its processes are Linux's"),
]
WORKERS = 2
JSON = {"Content-Type": "application/json"}
FAULTS: dict[str, tuple[Any, float, str]] = {
    "PostgreSQL restarted": (faults.restarted, 1, "sql"),
    "PostgreSQL killed (-9)": (faults.killed, 1, "sql"),
    "PostgreSQL stopped for 10 s": (faults.stopped, 10, "sql"),
    "PostgreSQL read-only": (faults.read_only, 2, "sql_writes"),
    "PostgreSQL out of connections": (faults.out_of_connections, 2, "sql"),
    "Redis refused": (faults.refused, 3, "redis"),
    "Redis hung": (faults.hung, 4, "redis"),
    "Redis flushed": (faults.flushed, 1, "nothing"),
    "Redis full": (faults.full, 2, "redis_writes"),
}
"""What is done, for how many seconds, and what is away then."""
PUT_OFF = {
    "sql": {"read", "write", "login", "checkout", "ready"},
    "sql_writes": {"write", "login"},
    "redis": {"checkout"},
    "redis_writes": {"checkout"},
    "nothing": set[str](),
}
"""The probes that are answered with 503 while something is away."""


@pytest.fixture(scope="module")
def stores_and_urls(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Stores, Mapping[str, str]]]:
    """A PostgreSQL and a Redis of this test's own, for it ends them."""
    folder = tmp_path_factory.mktemp("redis")
    postgres = PostgresServer(tmp_path_factory.mktemp("postgresql"))
    with postgres, RedisServer(folder) as redis:
        settings = PostgresDatabases(postgres.url).clone()
        role = make_url(settings["DATABASE_URL"]).username or ""
        yield Stores(postgres, redis, role), settings


@pytest.fixture(scope="module")
def stores(stores_and_urls: tuple[Stores, Mapping[str, str]]) -> Stores:
    """The servers to which something is done."""
    return stores_and_urls[0]


@pytest.fixture(scope="module")
def server(
    stores_and_urls: tuple[Stores, Mapping[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[UwsgiServer]:
    """Two workers, with the limits of time that a server has."""
    stores, urls = stores_and_urls
    own = {
        "MYAPP_CONFIG": "production",
        "MYAPP_SECRET_KEY": "s" * 40,
        "MYAPP_RATE_LIMIT": "0",
        "MYAPP_RATE_LIMIT_ANONYMOUS": "0",
        "MYAPP_OPEN_SIGN_UP": "true",
        "MYAPP_MAIL_FROM": "myapp <no-reply@example.com>",
        "MAIL_URL": "smtp://127.0.0.1:1",
        "PUBLIC_URL": "https://api.example.com",
        "REDIS_URL": stores.redis.url,
        **urls,
    }
    with serving(tmp_path_factory.mktemp("uwsgi"), own, WORKERS) as server:
        yield server


@pytest.fixture(scope="module")
def calls(server: UwsgiServer) -> dict[str, Call]:
    """What is asked again and again, by name."""
    account = {"name": "acme", "slug": f"acme-{uuid4().hex[:12]}"}
    owner = {"email": OWNER, "password": PASSWORD}
    opened = sent(
        server, Call("POST", "/v1/accounts", 201, JSON, text(account | owner))
    )
    signed_in = JSON | {"Authorization": f"Bearer {opened['api_key']}"}
    body = text({"name": "Ada", "email": "ada@example.com"})
    made = sent(server, Call("POST", "/v1/sample_customers", 201, signed_in, body))
    url = f"/v1/sample_customers/{made['id']}"
    login = {"account": account["slug"], "username": OWNER, "password": PASSWORD}
    session = {"amount": 1, "currency": "EUR", "success_url": "https://example.com"}
    sessions = "/v1/sample_checkouts"
    return {
        "read": Call("GET", url, 200, signed_in),
        "write": Call("PUT", url, 200, signed_in, body),
        "login": Call("POST", "/v1/auth/login", 200, JSON, text(login)),
        "checkout": Call("POST", sessions, 201, signed_in, text(session)),
        "live": Call("GET", "/health/live"),
        "ready": Call("GET", "/health/ready"),
    }


def text(body: Any) -> bytes:
    """Return a body as JSON."""
    return json.dumps(body).encode()


def sent(server: UwsgiServer, call: Call) -> Any:
    """Send a request that succeeds; return its document."""
    answer = call.send(server)
    assert answer.status == call.succeeds, answer
    return json.loads(answer.body)


@pytest.fixture(scope="module")
def rows(pytestconfig: pytest.Config, calls: dict[str, Call]) -> Iterator[Any]:
    """The lines of the table, by fault; written at the end, if so asked."""
    found: dict[str, str] = {}
    yield found
    if pytestconfig.getoption("write_table"):
        bad_days.write(found, list(calls))


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_answered_with_503_and_gone_without_a_restart(
    server, stores, calls, rows, name
):
    fault, seconds, away = FAULTS[name]
    reports = live_through(server, calls, fault, stores, seconds)
    rows[name] = bad_days.row(name, reports)
    for probe, report in reports.items():
        admitted = {calls[probe].succeeds, *([503] if probe in PUT_OFF[away] else [])}
        seen = {each.answer.status for each in report.during + report.after}
        assert seen <= admitted, probe
        assert_says_when_to_ask_again(report)


def assert_says_when_to_ask_again(report: Report) -> None:
    """Hold each 503 against its form."""
    for answer, *_ in report.during + report.after:
        if answer.status == 503:
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert int(answer.headers["Retry-After"]) >= 1
            assert json.loads(answer.body)["type"] == "/problems/service-unavailable"
