"""Row-level security on PostgreSQL: the second lock of every tenant's table.

Migrations call `protect` for each table they create, or `share` where it belongs to no
tenant (`tables.Shared`). The policy binds the owner of
the tables too (FORCE); the application's role gets no more than it uses.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import op
from flask import current_app
from sqlalchemy import Connection, make_url

TENANT = "nullif(current_setting('app.account_id', true), '')::uuid"
PRESENTED = "nullif(current_setting('app.presented', true), '')"


def refuse_one_role(connection: Connection, role: str | None) -> None:
    """Raise where row-level security would not bind the application's role.

    The connection is the one of the tables' owner.
    """
    asked = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = %(role)s"
    unbound = connection.exec_driver_sql(asked, {"role": role}).scalar()
    if unbound or unbound is None or role == connection.engine.url.username:
        raise RuntimeError(
            f"row-level security does not bind the role {role!r} of DATABASE_URL:"
            " let it be no superuser, and name the tables' owner, another role,"
            " in MIGRATION_DATABASE_URL"
        )


@contextmanager
def lifted(table: str) -> Iterator[None]:
    """Let a migration's own statements reach every tenant's rows inside the block."""
    forced = op.get_bind().dialect.name == "postgresql"
    if forced:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    yield
    if forced:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def protect(
    table: str, tenant: str = "account_id", *, append_only: bool = False
) -> None:
    """Let a transaction see the rows of the tenant that it is for, and no others.

    Rows of a table that is `append_only` are neither changed nor removed.
    """
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON {table} USING ({tenant} = {TENANT})")
    rights = "SELECT, INSERT" if append_only else "SELECT, INSERT, UPDATE, DELETE"
    _grant(table, rights)


def presentable(table: str, column: str) -> None:
    """Let a row be read by whoever presents its value, before its tenant is known."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE POLICY presented ON {table} FOR SELECT"
            f" USING ({column} = {PRESENTED})"
        )


def expires(table: str) -> None:
    """Let the tables' owner find what has expired, for `flask purge`, and no more."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE POLICY housekeeping ON {table} FOR SELECT TO CURRENT_USER"
            " USING (expires_at < now())"
        )


def share(table: str, rights: str = "SELECT, INSERT, UPDATE, DELETE") -> None:
    """Let the application use a table that belongs to no tenant."""
    if op.get_bind().dialect.name == "postgresql":
        _grant(table, rights)


def _grant(table: str, rights: str) -> None:
    role = make_url(current_app.config["DATABASE_URL"]).username
    op.execute(f'GRANT {rights} ON {table} TO "{role}"')
