"""Audit entries."""

import sqlalchemy as sa
from alembic import op

from myapp.row_security import protect
from myapp.tables import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("principal", sa.String(120), nullable=False),
        sa.Column("operation", sa.String(120), nullable=True),
        sa.Column("resource", sa.String(63), nullable=False),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=True),
        # No foreign key: an entry outlives its account.
        sa.PrimaryKeyConstraint("account_id", "id", name="pk_audit_entries"),
    )
    op.create_index(
        "ix_audit_entries_account_id_object_id_id",
        "audit_entries",
        ["account_id", "object_id", "id"],
    )
    protect("audit_entries", append_only=True)


def downgrade() -> None:
    op.drop_table("audit_entries")
