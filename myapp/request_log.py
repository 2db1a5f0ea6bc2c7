"""One WSGI wrapper around everything: request id, security headers, one log line.

It also says which application's stores are at work, and answers whatever the
application itself could not.
"""

import logging
import re
from collections.abc import Iterable
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from myapp import db, errors, tables
from myapp.errors import Reply

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

    from myapp.request import Environ, Request

logger = logging.getLogger("myapp.requests")

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
Headers = list[tuple[str, str]]


class RequestLog:
    """Wraps a WSGI application; `stores` are at work while it answers."""

    def __init__(self, application: "WSGIApplication", stores: db.Stores) -> None:
        self._application = application
        self._stores = stores

    def __call__(
        self, environ: "Environ", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer one request, and log it (PEP 3333)."""
        started = perf_counter()
        request_id = environ["myapp.request_id"] = _request_id(environ)
        answered: list[str] = []

        def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
            answered[:] = [status[:3]]
            headers.append(("X-Request-Id", request_id))
            given = {name for name, _ in headers}
            headers.extend(
                header for header in SECURITY_HEADERS.items() if header[0] not in given
            )
            return start_response(status, headers, exc_info)

        with db.use(self._stores):
            try:
                _refuse_doubtful(environ)
                return self._application(environ, start)
            except Exception as error:
                return _send(errors.respond(error, request_id), start)
            finally:
                logger.info(_line(environ, answered, perf_counter() - started))


def _refuse_doubtful(environ: "Environ") -> None:
    """Raise NotFound for `//…`, which a browser reads as a host's name."""
    if environ["PATH_INFO"].startswith("//"):
        raise errors.NotFound()


def _request_id(environ: "Environ") -> str:
    """Return the caller's request id if it is safe to log, or a new one."""
    sent = environ.get("HTTP_X_REQUEST_ID", "")
    return sent if REQUEST_ID.fullmatch(sent) else uuid4().hex


def _send(reply: Reply, start: Any) -> Iterable[bytes]:
    phrase = HTTPStatus(reply.status).phrase
    start(f"{reply.status} {phrase}", list(reply.headers.items()))
    return [reply.body]


def _line(environ: "Environ", answered: list[str], seconds: float) -> str:
    """Return the log line: never a query, a header or a body, which hold secrets."""
    request: Request | None = environ.get("myapp.request")
    principal = request.signed_in if request else None
    line = {
        "time": tables.now(),
        "request_id": environ["myapp.request_id"],
        "method": environ["REQUEST_METHOD"],
        "path": environ["PATH_INFO"],
        "status": int(answered[0]) if answered else 500,
        "ms": round(seconds * 1000, 1),
        "peer": environ.get("REMOTE_ADDR"),
        "account_id": principal and principal.account_id,
        "subject": principal and principal.subject,
    }
    return msgspec.json.encode(line).decode()
