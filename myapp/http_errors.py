"""One error shape for whatever Flask, Werkzeug and Flask-RESTX raise."""

from functools import cache

from flask import Flask, Response, request
from flask_restx.mask import MaskError
from werkzeug.exceptions import HTTPException, NotFound

from myapp import errors, json_api_errors
from myapp.api import response_of
from myapp.errors import BrokenRule, Problem
from myapp.negotiation import asks_for_json_api


def install(app: Flask) -> None:
    """Answer every exception, of whatever feature, with a problem."""
    # Flask-RESTX routes errors to itself by replacing these two methods on the
    # application; without its replacements one error handler serves all features.
    vars(app).pop("handle_exception", None)
    vars(app).pop("handle_user_exception", None)
    app.register_error_handler(Exception, _answer_error)


def _answer_error(error: Exception) -> Response | HTTPException:
    if isinstance(error, HTTPException) and (error.code or 500) < 400:
        return error
    if isinstance(error, NotFound) and error is request.routing_exception:
        error = errors.NotFound("There is no such path: see /docs.")
    headers = request.headers
    asks = asks_for_json_api(headers.get("Accept", ""), headers.get("Content-Type", ""))
    respond = json_api_errors.respond if asks else errors.respond
    return response_of(respond(error, request.environ["myapp.request_id"]))


def _problem_of(error: Exception) -> Problem | None:
    """Return the problem that an exception of Werkzeug or RESTX stands for."""
    if isinstance(error, MaskError):
        return errors.BadRequest("The field mask cannot be read.")
    if not isinstance(error, HTTPException):
        return None
    kinds = _kinds()
    status = error.code or 500
    problem = kinds.get(status, Problem)(_detail_of(error))
    problem.errors = _rules_of(error)
    if status not in kinds:  # nothing but its status is known (RFC 9457, 4.2.1)
        problem.status, problem.title = status, error.name
        problem.type, problem.detail = "about:blank", error.description
    kept = ("Allow", "WWW-Authenticate", "Retry-After")
    found = error.get_response().headers
    given = {name: found[name] for name in kept if name in found}
    problem.headers = {**problem.headers, **given}
    return problem


@cache
def _kinds() -> dict[int, type[Problem]]:
    """Return the most general problem of each status."""
    return {kind.status: kind for kind in reversed(errors.problems())}


def _detail_of(error: HTTPException) -> str | None:
    data = getattr(error, "data", None) or {}
    if error.description != type(error).description:
        return data.get("message") or error.description
    return data.get("message")


def _rules_of(error: HTTPException) -> list[BrokenRule]:
    """Return where RESTX's own validation failed, without the values it quotes."""
    places = (getattr(error, "data", None) or {}).get("errors") or {}
    if not isinstance(places, dict):
        return []
    pointers = ["".join(f"/{step}" for step in at.split(".") if at) for at in places]
    return [BrokenRule(at, "contract", "breaks the contract") for at in pointers]


errors.translators.append(_problem_of)
