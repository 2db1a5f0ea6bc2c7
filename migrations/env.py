"""How migrations run: as the owner of the tables, on either engine.

A new migration gives the application its rights: `protect`, or `share` where no tenant
owns the table, is written into it.
"""

from typing import Any

from alembic import context
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.rewriter import Rewriter
from alembic.operations import ops
from flask import current_app
from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, create_engine, make_url
from sqlalchemy.exc import OperationalError

from myapp.row_security import refuse_one_role
from myapp.tables import Base, UtcDateTime, shared

rewriter = Rewriter()


def revise(
    migration: Any, revision: Any, directives: list[ops.MigrationScript]
) -> None:
    """Write no migration where nothing has changed; else let the rewriter have it."""
    operations = directives[0].upgrade_ops
    wanted = getattr(context.config.cmd_opts, "autogenerate", False)
    if wanted and operations is not None and operations.is_empty():
        directives.clear()
        print("Nothing has changed: there is no migration to write.")
    else:
        rewriter(migration, revision, directives)


class RightsOp(ops.MigrateOperation):
    """The line `protect("…")` or `share("…", "…")` in a migration."""

    def __init__(self, function: str, *arguments: str) -> None:
        self.function, self.arguments = function, arguments


@rewriter.rewrites(ops.CreateTableOp)
def give_rights(_context: Any, _revision: Any, create: ops.CreateTableOp) -> Any:
    """Follow the creation of a table with the rights of the application."""
    columns = {getattr(column, "name", None) for column in create.columns}
    if "account_id" in columns:
        return [create, RightsOp("protect", create.table_name)]
    if rights := shared().get(create.table_name):
        return [create, RightsOp("share", create.table_name, rights)]
    return create


@renderers.dispatch_for(RightsOp)
def render_rights(generated: AutogenContext, line: RightsOp) -> str:
    """Write the line, and what it imports."""
    generated.imports.add(f"from myapp.row_security import {line.function}")
    arguments = ", ".join(f'"{argument}"' for argument in line.arguments)
    return f"{line.function}({arguments})"


def render_item(kind: str, item: Any, generated: AutogenContext) -> str | bool:
    """Name our own column type as the migrations import it."""
    if not isinstance(item, UtcDateTime):
        return False
    generated.imports.add("from myapp.tables import UtcDateTime")
    return "UtcDateTime()"


def migrate(connection: Connection) -> None:
    """Run the migrations on one connection."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_item=render_item,
        process_revision_directives=revise,
        render_as_batch=True,
        compare_type=True,
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


def migrate_postgresql(connection: Connection) -> None:
    """Run them without long waits: whoever asks after us waits for our lock, too."""
    role = make_url(current_app.config["DATABASE_URL"]).username
    refuse_one_role(connection, role)
    connection.rollback()
    connection.exec_driver_sql("SET lock_timeout = '1s'")
    connection.commit()
    try:
        migrate(connection)
    except OperationalError as error:
        if not isinstance(error.orig, LockNotAvailable):
            raise
        raise RuntimeError(
            f"another transaction holds a lock for longer than 1 s: {error.orig}"
            f" ({error.statement}). Nothing has changed: migrate again, or deploy again"
        ) from error


engine = create_engine(current_app.config["MIGRATION_DATABASE_URL"])
with engine.connect() as connection:
    if engine.dialect.name == "sqlite":
        migrate_sqlite(connection)
    else:
        migrate_postgresql(connection)
engine.dispose()
