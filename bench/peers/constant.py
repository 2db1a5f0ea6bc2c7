"""The limit: a WSGI application that answers every request with one constant."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

BODY = (
    b'{"id":"01936d2f-7a2e-7c10-9a7b-3f4c5d6e7f80","name":"Ada Lovelace",'
    b'"email":"ada@example.com","created_at":"2026-01-01T00:00:00.000000Z",'
    b'"updated_at":"2026-01-01T00:00:00.000000Z"}'
)
HEADERS = [("Content-Type", "application/json"), ("Content-Length", str(len(BODY)))]


def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Answer with a customer that nobody looked up."""
    environ["wsgi.input"].read()  # uWSGI closes the connection on a body left over
    start_response("200 OK", HEADERS)
    return [BODY]
