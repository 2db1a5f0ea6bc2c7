"""The migrations: they lead to the tables that the models declare, there and back."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from operator import itemgetter
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import flask_migrate
import pytest
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    column,
    create_engine,
    func,
    insert,
    inspect,
    select,
    table,
    text,
)
from sqlalchemy.types import TypeEngine

from myapp import create_app, db
from myapp.tables import Base, UtcDateTime, now
from tests.databases import MIGRATIONS, Settings
from tests.samples import drop_tables

REVISIONS = [
    script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()
][::-1]
NOWHERE = "redis://127.0.0.1:1/0"

ACCOUNT = UUID("01900000-0000-7000-8000-000000000001")
KEPT: dict[str, Any] = {"version": 1, "created_at": now(), "updated_at": now()}
OWNED: dict[str, Any] = {**KEPT, "account_id": ACCOUNT, "id": uuid4()}
ROWS: dict[str, dict[str, Any]] = {
    "accounts": {**KEPT, "id": ACCOUNT, "name": "Acme", "slug": "acme"},
    "api_keys": {
        **OWNED,
        "name": "first key",
        "role": "owner",
        "scopes": ["*"],
        "key_sha256": "0" * 64,
    },
    "audit_entries": {
        **OWNED,
        "principal": "system",
        "resource": "users",
        "object_id": uuid4(),
        "fields": ["name"],
    },
    "attempts": {"key_sha256": "0" * 64, "number": 1, "ends_at": now()},
    "signing_keys": {
        "id": uuid4(),
        "kid": "0" * 43,
        "state": "active",
        "public": {},
        "private": "sealed",
        "created_at": now(),
    },
    "clients": {
        **OWNED,
        "name": "an app",
        "role": "member",
        "scopes": ["*"],
        "grant_types": ["client_credentials"],
        "redirect_uris": [],
        "is_active": True,
        "client_id": "app",
        "confidential": True,
        "first_party": False,
    },
    "users": {
        **OWNED,
        "name": "Ada",
        "email": "ada@example.com",
        "role": "owner",
        "is_active": True,
    },
    "sessions": {
        **OWNED,
        "user_id": OWNED["id"],
        "scopes": ["*"],
        "address": "127.0.0.1",
        "user_agent": "a browser",
        "expires_at": now(),
    },
    "refresh_tokens": {**OWNED, "session_id": OWNED["id"], "token_sha256": "0" * 64},
    "one_time_tokens": {
        **OWNED,
        "user_id": OWNED["id"],
        "purpose": "invitation",
        "token_sha256": "0" * 64,
        "expires_at": now(),
    },
    "authorization_codes": {
        **OWNED,
        "code_sha256": "0" * 64,
        "client_id": OWNED["id"],
        "user_id": OWNED["id"],
        "redirect_uri": "https://app.example/",
        "scopes": ["*"],
        "code_challenge": "0" * 43,
        "expires_at": now(),
    },
}
"""The rows of the tables whose values are not just any of their type."""

VALUES: dict[type, Any] = {
    str: "x",
    int: 1,
    float: 1.0,
    bool: True,
    UUID: OWNED["id"],
    date: date(2026, 1, 31),
}
"""What any other column holds, by its type; each row refers to the one of its kind."""


@pytest.fixture
def migrate_anew(databases):
    """Return the settings of a database that the migrations, and nothing else, made."""

    def clone():
        settings = databases.clone()
        with at(settings) as app:
            drop_tables(app)
        return settings

    return clone


@pytest.fixture
def migrated(migrate_anew):
    """The settings of a database that is up to date."""
    return migrate_anew()


@pytest.fixture
def directory(tmp_path):
    """A copy of the migrations, to add to."""
    return Path(shutil.copytree(MIGRATIONS, tmp_path / "migrations"))


@contextmanager
def at(settings: Settings) -> Iterator[Flask]:
    """Work with the application of these settings, as the flask commands do."""
    app = create_app({**settings, "REDIS_URL": NOWHERE})
    with app.app_context():
        yield app
    app.extensions["myapp"].engine.dispose()


def upgrade(settings: Settings, to: str = "head", directory: Path = MIGRATIONS) -> None:
    with at(settings):
        flask_migrate.upgrade(directory=str(directory), revision=to)


def downgrade(
    settings: Settings, to: str = "base", directory: Path = MIGRATIONS
) -> None:
    with at(settings):
        flask_migrate.downgrade(directory=str(directory), revision=to)


def check(settings: Settings) -> None:
    """Do what `flask db check` does: end the process where something is left to do."""
    with at(settings):
        flask_migrate.check(directory=str(MIGRATIONS))


@contextmanager
def owner(settings: Settings) -> Iterator[Connection]:
    """Connect as the owner of the tables, for the one account that has rows."""
    with at(settings) as app:
        engine = create_engine(app.config["MIGRATION_DATABASE_URL"])
        with engine.begin() as connection:
            db.set_tenant(connection, ACCOUNT)
            yield connection
        engine.dispose()


def tables(connection: Connection) -> list[str]:
    return sorted({*inspect(connection).get_table_names()} - {"alembic_version"})


def described(settings: Settings) -> dict[str, Any]:
    """Return all that a database says of its tables."""
    with owner(settings) as connection:
        seen = inspect(connection)
        return {
            name: {
                "columns": by_name(
                    {**found, "type": str(found["type"])}
                    for found in seen.get_columns(name)
                ),
                "primary key": seen.get_pk_constraint(name),
                "foreign keys": by_name(seen.get_foreign_keys(name)),
                "uniques": by_name(seen.get_unique_constraints(name)),
                "checks": by_name(seen.get_check_constraints(name)),
                "indexes": by_name(map(comparable, seen.get_indexes(name))),
            }
            for name in tables(connection)
        }


def comparable(index: Any) -> Any:
    """Return what is told of an index, with its condition as text."""
    options = index.get("dialect_options", {})
    return {**index, "dialect_options": {name: str(options[name]) for name in options}}


def by_name(found: Any) -> list[Any]:
    return sorted(found, key=itemgetter("name"))


def guarded(settings: Settings) -> list[Any]:
    """Return the row-level security, policies, grants and triggers on PostgreSQL."""
    queries = (
        "SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1",
        "SELECT tablename, policyname, cmd, qual FROM pg_policies ORDER BY 1, 2",
        "SELECT table_name, grantee, privilege_type"
        " FROM information_schema.role_table_grants"
        " WHERE table_schema = 'public' ORDER BY 1, 2, 3",
        "SELECT tgrelid::regclass::text, pg_get_triggerdef(oid), tgenabled"
        " FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2",
        "SELECT pg_get_functiondef(oid) FROM pg_proc"
        " WHERE pronamespace = 'public'::regnamespace ORDER BY 1",
    )
    with owner(settings) as connection:
        if connection.dialect.name != "postgresql":
            return []
        return [connection.execute(text(query)).all() for query in queries]


# there and back


def test_upgrade_leaves_nothing_to_migrate(migrated):
    check(migrated)


def test_check_with_an_index_missing_fails(migrated):
    with owner(migrated) as connection:
        connection.execute(text("DROP INDEX ix_users_account_id_role"))
    with pytest.raises(SystemExit):
        check(migrated)


def test_downgrade_to_base_and_upgrade_again_leads_to_the_same_tables(migrated):
    before = described(migrated), guarded(migrated)
    downgrade(migrated)
    assert described(migrated) == {}
    upgrade(migrated)
    check(migrated)
    assert (described(migrated), guarded(migrated)) == before


def test_upgrade_leads_to_the_tables_that_the_models_declare(migrated, migrate_anew):
    declared = migrate_anew()
    downgrade(declared)
    with owner(declared) as connection:
        Base.metadata.create_all(connection)
    assert described(migrated) == described(declared)


# over rows


def seed(settings: Settings) -> dict[str, int]:
    """Add a row to each table that a model declares; return how many rows each has."""
    with owner(settings) as connection:
        for declared in Base.metadata.sorted_tables:
            if declared.name not in tables(connection):
                continue
            row = row_of(declared)
            columns = inspect(connection).get_columns(declared.name)
            there = {found["name"] for found in columns} & row.keys()
            typed = [column(name, declared.c[name].type) for name in there]
            values = {name: row[name] for name in there}
            connection.execute(insert(table(declared.name, *typed)).values(values))
    found = counted(settings)  # an old table may have no model any more
    return {name: found[name] for name in found if name in Base.metadata.tables}


def row_of(declared: Table) -> dict[str, Any]:
    """Return a row of a table: what ROWS says, else a value for each column."""
    if declared.name in ROWS:
        return ROWS[declared.name]
    asked = [column for column in declared.columns if column.name not in OWNED]
    row = {each.name: _value(each.type) for each in asked if not each.nullable}
    return {**OWNED, **row}


def _value(kind: TypeEngine[Any]) -> Any:
    return now() if isinstance(kind, UtcDateTime) else VALUES.get(kind.python_type, [])


def counted(settings: Settings) -> dict[str, int]:
    with owner(settings) as connection:
        return {
            name: connection.scalar(select(func.count()).select_from(table(name))) or 0
            for name in tables(connection)
        }


@pytest.mark.parametrize("revision", REVISIONS)
def test_upgrade_from_a_revision_with_rows_keeps_them(migrated, revision):
    downgrade(migrated)
    upgrade(migrated, to=revision)
    rows = seed(migrated)
    assert set(rows.values()) == {1}
    upgrade(migrated)
    assert counted(migrated).items() >= rows.items()


REBUILD = f'''
"""Rebuild the table that all others refer to."""

import sqlalchemy as sa
from alembic import op

revision = "rebuild"
down_revision = "{REVISIONS[-1]}"


def upgrade() -> None:
    with op.batch_alter_table("accounts", recreate="always") as batch:
        batch.alter_column("name", type_=sa.String(200))


def downgrade() -> None:
    """Leave it."""
'''


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_rebuilding_a_table_removes_no_row_that_refers_to_it(migrated, directory):
    (directory / "versions" / "rebuild.py").write_text(REBUILD)
    rows = seed(migrated)
    upgrade(migrated, directory=directory)
    assert counted(migrated) == rows
    names = described(migrated)["accounts"]["columns"]
    assert {"VARCHAR(200)"} == {c["type"] for c in names if c["name"] == "name"}


# a new one

WITH_PARCELS = """
from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from myapp import create_app
from myapp.db import sql
from myapp.tables import Shared, TenantOwned, UtcDateTime


class Parcel(TenantOwned, sql.Model):
    __tablename__ = "parcels"

    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Tariff(Shared, sql.Model):
    __tablename__ = "tariffs"
    rights = "SELECT"

    zone: Mapped[int] = mapped_column(primary_key=True)
"""


def write_migration(settings: Settings, directory: Path, app: str) -> Path:
    """Run `flask db migrate`; return where it would write."""
    environment = os.environ | {**settings, "REDIS_URL": NOWHERE}
    environment["MYAPP_CONFIG"] = "development"
    command = [sys.executable, "-m", "flask", "--app", app, "db", "migrate"]
    options = ["-d", str(directory), "-m", "add parcels", "--rev-id", "new"]
    done = subprocess.run(
        [*command, *options],
        cwd=MIGRATIONS.parent,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return directory / "versions" / "new_add_parcels.py"


def test_migrate_writes_new_tables_with_our_types_and_their_rights(
    migrated, directory, tmp_path
):
    before = described(migrated)
    app = tmp_path / "with_parcels.py"
    app.write_text(WITH_PARCELS)
    written = write_migration(migrated, directory, str(app)).read_text()
    assert "sa.Column('sent_at', UtcDateTime(), nullable=True)" in written
    assert 'protect("parcels")' in written
    assert 'share("tariffs", "SELECT")' in written

    upgrade(migrated, directory=directory)
    assert described(migrated).keys() - before.keys() == {"parcels", "tariffs"}
    if protection := guarded(migrated):
        assert ("parcels", True, True) in protection[0]
        assert ("tariffs", False, False) in protection[0]
    downgrade(migrated, to="-1", directory=directory)
    assert described(migrated) == before


def test_migrate_with_nothing_changed_writes_none(migrated, directory):
    assert not write_migration(migrated, directory, "myapp").exists()


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
@pytest.mark.parametrize("url", ["DATABASE_URL", "MIGRATION_DATABASE_URL"])
def test_upgrade_for_one_role_in_both_places_is_refused(databases, url, caplog):
    one = databases.clone()[url]
    with pytest.raises(SystemExit):
        upgrade({"DATABASE_URL": one, "MIGRATION_DATABASE_URL": one})
    assert "row-level security does not bind the role" in caplog.text


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_upgrade_that_finds_a_table_locked_changes_nothing_and_says_so(
    migrated, caplog
):
    downgrade(migrated, "-1")
    before = described(migrated)
    with owner(migrated) as connection:
        connection.execute(text("LOCK TABLE alembic_version"))
        with pytest.raises(SystemExit):
            upgrade(migrated)
    assert "another transaction holds a lock for longer than 1 s" in caplog.text
    assert "alembic_version" in caplog.text
    assert "deploy again" in caplog.text
    assert described(migrated) == before


RENAMES = f"""\
from alembic import op

from myapp.row_security import lifted

revision, down_revision = "renames", "{REVISIONS[-1]}"


def upgrade() -> None:
    with lifted("users"):
        op.execute("UPDATE users SET name = 'renamed'")


def downgrade() -> None:
    pass
"""


def test_migration_with_security_lifted_reaches_every_tenants_rows(migrated, directory):
    seed(migrated)
    (directory / "versions" / "renames.py").write_text(RENAMES)
    guarded_before = guarded(migrated)
    upgrade(migrated, directory=directory)
    with owner(migrated) as connection:
        name: ColumnElement[str] = column("name")
        named = connection.scalars(select(name).select_from(table("users")))
        assert set(named) == {"renamed"}
    assert guarded(migrated) == guarded_before
