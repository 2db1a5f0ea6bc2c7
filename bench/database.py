"""A PostgreSQL for a measurement: as it is shipped, migrated, on a core of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import flask_migrate
import psycopg
from sqlalchemy import make_url

from bench.processes import OTHER_CORE, free_port, pin
from devtools.postgres_server import PostgresServer
from myapp import create_app
from tests.sample_customers import Customer
from tests.samples import make_table

MIGRATIONS = Path(__file__).parents[1] / "migrations"
PASSWORD = "measured"
"""Of every role; the server lives for one measurement, on loopback."""
ROLES = """
CREATE ROLE owner LOGIN PASSWORD 'measured';
CREATE ROLE application LOGIN PASSWORD 'measured';
CREATE ROLE bare LOGIN PASSWORD 'measured' BYPASSRLS;
CREATE DATABASE bench OWNER owner;
"""
"""`bare` is the role of the peers, which know of no row-level security."""


class Server(PostgresServer):
    """A PostgreSQL with its own defaults; for tests it has safety switched off."""

    def __init__(self, directory: Path, synchronous_commit: bool) -> None:
        self.port = free_port()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "max_connections": "300",
            "timezone": "UTC",
        }
        if not synchronous_commit:
            settings["synchronous_commit"] = "off"
        super().__init__(directory, settings)

    @property
    def url(self) -> str:
        """Return the URL of its superuser."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    @property
    def programs(self) -> Path:
        """Return the folder of its programs."""
        return self._programs()

    def start(self) -> None:
        """Make the cluster, start its server, and put that on its core."""
        super().start()
        pin(self.pid, OTHER_CORE)


class Database(NamedTuple):
    """A migrated database and its server."""

    server: Server
    version: str

    @property
    def major(self) -> int:
        """The first number of its version."""
        return int(self.version.partition(".")[0])

    def url(self, role: str) -> str:
        """Return where a role connects: postgres, owner, application or bare."""
        return f"postgresql://{role}:{PASSWORD}@127.0.0.1:{self.server.port}/bench"

    def execute(self, *statements: str) -> None:
        """Carry statements out as the superuser, each by itself."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@contextmanager
def migrated(folder: Path, *, synchronous_commit: bool = True) -> Iterator[Database]:
    """Start a server for a block, with an empty database that is up to date."""
    with Server(folder, synchronous_commit) as server:
        admin = make_url(server.url).set(drivername="postgresql")
        address = admin.render_as_string()
        with psycopg.connect(address, autocommit=True) as connection:
            for statement in filter(str.strip, ROLES.split(";")):
                connection.execute(statement.encode())
            version = connection.info.parameter_status("server_version") or ""
        database = Database(server, version)
        _migrate(database)
        database.execute(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON sample_customers TO bare",
        )
        yield database


def _migrate(database: Database) -> None:
    """Bring it up to date, as `flask db upgrade` does."""
    app = create_app(
        {
            "DATABASE_URL": database.url("application"),
            "MIGRATION_DATABASE_URL": database.url("owner"),
            "REDIS_URL": "redis://127.0.0.1:1/0",  # no migration asks it
        }
        | IDENTITY
    )
    with app.app_context():
        flask_migrate.upgrade(directory=str(MIGRATIONS))
    make_table(app, Customer.__table__)
    app.extensions["myapp"].engine.dispose()


IDENTITY = {
    "SECRET_KEY": "the secret of a measurement, not of a server",
    "MAIL_URL": "smtp://127.0.0.1:1",
    "MAIL_FROM": "bench@myapp.example",
    "PUBLIC_URL": "https://myapp.example",
}
"""What production asks for, and nothing here uses."""
