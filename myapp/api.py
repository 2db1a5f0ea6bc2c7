"""Where Flask-RESTX meets the operations: features and their resources.

A feature makes one `FeatureApi`; its resources hand every request over to their
operations.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

import flask_restx
from flask import Blueprint, Response, request

from myapp import access
from myapp.contract import Contract
from myapp.errors import Reply
from myapp.operations import Mark, Operation, complete
from myapp.options import answer_options

READING = "GET POST PUT PATCH DELETE"
"""The order in which the pages of documentation show the methods of a URL."""


class Resource(flask_restx.Resource):
    """The methods of one URL; each is marked as an operation."""

    operations: ClassVar[Mapping[str, Operation]] = {}

    def dispatch_request(self, **path: Any) -> Response:
        """Hand the request over to its operation."""
        method = "GET" if request.method == "HEAD" else request.method
        if method == "OPTIONS":
            return response_of(answer_options(self.operations, request.environ))
        return response_of(self.operations[method].answer(request.environ, path))

    def options(self) -> None:
        """Tell which methods the caller may use (see `dispatch_request`)."""


def response_of(reply: Reply) -> Response:
    """Return Flask's response for a reply."""
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
        return declared
