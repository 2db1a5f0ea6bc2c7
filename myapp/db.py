"""The shared stores, and the ones of the application at work.

`sql` declares the tables and owns the engine; `redis_store` is Redis.
One process may hold several applications (tests do): each has its `Stores`, and a
ContextVar says whose request, command or test is running.
"""

import sqlite3
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from werkzeug.local import LocalProxy

from myapp import store_errors
from myapp.change_feed import ChangeFeed
from myapp.pipelines import Pipelines
from myapp.tables import Base

if TYPE_CHECKING:
    from myapp.rate_limits import Limits

sql = SQLAlchemy(model_class=Base)
redis_store: Any = LocalProxy(lambda: stores().redis)


@dataclass(frozen=True, slots=True)
class Stores:
    """What one application works on: stores, settings, limits, and what is recent."""

    engine: Engine
    redis: Any
    settings: Mapping[str, Any]
    limits: "Limits"
    pipelines: Pipelines | None
    """The short way to PostgreSQL; SQLite has none."""

    feed: ChangeFeed | None = None
    """Until when a key's principal holds; only PostgreSQL says so."""

    recent: dict[Hashable, Any] = field(default_factory=dict)


class Opened(NamedTuple):
    """The transaction that is open here, and what is to follow its commit."""

    tenant: UUID | None
    connection: Connection
    afterwards: list[Callable[[], object]]


_stores: ContextVar[Stores] = ContextVar("stores")
_tenant: ContextVar[UUID | None] = ContextVar("tenant", default=None)
_open: ContextVar[Opened | None] = ContextVar("open", default=None)


def stores() -> Stores:
    """Return the stores of the application at work; raise RuntimeError outside one."""
    try:
        return _stores.get()
    except LookupError:
        raise RuntimeError(
            "no application is at work here: wrap the call in"
            ' `with db.use(app.extensions["myapp"]):`'
        ) from None


class use:
    """Work on these stores inside the block: `with db.use(stores):`."""

    def __init__(self, chosen: Stores) -> None:
        self._chosen = chosen

    def __enter__(self) -> None:
        self._token = _stores.set(self._chosen)

    def __exit__(self, *_: object) -> None:
        _stores.reset(self._token)


@contextmanager
def acting_for(tenant: UUID | None) -> Iterator[None]:
    """Open every session inside the block for one tenant."""
    token = _tenant.set(tenant)
    try:
        yield
    finally:
        _tenant.reset(token)


@contextmanager
def transaction(
    tenant: UUID | None, *, read_only: bool = False, presented: str = ""
) -> Iterator[Connection]:
    """Open one transaction for a tenant, or join the one that is open.

    Repository calls inside the block join it. On PostgreSQL the tenant is set for
    row-level security; on SQLite a writer queues at BEGIN, not at its first write.
    Without a tenant only rows of no tenant can be reached, and the one row that
    holds a `presented` value (see `row_security.protect`).
    """
    if opened := _open.get():
        connection = _joined(opened, tenant)
        # A caller who catches a Conflict goes on with what it has written before.
        part = nullcontext() if read_only else connection.begin_nested()
        asked = len(opened.afterwards)
        try:
            with _translated(), part:
                yield connection
        except BaseException:
            del opened.afterwards[asked:]  # what followed it is undone with it
            raise
        return
    with _translated(), stores().engine.connect() as connection:
        connection = connection.execution_options(read_only=read_only)
        opened = Opened(tenant, connection, [])
        with connection.begin():
            set_tenant(connection, tenant, presented)
            token = _open.set(opened)
            try:
                yield connection
            finally:
                _open.reset(token)
    for call in opened.afterwards:
        call()


def in_transaction() -> bool:
    """Tell whether a transaction is open here."""
    return _open.get() is not None


def after_commit(call: Callable[[], object]) -> None:
    """Make a call once the open transaction has committed; now where none is open."""
    if opened := _open.get():
        opened.afterwards.append(call)
    else:
        call()


@contextmanager
def _translated() -> Iterator[None]:
    """Raise what a store's exception means to the caller, if it means anything."""
    try:
        yield
    except SQLAlchemyError as error:
        store_errors.reraise(error)


def _joined(opened: Opened, tenant: UUID | None) -> Connection:
    if opened.tenant != tenant:
        raise RuntimeError("a transaction serves one tenant: end it before the next")
    return opened.connection


def set_tenant(
    connection: Connection, tenant: UUID | None, presented: str = ""
) -> None:
    """Tell PostgreSQL whose rows this transaction may see, or which one."""
    if connection.dialect.name != "postgresql":
        return
    if tenant is not None:
        connection.execute(_SET_TENANT, {"tenant": str(tenant)})
    elif presented:
        connection.execute(_SET_PRESENTED, {"presented": presented})


_SET_TENANT = text("SELECT set_config('app.account_id', :tenant, true)")
_SET_PRESENTED = text("SELECT set_config('app.presented', :presented, true)")


@event.listens_for(Session, "after_begin")
def _set_session_tenant(_session: Session, _: Any, connection: Connection) -> None:
    if tenant := _tenant.get():
        set_tenant(connection, tenant)


@event.listens_for(Engine, "connect")
def _set_up_sqlite(connection: Any, record: Any) -> None:
    if not isinstance(connection, sqlite3.Connection):
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


def ping_sql() -> None:
    """Ask the database for a sign of life; raise what `store_errors` translates."""
    with stores().engine.connect() as connection:
        connection.execution_options(read_only=True).exec_driver_sql("SELECT 1")


def ping_redis() -> None:
    """Ask Redis for a sign of life; raise what `store_errors` translates."""
    redis_store.ping()
