"""Copies of this checkout, and `./run` in those that cannot reach a network.

Such a copy has a .venv of its own, which borrows the packages of the Python that runs
the tests.
"""

import os
import re
import shutil
import signal
import subprocess
import sysconfig
import threading
import venv
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from devtools import environment
from tests.programs import free_port

ROOT = Path(__file__).parents[1]
PATIENCE = 30  # seconds until a test gives up waiting
OFFLINE = """\
import sys


def refuse(event, given):
    network = event == "socket.connect" and isinstance(given[1], tuple)
    lookup = event == "socket.getaddrinfo" and given[0] != "127.0.0.1"
    if network or lookup:
        raise OSError("there is no network")


sys.addaudithook(refuse)
"""
"""What every Python of a copy runs first: it leaves only the sockets that are files."""


class Run:
    """`./run` in a terminal of its own: what it says, Ctrl-C, its end."""

    def __init__(self, folder: Path, *arguments: str, path: str | None = None) -> None:
        self.folder, self.output = folder, ""
        home = str(folder.with_name("home"))
        environ = {"HOME": home, "TMPDIR": home, "PATH": path or os.environ["PATH"]}
        self.process = subprocess.Popen(
            [folder / "run", *arguments],
            cwd=home,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._news, self._seen, self._ended = threading.Condition(), 0, False
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        """Collect the output until nobody is left who could write any."""
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                with self._news:
                    self.output += line
                    self._news.notify()
        with self._news:
            self._ended = True
            self._news.notify()

    def until(self, pattern: str) -> re.Match[str]:
        """Wait until it prints this, after what the last wait was for."""
        look = re.compile(pattern).search
        with self._news:
            self._news.wait_for(
                lambda: self._ended or look(self.output, self._seen), PATIENCE
            )
            found = look(self.output, self._seen)
        assert found, f"it did not say {pattern!r}:\n{self.output}"
        self._seen = found.end()
        return found

    def greet(self) -> None:
        """Wait for the banner, and take it apart."""
        banner = r"Docs: +(\S+).*\n(?s:.*)Password: (\S+) .*\n +Try: +(.*)\n"
        self.docs, self.password, self.curl = self.until(banner).groups()
        self.key = self.curl.partition("Bearer ")[2].partition("'")[0]
        self.started = [self.process.pid, self.uwsgi, self.redis]

    def get(self, path: str, key: str = "") -> int:
        """Return the status of an answer."""
        return self.send("GET", path, {"Authorization": f"Bearer {key}"})[0]

    def send(
        self, method: str, path: str, headers: dict[str, str], body: str | None = None
    ) -> tuple[int, str]:
        """Return the status and the body of an answer."""
        address = urlsplit(self.docs).netloc
        with closing(HTTPConnection(address, timeout=PATIENCE)) as connection:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    @property
    def redis(self) -> int:
        """The process of its Redis."""
        return int((self.folder / "instance/redis/redis.pid").read_text())

    @property
    def uwsgi(self) -> int:
        """The process of its uWSGI."""
        said = (self.folder / "instance/run.lock").read_text()
        return int(said.partition("(process ")[2].rstrip(")"))

    def ctrl_c(self) -> int:
        """Interrupt its process group, as a terminal does; return its status."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.end()

    def end(self) -> int:
        """Wait for its end, and for that of all who could write to its terminal."""
        status = self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        assert not self.reader.is_alive(), "something that it started is still there"
        return status

    def kill(self) -> None:
        """End, as far as it has come, what does not end by itself."""
        self.process.kill()
        with suppress(OSError, ValueError):
            os.killpg(self.uwsgi, signal.SIGKILL)
        with suppress(OSError, ValueError):
            os.kill(self.redis, signal.SIGKILL)


@contextmanager
def running(folder: Path, *arguments: str, path: str | None = None) -> Iterator[Run]:
    """Run for a block; leave nothing behind, even where the test fails."""
    run = Run(folder, *arguments, path=path)
    try:
        yield run
        if run.process.poll() is None:
            run.ctrl_c()
    finally:
        if run.reader.is_alive():
            run.kill()
        run.end()


@contextmanager
def serving(folder: Path, path: str | None = None) -> Iterator[Run]:
    """Serve on a free port for a block."""
    with running(folder, "--port", str(free_port()), path=path) as run:
        yield run


def copy_files(folder: Path) -> None:
    """Copy what is in git, or would be."""
    tracked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(tracked, cwd=ROOT, text=True).split("\0"):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def copy_mypy_cache(folder: Path) -> None:
    """Spare a copy what mypy knows of the files that are in it, too."""
    if (cache := ROOT / ".mypy_cache").exists():
        shutil.copytree(cache, folder / ".mypy_cache")


def copy_checkout(parent: Path, layer: str = "runtime") -> Path:
    """Make a folder like a fresh clone that is set up, with an empty home beside it."""
    folder = parent / "checkout"
    copy_files(folder)
    (parent / "home").mkdir()

    prefix = str(folder / ".venv")
    venv.create(prefix, symlinks=True)
    for program in ("uwsgi", "zizmor"):  # the rest is called as modules
        shutil.copy2(Path(sysconfig.get_path("scripts"), program), f"{prefix}/bin")
    site = sysconfig.get_path("purelib", "venv", {"base": prefix, "platbase": prefix})
    borrowed = {sysconfig.get_path(kind) for kind in ("purelib", "platlib")}
    Path(site, "borrowed.pth").write_text("\n".join(borrowed))
    Path(site, "sitecustomize.py").write_text(OFFLINE)
    if layer == "dev":
        copy_mypy_cache(folder)
    for each in {"runtime", layer}:
        stamp = Path(prefix, environment.stamp(each).name)
        stamp.write_text(environment.fingerprint(each))
    return folder


def path_with(folder: Path, **programs: str) -> str:
    """Return a PATH that has what `./run` itself needs, and these scripts."""
    (folder / "bin").mkdir()
    (folder / "bin/dirname").symlink_to(shutil.which("dirname") or "")
    for name, script in programs.items():
        program = folder / "bin" / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    return str(folder / "bin")
