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

MODELS = "myapp/users/models.py"
ENDPOINTS = "myapp/users/endpoints.py"
USER = "USER = Contract["
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
    """Return the number of the line that begins with a source."""
    [line] = [
        number
        for number, text in enumerate(file.read_text().splitlines(), 1)
        if text.startswith(source)
    ]
    return str(line)


def unbounded_string(folder: Path) -> tuple[str, dict[str, str]]:
    bound = '    "maxLength": 120,\n    "examples": ["Ada Lovelace"],\n'
    change(folder / MODELS, bound, "")
    return said(folder, "flask", "openapi"), {"line": line_of(folder / MODELS, USER)}


def field_without_column(folder: Path) -> tuple[str, dict[str, str]]:
    field = '        "is_active": {"type": "boolean"},\n'
    phone = '        "phone": {"type": "string", "maxLength": 40},\n'
    change(folder / MODELS, field, field + phone)
    return said(folder, "flask", "openapi"), {"line": line_of(folder / MODELS, USER)}


def unregistered_feature(folder: Path) -> tuple[str, dict[str, str]]:
    shutil.copytree(folder / "myapp/users", folder / "myapp/unregistered")
    with socket.create_server(("127.0.0.1", 0)) as taken:  # so that it ends
        port = taken.getsockname()[1]
        return said(folder, "--port", str(port)), {"feature": "unregistered"}


def pending_migration(folder: Path) -> tuple[str, dict[str, str]]:
    missing = "no such table: signing_keys"
    return said(folder, "flask", "keys", "rotate"), {"missing": missing}


def operation_without_rule(folder: Path) -> tuple[str, dict[str, str]]:
    rule = "    @operation.create(ADMIN, accepts=NEW_USER)\n"
    change(folder / ENDPOINTS, rule, "")
    return said(folder, "flask", "openapi"), {}


def duplicate_component(folder: Path) -> tuple[str, dict[str, str]]:
    clients = folder / "myapp/clients/models.py"
    line = change(
        clients, '](\n    "Client", description', '](\n    "User", description'
    )
    found = {"line": line, "other": line_of(folder / MODELS, USER)}
    return said(folder, "flask", "openapi"), found


def missing_types(folder: Path) -> tuple[str, dict[str, str]]:
    entries = folder / "myapp/audit_entries"
    (entries / "shapes.py").unlink()
    line = line_of(entries / "models.py", "from myapp.audit_entries.shapes")
    return said(folder, "doctor"), {"line": line}


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
        first.greet()
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
        "Error: {root}/myapp/users/models.py:{line}: User.name:"
        " a string needs a bound: add 'maxLength'",
    ),
    Mistake(
        "a field without a column",
        field_without_column,
        "Error: {root}/myapp/users/models.py:{line}: User.phone:"
        " has no column in users: add one, or rename the field",
    ),
    Mistake(
        "a feature that is not registered",
        unregistered_feature,
        "./run: myapp/{feature} is no part of the application:"
        ' add "{feature}" to FEATURES in myapp/__init__.py,'
        " or remove the folder",
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
        "Error: {root}/myapp/users/endpoints.py: UserList.post:"
        " no operation of POST declares who may call it: decorate it, as in"
        " `@operation.create(MEMBER)`",
    ),
    Mistake(
        "two contracts of one name",
        duplicate_component,
        "Error: {root}/myapp/clients/models.py:{line}: User: the contract at"
        " {root}/myapp/users/models.py:{other} has the same name:"
        " rename one of the two",
    ),
    Mistake(
        "types that are missing, or older than what imports them (`./run doctor`)",
        missing_types,
        "wrong  {root}/myapp/audit_entries/models.py:{line}:"
        " ModuleNotFoundError: No module named 'myapp.audit_entries.shapes':"
        " write it:"
        " ./run flask contracts types --write",
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
