"""The errors of JSON:API: a problem becomes one error object for each broken rule.

https://jsonapi.org/format/1.1/#errors. Imports `errors` and `negotiation`.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from myapp import errors
from myapp.contract_rules import Schema
from myapp.errors import Problem, Reply
from myapp.negotiation import JSON_API

Locate = Callable[[str, str], str]
"""From the pointer to a field, and the rule it breaks, to one into the document."""

VERSION = {"version": "1.1"}

ERRORS: Schema = {
    "title": "JsonApiErrors",
    "description": "What went wrong, for each place (JSON:API 1.1).",
    "type": "object",
    "properties": {
        "jsonapi": {"type": "object", "properties": {"version": {"const": "1.1"}}},
        "errors": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "status": {"type": "string", "pattern": "^[45][0-9]{2}$"},
                    "code": {"type": "string"},
                    "title": {"type": "string"},
                    "detail": {"type": "string"},
                    "source": {
                        "type": "object",
                        "properties": {
                            "pointer": {"type": "string"},
                            "parameter": {"type": "string"},
                            "header": {"type": "string"},
                        },
                        "additionalProperties": False,
                    },
                },
                "required": ["status", "code", "title", "detail"],
                "additionalProperties": False,
            },
        },
        "meta": {"type": "object", "properties": {"request_id": {"type": "string"}}},
    },
    "required": ["jsonapi", "errors", "meta"],
    "additionalProperties": False,
}


def as_it_is(pointer: str, _rule: str) -> str:
    """Return a pointer to a field of a body that is no JSON:API document."""
    return pointer


def respond(error: Exception, request_id: str, locate: Locate = as_it_is) -> Reply:
    """Return the JSON:API answer to an exception."""
    problem = errors.problem_of(error)
    document = {
        "jsonapi": VERSION,
        "errors": [*_error_objects(problem, locate)],
        "meta": {"request_id": request_id},
    }
    headers = {"Content-Type": JSON_API, "Cache-Control": "no-store", "Vary": "Accept"}
    headers.update(problem.headers)
    return Reply(problem.status, msgspec.json.encode(document), headers)


def _error_objects(problem: Problem, locate: Locate) -> list[dict[str, Any]]:
    whole = {
        "status": str(problem.status),
        "code": errors.slug(problem.title),
        "title": problem.title,
        "detail": problem.detail or problem.__doc__,
    }
    return [
        whole | _of_rule(entry, locate) for entry in errors.entries(problem.errors)
    ] or [whole]


def _of_rule(entry: Mapping[str, str], locate: Locate) -> dict[str, Any]:
    """Return what an error object says of one broken rule."""
    at = entry["at"]
    described = {
        "code": entry["rule"],
        "detail": f"{at.lstrip('/#?')} {entry['detail']}".strip(),
    }
    source = _source(at, entry["rule"], locate)
    return described | ({"source": source} if source else {})


def _source(at: str, rule: str, locate: Locate) -> dict[str, str]:
    """Return the source of an error; a pointer after `#` is one into the document."""
    if at.startswith("#"):
        return {"pointer": at[1:]}
    if at.startswith("/"):
        return {"pointer": locate(at, rule)}
    if at.startswith("?"):
        return {"parameter": at[1:]}
    return {"header": at.rstrip(":")} if at else {}
