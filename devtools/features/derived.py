"""Writes what is derived from the features: migration, rights, changes for clients.

Run in a copy of the project, by a Python of its own, for the models are imported anew:
python -m devtools.features.derived MESSAGE [TABLES TO DROP]
"""

import re
import sys
from pathlib import Path

import flask_migrate
from flask import Flask
from sqlalchemy import inspect

from devtools.contracts.stand_ins import instead_of_shapes
from devtools.formatting import formatted

with instead_of_shapes():  # they are written from what is imported here
    from devtools.contracts import changelog, documents, shapes
    from devtools.contracts.verdict import judge
    from myapp import create_app, db
    from myapp.tables import Base

NOWHERE = "redis://127.0.0.1:1/0"
VERSIONS = Path("migrations", "versions")
RIGHTS = Path("docs", "permissions.md")
REMARK = re.compile(r"\s*# ### ")
"""Alembic's own remarks, for whoever has not read the migration yet."""


def main() -> None:
    """Write all into the current folder."""
    app = application()
    shapes.write(app)
    with app.app_context():
        flask_migrate.upgrade()
        write_migration(*sys.argv[1:])
    write_rights(app)
    changelog.write(judge(documents.current()))


def application() -> Flask:
    """Return the application as in production, on an empty database of its own."""
    database = Path("models.sqlite").resolve()
    database.unlink(missing_ok=True)
    settings = {"DATABASE_URL": f"sqlite:///{database}", "REDIS_URL": NOWHERE}
    return create_app({**settings, "OPEN_SIGN_UP": False})


def write_migration(message: str, *unwanted: str) -> None:
    """Write the next migration, if the models ask for one, and try it out.

    Where tables are to be dropped their models are still there: they tell the way back.
    """
    dropped = drop(*unwanted)
    if unwanted and not dropped:
        return
    revision = next_revision()
    flask_migrate.migrate(message=message, rev_id=revision)
    for written in VERSIONS.glob(f"{revision}_*.py"):
        lines = written.read_text().splitlines(keepends=True)
        source = "".join(line for line in lines if not REMARK.match(line))
        written.write_text(formatted(reversed_ways(source) if dropped else source))
    if not dropped:
        flask_migrate.upgrade()
        flask_migrate.check()


def drop(*unwanted: str) -> list[str]:
    """Drop those of these tables that are there, each before what it refers to."""
    connection = db.sql.session.connection()
    there = {*inspect(connection).get_table_names()} & {*unwanted}
    tables = [each for each in Base.metadata.sorted_tables if each.name in there]
    Base.metadata.drop_all(connection, tables)
    db.sql.session.commit()
    return [table.name for table in tables]


def reversed_ways(source: str) -> str:
    """Return a migration whose upgrade is the downgrade that it was, and vice versa."""
    head, upgrade, downgrade = re.split(
        r"(?=^def \w+grade)", source, flags=re.MULTILINE
    )
    back = upgrade.replace("def upgrade", "def downgrade", 1)
    return f"{head}{downgrade.replace('def downgrade', 'def upgrade', 1)}\n\n{back}"


def next_revision() -> str:
    """Return the number of the migration to come: one more than the last."""
    numbers = [int(file.name[:4]) for file in VERSIONS.glob("[0-9]" * 4 + "_*.py")]
    return f"{max(numbers, default=0) + 1:04}"


def write_rights(app: Flask) -> None:
    """Write docs/permissions.md anew."""
    done = app.test_cli_runner().invoke(args=["permissions"], catch_exceptions=False)
    RIGHTS.write_text(done.output)


if __name__ == "__main__":
    main()
