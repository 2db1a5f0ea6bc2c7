"""What every flask command says where it cannot work."""

import pytest
from sqlalchemy import create_engine, text

from devtools import demo
from myapp import create_app
from tests.samples import FEATURES

COMMANDS = pytest.mark.parametrize(
    "command",
    [
        "users create acme ada@example.com --password staple-horse-battery",
        "clients create acme nightly --grant client_credentials",
        "keys rotate",
        "accounts purge",
    ],
)


@pytest.fixture
def run():
    """Run a command with some settings; return its status and what it says."""
    started = []

    def run(settings, command):
        started.append(app := create_app(settings, FEATURES))
        done = app.test_cli_runner().invoke(args=command.split())
        return done.exit_code, done.output

    yield run
    for app in started:
        app.extensions["myapp"].engine.dispose()


@COMMANDS
@pytest.mark.usefixtures("engine")
def test_command_without_its_table_says_how_to_migrate(
    run, settings, databases, command
):
    own = settings | databases.clone()
    owner = create_engine(own.get("MIGRATION_DATABASE_URL", own["DATABASE_URL"]))
    with owner.begin() as connection:
        for table in ("accounts", "signing_keys"):
            connection.execute(text(f"ALTER TABLE {table} RENAME TO no_{table}"))
    owner.dispose()
    code, said = run(own, command)
    assert code == 1
    assert said.startswith("Error: The database is not up to date with migrations/ (")
    assert "): run `flask db upgrade`, or ./run once." in said


@pytest.mark.usefixtures("engine")
def test_write_to_a_column_that_is_not_there_says_how_to_migrate(
    run, settings, databases
):
    own = settings | databases.clone() | {"DEVELOPMENT_SECRET": "of this test"}
    demo.seed(app := create_app(own))
    app.extensions["myapp"].engine.dispose()
    owner = create_engine(own.get("MIGRATION_DATABASE_URL", own["DATABASE_URL"]))
    with owner.begin() as connection:
        connection.execute(
            text("ALTER TABLE sample_customers RENAME COLUMN email TO mail")
        )
    owner.dispose()
    code, said = run(own, "seed sample_customers")
    assert code == 1
    assert "Error: The database is not up to date with migrations/ (" in said
    assert "email" in said


@COMMANDS
def test_command_without_a_database_says_what_to_do(run, command):
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    code, said = run({"DATABASE_URL": nowhere, "REDIS_URL": "redis://none"}, command)
    assert code == 1
    assert said.startswith("Error: The database does not answer: start it, ")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_command_without_a_secret_says_where_it_comes_from(run, settings, databases):
    own = settings | databases.clone() | {"SECRET_KEY": ""}
    code, said = run(own, "keys rotate")
    assert code == 1
    assert said.startswith("Error: SECRET_KEY is not set: start with ./run")
