"""Row-level security on PostgreSQL: the second lock of every tenant's table.

Migrations call `protect` for each table they create. The policy binds the owner of
the tables too (FORCE); the application's role gets no more than it uses.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import op
from flask import current_app
from sqlalchemy import make_url

TENANT = "nullif(current_setting('app.account_id', true), '')::uuid"


@contextmanager
def lifted(table: str) -> Iterator[None]:
    """Let a migration's own statements reach every tenant's rows inside the block."""
    forced = op.get_bind().dialect.name == "postgresql"
    if forced:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    yield
    if forced:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def protect(table: str, tenant: str = "account_id") -> None:
    """Let a transaction see the rows of the tenant that it is for, and no others."""
    if op.get_bind().dialect.name != "postgresql":
        return
    role = make_url(current_app.config["DATABASE_URL"]).username
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON {table} USING ({tenant} = {TENANT})")
    op.execute(f'GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO "{role}"')
