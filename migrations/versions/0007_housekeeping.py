"""What has expired can be found by the tables' owner, for `flask purge`."""

from alembic import op

from myapp.row_security import expires

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = ("sessions", "authorization_codes", "one_time_tokens")


def upgrade() -> None:
    for table in TABLES:
        expires(table)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in TABLES:
            op.execute(f"DROP POLICY housekeeping ON {table}")
