"""What a store's exception means to the caller: a conflict, or no store at all."""

from typing import NoReturn

import psycopg
from redis import exceptions as redis
from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.exc import (
    IntegrityError,
    InterfaceError,
    OperationalError,
    TimeoutError as PoolTimeout,
)

from myapp import errors
from myapp.errors import BrokenRule, Conflict, Problem, Unavailable
from myapp.tables import Base

GONE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    OperationalError,
    InterfaceError,
    PoolTimeout,
    redis.ConnectionError,
    redis.TimeoutError,
    redis.ReadOnlyError,
    redis.OutOfMemoryError,
)
"""A store that does not answer, or cannot do so now."""

CANNOT_WRITE = ("MISCONF", "NOREPLICAS", "OOM", "MASTERDOWN", "READONLY")
"""What Redis names in a refusal: its disk or memory is full, a replica is missing, or
it is one itself. Out of a script most of them come as plain ResponseErrors."""

READ_ONLY = "25006"
UNDEFINED = ("42P01", "42703")  # a table, a column


def problem_of(error: Exception) -> Problem | None:
    """Return what a store's exception means to the caller, if it means anything."""
    if isinstance(error, IntegrityError | psycopg.IntegrityError):
        return _conflict(_driver_error(error))
    if _lacks_migration(error):
        return None  # SQLite calls it as it calls an outage
    if isinstance(error, GONE) or _cannot_write(error):
        return Unavailable()
    return None


def reraise(error: Exception) -> NoReturn:
    """Raise what a store's exception means to the caller, or else itself."""
    problem = problem_of(error)
    if problem is None:
        raise error
    raise problem from error


def remedy_of(error: Exception) -> str | None:
    """Return what helps a command that a store's exception has ended, if anything."""
    if _lacks_migration(error):
        return (
            f"The database is not up to date with migrations/ ({_missing(error)}): run"
            " `flask db upgrade`, or ./run once. Where no migration has it yet,"
            " `flask db migrate` writes one."
        )
    if isinstance(error, Unavailable) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    if isinstance(error, redis.RedisError) and isinstance(error, GONE):
        return _start("Redis", "REDIS_URL")
    if isinstance(error, GONE):
        return _start("The database", "DATABASE_URL")
    return None


def _start(store: str, setting: str) -> str:
    return (
        f"{store} does not answer: start it, or correct {setting} in"
        " instance/config.py, .env or the environment. ./run has stores of its own."
    )


def _cannot_write(error: Exception) -> bool:
    """Tell whether a store is there, and takes no writes just now."""
    if isinstance(error, redis.ResponseError):
        return any(code in str(error) for code in CANNOT_WRITE)
    return _state(error) == READ_ONLY


def _lacks_migration(error: Exception) -> bool:
    text = str(_driver_error(error))
    missing = "no such " in text or " has no column named " in text  # SQLite
    return missing or _state(error) in UNDEFINED


def _missing(error: Exception) -> str:
    """Return what the database lacks, in its own words."""
    diagnosis = getattr(_driver_error(error), "diag", None)
    return str(diagnosis.message_primary if diagnosis else _driver_error(error))


def _state(error: Exception) -> str | None:
    """Return the code that PostgreSQL gives an error (SQLSTATE)."""
    state: str | None = getattr(_driver_error(error), "sqlstate", None)
    return state


def _driver_error(error: Exception) -> Exception:
    """Return what the driver has raised, which SQLAlchemy may have wrapped."""
    return getattr(error, "orig", None) or error


errors.translators.append(problem_of)


def _conflict(error: Exception) -> Problem | None:
    fields = _unique_fields(error)
    if fields:
        taken = " and ".join(fields)
        rule = BrokenRule(f"/{fields[-1]}", "unique", "is taken: choose another value")
        return Conflict(f"Another one has the same {taken}.", [rule])
    if "foreign key" in str(error).lower():
        return Conflict("Something still refers to this, or it refers to nothing.")
    return None


def _unique_fields(error: Exception) -> list[str]:
    """Return the fields of the unique constraint that a write broke."""
    diagnosis = getattr(error, "diag", None)
    if diagnosis is not None:
        columns = _columns_of(diagnosis.table_name, diagnosis.constraint_name)
    else:  # SQLite names the columns in its message, and not the constraint
        _, _, names = str(error).partition("UNIQUE constraint failed: ")
        columns = [name.partition(".")[2] for name in names.split(", ") if name]
    return [column for column in columns if column != "account_id"]


def _columns_of(table: str | None, constraint: str | None) -> list[str]:
    known = Base.metadata.tables.get(table or "")
    if known is None:
        return []
    uniques = {
        unique.name: [column.name for column in unique.columns]
        for unique in (*known.constraints, *known.indexes)
        if isinstance(unique, UniqueConstraint | Index)
    }
    return uniques.get(constraint or "", [])
