"""Announcements of what changes for an API key, on PostgreSQL."""

from alembic import op

from myapp.change_triggers import announce, create_function, drop_function, silence

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    create_function()
    announce("accounts", "id", "closed_at")
    announce("api_keys", "account_id", "id", "role", "scopes", "key_sha256")


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in ("accounts", "api_keys"):
        silence(table)
    drop_function()
