"""The operations that read a body, once for each media type they read."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import uuid4

from myapp import openapi
from myapp.kinds import REST
from myapp.operations import Operation
from tests.actors import Actor
from tests.resources import OPERATIONS, PARAMETER, Path, references


class Target(NamedTuple):
    """An operation, and a media type that it reads."""

    operation: Operation
    media_type: str

    @property
    def name(self) -> str:
        """The name that a failed test shows."""
        return f"{openapi.operation_id(self.operation)} {self.media_type}"

    def send(
        self,
        actor: Actor,
        path: Path,
        data: bytes,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Any:
        """Send bytes as the body, for whatever version the resource has."""
        sent = {"Content-Type": self.media_type, "If-Match": "*"} | dict(headers or {})
        url = url_of(self.operation, path)
        return actor.open(self.operation.method, url, sent, data=data, **options)


TARGETS = [
    Target(operation, media_type)
    for operation in OPERATIONS
    if operation.accepts and operation.speaks is REST
    for media_type in operation.reads
]


def url_of(operation: Operation, path: Path) -> str:
    """Return the URL of an operation on certain resources."""
    return PARAMETER.sub(lambda parameter: path[parameter[1]], operation.url)


def example(operation: Operation, path: Path) -> dict[str, Any]:
    """Return a body that an operation takes, again and again."""
    assert operation.accepts is not None
    body = openapi.example(operation.accepts)
    named = references(operation).items()
    body |= {field: path[name] for field, name in named if name in path}
    if "slug" in body:  # unique among all accounts
        body["slug"] = f"slug-{uuid4().hex[:12]}"
    return body
