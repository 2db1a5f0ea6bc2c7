"""Call an application as a WSGI server does, and see exactly what it sends back."""

from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from flask import Flask


class Answer(NamedTuple):
    """What was sent: the status line, the headers in their order, and the body."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes


class Call(NamedTuple):
    """A request, as raw as it is sent."""

    method: str
    url: str
    """Percent-encoded; with a query."""

    headers: Mapping[str, str] = {}
    body: bytes = b""
    environ: Mapping[str, str] = {}
    """What a server or a proxy adds to the environment."""

    def to_environ(self) -> dict[str, Any]:
        """Return the WSGI environment (PEP 3333)."""
        path, _, query = self.url.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "localhost",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(self.body),
            "wsgi.errors": BytesIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        if self.body:
            environ["CONTENT_LENGTH"] = str(len(self.body))
        for name, value in self.headers.items():
            key = name.upper().replace("-", "_")
            is_plain = key in ("CONTENT_TYPE", "CONTENT_LENGTH")
            environ[key if is_plain else f"HTTP_{key}"] = value
        return {**environ, **self.environ}


def send(app: Flask, call: Call) -> tuple[Answer, bool]:
    """Send a request; return the answer, and whether it came without Flask."""
    environ = call.to_environ()
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: Any, _: Any = None) -> Any:
        started.append((status, list(headers)))

    chunks: Iterable[bytes] = app(environ, start_response)
    body = b"".join(chunks)
    if close := getattr(chunks, "close", None):
        close()
    status, headers = started[-1]
    # Flask notes the request that it makes in the environment.
    return Answer(status, headers, body), "werkzeug.request" not in environ


def is_in_lane(app: Flask, call: Call) -> bool:
    """Tell whether a request is answered without Flask."""
    return send(app, call)[1]
