"""`./run doctor`: what it says of a copy of this checkout, sound and broken."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import create_engine, text

from tests.checkout import PATIENCE, copy_checkout
from tests.programs import free_port
from tests.stores import on_postgresql


@pytest.fixture
def checkout():
    """A copy of this test's own; the path of a socket must be short."""
    with TemporaryDirectory(prefix="myapp-", dir="/tmp") as folder:
        yield copy_checkout(Path(folder))


def told(folder, *command, **environ):
    """Return the status of `./run doctor`, and its lines."""
    home = {"PATH": os.environ["PATH"], "HOME": str(folder.with_name("home"))}
    done = subprocess.run(
        [folder / "run", *(command or ("doctor",))],
        env=home | {"PORT": str(free_port())} | environ,
        capture_output=True,
        text=True,
        timeout=10 * PATIENCE,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def contents(folder):
    """Return what is in a folder, but for the bytecode that Python keeps."""
    files = (path for path in folder.rglob("*") if "__pycache__" not in path.parts)
    return {path: path.read_bytes() for path in files if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("command", [("doctor",), ("flask", "doctor")], ids="-".join)
def test_fresh_clone_is_well_and_stays_as_it_is(checkout, command):
    before = contents(checkout)
    status, lines = told(checkout, *command)
    assert lines[-1] == "./run doctor: all well"
    assert {line[:7] for line in lines[:-1]} == {"ok     "}
    assert status == 0
    assert contents(checkout) == before


@pytest.mark.slow
def test_command_of_flask_looks_at_the_same_but_for_the_environment(checkout):
    python = checkout / ".venv/bin/python"
    command = [python, "-m", "flask", "--app", "myapp", "--debug", "doctor"]
    environ = {"PORT": str(free_port())}
    done = subprocess.run(
        command, cwd=checkout, env=environ, capture_output=True, text=True
    )
    assert "ok     the application starts" in done.stdout
    assert ".venv is" not in done.stdout
    assert (done.returncode, done.stderr) == (0, "")


def test_without_its_environment_it_says_so_and_looks_at_the_rest(checkout):
    (checkout / ".venv/stamp-runtime").write_text("other pins")
    before = contents(checkout)
    status, lines = told(checkout)
    assert status == 1
    assert "ok     instance/ can be written to" in lines
    assert "wrong  .venv is missing or not what requirements.txt pins: ./run" in str(
        lines
    )
    assert lines[-1] == "./run doctor: 1 wrong: each says what to do"
    assert contents(checkout) == before


@pytest.mark.slow
def test_everything_that_is_wrong_is_told_at_once(checkout):
    (checkout / "instance/config.py").write_text("REDIS_URL = 'redis://127.0.0.1:1'\n")
    (checkout / "instance/config.py").chmod(0o644)
    (checkout / "myapp/invoices").mkdir()
    (checkout / "myapp/invoices/__init__.py").touch()
    broken = checkout / "myapp/users/endpoints.py"
    broken.write_text("def half(:\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        nowhere = "postgresql://nobody:s3cret@127.0.0.1:1/nothing"
        status, lines = told(checkout, PORT=str(port), DATABASE_URL=nowhere)
    said = "\n".join(lines)
    assert status == 1
    for wrong in (
        f"{checkout}/instance/config.py holds secrets, and others may read it: chmod",
        f"Port {port} is taken by ",
        "myapp/invoices is no part of the application: add",
        "Redis does not answer: start it, or correct REDIS_URL",
        "The database does not answer: start it, or correct DATABASE_URL",
        f"{broken}:1: SyntaxError: ",
    ):
        assert f"\nwrong  {wrong}" in said
    assert lines[-1] == "./run doctor: 6 wrong: each says what to do"
    assert "Traceback" not in said
    assert "s3cret" not in said


@pytest.mark.slow
def test_settings_of_production_are_looked_at_as_there(checkout):
    (checkout / "instance/config.py").write_text("DEVELOPMENT_SECRET = 's3cret'\n")
    (checkout / "instance/config.py").chmod(0o600)
    status, lines = told(checkout, MYAPP_CONFIG="production")
    said = "\n".join(lines)
    assert status == 1
    assert "\nwrong  These settings are unfit for production;" in said
    assert "SECRET_KEY has fewer than 32 characters" in said
    assert "DEVELOPMENT_SECRET is set" in said
    assert "s3cret" not in said


# the stores; the check itself, in a process as `./run doctor` has it


def stores(settings, **environ):
    """Return what is said of the stores of some settings."""
    urls = {name: settings[name] for name in settings if name.endswith("_URL")}
    look = "print(*stores.findings(), sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", f"from devtools.doctor import stores; {look}"],
        cwd=Path(__file__).parents[1],
        env={"MYAPP_CONFIG": "development"} | urls | environ,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.slow
def test_stores_that_answer_are_named_with_their_versions(settings, engine):
    said = stores(settings)
    assert "wrong" not in said
    assert "ok     Redis " in said
    assert {"sqlite": "ok     SQLite ", "postgresql": "ok     PostgreSQL "}[
        engine
    ] in said
    assert "ok     the database is up to date with migrations/: 0" in said


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("setting", "url"),
    [
        ("DATABASE_URL", "s3cret"),
        ("DATABASE_URL", "nothing://user:s3cret@host/name"),
        ("REDIS_URL", "nothing://user:s3cret@host"),
    ],
    ids=["none", "unknown_database", "unknown_redis"],
)
def test_url_that_is_none_is_told_by_its_setting(settings, setting, url):
    said = stores(settings, **{setting: url})
    assert f"wrong  {setting} is no " in said
    assert "s3cret" not in said


@pytest.mark.slow
@on_postgresql
def test_role_that_row_level_security_does_not_bind_is_told(settings):
    assert "ok     row-level security binds the role " in stores(settings)
    owner = settings["MIGRATION_DATABASE_URL"]
    said = stores(settings, DATABASE_URL=owner)
    assert "wrong  row-level security does not bind the role" in said
    assert "in MIGRATION_DATABASE_URL" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("revision", "remedy"),
    [
        ("0001", "migrations/ goes on to 0"),
        ("ffff", "which migrations/ does not know: go to the branch that has it"),
    ],
    ids=["behind", "ahead"],
)
def test_database_that_is_not_up_to_date_is_told(settings, databases, revision, remedy):
    own = settings | databases.clone()
    owner = create_engine(own.get("MIGRATION_DATABASE_URL", own["DATABASE_URL"]))
    with owner.begin() as connection:
        connection.execute(
            text(f"UPDATE alembic_version SET version_num = '{revision}'")
        )
    owner.dispose()
    said = stores(own)
    assert f"wrong  the database is at {revision}, " in said
    assert remedy in said
