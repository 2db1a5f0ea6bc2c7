"""What every test stands on: real stores, one application for each engine, actors.

Nothing is rolled back: a test process clones one migrated database, and each test
signs up accounts of its own. Every answer is held against its declaration.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic
from typing import Any
from uuid import UUID

import hypothesis
import pytest
from flask import Flask
from flask.testing import FlaskClient

from devtools.redis_server import RedisServer
from myapp import change_feed, create_app, db, recent, tables
from tests import declared, through_gunicorn
from tests.actors import Actor, sign_up
from tests.databases import Databases, SqliteDatabases, postgres_databases
from tests.declared import DeclaredClient
from tests.samples import FEATURES

ENGINES = ("sqlite", "postgresql")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-budgets", action="store_true", help="see CONTRIBUTING.md")
    table = "write what tests/test_bad_days.py, or -m cluster, sees into its page"
    parser.addoption("--write-table", action="store_true", help=table)
    parser.addoption("--all", action="store_true", help="also what is slow, as CI does")
    server = "have every request of a client pass through it"
    parser.addoption("--server", choices=("gunicorn",), help=server)
    way = "serve operations in front of Flask, or through it"
    parser.addoption("--lane", choices=("on", "off"), default="on", help=way)


def pytest_configure(config: pytest.Config) -> None:
    # The package refuses production settings that are not given; tests give theirs.
    os.environ["MYAPP_CONFIG"] = "development"
    hypothesis.settings.register_profile("ordinary", max_examples=10, deadline=None)
    hypothesis.settings.register_profile("all", max_examples=30, deadline=None)
    if config.getoption("--server"):
        through_gunicorn.install()
    profile = "all" if config.getoption("--all") else "ordinary"
    hypothesis.settings.load_profile(profile)


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    if config.getoption("--server"):
        through_gunicorn.skip_others(items)
    for item in items:
        if "slow" in item.keywords and not config.getoption("--all"):
            item.add_marker(pytest.mark.skip(reason="slow: runs with ./run test --all"))
        if "once" in item.keywords and config.getoption("--lane") == "off":
            item.add_marker(pytest.mark.skip(reason="once: both ways it is the same"))
        if "cluster" in item.keywords and "cluster" not in config.option.markexpr:
            reason = "cluster: runs with ./run test -m cluster"
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over which answers a worker of xdist has seen."""
    workeroutput = getattr(node, "workeroutput", {})  # none where it crashed
    declared.exercised.update(map(tuple, workeroutput.get("exercised", ())))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["exercised"] = sorted(declared.exercised)
    elif session.exitstatus == pytest.ExitCode.OK and _unprovoked(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _unprovoked(config: pytest.Config) -> list[str]:
    """Return what is declared and never came, where all tests have run."""
    chosen = config.args_source is pytest.Config.ArgsSource.ARGS
    chosen = chosen or config.option.keyword or config.option.markexpr
    return [] if chosen or not config.getoption("--all") else declared.complaints()


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any) -> None:
    for complaint in _unprovoked(terminalreporter.config):
        terminalreporter.write_line(complaint, red=True)
    passed = terminalreporter.stats.get("passed", [])
    found = Counter(_engine_of(report.nodeid) for report in passed)
    counted = ", ".join(f"{number} {name}" for name, number in sorted(found.items()))
    terminalreporter.write_line(f"Tests passed by engine: {counted or 'none'}")


def _engine_of(nodeid: str) -> str:
    found = re.search(r"\[.*?\b(sqlite|postgresql)\b", nodeid)
    return f"on {found[1]}" if found else "on neither"


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real Redis; the server of TEST_REDIS_URL, or one of our own."""
    if url := os.environ.get("TEST_REDIS_URL"):
        yield url
        return
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """The name of the SQL engine; a test that asks for it runs on each."""
    return str(request.param)


@pytest.fixture(scope="session")
def databases(
    engine: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Databases]:
    """Where a test gets a migrated, empty database of its own: `clone()`."""
    folder = tmp_path_factory.mktemp(engine)
    if engine == "sqlite":
        yield SqliteDatabases(folder)
        return
    with postgres_databases(folder) as databases:
        yield databases


@pytest.fixture(scope="session")
def settings(
    databases: Databases,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
) -> dict[str, Any]:
    """The settings of the application that most tests share."""
    mail_url = tmp_path_factory.mktemp("mail").as_uri()
    own = {"REDIS_URL": redis_url, "MAIL_URL": mail_url, "SQL_TIMEOUT": 30.0}
    own |= {"SECRET_KEY": "the secret of the tests, and of no server"}
    own |= {
        "ARGON2_TIME": 1,
        "ARGON2_MEMORY": 8,
    }  # tests/test_passwords.py has the real
    own |= {"RATE_LIMIT": 0, "RATE_LIMIT_ANONYMOUS": 0}
    own["LANE"] = pytestconfig.getoption("--lane") == "on"
    return {**databases.clone(), **own}


@pytest.fixture(scope="session")
def app(settings: dict[str, Any]) -> Iterator[Flask]:
    """The application as shipped."""
    app = create_app(settings, FEATURES)
    app.test_client_class = DeclaredClient
    yield app
    app.extensions["myapp"].engine.dispose()


@pytest.fixture
def start_app(settings: dict[str, Any]) -> Iterator[Callable[..., Flask]]:
    """Start another application on the same stores, or with settings of its own."""
    started = []

    def start(**own: Any) -> Flask:
        started.append(app := create_app({**settings, **own}, FEATURES))
        app.test_client_class = DeclaredClient
        return app

    yield start
    for app in started:
        app.extensions["myapp"].engine.dispose()


@pytest.fixture
def start_production(
    start_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Flask]:
    """Start an application as on a server, on the same stores."""
    monkeypatch.setenv("MYAPP_CONFIG", "production")
    return partial(
        start_app,
        MAIL_URL="smtp://127.0.0.1:1",  # where nobody listens
        MAIL_FROM="myapp <no-reply@example.com>",
        PUBLIC_URL="https://api.example.com",
        ARGON2_TIME=2,
        ARGON2_MEMORY=19_456,
    )


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client that holds every answer against its declaration."""
    return app.test_client()


@pytest.fixture
def acme(client: FlaskClient) -> Actor:
    """The owner of an account of this test's own."""
    return sign_up(client, "acme")


@pytest.fixture
def rival(client: FlaskClient) -> Actor:
    """The owner of another account, who must see nothing of acme's."""
    return sign_up(client, "rival")


@pytest.fixture
def at_work(app: Flask) -> Iterator[None]:
    """Work on the application's stores without HTTP, as a request does with it."""
    with db.use(app.extensions["myapp"]):
        yield


@pytest.fixture
def tenant(acme: Actor) -> UUID:
    """Acme's account, as the repositories take it."""
    return UUID(acme.account_id)


@pytest.fixture
def stranger(rival: Actor) -> UUID:
    """Rival's account, as the repositories take it."""
    return UUID(rival.account_id)


@pytest.fixture
def pass_time() -> Iterator[Callable[..., None]]:
    """Let time pass at once: `pass_time(seconds=1)`, `pass_time(days=30)`.

    The clock by which tokens are remembered stands still in between. It never goes
    back: what the change feed hears in days to come would hold in the next test.
    """
    clock: Any = recent
    start, passed = clock.monotonic(), timedelta()

    def advance(**time: float) -> None:
        nonlocal passed
        passed += timedelta(**time)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "now", lambda: datetime.now(UTC) + passed)
        _remember_by(lambda: start + passed.total_seconds())
        yield advance
    ahead = clock.monotonic() - monotonic()
    _remember_by(lambda: monotonic() + ahead)


def _remember_by(clock: Callable[[], float]) -> None:
    for module in (recent, change_feed):
        setattr(module, "monotonic", clock)
