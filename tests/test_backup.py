"""deploy/backup, and what comes back from it: the application runs on what it restored.

Real programs on a real server; both of the server's version.
"""

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from time import time
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import func, select, table

from devtools import postgres_server
from myapp import db
from tests.actors import Actor
from tests.by_the_way import put_by_the_way
from tests.databases import PostgresDatabases
from tests.resources import make_everything
from tests.samples import drop_tables
from tests.stores import on_postgresql
from tests.tables import rows_of

ROOT = Path(__file__).parents[1]
DAY = 24 * 60 * 60

pytestmark = on_postgresql

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def programs(version: int) -> Path:
    """Return the folder of the programs of one version of PostgreSQL; or skip."""
    on_path = shutil.which("pg_dump")
    folders = [postgres_server.installed(), Path(f"/usr/lib/postgresql/{version}/bin")]
    folders += [Path(on_path).parent] if on_path else []
    for folder in folders:
        if (folder / "pg_dump").exists():
            said = subprocess.check_output([folder / "pg_dump", "--version"], text=True)
            if f" {version}." in said:
                return folder
    pytest.skip(f"there is no pg_dump of PostgreSQL {version} here")


@pytest.fixture
def path(app: Flask) -> str:
    """The PATH on which PostgreSQL's programs are of the server's version."""
    with app.extensions["myapp"].engine.connect() as connection:
        version = connection.exec_driver_sql("SHOW server_version_num").scalar_one()
    return f"{programs(int(version) // 10_000)}:{os.environ['PATH']}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where backups are kept."""
    (made := tmp_path / "backups").mkdir()
    return made


@pytest.fixture
def backup(databases: PostgresDatabases, settings: Any, path: str, folder: Path) -> Run:
    """Run deploy/backup, as the superuser or as the role of a setting."""

    def run(role: str = "", **own: str) -> "subprocess.CompletedProcess[str]":
        environment = databases.environment(settings, role) | {"PATH": path}
        environment |= {"BACKUP_FOLDER": str(folder), **own}
        return subprocess.run(
            [ROOT / "deploy/backup"], env=environment, capture_output=True, text=True
        )

    return run


@pytest.fixture
def restored(
    databases: PostgresDatabases, settings: Any, path: str, folder: Path, start_app: Any
) -> Callable[[], Flask]:
    """Restore the backup into an empty database; return an application on it."""

    def restore() -> Flask:
        empty = databases.empty()
        [file] = folder.glob("*.dump")
        environment = databases.environment(empty) | {"PATH": path}
        command = ["pg_restore", "--exit-on-error", "--single-transaction"]
        command += ["--dbname", environment["PGDATABASE"], str(file)]
        subprocess.run(command, env=environment, check=True)
        app: Flask = start_app(**empty)
        return app

    return restore


@pytest.fixture
def rows(app: Flask, acme: Actor, rival: Actor) -> None:
    """Rows of both accounts in every table."""
    for actor in (acme, rival):
        with db.use(app.extensions["myapp"]):
            put_by_the_way(UUID(actor.account_id))
        make_everything(actor, f"row-{uuid4().hex[:8]}")


def on(app: Flask, actor: Actor) -> Actor:
    """Return the same caller of another application."""
    return Actor(app.test_client(), actor.account_id, actor.key)


def sorted_rows(app: Flask, actor: Actor) -> dict[str, list[str]]:
    """Return the rows of an account in an order that does not hang on the table."""
    found = rows_of(app, actor.account_id)
    return {name: sorted(map(str, rows)) for name, rows in found.items()}


# --- restore


@pytest.mark.usefixtures("rows")
def test_restored_database_has_every_row_of_every_account(
    app, acme, rival, backup, restored
):
    before = sorted_rows(app, acme), sorted_rows(app, rival)
    assert all(before[0].values()), "each table has a row of the account"
    backup().check_returncode()
    other = restored()
    assert (sorted_rows(other, acme), sorted_rows(other, rival)) == before


@pytest.mark.usefixtures("rows")
def test_restored_database_serves_reads_and_writes(acme, backup, restored):
    page = acme.get("/v1/sample_customers").json
    backup().check_returncode()
    again = on(restored(), acme)
    assert again.get("/v1/sample_customers").json == page
    address = f"/v1/sample_customers/{page['items'][0]['id']}"
    assert again.merge(address, {"name": "Ada King"}).status_code == 200
    assert acme.get(address).json == page["items"][0]


@pytest.mark.usefixtures("rows")
def test_restored_database_keeps_accounts_apart_by_itself(
    acme, rival, backup, restored
):
    backup().check_returncode()
    other = restored()
    customers = acme.get("/v1/sample_customers").json["items"]
    assert (
        on(other, rival).get(f"/v1/sample_customers/{customers[0]['id']}").status_code
        == 404
    )
    counted = select(func.count()).select_from(table("sample_customers"))
    with other.extensions["myapp"].engine.connect() as connection:
        assert connection.scalar(counted) == 0
        db.set_tenant(connection, UUID(acme.account_id))
        assert connection.scalar(counted) == len(customers)


@pytest.mark.usefixtures("rows")
def test_restored_database_needs_no_migration(backup, restored):
    backup().check_returncode()
    drop_tables(other := restored())
    done = other.test_cli_runner().invoke(args=["db", "check"])
    assert done.exit_code == 0, done.output


# --- backup


def test_backup_is_one_file_that_nobody_else_can_read(backup, folder):
    said = backup().stdout
    [file] = folder.glob("*.dump")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert re.fullmatch(rf"deploy/backup: {file}, \d{{5,}} bytes\n", said)
    assert {found.name for found in folder.iterdir()} == {file.name, "last"}
    assert abs(int((folder / "last").read_text()) - time()) < DAY


def test_backup_removes_the_ones_that_are_too_old(backup, folder, settings):
    database = settings["DATABASE_URL"].partition("?")[0].rpartition("/")[2]
    for days in (1, 6, 9):
        old = folder / f"{database}-{days}.dump"
        old.touch()
        os.utime(old, (time() - days * DAY,) * 2)
    backup(BACKUP_DAYS="7").check_returncode()
    kept = {file.name for file in folder.glob(f"{database}-?.dump")}
    assert kept == {f"{database}-1.dump", f"{database}-6.dump"}


def failed(done: "subprocess.CompletedProcess[str]", folder: Path) -> str:
    """Check that a backup failed and left only what was there; return what it said."""
    assert done.returncode == 1
    assert [file.name for file in folder.iterdir()] == ["old.dump"]
    assert done.stderr.endswith("No backup was made; the older ones are still there.\n")
    return done.stderr


@pytest.mark.parametrize("role", ["MIGRATION_DATABASE_URL", "DATABASE_URL"])
def test_backup_by_a_role_that_does_not_see_every_row_fails(backup, folder, role):
    (folder / "old.dump").touch()
    assert "pg_dump could not read" in failed(backup(role), folder)


def test_backup_without_a_server_fails(backup, folder):
    (folder / "old.dump").touch()
    assert "pg_dump could not read" in failed(backup(PGHOST="/nowhere"), folder)


def test_backup_of_a_database_without_tables_fails(databases, backup, folder):
    (folder / "old.dump").touch()
    empty = databases.environment(databases.empty())["PGDATABASE"]
    assert "has no accounts in it" in failed(backup(PGDATABASE=empty), folder)


def test_backup_into_no_folder_fails(backup, folder):
    done = backup(BACKUP_FOLDER=str(folder / "none"))
    assert done.returncode == 1
    assert f"There is no folder {folder}/none" in done.stderr
