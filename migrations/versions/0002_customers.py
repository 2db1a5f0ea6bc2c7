"""Customers."""

import sqlalchemy as sa
from alembic import op

from myapp.row_security import protect
from myapp.tables import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "customers",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "id", name="pk_customers"),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
            name="fk_customers_account_id",
            ondelete="CASCADE",
        ),
    )
    for fields in (["name", "id"], ["created_at", "id"], ["email"]):
        name = "_".join(["ix_customers_account_id", *fields])
        op.create_index(name, "customers", ["account_id", *fields])
    protect("customers")


def downgrade() -> None:
    op.drop_table("customers")
