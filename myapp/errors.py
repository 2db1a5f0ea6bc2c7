"""The one error shape: problem details (RFC 9457), and the tree of problems.

    Problem
    ├── BadRequest              400
    │   └── InvalidBody         400, one entry in `errors` for each broken rule
    ├── Unauthorized            401
    ├── Forbidden               403
    ├── NotFound                404
    ├── MethodNotAllowed        405
    ├── NotAcceptable           406
    ├── Conflict                409
    ├── LengthRequired          411
    ├── PreconditionFailed      412
    ├── PayloadTooLarge         413
    ├── UnsupportedMediaType    415
    ├── Unprocessable           422
    ├── PreconditionRequired    428
    ├── TooManyRequests         429
    ├── InternalError           500
    └── Unavailable             503

Raise one anywhere; `respond` is the only place that builds an error body.
Imports nothing of the package.
"""

import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

logger = logging.getLogger("myapp.errors")

MEDIA_TYPE = "application/problem+json"
MOST_ERRORS = 20
MOST_ERROR_BYTES = 6000
LONGEST_POINTER = 120


class Reply(NamedTuple):
    """What is sent back: a status, the bytes of the body and the headers."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


class BrokenRule(NamedTuple):
    """One broken rule; `at` is a JSON Pointer, `?parameter` or `Header:`."""

    at: str
    rule: str
    detail: str


class Problem(Exception):
    """An answer that says what happened, and what to do about it."""

    status = 500
    title = "Internal error"
    type = ""
    """The address of its explanation; the one of its title where it is empty."""

    def __init__(
        self,
        detail: str | None = None,
        errors: list[BrokenRule] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.errors = errors or []
        self.headers = headers or {}


class BadRequest(Problem):
    """The request cannot be read: mend it before sending it again."""

    status, title = 400, "Bad request"


class InvalidBody(BadRequest):
    """The body breaks the contract; `errors` names each place and rule."""

    title = "Invalid body"


class Unauthorized(Problem):
    """No valid credential came with the request: send a live bearer token."""

    status, title = 401, "Unauthorized"

    def __init__(self, detail: str, error: str = "") -> None:
        challenge = 'Bearer realm="myapp"' + (f', error="{error}"' if error else "")
        super().__init__(detail, headers={"WWW-Authenticate": challenge})


class Forbidden(Problem):
    """The credential is good, but its role or scopes do not reach this far."""

    status, title = 403, "Forbidden"


class NotFound(Problem):
    """There is nothing here that you may see."""

    status, title = 404, "Not found"


class MethodNotAllowed(Problem):
    """The resource exists, but not for this method; `Allow` lists those it has."""

    status, title = 405, "Method not allowed"


class NotAcceptable(Problem):
    """`Accept` admits no representation that this operation has."""

    status, title = 406, "Not acceptable"


class Conflict(Problem):
    """The state of the resource does not admit this change."""

    status, title = 409, "Conflict"


class LengthRequired(Problem):
    """The body came without Content-Length: send it with one."""

    status, title = 411, "Length required"


class PreconditionFailed(Problem):
    """The resource has changed, or is gone, since the entity tag that you sent."""

    status, title = 412, "Precondition failed"


class PayloadTooLarge(Problem):
    """The body is larger than the server takes."""

    status, title = 413, "Payload too large"


class UnsupportedMediaType(Problem):
    """The body's media type is not one that this operation reads."""

    status, title = 415, "Unsupported media type"


class Unprocessable(Problem):
    """The request is well-formed and cannot be carried out."""

    status, title = 422, "Unprocessable"


class PreconditionRequired(Problem):
    """This operation needs `If-Match` with the entity tag that you last read."""

    status, title = 428, "Precondition required"


class TooManyRequests(Problem):
    """You have sent more than your quota: try again after `Retry-After` seconds."""

    status, title = 429, "Too many requests"

    def __init__(self, seconds: int = 1) -> None:
        super().__init__(headers={"Retry-After": str(seconds)})


class InternalError(Problem):
    """Something failed here; quote the request id when you report it."""


class Unavailable(Problem):
    """A store does not answer: try again after `Retry-After` seconds."""

    status, title = 503, "Service unavailable"

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail, headers={"Retry-After": "1"})


translators: list[Callable[[Exception], Problem | None]] = []
"""Each turns a library's exception into a Problem; its owner appends it here."""


def problem_of(error: Exception) -> Problem:
    """Return the Problem that stands for an exception; log what is our side's."""
    problem = error if isinstance(error, Problem) else _translated(error)
    if isinstance(problem, Unavailable | InternalError):
        logger.error("%s", problem.title, exc_info=error.__cause__ or error)
    return problem


def _translated(error: Exception) -> Problem:
    for translate in translators:
        if problem := translate(error):
            return problem
    return InternalError()


def respond(error: Exception, request_id: str) -> Reply:
    """Return the problem+json answer to an exception (RFC 9457)."""
    problem = problem_of(error)
    body = {
        "type": problem.type or f"/problems/{slug(problem.title)}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail or problem.__doc__,
        "request_id": request_id,
    }
    if problem.errors:
        body["errors"] = entries(problem.errors)
    headers = {"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store"}
    headers.update(problem.headers)
    return Reply(problem.status, msgspec.json.encode(body), headers)


def slug(title: str) -> str:
    """Return the last part of a problem's `type`."""
    return title.lower().replace(" ", "-")


def entries(errors: list[BrokenRule]) -> list[dict[str, str]]:
    """Return broken rules as an answer lists them: so many, and no longer."""
    entries = []
    room = MOST_ERROR_BYTES
    for error in errors[:MOST_ERRORS]:
        at = error.at[:LONGEST_POINTER]
        entry = {"at": at, "rule": error.rule, "detail": error.detail}
        room -= len(msgspec.json.encode(entry))
        if room < 0:
            break
        entries.append(entry)
    if left := len(errors) - len(entries):
        text = f"{left} more are not listed"
        entries.append({"at": "", "rule": "more", "detail": text})
    return entries


def problems() -> list[type[Problem]]:
    """List the problems of the tree, by status."""
    found = list(Problem.__subclasses__())
    for problem in found:
        found.extend(problem.__subclasses__())
    return sorted(found, key=lambda problem: (problem.status, problem.title))
