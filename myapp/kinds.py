"""What the operations of one kind have in common, and the protocols they speak.

A kind fixes statuses, problems and media types; a protocol says how bodies, queries
and errors are written. All but a few operations speak REST: JSON and problems.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from myapp import errors, strict_json
from myapp.access import OPEN, Rule
from myapp.contract import MEDIA_TYPE, Contract
from myapp.contract_rules import Schema
from myapp.errors import Problem, Reply
from myapp.patch import JSON_PATCH, MERGE_PATCH
from myapp.strict_query import read_query

Problems = tuple[type[Problem], ...]

EVERYWHERE: Problems = (
    errors.BadRequest,
    errors.NotAcceptable,
    errors.InternalError,
    errors.Unavailable,
)
GUARDED: Problems = (errors.Unauthorized, errors.Forbidden)
BODY: Problems = (
    errors.LengthRequired,
    errors.PayloadTooLarge,
    errors.UnsupportedMediaType,
)
ITEM_WRITE: Problems = (errors.NotFound, errors.Conflict, errors.PreconditionFailed)


class Kind(NamedTuple):
    """What the operations of one kind have in common."""

    name: str
    method: str
    status: int
    problems: Problems = ()
    reads: tuple[str, ...] = ()


JSON = (MEDIA_TYPE,)
LIST = Kind("list", "GET", 200)
CREATE = Kind("create", "POST", 201, (*BODY, errors.Conflict), JSON)
RETRIEVE = Kind("retrieve", "GET", 200, (errors.NotFound,))
REPLACE = Kind("replace", "PUT", 200, (*BODY, *ITEM_WRITE), JSON)
UPDATE = Kind(
    "update",
    "PATCH",
    200,
    (*BODY, *ITEM_WRITE, errors.Unprocessable),
    (MERGE_PATCH, JSON_PATCH),
)
DELETE = Kind("delete", "DELETE", 204, ITEM_WRITE)
ACTION = Kind("action", "any", 200)


def problems_of(
    kind: Kind,
    rule: Rule,
    own: Problems,
    *,
    reads_body: bool,
    requires_match: bool,
) -> Problems:
    """Return every problem that an operation may answer, its own too, by status."""
    found = {*EVERYWHERE, *kind.problems, *own}
    if rule not in OPEN:
        found |= {*GUARDED}
    if rule.limited:
        found |= {errors.TooManyRequests}
    if reads_body:
        found |= {*BODY}
    if requires_match:
        found |= {errors.PreconditionRequired}
    return tuple(sorted(found, key=lambda problem: problem.status))


PROBLEM: Schema = {
    "title": "Problem",
    "description": "What went wrong, and what to do about it (RFC 9457).",
    "type": "object",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "at": {
                        "type": "string",
                        "description": "A JSON Pointer, `?parameter` or `Header:`.",
                    },
                    "rule": {"type": "string"},
                    "detail": {"type": "string"},
                },
                "required": ["at", "rule", "detail"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["type", "title", "status", "detail", "request_id"],
    "additionalProperties": False,
}


class Protocol(NamedTuple):
    """How bodies and queries are read, and how answers and errors are written."""

    reads: tuple[str, ...]
    answers: str
    problems: str
    """The media types of bodies, answers and errors."""

    problem_schema: Schema
    read_body: Callable[[bytes, Contract], Any]
    read_query: Callable[[str, Mapping[str, Any]], dict[str, str]]
    respond: Callable[[Exception, str], Reply]
    redirects: bool = False
    """Whether a success may be a redirection (303)."""


def _read_json(raw: bytes, _contract: Contract) -> Any:
    return strict_json.loads(raw)


REST = Protocol(
    reads=JSON,
    answers=MEDIA_TYPE,
    problems=errors.MEDIA_TYPE,
    problem_schema=PROBLEM,
    read_body=_read_json,
    read_query=read_query,
    respond=errors.respond,
)
