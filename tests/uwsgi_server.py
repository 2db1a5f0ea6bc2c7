"""A real uWSGI for a test: myapp.ini, in a folder of its own, on a free port."""

import os
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PATIENCE = 30  # seconds until a test gives up waiting
WSGI = '''\
"""The application as shipped; each answer says which worker gave it."""

import uwsgi

from myapp import create_app

shipped = create_app()


def app(environ, start_response):
    def start(status, headers, *exc_info):
        named = [*headers, ("X-Worker", str(uwsgi.worker_id()))]
        return start_response(status, named, *exc_info)

    return shipped(environ, start)
'''


class Answer(NamedTuple):
    """What came back, and from which worker."""

    status: int
    worker: str


class UwsgiServer:
    """A uWSGI that is starting, or serves: ask it, end it."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        for name in ("myapp", "myapp.ini", "default_config.py"):
            (folder / name).symlink_to(ROOT / name)
        (folder / "wsgi.py").write_text(WSGI)
        (folder / "instance").mkdir()
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        uwsgi = Path(sysconfig.get_path("scripts"), "uwsgi")
        own = {"PATH": os.environ["PATH"], "PORT": str(self.port)}
        self.output, self._reader = "", threading.Thread(target=self._read)
        self._process = subprocess.Popen(
            [sys.executable, uwsgi, "--ini", "myapp.ini"],
            cwd=folder,
            env=own | dict(settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait_for(self, workers: int) -> None:
        """Wait until so many workers have loaded the application."""
        assert self._process.stdout is not None
        while self.output.count("WSGI app 0 (mountpoint='') ready") < workers:
            line = self._process.stdout.readline()
            assert line, f"it has ended:\n{self.output}"
            self.output += line
        self._reader.start()  # the log of its requests would fill the pipe

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            self.output += lines.read()

    def get(self, url: str, headers: Mapping[str, str]) -> Answer:
        """Send one GET; whichever worker is free answers."""
        connection = HTTPConnection("127.0.0.1", self.port, PATIENCE)
        with closing(connection):
            connection.request("GET", url, headers=dict(headers))
            answer = connection.getresponse()
            answer.read()
            return Answer(answer.status, answer.headers["X-Worker"])

    def end(self) -> None:
        """Let it end, and wait for that."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(PATIENCE)
        if self._reader.ident:
            self._reader.join(PATIENCE)


@contextmanager
def serving(
    folder: Path, settings: Mapping[str, str], workers: int
) -> Iterator[UwsgiServer]:
    """Serve for a block, with so many workers."""
    server = UwsgiServer(folder, {**settings, "WEB_CONCURRENCY": str(workers)})
    try:
        server.wait_for(workers)
        yield server
    finally:
        server.end()
