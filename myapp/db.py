"""The shared stores, and the ones of the application at work.

`sql` declares the tables and owns the engine; `redis_store` is Redis.
One process may hold several applications (tests do): each has its `Stores`, and a
ContextVar says whose request, command or test is running.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask_redis import FlaskRedis
from flask_sqlalchemy import SQLAlchemy
from redis import RedisError
from sqlalchemy import (
    Connection,
    DateTime,
    Dialect,
    Engine,
    ForeignKey,
    Index,
    MetaData,
    TypeDecorator,
    UniqueConstraint,
    Uuid,
    event,
    text,
)
from sqlalchemy.exc import (
    IntegrityError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from uuid_utils.compat import uuid7

from myapp import errors
from myapp.errors import BrokenRule, Conflict, Problem, Unavailable


class Base(DeclarativeBase):
    """The declarative base; every constraint has a name that migrations can use."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )


class RedisStore(FlaskRedis):
    """Flask-Redis, with the client of the application at work.

    The library keeps one client, that of the last application made.
    """

    latest: Any

    @property
    def _redis_client(self) -> Any:
        return stores().redis

    @_redis_client.setter
    def _redis_client(self, client: Any) -> None:
        self.latest = client


sql = SQLAlchemy(model_class=Base)
redis_store = RedisStore(decode_responses=True)


@dataclass(frozen=True, slots=True)
class Stores:
    """What one application works on: stores, settings and known tokens."""

    engine: Engine
    redis: Any
    settings: Mapping[str, Any]
    tokens: dict[str, Any] = field(default_factory=dict)


_stores: ContextVar[Stores] = ContextVar("stores")
_tenant: ContextVar[UUID | None] = ContextVar("tenant", default=None)
_open: ContextVar[tuple[UUID, Connection] | None] = ContextVar("open", default=None)


def stores() -> Stores:
    """Return the stores of the application at work; raise RuntimeError outside one."""
    try:
        return _stores.get()
    except LookupError:
        raise RuntimeError(
            "no application is at work here: wrap the call in"
            ' `with db.use(app.extensions["myapp"]):`'
        ) from None


@contextmanager
def use(chosen: Stores) -> Iterator[None]:
    """Work on these stores inside the block."""
    token = _stores.set(chosen)
    try:
        yield
    finally:
        _stores.reset(token)


@contextmanager
def acting_for(tenant: UUID | None) -> Iterator[None]:
    """Open every session inside the block for one tenant."""
    token = _tenant.set(tenant)
    try:
        yield
    finally:
        _tenant.reset(token)


@contextmanager
def transaction(tenant: UUID, *, read_only: bool = False) -> Iterator[Connection]:
    """Open one transaction for a tenant, or join the one that is open.

    Repository calls inside the block join it. On PostgreSQL the tenant is set for
    row-level security; on SQLite a writer queues at BEGIN, not at its first write.
    """
    if opened := _open.get():
        connection = _joined(opened, tenant)
        # A caller who catches a Conflict goes on with what it has written before.
        part = nullcontext() if read_only else connection.begin_nested()
        with _translated(), part:
            yield connection
        return
    with _translated(), stores().engine.connect() as connection:
        connection = connection.execution_options(read_only=read_only)
        with connection.begin():
            set_tenant(connection, tenant)
            token = _open.set((tenant, connection))
            try:
                yield connection
            finally:
                _open.reset(token)


@contextmanager
def _translated() -> Iterator[None]:
    """Raise what a store's exception means to the caller, if it means anything."""
    try:
        yield
    except SQLAlchemyError as error:
        problem = problem_of(error)
        if problem is None:
            raise
        raise problem from error


def _joined(opened: tuple[UUID, Connection], tenant: UUID) -> Connection:
    owner, connection = opened
    if owner != tenant:
        raise RuntimeError("a transaction serves one tenant: end it before the next")
    return connection


def set_tenant(connection: Connection, tenant: UUID) -> None:
    """Tell PostgreSQL whose rows this transaction may see."""
    if connection.dialect.name == "postgresql":
        connection.execute(_SET_TENANT, {"tenant": str(tenant)})


_SET_TENANT = text("SELECT set_config('app.account_id', :tenant, true)")


@event.listens_for(Session, "after_begin")
def _set_session_tenant(_session: Session, _: Any, connection: Connection) -> None:
    if tenant := _tenant.get():
        set_tenant(connection, tenant)


@event.listens_for(Engine, "connect")
def _set_up_sqlite(connection: Any, record: Any) -> None:
    if (
        not hasattr(connection, "execute")
        or "sqlite3" not in type(connection).__module__
    ):
        return
    connection.isolation_level = None  # BEGIN is ours: see _begin
    for pragma in ("foreign_keys=on", "journal_mode=wal", "synchronous=normal"):
        connection.execute(f"PRAGMA {pragma}")


@event.listens_for(Engine, "begin")
def _begin(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    # A deferred transaction that turns into a writer fails at once when another
    # one writes (17 of 20 concurrent writers did); an immediate one waits.
    reads = connection.get_execution_options().get("read_only", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def ping() -> None:
    """Ask both stores for a sign of life; raise what `problem_of` translates."""
    with stores().engine.connect() as connection:
        connection.execution_options(read_only=True).exec_driver_sql("SELECT 1")
    redis_store.ping()


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time: aware in Python, stored in UTC on both engines."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a naive datetime has no place on the time line")
        return value and value.astimezone(UTC)

    def process_result_value(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        if value is None or value.tzinfo is not None:
            return value and value.astimezone(UTC)  # PostgreSQL: the session's zone
        return value.replace(tzinfo=UTC)  # SQLite keeps no zone


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


class Versioned:
    """The columns every stored resource has; ids sort by age (uuid7, RFC 9562)."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class TenantOwned(Versioned):
    """A resource of one account: its rows lie together, and go with the account."""

    account_id: Mapped[UUID] = mapped_column(
        Uuid,
        ForeignKey("accounts.id", ondelete="CASCADE"),
        primary_key=True,
        sort_order=-1,
    )


def problem_of(error: Exception) -> Problem | None:
    """Return what a store's exception means to the caller, if it means anything."""
    if isinstance(error, IntegrityError):
        return _conflict(error)
    if isinstance(error, OperationalError | InterfaceError | PoolTimeout | RedisError):
        return Unavailable()
    return None


errors.translators.append(problem_of)


def _conflict(error: IntegrityError) -> Problem | None:
    fields = _unique_fields(error)
    if fields:
        taken = " and ".join(fields)
        rule = BrokenRule(f"/{fields[-1]}", "unique", "is taken: choose another value")
        return Conflict(f"Another one has the same {taken}.", [rule])
    if "foreign key" in str(error.orig).lower():
        return Conflict("Something still refers to this, or it refers to nothing.")
    return None


def _unique_fields(error: IntegrityError) -> list[str]:
    """Return the fields of the unique constraint that a write broke."""
    diagnosis = getattr(error.orig, "diag", None)
    if diagnosis is not None:
        columns = _columns_of(diagnosis.table_name, diagnosis.constraint_name)
    else:  # SQLite names the columns in its message, and not the constraint
        _, _, names = str(error.orig).partition("UNIQUE constraint failed: ")
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
