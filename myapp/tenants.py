"""What any feature may know of a tenant: whether it is open, and its id by its slug.

The table itself belongs to the feature accounts, which knows all others.
"""

from uuid import UUID

from sqlalchemy import String, Uuid, column, select, table

from myapp import db
from myapp.errors import NotFound
from myapp.tables import UtcDateTime

accounts = table(
    "accounts",
    column("id", Uuid()),
    column("name", String()),
    column("slug", String()),
    column("closed_at", UtcDateTime()),
)


def tenant_of(slug: str) -> UUID | None:
    """Return the id of an open account by its slug."""
    with db.transaction(None, presented=slug, read_only=True) as connection:
        chosen = select(accounts.c.id).where(
            accounts.c.slug == slug, accounts.c.closed_at.is_(None)
        )
        found: UUID | None = connection.execute(chosen).scalar_one_or_none()
        return found


def is_open(tenant: UUID) -> bool:
    """Tell whether an account is there, and not closed."""
    with db.transaction(tenant, read_only=True) as connection:
        chosen = select(accounts.c.id).where(
            accounts.c.id == tenant, accounts.c.closed_at.is_(None)
        )
        return connection.execute(chosen).one_or_none() is not None


def tenant_named(slug: str) -> UUID:
    """Return the id of an open account by its slug; raise NotFound."""
    tenant = tenant_of(slug)
    if tenant is None:
        raise NotFound(f"There is no open account {slug}: give the slug of one.")
    return tenant
