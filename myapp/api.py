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
from flask_restx.api import SwaggerView
from flask_restx.mask import MaskError
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule

from myapp import db, docs, errors, strict_json
from myapp.access import MEMBER, VIEWER, admit, authenticate
from myapp.contract import Contract
from myapp.errors import BrokenRule, Problem, Reply
from myapp.operations import Mark, Operation, answer_options, complete

View = Callable[..., Any]
READING = "GET POST PUT PATCH DELETE"
"""The order in which the pages of documentation show the methods of a URL."""


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


class Routes(flask_restx.Api):
    """Flask-RESTX's routing, without the view that answers 404 at its prefix."""

    def _register_doc(self, app_or_blueprint: Blueprint) -> None:
        """Leave the prefix to whoever has a resource there."""


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
        restx = Routes(doc=False, prefix=prefix)
        restx.init_app(self.blueprint, add_specs=False)
        self._namespace = restx.namespace(name, path=f"/{name}")

    def route(self, url: str) -> Callable[[ResourceType], ResourceType]:
        """Register a resource below the feature's prefix, and its operations.

        Raises TypeError for a method without a mark: each says who may call it.
        """

        def register(resource: ResourceType) -> ResourceType:
            shared = resource()
            resource.operations = {
                method: self._operation(shared, url, method)
                for method in sorted(resource.methods - {"OPTIONS"}, key=READING.find)
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
    _free_prefixes(app)
    for endpoint, view in app.view_functions.items():
        _show_documentation(view)
        if not _is_public(endpoint, view) and not _is_operation(view):
            app.view_functions[endpoint] = _private(view)


def _free_prefixes(app: Flask) -> None:
    """Let a plain resource answer at its feature's prefix, where RESTX puts a 404."""
    views, rules = app.view_functions, list(app.url_map.iter_rules())
    resources = {
        _place(rule): views[rule.endpoint]
        for rule in rules
        if hasattr(views[rule.endpoint], "view_class") and rule.methods
        if "GET" in rule.methods
    }
    for rule in rules:
        if _api_of(views[rule.endpoint]) and _place(rule) in resources:
            views[rule.endpoint] = resources[_place(rule)]


def _place(rule: Rule) -> str:
    return rule.rule.rstrip("/")


def _show_documentation(view: View) -> None:
    """Show a plain feature's document as ours, unless it has a page of its own."""
    api = _api_of(view)
    if api is not None and api._doc_view is None:
        api.documentation(lambda: docs.page(api.specs_url, api.title))


def _api_of(view: View) -> flask_restx.Api | None:
    """Return whose own view this is: RESTX's page of documentation, or its 404."""
    owner = getattr(view, "__self__", None)
    return owner if isinstance(owner, flask_restx.Api) else None


def _answer_error(error: Exception) -> Response | HTTPException:
    if isinstance(error, HTTPException) and (error.code or 500) < 400:
        return error
    return _response(errors.respond(error, request.environ["myapp.request_id"]))


def _is_public(endpoint: str, view: View) -> bool:
    """Tell whether a view needs no token: pages of documentation, and RESTX's 404."""
    view_class = getattr(view, "view_class", object)
    is_documentation = endpoint.startswith("docs.") or view_class is SwaggerView
    return is_documentation or _api_of(view) is not None


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
    """Return the problem that an exception of Werkzeug or RESTX stands for."""
    if isinstance(error, MaskError):
        return errors.BadRequest("The field mask cannot be read.")
    if not isinstance(error, HTTPException):
        return None
    kinds = {kind.status: kind for kind in reversed(errors.problems())}
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
