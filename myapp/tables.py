"""What every table is made of: named constraints, versions, an owner, UTC."""

from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import DateTime, Dialect, ForeignKey, MetaData, TypeDecorator, Uuid
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from uuid_utils.compat import uuid7


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


class Shared:
    """What belongs to no account: no row-level security hides its rows."""

    __tablename__: ClassVar[str]
    rights: ClassVar[str] = "SELECT, INSERT, UPDATE, DELETE"
    """What the application's role may do on PostgreSQL; the owner may do all."""


def shared() -> dict[str, str]:
    """Return the rights of the application in each table that is shared, by name."""
    return {
        mapper.class_.__tablename__: mapper.class_.rights
        for mapper in Base.registry.mappers
        if issubclass(mapper.class_, Shared)
    }
