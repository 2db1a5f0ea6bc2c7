"""Requests of a test client that pass through gunicorn, as bytes, in this process.

`./run test --server gunicorn` does so to those of every test: a worker as
deploy/gunicorn.conf.py has it reads each from a socket, and writes its answer there.
"""

import os
import runpy
import socket
import threading
from collections.abc import Iterable, Iterator
from functools import lru_cache
from http.client import HTTPResponse
from io import BytesIO
from typing import Any

import werkzeug.test
from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import TConn, ThreadWorker
from werkzeug.datastructures import Headers

from tests.servers import ROOT

ADDED = ("Server", "Date", "Connection", "Transfer-Encoding")
"""Headers that a server adds."""
SETTINGS = runpy.run_path(str(ROOT / "deploy" / "gunicorn.conf.py"))


def install() -> None:
    """Have every test client of this process reach its application that way."""
    werkzeug.test.run_wsgi_app = _run


def _run(
    app: Flask, environ: dict[str, Any], buffered: bool = False
) -> tuple[Iterable[bytes], str, Headers]:
    """Answer as `werkzeug.test.run_wsgi_app` does."""
    answer = _read(environ["REQUEST_METHOD"], _exchange(app, environ))
    headers = [each for each in answer.getheaders() if each[0] not in ADDED]
    return [answer.read()], f"{answer.status} {answer.reason}", Headers(headers)


def _exchange(app: Flask, environ: dict[str, Any]) -> bytes:
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
    path, query = environ["REQUEST_URI"].partition("?")[0], environ["QUERY_STRING"]
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


def _worker(app: Flask) -> ThreadWorker:
    """Return the worker that calls an application; it is not started."""
    if "gunicorn" not in app.extensions:
        shipped, cfg = _Shipped(), _configuration()
        worker = ThreadWorker(1, os.getpid(), [], shipped, 30, cfg, Logger(cfg))
        worker.wsgi = app
        worker.keepalived_conns, worker.max_keepalived = (), 0
        app.extensions["gunicorn"] = worker
    return app.extensions["gunicorn"]
