"""How migrations run: as the owner of the tables, on either engine."""

from typing import Any

from alembic import context
from flask import current_app
from sqlalchemy import Connection, create_engine

from myapp.db import Base, UtcDateTime


def render_item(kind: str, item: Any, _: Any) -> str | bool:
    """Name our own column type as the migrations import it."""
    return "UtcDateTime()" if isinstance(item, UtcDateTime) else False


def migrate(connection: Connection) -> None:
    """Run the migrations on one connection."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_item=render_item,
        render_as_batch=True,
        compare_type=True,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()


def migrate_sqlite(connection: Connection) -> None:
    """Run them with foreign keys off: rebuilding a table must not cascade."""
    raw = connection.connection.cursor()
    raw.execute("PRAGMA foreign_keys=off")
    migrate(connection)
    connection.commit()
    broken = raw.execute("PRAGMA foreign_key_check").fetchall()
    if broken:
        raise RuntimeError(f"a migration left rows without their parent: {broken[:5]}")


engine = create_engine(current_app.config["MIGRATION_DATABASE_URL"])
with engine.connect() as connection:
    if engine.dialect.name == "sqlite":
        migrate_sqlite(connection)
    else:
        migrate(connection)
engine.dispose()
