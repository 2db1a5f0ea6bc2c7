"""How the OAuth endpoints read and write: forms, JSON, and the errors of RFC 6749.

They are the one exception to problem details: their callers are OAuth libraries.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from myapp import errors
from myapp.contract import MEDIA_TYPE, Contract
from myapp.contract_rules import Schema
from myapp.errors import BadRequest, Problem, Reply
from myapp.kinds import Protocol
from myapp.strict_query import read_pairs

FORM = "application/x-www-form-urlencoded"
NOT_STORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}
CREDENTIALS = dict.fromkeys(
    (
        "client_id",
        "client_secret",
        "username",
        "password",
        "code",
        "refresh_token",
        "token",
        "access_token",
    )
)
ERRORS = {
    401: "invalid_client",
    403: "access_denied",
    429: "temporarily_unavailable",
    500: "server_error",
    503: "temporarily_unavailable",
}
"""The error of each status; that of any other is invalid_request."""

OAUTH_ERROR: Schema = {
    "title": "OAuthError",
    "description": "What went wrong (RFC 6749, section 5.2).",
    "type": "object",
    "properties": {
        "error": {"type": "string"},
        "error_description": {"type": "string"},
    },
    "required": ["error"],
    "additionalProperties": False,
}


def read_form(raw: bytes, contract: Contract) -> dict[str, Any]:
    """Return the fields of a form that a contract knows; raise BadRequest.

    Unknown and empty fields are ignored, and none may come twice (RFC 6749, 3.2).
    """
    try:
        pairs = read_pairs(raw.decode("latin-1"))
    except ValueError:
        raise BadRequest("The body is no form in UTF-8.") from None
    return _known(pairs, contract.properties)


def read_parameters(text: str, known: Mapping[str, Any]) -> dict[str, str]:
    """Return the query of the authorization endpoint, by the rules of `read_form`."""
    try:
        pairs = read_pairs(text)
    except ValueError:
        raise BadRequest("The query is not in UTF-8.") from None
    return _known(pairs, known)


def _known(pairs: list[tuple[str, str]], known: Mapping[str, Any]) -> dict[str, str]:
    names = [name for name, _ in pairs]
    for name, value in pairs:
        if name in known and (names.count(name) > 1 or "\0" in value):
            raise BadRequest(f"{name} is given twice, or holds NUL: give it once.")
    return {name: value for name, value in pairs if name in known and value}


def refuse_credentials(text: str, _known: Mapping[str, Any]) -> dict[str, str]:
    """Raise BadRequest for credentials in a URL; ignore what else is there."""
    if read_parameters(text, CREDENTIALS):
        raise BadRequest(
            "Credentials in a URL end up in logs and histories: send them in the body."
        )
    return {}


def respond(error: Exception, request_id: str) -> Reply:
    """Return the OAuth answer to an exception (RFC 6749, section 5.2)."""
    problem = errors.problem_of(error)
    body = {
        "error": ERRORS.get(problem.status, "invalid_request"),
        "error_description": _described(problem),
    }
    headers = {"Content-Type": MEDIA_TYPE, **NOT_STORED, **problem.headers}
    return Reply(problem.status, msgspec.json.encode(body), headers)


def _described(problem: Problem) -> str:
    """Return what is wrong, in the characters that RFC 6749 admits."""
    broken = (f"{rule.at.lstrip('/')} {rule.detail}" for rule in problem.errors)
    text = "; ".join(broken) or problem.detail or problem.__doc__ or ""
    return text.replace('"', "'").replace("\\", "/").encode("ascii", "replace").decode()


OAUTH = Protocol(
    reads=(FORM,),
    answers=MEDIA_TYPE,
    problems=MEDIA_TYPE,
    problem_schema=OAUTH_ERROR,
    read_body=read_form,
    read_query=refuse_credentials,
    respond=respond,
)
