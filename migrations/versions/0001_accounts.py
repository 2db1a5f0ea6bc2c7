"""Accounts and their API keys."""

import sqlalchemy as sa
from alembic import op

from myapp.row_security import protect
from myapp.tables import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("slug", sa.String(40), nullable=False),
        sa.Column("closed_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.UniqueConstraint("slug", name="uq_accounts_slug"),
    )
    protect("accounts", tenant="id")
    if op.get_bind().dialect.name == "postgresql":
        # The owner finds what `flask accounts purge` removes.
        op.execute(
            "CREATE POLICY housekeeping ON accounts FOR SELECT TO CURRENT_USER"
            " USING (closed_at IS NOT NULL)"
        )
    op.create_table(
        "api_keys",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("role", sa.String(6), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("last_used_at", UtcDateTime(), nullable=True),
        sa.Column("key_sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "id", name="pk_api_keys"),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
            name="fk_api_keys_account_id",
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint(
            "account_id", "key_sha256", name="uq_api_keys_account_id_key_sha256"
        ),
    )
    protect("api_keys")


def downgrade() -> None:
    op.drop_table("api_keys")
    op.drop_table("accounts")
