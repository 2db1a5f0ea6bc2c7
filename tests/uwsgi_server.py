"""A real uWSGI for a test: myapp.ini, in a folder of its own, on a free port."""

import os
import signal
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

from tests.programs import free_port
from tests.servers import ROOT, Answer, answer_of, lay_out

INI = (ROOT / "myapp.ini").read_text()
PATIENCE = 30  # seconds until a test gives up waiting
WSGI = '''\
"""The application as shipped; each answer says which worker and process gave it."""

import os

import uwsgi

from myapp import create_app
from tests.samples import FEATURES

shipped = create_app(features=FEATURES)


def app(environ, start_response):
    def start(status, headers, *exc_info):
        who = [("X-Worker", str(uwsgi.worker_id())), ("X-Process", str(os.getpid()))]
        return start_response(status, headers + who, *exc_info)

    return shipped(environ, start)
'''


class UwsgiServer:
    """A uWSGI that is starting, or serves: ask it, end it."""

    def __init__(self, folder: Path, settings: Mapping[str, str], ini: str) -> None:
        lay_out(folder, WSGI)
        (folder / "myapp.ini").write_text(ini)
        self.port = free_port()
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

    def get(
        self, url: str, headers: Mapping[str, str], address: str = "127.0.0.1"
    ) -> Answer:
        """Send one GET from an address of this machine; any free worker answers."""
        return self.ask("GET", url, headers, address=address)

    def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        address: str = "127.0.0.1",
    ) -> Answer:
        """Send one request; any free worker answers."""
        connection = HTTPConnection(
            "127.0.0.1", self.port, PATIENCE, source_address=(address, 0)
        )
        with closing(connection):
            connection.request(method, url, body, dict(headers))
            return answer_of(connection.getresponse())

    def end(self) -> None:
        """Let it end, and wait for that."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(PATIENCE)
        if self._reader.ident:
            self._reader.join(PATIENCE)


@contextmanager
def serving(
    folder: Path, settings: Mapping[str, str], workers: int, ini: str = INI
) -> Iterator[UwsgiServer]:
    """Serve for a block, with so many workers."""
    own = {**settings, "WEB_CONCURRENCY": str(workers)}
    server = UwsgiServer(folder, own, ini)
    try:
        server.wait_for(workers)
        yield server
    finally:
        server.end()
