"""Where Flask-RESTX meets the operations: features, their resources, and errors.

A feature makes one `FeatureApi`; its resources hand every request over to their
operations. A feature written in the plain Flask-RESTX style works beside it: it is
private by default and its errors are problem+json too.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ClassVar, TypeVar

import flask_restx
from flask import Blueprint, Flask, Response, g, request
from flask.json.provider import DefaultJSONProvider
from werkzeug.exceptions import HTTPException

from myapp import db, errors, strict_json
from myapp.access import MEMBER, VIEWER, admit, authenticate
from myapp.contract import Contract
from myapp.errors import BrokenRule, Problem, Reply
from myapp.operations import Mark, Operation, answer_options, complete

PUBLIC_ENDPOINTS = ("docs.", "restx_doc.")
PUBLIC_PLAIN_VIEWS = ("doc", "specs", "root")
"""The views that need no token besides PUBLIC operations: pages of documentation."""

View = Callable[..., Any]


class Resource(flask_restx.Resource):
    """The methods of one URL; each is marked as an operation."""

    operations: ClassVar[Mapping[str, Operation]] = {}

    def dispatch_request(self, **path: Any) -> Response:
        """Hand the request over to its operation."""
        method = "GET" if request.method == "HEAD" else request.method
        if method == "OPTIONS":
            return _response(answer_options(self.operations, request.environ))
        return _response(self.operations[method].answer(request.environ, path))

    def options(self) -> None:
        """Tell which methods the caller may use (see `dispatch_request`)."""


def _response(reply: Reply) -> Response:
    response = Response(reply.body, reply.status)
    if "Content-Type" not in reply.headers:
        del response.headers["Content-Type"]
    response.headers.update(reply.headers)
    return response


ResourceType = TypeVar("ResourceType", bound=type[Resource])


class FeatureApi:
    """A feature's blueprint, and the operations that its resources declare."""

    def __init__(self, name: str, contract: Contract, *, prefix: str = "/v1") -> None:
        self.name = name
        self.contract = contract
        self.prefix = prefix
        self.operations: list[Operation] = []
        self.blueprint = Blueprint(name, name)
        self.blueprint.record_once(
            lambda state: state.app.extensions["operations"].extend(self.operations)
        )
        # RESTX answers 404 at its prefix: no resource of ours may lie there.
        restx = flask_restx.Api(doc=False, prefix=prefix or f"/{name}")
        restx.init_app(self.blueprint, add_specs=False)
        self._namespace = restx.namespace(name, path=f"/{name}" if prefix else "/")

    def route(self, url: str) -> Callable[[ResourceType], ResourceType]:
        """Register a resource below the feature's prefix, and its operations.

        Raises TypeError for a method without a mark: each says who may call it.
        """

        def register(resource: ResourceType) -> ResourceType:
            shared = resource()
            resource.operations = {
                method: self._operation(shared, url, method)
                for method in sorted(resource.methods - {"OPTIONS"})
            }
            self.operations.extend(resource.operations.values())
            self._namespace.add_resource(resource, url)
            return resource

        return register

    def _operation(self, resource: Resource, url: str, method: str) -> Operation:
        mark = getattr(resource, method.lower())
        if not isinstance(mark, Mark) or mark.kind.method not in (method, "any"):
            where = f"{inspect.getfile(type(resource))}: {type(resource).__name__}"
            raise TypeError(
                f"{where}.{method.lower()}: no operation of {method} declares who may"
                " call it: decorate it, as in `@operation.retrieve(VIEWER)`"
            )
        handler = mark.handler.__get__(resource)
        return complete(
            mark._replace(handler=handler),
            feature=self.name,
            method=method,
            url=f"{self.prefix}/{self.name}{url}",
            contract=self.contract,
        )


class StrictJson(DefaultJSONProvider):
    """Reads the JSON of plain Flask-RESTX features as strictly as ours."""

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Parse JSON text; raise BadRequest."""
        return strict_json.loads(s.encode() if isinstance(s, str) else s)


def install(app: Flask) -> None:
    """Give every error one shape, and close every view that is not public."""
    app.json = StrictJson(app)
    # Flask-RESTX routes errors to itself by replacing these two methods on the
    # application; without its replacements one error handler serves all features.
    vars(app).pop("handle_exception", None)
    vars(app).pop("handle_user_exception", None)
    app.register_error_handler(Exception, _answer_error)
    for endpoint, view in app.view_functions.items():
        if not _is_public(endpoint) and not _is_operation(view):
            app.view_functions[endpoint] = _private(view)


def _answer_error(error: Exception) -> Response | HTTPException:
    if isinstance(error, HTTPException) and (error.code or 500) < 400:
        return error
    return _response(errors.respond(error, request.environ["myapp.request_id"]))


def _is_public(endpoint: str) -> bool:
    _, _, view = endpoint.partition(".")
    return endpoint.startswith(PUBLIC_ENDPOINTS) or view in PUBLIC_PLAIN_VIEWS


def _is_operation(view: View) -> bool:
    view_class = getattr(view, "view_class", None)
    return view_class is not None and issubclass(view_class, Resource)


def _private(view: View) -> View:
    """Ask for a token, a role and the feature's scope before a plain view."""

    @wraps(view)
    def guarded(**path: Any) -> Any:
        reads = request.method in ("GET", "HEAD")
        principal = authenticate(request.headers.get("Authorization"))
        scope = f"{request.blueprint}:{'read' if reads else 'write'}"
        admit(principal, VIEWER if reads else MEMBER, scope)
        g.principal = principal
        with db.acting_for(principal and principal.account_id):
            return view(**path)

    return guarded


def _problem_of(error: Exception) -> Problem | None:
    """Return the problem that an HTTP exception of Werkzeug or RESTX stands for."""
    if not isinstance(error, HTTPException):
        return None
    known = {problem.status: problem for problem in reversed(errors.problems())}
    problem = Problem(_detail_of(error), _rules_of(error))
    kind = known.get(error.code or 500)
    problem.status, problem.title = error.code or 500, (
        kind.title if kind else error.name
    )
    problem.__doc__ = kind.__doc__ if kind else None
    kept = ("Allow", "WWW-Authenticate", "Retry-After")
    found = error.get_response().headers
    problem.headers = {name: found[name] for name in kept if name in found}
    return problem


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
    return [BrokenRule(f"/{at}", "contract", "breaks the contract") for at in places]


errors.translators.append(_problem_of)
