"""`./run deploy`, over ssh into an empty server on loopback, while requests come.

What is deployed is a copy of this checkout. Its answers say which release and which
version of a package gave them.
"""

import base64
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any, NamedTuple

import psycopg
import pytest

from devtools.deploy import SHIPPED
from devtools.postgres_server import PostgresServer
from tests.nginx_server import Nginx, ask, nginx
from tests.programs import free_port, program
from tests.server_stand_in import Ssh, Systemd, commands, sshd

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[1]
READY = "/health/ready"
SLOW = "/takes/two/seconds"
WSGI = f"""\
import time

import canary
from myapp import create_app

app = create_app()
shipped = app.wsgi_app


def deployed(environ, start_response):
    if environ["PATH_INFO"] == "{SLOW}":
        time.sleep(2)
        environ["PATH_INFO"] = "{READY}"

    def start(status, headers, exc_info=None):
        named = [("X-Release", RELEASE), ("X-Canary", canary.VERSION)]
        return start_response(status, headers + named, exc_info)

    return shipped(environ, start)


app.wsgi_app = deployed
"""
MIGRATION = """\
import sqlalchemy as sa
from alembic import op

revision, down_revision = "of_a_test", "{head}"


def upgrade():
    op.create_table("made_by_a_test", sa.Column("id", sa.Integer, primary_key=True))
"""
ENVIRONMENT = """\
# As deploy/server-setup writes it
DATABASE_URL={application}
REDIS_URL={redis}
MAIL_URL=smtp://127.0.0.1:1
PUBLIC_URL=https://localhost:{port}
MYAPP_MAIL_FROM=myapp@example.com
MYAPP_SECRET_KEY=the-secret-of-a-server-that-lives-for-a-minute
"""


class Deployed(NamedTuple):
    """How a deployment ended."""

    status: int
    said: str


class Server(NamedTuple):
    """A server: its folder, its front, and the ways to it."""

    prefix: Path
    ssh: Ssh
    front: Nginx
    database: str

    def current(self) -> str:
        """Return the name of the release that serves."""
        return (self.prefix / "current").resolve().name

    def releases(self) -> list[str]:
        """Return the names of the releases that are there."""
        return sorted(path.name for path in (self.prefix / "releases").iterdir())

    def answer(self) -> tuple[int, str, str]:
        """Return the status, the release and the package's version of an answer."""
        status, headers, _ = self.front.ask("GET", READY)
        return status, headers["X-Release"], headers["X-Canary"]


class Checkout(NamedTuple):
    """A clone from which is deployed."""

    folder: Path
    wheels: Path

    def git(self, *command: str) -> None:
        """Run git, as a user of our own."""
        who = ["-c", "user.name=a", "-c", "user.email=a@b.example"]
        subprocess.run(
            ["git", *who, *command], cwd=self.folder, check=True, capture_output=True
        )

    def commit(self, release: str, *, wsgi: str = WSGI, canary: str = "1.0") -> None:
        """Commit a release that says its name, and pins a version of a package."""
        (self.folder / "wsgi.py").write_text(f'{wsgi}\nRELEASE = "{release}"\n')
        pins = (ROOT / "requirements.txt").read_text() + pin(self.wheels, canary)
        (self.folder / "requirements.txt").write_text(pins)
        self.git("add", "-A")
        self.git("commit", "-qm", release)

    def replace(self, name: str, old: str, new: str) -> None:
        """Write something else into a file."""
        text = (self.folder / name).read_text()
        assert old in text
        (self.folder / name).write_text(text.replace(old, new))

    def add_migration(self) -> None:
        """Write a migration that follows all others."""
        folder = self.folder / "migrations" / "versions"
        texts = [path.read_text() for path in folder.glob("*.py")]
        made = {re.findall(r'(?m)^revision = "(.*)"', text)[0] for text in texts}
        before = {*re.findall(r'down_revision = "(.*)"', "".join(texts))}
        (head,) = made - before
        (folder / "9999_of_a_test.py").write_text(MIGRATION.format(head=head))

    def deploy(self, server: Server, *options: str) -> Deployed:
        """Run `./run deploy`, as a developer does."""
        to = f"{server.ssh.login}:{server.prefix}"
        done = subprocess.run(
            ["./run", "deploy", to, *server.ssh.options, *options],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        return Deployed(done.returncode, done.stdout)


def pin(wheels: Path, version: str) -> str:
    """Make a package that knows its version; return its line in requirements.txt."""
    wheel = wheels / f"canary_of_myapp-{version}-py3-none-any.whl"
    info = f"canary_of_myapp-{version}.dist-info"
    files = {
        "canary.py": f'VERSION = "{version}"\n',
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: canary-of-myapp\n"
        f"Version: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    record = "".join(f"{name},{digest(text)},\n" for name, text in files.items())
    if not wheel.exists():
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, text in {**files, f"{info}/RECORD": record}.items():
                archive.writestr(name, text)
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return f"canary-of-myapp=={version} \\\n    --hash=sha256:{found}\n"


def digest(text: str) -> str:
    """Return a digest as a wheel's RECORD has it."""
    found = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
    return f"sha256={found.decode().rstrip('=')}"


class Load:
    """Clients that ask without a pause; what each answer was, and how long it took."""

    def __init__(self, front: Nginx) -> None:
        self._front, self._ended = front, threading.Event()
        self.seconds: list[float] = []
        self.slow: list[float] = []
        self.failed: list[str] = []
        self._threads = [
            threading.Thread(target=target)
            for target in (self._keep, self._anew, self._wait)
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _keep(self) -> None:
        """Send every request on one connection."""
        with closing(self._front.connect()) as connection:
            while not self._ended.wait(0.03):
                self._note(self.seconds, lambda: ask(connection, "GET", READY).status)

    def _anew(self) -> None:
        """Send every request on a connection of its own."""
        while not self._ended.wait(0.03):
            self._note(self.seconds, lambda: self._front.ask("GET", READY).status)

    def _wait(self) -> None:
        """Send requests that last two seconds."""
        while not self._ended.is_set():
            self._note(self.slow, lambda: self._front.ask("GET", SLOW).status)

    def _note(self, seconds: list[float], send: Any) -> None:
        began = monotonic()
        try:
            status = send()
        except (OSError, HTTPException) as error:
            self.failed.append(repr(error))
        else:
            if status != 200:
                self.failed.append(f"{status} after {monotonic() - began:.1f} s")
        seconds.append(monotonic() - began)

    def __str__(self) -> str:
        ordered = sorted(self.seconds)
        return (
            f"{len(ordered)} requests, {len(self.failed)} failed,"
            f" p50 {ordered[len(ordered) // 2] * 1000:.0f} ms,"
            f" p99 {ordered[len(ordered) * 99 // 100] * 1000:.0f} ms,"
            f" longest {ordered[-1] * 1000:.0f} ms; {len(self.slow)} of 2 s,"
            f" longest {max(self.slow):.1f} s"
        )


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A copy of what this checkout would send, and of what sends it."""
    folder, wheels = tmp_path / "checkout", tmp_path / "wheels"
    wheels.mkdir()
    ignored = shutil.ignore_patterns("__pycache__")
    for name in (*SHIPPED, "devtools", "run"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            folder.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    (folder / ".gitignore").write_text("__pycache__/\n")
    checkout = Checkout(folder, wheels)
    checkout.git("init", "-q")
    return checkout


@contextmanager
def migratable(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Serve an empty database; yield the superuser's, application's and owner's URL."""
    with PostgresServer(folder) as postgres:
        admin = postgres.url.replace("+psycopg", "")
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute("CREATE ROLE myapp LOGIN")
            connection.execute("CREATE ROLE myapp_owner LOGIN")
            connection.execute("CREATE DATABASE myapp OWNER myapp_owner")
        for_all = admin.replace("/postgres?", "/myapp?")
        roles = ("postgres@", "myapp@", "myapp_owner@")
        superuser, application, owner = (for_all.replace(roles[0], r) for r in roles)
        yield superuser, application, owner


@pytest.fixture
def server(tmp_path: Path, checkout: Checkout, redis_url: str) -> Iterator[Server]:
    """What deploy/server-setup leaves: stores, folders, nginx, and no release."""
    with (
        TemporaryDirectory(prefix="myapp-") as short,
        migratable(tmp_path / "postgres") as (superuser, application, owner),
    ):
        prefix, folder, port = Path(short, "app"), Path(short), free_port()
        etc = folder / "etc"
        etc.mkdir()
        checkout.replace("deploy/release.py", '"/etc/myapp"', repr(str(etc)))
        for name in ("releases", "venvs", "instance"):
            (prefix / name).mkdir(parents=True)
        settings = {"application": application, "redis": redis_url, "port": port}
        (etc / "env").write_text(ENVIRONMENT.format(**settings))
        (etc / "env.owner").write_text(f"MIGRATION_DATABASE_URL={owner}\n")
        pip = {name: text for name, text in os.environ.items() if name[:4] == "PIP_"}
        links = f"{checkout.wheels} {pip.get('PIP_FIND_LINKS', '')}".strip()
        with Systemd(prefix, etc, folder) as systemd:
            path = f"{commands(folder, systemd)}:/usr/local/bin:/usr/bin:/bin"
            environment = pip | {"PATH": path, "PIP_FIND_LINKS": links}
            with (
                sshd(folder, environment) as ssh,
                nginx(folder, systemd.address, port) as front,
            ):
                yield Server(prefix, ssh, front, superuser)


@pytest.mark.slow
def test_deployments_under_load_fail_no_request(
    server: Server, checkout: Checkout, record_property: Any
) -> None:
    program("rsync")

    def under_load(named: str, *options: str) -> Deployed:
        with Load(server.front) as load:
            deployed = checkout.deploy(server, *options)
        record_property(named, str(load))
        print(f"{named}: {load}")
        assert load.failed == []
        assert load.slow
        return deployed

    # The first, into an empty server.
    checkout.commit("first")
    deployed = checkout.deploy(server)
    assert deployed.status == 0, deployed.said
    assert server.answer() == (200, "first", "1.0")
    sent = {path.name for path in (server.prefix / "current").iterdir()}
    assert sent == {*SHIPPED, ".venv", "instance", "previous", "__pycache__"}
    assert not [*(server.prefix / "current" / "myapp").rglob("test_*")]

    # One with a migration.
    checkout.add_migration()
    checkout.commit("migrated")
    deployed = under_load("a migration")
    assert deployed.status == 0, deployed.said
    assert "\nreload\n" in deployed.said
    assert server.answer() == (200, "migrated", "1.0")
    with psycopg.connect(server.database) as connection:
        connection.execute("SELECT id FROM made_by_a_test")

    # One that changes a pinned package: the new one is what runs.
    checkout.commit("with another package", canary="2.0")
    deployed = under_load("another package")
    assert deployed.status == 0, deployed.said
    assert "\nreload\n" in deployed.said
    assert server.answer() == (200, "with another package", "2.0")
    serving = server.current()

    # One that is broken: it is not in service for a moment.
    checkout.commit("broken", wsgi="import nothing_that_is_there")
    deployed = under_load("a broken build")
    assert deployed.status == 1
    assert "No module named 'nothing_that_is_there'" in deployed.said
    assert f"Nothing has changed: {serving} goes on serving" in deployed.said
    assert server.current() == serving
    assert len(server.releases()) == 3

    # One for which uWSGI itself must start anew.
    ini = checkout.folder / "myapp.ini"
    ini.write_text(ini.read_text().replace("threads = 8", "threads = 9"))
    checkout.commit("with other settings", canary="2.0")
    deployed = under_load("a restart")
    assert deployed.status == 0, deployed.said
    assert "\nrestart\n" in deployed.said
    assert server.answer() == (200, "with other settings", "2.0")

    # And back.
    deployed = under_load("a rollback", "--rollback")
    assert deployed.status == 0, deployed.said
    assert server.current() == serving
    deployed = under_load("a rollback of packages", "--rollback")
    assert deployed.status == 0, deployed.said
    assert server.answer() == (200, "migrated", "1.0")

    # One that shows its fault in service alone: the one before is put back.
    ini.write_text((ROOT / "myapp.ini").read_text())
    before = server.current()
    broken = 'if "/current/" in __file__:\n    raise RuntimeError("only here")\n'
    checkout.commit("broken in service", wsgi=broken + WSGI)
    deployed = checkout.deploy(server)
    assert deployed.status == 1
    assert "could not load the application" in deployed.said
    assert f"going back to {before}" in deployed.said
    assert server.answer() == (200, "migrated", "1.0")

    # And four as they are made every day.
    for number in range(1, 5):
        checkout.commit(f"change {number}")
        deployed = under_load(f"change {number}")
        assert deployed.status == 0, deployed.said
        assert "\nreload\n" in deployed.said
        assert server.answer() == (200, f"change {number}", "1.0")
    serving = server.current()

    # And two at once: the second is told.
    with (server.prefix / "deploy.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        deployed = checkout.deploy(server)
    assert deployed.status == 1
    assert "Another deployment is at work" in deployed.said
    assert server.current() == serving


def test_deployment_of_what_is_in_no_commit_is_refused(checkout: Checkout) -> None:
    checkout.commit("committed")
    (checkout.folder / "myapp" / "forgotten.py").touch()
    said = refused(checkout, "deploy@127.0.0.1:/var/app/myapp")
    assert "?? myapp/forgotten.py\nCommit it" in said


@pytest.mark.parametrize(
    "to", ["127.0.0.1", "deploy@127.0.0.1", "a@b:relative", "-a@b:/"]
)
def test_deployment_to_no_destination_is_refused(checkout: Checkout, to: str) -> None:
    assert "deploy@api.example.com:/var/app/myapp" in refused(checkout, "--", to)


def test_deployment_to_a_server_that_is_away_says_that_nothing_has_changed(
    checkout: Checkout,
) -> None:
    checkout.commit("committed")
    port = str(free_port())
    to = "deploy@127.0.0.1:/var/app/myapp"
    said = refused(checkout, to, "--port", port)
    assert "Nothing on the server has changed." in said
    said = refused(checkout, to, "--port", port, "--rollback")
    assert "the connection failed" in said


def refused(checkout: Checkout, *options: str) -> str:
    """Run a deployment that fails; return what it says."""
    done = subprocess.run(
        ["./run", "deploy", *options],
        cwd=checkout.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stdout
    return done.stdout
