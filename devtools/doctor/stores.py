"""Whether the settings are fit, and the stores that they name there and up to date.

Imports shared files of the application, which import no feature: so it works where a
feature is broken.
"""

import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote

from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from click import ClickException
from flask import Config
from redis import RedisError
from sqlalchemy import Connection, NullPool, create_engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from devtools.doctor.finding import Finding
from devtools.redis_server import RedisServer, program

ROOT = Path(__file__).resolve().parents[2]
INSTANCE = ROOT / "instance"
OLDEST_REDIS = (6, 2)
OLDEST_SQLITE = (3, 35, 0)  # the first with RETURNING
OLDEST_POSTGRESQL = 14  # the oldest that its makers still mend
PATIENCE = 1  # seconds for each store


def findings() -> Iterator[Finding]:
    """Look at the settings, then at the stores that they name."""
    _open_package()
    from myapp import settings

    config = Config(str(INSTANCE))
    try:
        settings.load(config, INSTANCE, None)
    except ClickException as error:
        yield Finding(False, error.message)
        return
    except Exception as error:  # config.py is a program: anything may be wrong in it
        wrong = f"{type(error).__name__}: {error}: correct it there"
        yield Finding(False, f"{INSTANCE / 'config.py'}: {wrong}")
        return
    chosen = "development" if config["DEBUG"] else "production"
    yield Finding(True, f"the settings are fit for {chosen}")
    yield _redis(config)
    yield from _database(config)


def _open_package() -> None:
    """Let `from myapp import settings` work without importing the features."""
    if "myapp" not in sys.modules:
        package = sys.modules["myapp"] = ModuleType("myapp")
        package.__path__ = [str(ROOT / "myapp")]


def _redis(config: Config) -> Finding:
    server = RedisServer(INSTANCE / "redis")
    embedded = config["REDIS_URL"] == f"unix://{quote(str(server.socket))}"
    try:
        if embedded:
            server.check_length()
            if not server.answers():
                return Finding(True, f"Redis: ./run starts one of its own, {program()}")
        return _redis_version(config)
    except RuntimeError as error:
        return Finding(False, f"Redis: {error}")


def _redis_version(config: Config) -> Finding:
    from myapp import store_errors
    from myapp.redis_client import RedisClient
    from myapp.settings import redis_options

    hasty = redis_options({**config, "REDIS_TIMEOUT": PATIENCE})
    try:
        with RedisClient.from_url(config["REDIS_URL"], **hasty) as client:
            version = client.info("server")["redis_version"]
    except RedisError as error:
        return Finding(False, store_errors.remedy_of(error) or f"Redis: {error}")
    except ValueError as error:
        return Finding(False, f"REDIS_URL is no URL of a Redis: {error}: correct it")
    oldest = ".".join(map(str, OLDEST_REDIS))
    too_old = tuple(map(int, version.split(".")[:2])) < OLDEST_REDIS
    wrong = f"Redis is {version}: let it be {oldest} or newer, or Valkey"
    return Finding.of(wrong if too_old else None, f"Redis {version} answers")


def _database(config: Config) -> Iterator[Finding]:
    from myapp import store_errors

    try:
        yield from _answering(config)
    except RuntimeError as error:
        yield Finding(False, str(error))
    except ArgumentError as error:  # says nothing of what is in the URL
        yield Finding(False, f"DATABASE_URL is no database's: {error}: correct it")
    except SQLAlchemyError as error:
        wrong = store_errors.remedy_of(error) or f"the database: {error}"
        yield Finding(False, f"{wrong}\n{_reason(error)}")


def _reason(error: Exception) -> str:
    """Return the first line of what the driver says; it holds no password."""
    lines = str(getattr(error, "orig", None) or "").strip().splitlines()
    return f"It says: {lines[0]}" if lines else ""


def _answering(config: Config) -> Iterator[Finding]:
    """Ask the database as the application does, then as the tables' owner."""
    url = make_url(config["DATABASE_URL"])
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        yield Finding(True, f"SQLite: ./run makes {url.database}")
        return
    with _connected(config["DATABASE_URL"]) as connection:
        yield _version(connection)
    with _connected(config["MIGRATION_DATABASE_URL"]) as connection:
        if connection.dialect.name == "postgresql":
            yield _roles(connection, make_url(config["DATABASE_URL"]).username)
        yield _migrations(connection)


def _connected(url: str) -> Connection:
    postgresql = url.startswith("postgresql")
    patience: dict[str, Any] = {"connect_timeout": 2 * PATIENCE} if postgresql else {}
    return create_engine(url, connect_args=patience, poolclass=NullPool).connect()


def _version(connection: Connection) -> Finding:
    if connection.dialect.name == "sqlite":
        version = sqlite3.sqlite_version
        old = sqlite3.sqlite_version_info < OLDEST_SQLITE
        remedy = "take a newer Python, or PostgreSQL by DATABASE_URL"
        wrong = f"Python's SQLite is {version}, older than 3.35: {remedy}"
        return Finding.of(wrong if old else None, f"SQLite {version}")
    version = connection.exec_driver_sql("SHOW server_version").scalar_one()
    old = int(version.split(".")[0]) < OLDEST_POSTGRESQL
    wrong = f"PostgreSQL is {version}: let it be {OLDEST_POSTGRESQL} or newer"
    return Finding.of(wrong if old else None, f"PostgreSQL {version} answers")


def _roles(connection: Connection, role: str | None) -> Finding:
    from myapp.row_security import refuse_one_role

    refuse_one_role(connection, role)
    return Finding(True, f"row-level security binds the role {role}")


def _migrations(connection: Connection) -> Finding:
    settings = AlembicConfig()
    settings.set_main_option("script_location", str(ROOT / "migrations"))
    known = ScriptDirectory.from_config(settings)
    newest = set(known.get_heads())
    current = set(MigrationContext.configure(connection).get_current_heads())
    if len(newest) > 1:
        heads = " and ".join(sorted(newest))
        return Finding(
            False, f"migrations/ has two ends, {heads}: ./run flask db merge heads"
        )
    unknown = current - {each.revision for each in known.walk_revisions()}
    if unknown:
        lost = f"the database is at {min(unknown)}, which migrations/ does not know"
        remedy = "go to the branch that has it, or begin with another database"
        return Finding(False, f"{lost}: {remedy}")
    at, wanted = (", ".join(sorted(each)) or "nothing" for each in (current, newest))
    wrong = (
        f"the database is at {at}, and migrations/ goes on to {wanted}:"
        " ./run flask db upgrade, or ./run"
    )
    same = f"the database is up to date with migrations/: {at}"
    return Finding.of(None if current == newest else wrong, same)
