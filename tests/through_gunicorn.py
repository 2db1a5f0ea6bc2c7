"""Requests of a test client that pass through gunicorn, as bytes, in this process.

`./run test --server gunicorn` does so to those of every test: a worker as
deploy/gunicorn.conf.py has it reads each from a socket, and writes its answer there.
"""

import os
import re
import runpy
import socket
import threading
from collections.abc import Iterable, Iterator
from copy import copy
from functools import lru_cache
from http.client import HTTPResponse
from io import BytesIO
from typing import Any
from urllib.parse import quote

import pytest
import werkzeug.test
from gunicorn.app.base import BaseApplication
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import TConn, ThreadWorker
from werkzeug.datastructures import Headers

from tests.servers import ROOT

ADDED = ("Server", "Date", "Connection", "Transfer-Encoding")
"""Headers that a server adds."""
PLAIN = "/:@!$&'()*+,;=~"
"""Characters of a path that need no escape (RFC 3986, section 3.3)."""
SETTINGS = runpy.run_path(str(ROOT / "deploy" / "gunicorn.conf.py"))


OTHERWISE = (
    ("it reads a body in chunks itself", r"test_body_without_a_length"),
    ("it reads a body in chunks itself", r"test_a_body_in_chunks_answers_411"),
    ("it reads a body in chunks itself", r"_told_to_the_user\[.*chunks"),
    ("it reads a body in chunks itself", r"test_body_in_chunks_that_the_server"),
    ("it refuses the length", r"test_body_with_a_doubtful_content_length"),
    ("it notices the end", r"test_body_whose_connection_breaks_off"),
    ("it refuses the header", r"test_header_with_any_string"),
    ("it refuses the header", r"_names_nobody.*(key_with_a_nul|long)"),
    ("it refuses the header", r"test_a_user_agent_is_kept_in_printable"),
    ("it refuses the header", r"test_request_id_that_is_not_plain.*newline"),
    ("it refuses the header", r"test_if_match_that_is_no_current_tag.*long"),
    ("it refuses the header", r"test_a_forged_token_.*1-mib"),
    ("it refuses the line", r"test_list_filtered_by_any.*(50000|100000)"),
    ("it refuses the line", r"test_list_reads_a_query_of_raw_utf8"),
    ("it refuses the line", r"_doubtful_query.*(bytes_raw|deep|long|far_too_many)"),
    ("it refuses the line", r"test_path_that_names_nothing_answers_404\[long"),
    ("it sets no prefix", r"test_addresses_carry_the_prefix"),
    ("its own calls are counted, too", r"test_request_stays_within_its_budget"),
)
"""What gunicorn answers or does itself, and the tests that say how the application
does."""


def skip_others(items: Iterable[pytest.Item]) -> None:
    """Leave out the tests of what does not reach the application."""
    for item in items:
        for reason, name in OTHERWISE:
            if re.search(name, item.name):
                item.add_marker(pytest.mark.skip(reason=f"gunicorn: {reason}"))


def install() -> None:
    """Have every test client of this process reach its application that way."""
    _first_worker()  # it sets the umask for a moment: not while there are threads
    werkzeug.test.run_wsgi_app = _run


def _run(
    app: Any, environ: dict[str, Any], buffered: bool = False
) -> tuple[Iterable[bytes], str, Headers]:
    """Answer as `werkzeug.test.run_wsgi_app` does."""
    answer = _read(environ["REQUEST_METHOD"], _exchange(app, environ))
    headers = [each for each in answer.getheaders() if each[0] not in ADDED]
    return [answer.read()], f"{answer.status} {answer.reason}", Headers(headers)


def _exchange(app: Any, environ: dict[str, Any]) -> bytes:
    """Have gunicorn answer one request; return the bytes of its answer."""
    client, server = socket.socketpair()
    received: list[bytes] = []
    thread = threading.Thread(target=_send, args=(client, _request(environ), received))
    thread.start()
    address = (environ.get("REMOTE_ADDR", "127.0.0.1"), 50000)
    names = (environ["SERVER_NAME"], int(environ["SERVER_PORT"]))
    try:
        _worker(app).handle(TConn(_configuration(), server, address, names))
    finally:
        server.close()
        thread.join()
    return b"".join(received)


def _send(client: socket.socket, request: bytes, received: list[bytes]) -> None:
    with client:
        try:
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has answered, and does not read on
        try:
            while chunk := client.recv(65536):
                received.append(chunk)
        except ConnectionResetError:
            pass


def _request(environ: dict[str, Any]) -> bytes:
    """Return a request as a client would send it."""
    # What it sees of a path is what the application sees, however it was written.
    path = quote(environ["PATH_INFO"].encode("latin-1"), safe=PLAIN) or "/"
    query = environ.get("QUERY_STRING")
    target = f"{path}?{query}" if query else path
    lines = [f"{environ['REQUEST_METHOD']} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in _headers(environ)]
    body: bytes = environ["wsgi.input"].read()
    if environ.get("HTTP_TRANSFER_ENCODING") == "chunked":
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _headers(environ: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in environ.items():
        is_plain = key in ("CONTENT_TYPE", "CONTENT_LENGTH")
        if key.startswith("HTTP_") or is_plain and value:
            yield key.removeprefix("HTTP_").replace("_", "-").title(), value


def _read(method: str, answer: bytes) -> HTTPResponse:
    class Received:
        def makefile(self, _: str) -> BytesIO:
            return BytesIO(answer)

    received: Any = Received()
    response = HTTPResponse(received, method=method)
    response.begin()
    return response


class _Shipped(BaseApplication):
    """What a worker of gunicorn serves."""

    def load_config(self) -> None:
        for name in self.cfg.settings:
            if name in SETTINGS:
                self.cfg.set(name, SETTINGS[name])


@lru_cache
def _configuration() -> Config:
    """Return what deploy/gunicorn.conf.py sets."""
    return _Shipped().cfg


def _worker(app: Any) -> ThreadWorker:
    """Return a worker that calls an application; it is not started."""
    worker = copy(_first_worker())
    worker.wsgi = app
    return worker


@lru_cache
def _first_worker() -> ThreadWorker:
    shipped, cfg = _Shipped(), _configuration()
    worker = ThreadWorker(1, os.getpid(), [], shipped, 30, cfg, Logger(cfg))
    worker.tmp.close()  # by which one that is started shows that it lives
    worker.keepalived_conns, worker.max_keepalived = (), 0
    return worker
