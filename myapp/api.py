"""Where Flask-RESTX meets the operations: features and their resources.

A feature makes one `FeatureApi`; its resources hand every request over to their
operations.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any, ClassVar, TypeVar

import flask_restx
from flask import Blueprint, Response, request
from werkzeug.urls import iri_to_uri

from myapp import access, json_api_documents
from myapp.contract import Contract
from myapp.contract_rules import DeclarationError
from myapp.errors import Reply
from myapp.json_api import translated
from myapp.kinds import CREATE, DELETE, REPLACE, RETRIEVE, UPDATE
from myapp.operations import Mark, Operation, complete
from myapp.options import answer_options

READING = "GET POST PUT PATCH DELETE"
"""The order in which the pages of documentation show the methods of a URL."""

USUAL = {kind.method: kind.name for kind in (RETRIEVE, CREATE, REPLACE, UPDATE, DELETE)}
"""The kind of operation that a method most often is."""

STATUS_LINES = {status: f"{status} Unknown" for status in range(100, 1000)}
STATUS_LINES |= {each.value: f"{each.value} {each.phrase}" for each in HTTPStatus}
PLAIN_URL = re.compile(r"[\w/.:?&=%-]*", re.ASCII)


class Resource(flask_restx.Resource):
    """The methods of one URL; each is marked as an operation."""

    operations: ClassVar[Mapping[str, Operation]] = {}

    def dispatch_request(self, **path: Any) -> Response:
        """Hand the request over to its operation, through the method decorators."""
        answer: Callable[..., Response] = self._answer
        for decorator in self.method_decorators:
            answer = decorator(answer)
        return answer(**path)

    def _answer(self, **path: Any) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        if method == "OPTIONS":
            return response_of(answer_options(self.operations, request.environ))
        return response_of(self.operations[method].answer(request.environ, path))

    def options(self) -> None:
        """Tell which methods the caller may use (see `dispatch_request`)."""


def response_of(reply: Reply) -> Response:
    """Return Flask's response for a reply."""
    headers = headers_of(reply)
    response = Response(reply.body, STATUS_LINES[reply.status], headers)
    if "Content-Type" not in dict(headers):
        del response.headers["Content-Type"]  # Flask's default
    return response


def headers_of(reply: Reply) -> list[tuple[str, str]]:
    """Return the headers of a reply as they are sent, with the length of its body."""
    status, body, given = reply
    headers = list(given.items())
    if status in (204, 304):
        return [header for header in headers if header[0] != "Content-Type"]
    headers.append(("Content-Length", str(len(body))))
    if "Location" in given and not PLAIN_URL.fullmatch(given["Location"]):
        return [*dict(headers, Location=iri_to_uri(given["Location"])).items()]
    return headers


ResourceType = TypeVar("ResourceType", bound=type[Resource])


class Routes(flask_restx.Api):
    """Flask-RESTX's routing, without the view that answers 404 at its prefix."""

    def _register_doc(self, app_or_blueprint: Blueprint) -> None:
        """Leave the prefix to whoever has a resource there."""


class FeatureApi:
    """A feature's blueprint, and the operations that its resources declare."""

    def __init__(
        self, name: str, contract: Contract, *, home: str | None = None
    ) -> None:
        self.name = name
        self.contract = contract
        self.home = f"/v1/{name}" if home is None else home
        self.operations: list[Operation] = []
        self.blueprint = Blueprint(name, name)
        self.blueprint.record_once(
            lambda state: state.app.extensions["operations"].extend(self.operations)
        )
        restx = Routes(doc=False)
        restx.init_app(self.blueprint, add_specs=False)
        self._namespace = restx.namespace(name, path=self.home)
        self._type = json_api_documents.ResourceType(name, self.home, contract)

    def route(self, url: str) -> Callable[[ResourceType], ResourceType]:
        """Register a resource below the feature's prefix, and its operations.

        Raises DeclarationError for a method without a mark: each says who may call it.
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
            raise DeclarationError(
                f"{where}.{method.lower()}: no operation of {method} declares who may"
                f" call it: decorate it, as in `@operation.{USUAL[method]}(MEMBER)`"
            )
        handler = mark.handler.__get__(resource)
        declared = complete(
            mark._replace(handler=handler),
            feature=self.name,
            home=self.home,
            method=method,
            url=url,
            contract=self.contract,
        )
        if declared.rule not in access.OPEN:
            access.scopes.add(declared.scope)
        return replace(declared, translated=translated(declared, self._type))
