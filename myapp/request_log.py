"""One WSGI wrapper around everything: request id, security headers, one log line.

It leaves `myapp.request_id` and `myapp.status` in the environment, for
what is wrapped around it. It also says which application's stores are at work, and
answers whatever the application itself could not.
"""

import re
from collections.abc import Iterable
from http import HTTPStatus
from random import getrandbits
from time import perf_counter
from typing import TYPE_CHECKING, Any

import msgspec

from myapp import db, errors, log, tables
from myapp.errors import Reply

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

    from myapp.request import Environ, Request

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
SECURITY_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
)
LONGEST_PATH = 1000
"""Characters that the log shows of one."""
encode = msgspec.json.Encoder().encode
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
        environ["myapp.status"] = 500

        def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
            environ["myapp.status"] = int(status[:3])
            headers.append(("X-Request-Id", request_id))
            given = dict(headers)
            headers += [each for each in SECURITY_HEADERS if each[0] not in given]
            return start_response(status, headers, exc_info)

        with db.use(self._stores):
            try:
                if environ["PATH_INFO"].startswith("//"):  # to a browser a host's name
                    raise errors.NotFound()
                return self._application(environ, start)
            except Exception as error:
                return _send(errors.respond(error, request_id), start)
            finally:
                log.write_request(_line(environ, perf_counter() - started))


def _request_id(environ: "Environ") -> str:
    """Return the caller's request id if it is safe to log, or a new one."""
    sent: str | None = environ.get("HTTP_X_REQUEST_ID")
    if sent is not None and REQUEST_ID.fullmatch(sent):
        return sent
    return f"{getrandbits(128):032x}"  # it is no secret


def _send(reply: Reply, start: Any) -> Iterable[bytes]:
    phrase = HTTPStatus(reply.status).phrase
    start(f"{reply.status} {phrase}", list(reply.headers.items()))
    return [reply.body]


def _line(environ: "Environ", seconds: float) -> bytes:
    """Return the log line: never a query, a header or a body, which hold secrets."""
    request: Request | None = environ.get("myapp.request")
    principal = request.signed_in if request else None
    line = {
        "time": tables.now(),
        "request_id": environ["myapp.request_id"],
        "method": environ.get("REQUEST_METHOD"),  # uWSGI passes on nonsense without
        "path": environ["PATH_INFO"][:LONGEST_PATH],
        "status": environ["myapp.status"],
        "ms": round(seconds * 1000, 1),
        "peer": environ.get("REMOTE_ADDR"),
        "account_id": principal and principal.account_id,
        "subject": principal and principal.subject,
    }
    return encode(line)
