"""The mistakes that developers make most often, and the message that each one gets.

`tests/test_mistakes.py` makes each of them in a copy of this checkout, and holds
docs/troubleshooting.md against this list.
"""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from devtools import ports
from tests.checkout import PATIENCE, path_with, running, serving
from tests.programs import free_port, unprivileged

MODELS = "myapp/customers/models.py"
ENDPOINTS = "myapp/customers/endpoints.py"
PRODUCTION = {
    "MYAPP_CONFIG": "production",
    "DATABASE_URL": "postgresql://myapp@db.example/myapp",
    "REDIS_URL": "redis://redis.example:6379/0",
    "MAIL_URL": "smtps://myapp@mail.example",
    "MYAPP_MAIL_FROM": "no-reply@example.com",
    "PUBLIC_URL": "https://api.example.com",
}
NOWHERE = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}


class Mistake(NamedTuple):
    """A mistake, how it is made in a copy, and what the copy says of it.

    `message` has `{root}` for the folder, and other names for what is found there.
    """

    name: str
    make: Callable[[Path], tuple[str, dict[str, str]]]
    message: str

    @property
    def row(self) -> str:
        """The row of docs/troubleshooting.md."""
        text = re.sub(r"\{(\w+)\}", r"<\1>", self.message.replace("{root}/", ""))
        lines = " <br> ".join(f"`` {line.strip()} ``" for line in text.splitlines())
        return f"| {self.name} | {lines} |"


def said(folder: Path, *command: str, **environ: str) -> str:
    """Return what `./run` says with a command, which must fail."""
    done = subprocess.run(
        [folder / "run", *command],
        env={"PATH": os.environ["PATH"], "HOME": str(folder.with_name("home"))}
        | environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=10 * PATIENCE,
    )
    assert done.returncode != 0, done.stdout
    return done.stdout


def change(file: Path, source: str, other: str) -> str:
    """Write something else where a source stands; return the number of its line."""
    text = file.read_text()
    assert text.count(source) == 1, f"{file} has {source!r} {text.count(source)} times"
    file.write_text(text.replace(source, other))
    return str(text[: text.index(source)].count("\n") + 1)


def line_of(file: Path, source: str) -> str:
    """Return the number of the line where a source begins."""
    return change(file, source, source)


def unbounded_string(folder: Path) -> tuple[str, dict[str, str]]:
    change(folder / MODELS, '            "maxLength": 120,\n', "")
    found = {"line": line_of(folder / MODELS, "CUSTOMER = Contract")}
    return said(folder, "flask", "openapi"), found


def field_without_column(folder: Path) -> tuple[str, dict[str, str]]:
    phone = (
        '        "phone": {"type": "string", "maxLength": 40},\n        "created_at"'
    )
    change(folder / MODELS, '        "created_at": {', f"{phone}: {{")
    found = {"line": line_of(folder / MODELS, "CUSTOMER = Contract")}
    return said(folder, "flask", "openapi"), found


def unregistered_feature(folder: Path) -> tuple[str, dict[str, str]]:
    shutil.copytree(folder / "myapp/customers", folder / "myapp/invoices")
    with socket.create_server(("127.0.0.1", 0)) as taken:  # so that it ends
        port = taken.getsockname()[1]
        return said(folder, "--port", str(port)), {"feature": "invoices"}


def pending_migration(folder: Path) -> tuple[str, dict[str, str]]:
    missing = "no such table: signing_keys"
    return said(folder, "flask", "keys", "rotate"), {"missing": missing}


def operation_without_rule(folder: Path) -> tuple[str, dict[str, str]]:
    change(folder / ENDPOINTS, "    @operation.create(MEMBER)\n", "")
    return said(folder, "flask", "openapi"), {}


def duplicate_component(folder: Path) -> tuple[str, dict[str, str]]:
    change(
        folder / "myapp/teams/models.py",
        'Contract(\n    "Team",',
        'Contract(\n    "Customer",',
    )
    found = {
        "line": line_of(folder / MODELS, "CUSTOMER = Contract"),
        "other": line_of(folder / "myapp/teams/models.py", "TEAM = Contract"),
    }
    return said(folder, "flask", "openapi"), found


def unreachable_store(folder: Path) -> tuple[str, dict[str, str]]:
    return said(folder, "flask", "keys", "rotate", **NOWHERE), {}


def taken_port(folder: Path) -> tuple[str, dict[str, str]]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = {"holder": ports.holder(port), "next": str(port + 1)}
        return said(folder, "--port", str(port)), {"port": str(port), **found}


def held_lock(folder: Path) -> tuple[str, dict[str, str]]:
    port = str(free_port())
    with running(folder, "--port", port) as first:
        first.until("Demo customers")
        found = {"port": port, "process": str(first.uwsgi)}
        refused = said(folder)
        first.kill()  # with -9: it cannot tidy up
        first.end()
    with serving(folder) as second:  # and nothing of it is in the way
        second.greet()
    return refused, found


def wrong_python(folder: Path) -> tuple[str, dict[str, str]]:
    shutil.rmtree(folder / ".venv")
    path = path_with(folder.parent, python3="echo 3.9")
    return said(folder, PATH=path), {"versions": "3.9"}


def missing_secret(folder: Path) -> tuple[str, dict[str, str]]:
    return said(folder, "flask", "openapi", **PRODUCTION), {}


def unwritable_instance(folder: Path) -> tuple[str, dict[str, str]]:
    (folder / "instance").chmod(0o500)
    command = unprivileged(folder / "run")
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    (folder / "instance").chmod(0o700)
    assert done.returncode == 1, done.stdout
    return done.stderr, {}


MISTAKES = (
    Mistake(
        "a string without `maxLength`",
        unbounded_string,
        "Error: {root}/myapp/customers/models.py:{line}: Customer.name:"
        " a string needs a bound: add 'maxLength'",
    ),
    Mistake(
        "a field without a column",
        field_without_column,
        "Error: {root}/myapp/customers/models.py:{line}: Customer.phone:"
        " has no column in customers: add one, or rename the field",
    ),
    Mistake(
        "a feature that is not registered",
        unregistered_feature,
        "./run: myapp/{feature} is no part of the application:"
        ' add "{feature}" to FEATURES in myapp/__init__.py, or remove the folder',
    ),
    Mistake(
        "a pending migration",
        pending_migration,
        "Error: The database is not up to date with migrations/ ({missing}): run"
        " `flask db upgrade`, or ./run once. Where no migration has it yet,"
        " `flask db migrate` writes one.",
    ),
    Mistake(
        "an operation without a rule",
        operation_without_rule,
        "Error: {root}/myapp/customers/endpoints.py: CustomerList.post:"
        " no operation of POST declares who may call it: decorate it, as in"
        " `@operation.create(MEMBER)`",
    ),
    Mistake(
        "two contracts of one name",
        duplicate_component,
        "Error: {root}/myapp/customers/models.py:{line}: Customer: the contract at"
        " {root}/myapp/teams/models.py:{other} has the same name:"
        " rename one of the two",
    ),
    Mistake(
        "a store that cannot be reached",
        unreachable_store,
        "Error: The database does not answer: start it, or correct DATABASE_URL in"
        " instance/config.py, .env or the environment. ./run has stores of its own.",
    ),
    Mistake(
        "a port that is taken",
        taken_port,
        "Port {port} is taken by {holder}.\nTake the next one: ./run --port {next}",
    ),
    Mistake(
        "a lock that another `./run` holds; it never outlives its holder",
        held_lock,
        "myapp is already served from this folder (instance/run.lock):"
        " http://127.0.0.1:{port} (process {process}).\n"
        "Use that one, or stop it: Ctrl-C where it runs, or kill <process>.",
    ),
    Mistake(
        "the wrong Python",
        wrong_python,
        "./run: myapp needs Python 3.11 to 3.14; found here: {versions}.\n"
        "Install one, for example: sudo apt install python3, brew install python@3.13",
    ),
    Mistake(
        "a missing secret",
        missing_secret,
        "Error: These settings are unfit for production; set them in"
        " instance/config.py, .env or the environment:\n"
        "  SECRET_KEY has fewer than 32 characters: make one with"
        ' `python3 -c "import secrets; print(secrets.token_urlsafe(32))"`',
    ),
    Mistake(
        "an `instance/` that cannot be written to",
        unwritable_instance,
        "{root}/instance cannot be written to, and the database, Redis and the secret"
        ' are kept there: sudo chown -R "$(id -un)" {root}/instance &&'
        " chmod -R u+rwX {root}/instance",
    ),
)
