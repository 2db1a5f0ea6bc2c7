"""What `./run` promises, on copies of this checkout that never reach the network.

Each copy has a .venv of its own, which borrows the packages of the Python that runs the
tests. A test waits for what `./run` prints, or for its end.
"""

import fcntl
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sysconfig
import threading
import venv
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Queue
from time import monotonic
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from redis import Redis

from devtools import environment

ROOT = Path(__file__).parents[1]
PATIENCE = 30  # seconds until a test gives up on an event
OFFLINE = """\
import sys


def refuse(event, given):
    inet = event == "socket.connect" and isinstance(given[1], tuple)
    if inet or event == "socket.getaddrinfo":
        raise OSError("there is no network")


sys.addaudithook(refuse)
"""
"""What Python runs first in a copy: it leaves no way but the sockets of files."""


def copy_checkout(parent: Path) -> Path:
    """Return a folder like a fresh clone, with its packages; its home is beside it."""
    folder = parent / "checkout"
    tracked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(tracked, cwd=ROOT, text=True).split("\0"):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    venv.create(folder / ".venv", symlinks=True)
    base = {"base": str(folder / ".venv"), "platbase": str(folder / ".venv")}
    packages = Path(sysconfig.get_path("purelib", "venv", base))
    borrowed = {sysconfig.get_path(kind) for kind in ("purelib", "platlib")}
    (packages / "borrowed.pth").write_text("\n".join(borrowed))
    (packages / "sitecustomize.py").write_text(OFFLINE)
    shutil.copy2(Path(sysconfig.get_path("scripts"), "uwsgi"), folder / ".venv/bin")
    stamp = folder / ".venv" / environment.stamp("runtime").name
    stamp.write_text(environment.fingerprint("runtime"))
    (parent / "home").mkdir()
    return folder


class Run:
    """A `./run` in a terminal of its own: what it says, Ctrl-C, its end."""

    def __init__(
        self, folder: Path, *arguments: str, path: str = os.environ["PATH"]
    ) -> None:
        self.folder, self.output = folder, ""
        home = folder.with_name("home")
        self.process = subprocess.Popen(
            [folder / "run", *arguments],
            cwd=home,
            env={"PATH": path, "HOME": str(home), "TMPDIR": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def until(self, pattern: str) -> str:
        """Wait until it prints a line like this; return the line."""
        deadline = monotonic() + PATIENCE
        while line := self._lines.get(timeout=max(deadline - monotonic(), 0.01)):
            self.output += line
            if re.search(pattern, line):
                return line
        raise AssertionError(f"it ended without {pattern!r}:\n{self.output}")

    def ctrl_c(self) -> None:
        """Do what a terminal does: interrupt the whole group in the foreground."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> int:
        """Wait for its end, and for that of whatever writes to its terminal."""
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert not self._reader.is_alive(), "something that it started still runs"
        while line := self._lines.get():
            self.output += line
        self._lines.put("")
        return status

    @property
    def pids(self) -> dict[str, int]:
        """The processes that belong to it."""
        lock = (self.folder / "instance/run.lock").read_text()
        redis = (self.folder / "instance/redis/redis.pid").read_text()
        uwsgi = lock.partition("(process ")[2].rstrip(")")
        return {"run": self.process.pid, "uwsgi": int(uwsgi), "redis": int(redis)}

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put("")


class Serving(Run):
    """A `./run` that serves, with what its banner says."""

    def __init__(self, folder: Path, **options: str) -> None:
        super().__init__(folder, "--port", str(free_port()), **options)

    def greet(self) -> None:
        """Wait for the banner."""
        self.docs = self.until("  Docs: ").split()[-1]
        self.url = self.docs.removesuffix("/docs")
        self.curl = self.until("  Try: ").partition("Try:")[2].strip()
        self.key = self.curl.partition("Bearer ")[2].partition("'")[0]

    def get(self, path: str, key: str = "") -> int:
        """Return the status of an answer."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            return answer_of(self.url + path, headers)[0]
        except HTTPError as error:
            error.close()
            return error.code


@contextmanager
def serving(folder: Path, **options: str) -> Iterator[Serving]:
    """Serve a copy for the block; end whatever has not ended after it."""
    run = Serving(folder, **options)
    try:
        yield run
        if run.process.poll() is None:
            run.ctrl_c()
        run.end()
    finally:
        with suppress(FileNotFoundError, ValueError):  # it had not come that far
            kill(*run.pids.values())
        kill(run.process.pid)
