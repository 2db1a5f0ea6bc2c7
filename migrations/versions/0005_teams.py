"""Teams and their members."""

import sqlalchemy as sa
from alembic import op

from myapp.row_security import protect
from myapp.tables import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "teams",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("description", sa.String(500), nullable=True),
        sa.PrimaryKeyConstraint("account_id", "id", name="pk_teams"),
        sa.UniqueConstraint("account_id", "name", name="uq_teams_account_id_name"),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
            name="fk_teams_account_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        "ix_teams_account_id_name_id", "teams", ["account_id", "name", "id"]
    )
    protect("teams")
    op.create_table(
        "team_members",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("is_leader", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "id", name="pk_team_members"),
        sa.UniqueConstraint(
            "account_id",
            "team_id",
            "user_id",
            name="uq_team_members_account_id_team_id_user_id",
        ),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
            name="fk_team_members_account_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["account_id", "team_id"],
            ["teams.account_id", "teams.id"],
            name="fk_team_members_account_id_team_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["account_id", "user_id"],
            ["users.account_id", "users.id"],
            name="fk_team_members_account_id_user_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        "ix_team_members_account_id_user_id", "team_members", ["account_id", "user_id"]
    )
    protect("team_members")


def downgrade() -> None:
    op.drop_table("team_members")
    op.drop_table("teams")
