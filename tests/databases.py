"""The databases of a test process: one that is migrated, and clones of it."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import flask_migrate
from sqlalchemy import URL, create_engine, make_url

from devtools.postgres_server import PostgresServer
from myapp import create_app
from tests import sample_customers
from tests.samples import make_table

Settings = Mapping[str, str]
MIGRATIONS = Path(__file__).parents[1] / "migrations"


class Databases(Protocol):
    """Where tests get databases from."""

    def clone(self) -> Settings:
        """Return the settings of a new, migrated and empty database."""


def migrate(settings: Settings) -> None:
    """Bring a database up to date, as `flask db upgrade` does."""
    app = create_app({**settings, "REDIS_URL": "redis://127.0.0.1:1/0"})
    with app.app_context():
        flask_migrate.upgrade(directory=str(MIGRATIONS))
    make_table(app, sample_customers.Customer.__table__)
    app.extensions["myapp"].engine.dispose()


class SqliteDatabases:
    """Files in one folder, each a copy of a migrated one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._template = folder / "template.sqlite"
        migrate({"DATABASE_URL": f"sqlite:///{self._template}"})

    def clone(self) -> Settings:
        """Return the settings of a copy."""
        copy = self._folder / f"{uuid4().hex}.sqlite"
        shutil.copy(self._template, copy)
        return {"DATABASE_URL": f"sqlite:///{copy}"}


class PostgresDatabases:
    """Databases of one server, for an owner and an application's role of our own."""

    def __init__(self, admin_url: str) -> None:
        self._admin = make_url(admin_url).set(drivername="postgresql+psycopg")
        self._run = f"test_{os.getpid()}_{uuid4().hex[:8]}"
        self._owner, self._application = f"{self._run}_owner", f"{self._run}_app"
        self._template = f"{self._run}_template"
        self._made: list[str] = []
        self._execute(f"CREATE ROLE {self._owner} LOGIN PASSWORD '{self._run}'")
        self._execute(f"CREATE ROLE {self._application} LOGIN PASSWORD '{self._run}'")
        self._create(self._template, "template1")
        migrate(self._settings(self._template))

    def _execute(self, *statements: str) -> None:
        engine = create_engine(self._admin, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()

    def _create(self, name: str, template: str) -> None:
        self._execute(f"CREATE DATABASE {name} OWNER {self._owner} TEMPLATE {template}")
        self._made.append(name)

    def _settings(self, name: str) -> Settings:
        def url(role: str) -> str:
            address = URL.create(
                "postgresql",
                role,
                self._run,
                self._admin.host,
                self._admin.port,
                name,
                self._admin.query,
            )
            return address.render_as_string(hide_password=False)

        application, owner = url(self._application), url(self._owner)
        return {"DATABASE_URL": application, "MIGRATION_DATABASE_URL": owner}

    def clone(self) -> Settings:
        """Return the settings of a new database made from the migrated one."""
        name = f"{self._run}_{uuid4().hex[:8]}"
        self._create(name, self._template)
        return self._settings(name)

    def empty(self) -> Settings:
        """Return the settings of a new database without tables."""
        name = f"{self._run}_{uuid4().hex[:8]}"
        self._create(name, "template1")
        return self._settings(name)

    def environment(self, settings: Settings, role: str = "") -> dict[str, str]:
        """Return how PostgreSQL's programs reach a database: as its superuser.

        `role` names another setting, whose user they connect as.
        """
        database = make_url(settings["DATABASE_URL"]).database
        url = make_url(settings[role]) if role else self._admin
        host = url.host or str(url.query.get("host", ""))
        return {
            "PGHOST": host,
            "PGPORT": str(url.port or 5432),
            "PGUSER": url.username or "",
            "PGPASSWORD": url.password or "",
            "PGDATABASE": str(database),
        }

    def drop(self) -> None:
        """Remove what was made: the server may be somebody's own."""
        drops = [f"DROP DATABASE {name} WITH (FORCE)" for name in self._made]
        roles = [f"DROP ROLE {role}" for role in (self._owner, self._application)]
        self._execute(*drops, *roles)


@contextmanager
def postgres_databases(folder: Path) -> Iterator[PostgresDatabases]:
    """Use the server of TEST_DATABASE_URL, or start one for the block."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        databases = PostgresDatabases(url)
        yield databases
        databases.drop()
        return
    with PostgresServer(folder) as server:
        yield PostgresDatabases(server.url)
