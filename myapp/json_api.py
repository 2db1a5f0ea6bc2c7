"""JSON:API 1.1 for every top-level resource: the same operations in its documents.

One adapter over the contracts: a feature has nothing to do with it. Beside an operation
at a feature's home, or at `/<uuid:…_id>` below, stands its translation, which answers
where the media type is asked for. Imports `operations` and the other `json_api` files.
"""

import re
from dataclasses import dataclass, fields
from functools import cached_property, partial
from typing import Any, ClassVar
from urllib.parse import urlencode

import msgspec

from myapp import json_api_documents, json_api_errors, strict_json
from myapp.errors import BadRequest, Conflict, NotFound, Reply
from myapp.json_api_documents import ResourceType
from myapp.json_api_queries import in_query, inner_query, outer_name, parameters
from myapp.kinds import CREATE, DELETE, LIST, RETRIEVE, UPDATE, Problems, Protocol
from myapp.negotiation import JSON_API, check_accepted, check_sent
from myapp.operations import HEADERS, Operation, Result
from myapp.pagination import Slice
from myapp.patch import Patch
from myapp.repository import Page, Record
from myapp.request import Request

PLACES = {
    re.compile(""): (LIST, CREATE),
    re.compile(r"/<uuid:\w+>"): (RETRIEVE, UPDATE, DELETE),
}
"""What JSON:API knows of a collection, and of one resource in it."""

RESERVED = {"type", "links", "relationships"}
"""What no attribute may be called; `id` is none."""


class JsonApiRequest(Request):
    """One call of an operation, with a document of JSON:API as its body."""

    operation: "JsonApiOperation"

    @cached_property
    def page(self) -> Slice:
        """The part of the list that is asked for; raise BadRequest."""
        try:
            return super().page
        except BadRequest as problem:
            problem.errors = [in_query(rule) for rule in problem.errors]
            raise

    @cached_property
    def body(self) -> dict[str, Any]:
        """The values of a new resource that keeps the contract; raise InvalidBody."""
        contract, document = self.operation.accepted, strict_json.loads(self.raw)
        given = self.operation.resource.read_new(document, contract)
        values: dict[str, Any] = contract.validate(given)
        return values

    @cached_property
    def change(self) -> Patch:
        """The change of the fields that the document has; raise BadRequest."""
        [id] = self.path.values()
        document = strict_json.loads(self.raw)
        given = self.operation.resource.read_change(document, str(id))
        return Patch(self.operation.accepted, lambda current: current | given)

    def _check_media_type(self) -> None:
        check_sent(self.environ.get("CONTENT_TYPE", ""))
        self._check_encoding()


@dataclass(frozen=True, kw_only=True)
class JsonApiOperation(Operation):
    """An operation whose answers, errors and bodies are documents of JSON:API."""

    requests: ClassVar[type[Request]] = JsonApiRequest
    resource: ResourceType

    @property
    def reads(self) -> tuple[str, ...]:
        """The media types of the body."""
        return self.speaks.reads

    def _carry_out(self, request: Request) -> Result:
        try:
            return super()._carry_out(request)
        except Conflict as conflict:
            # One with a cause that names no field is a foreign key (store_errors).
            is_reference = conflict.__cause__ and not conflict.errors
            if is_reference and self.accepts and self.resource.relationships:
                raise NotFound("A related resource is not there.") from conflict
            raise

    def _check_accept(self, header: str) -> None:
        check_accepted(header)

    def _reply_record(self, request: Request, record: Record) -> Reply:
        reply = super()._reply_record(request, record)
        if reply.status == 304:
            return reply
        root = request.environ.get("SCRIPT_NAME", "")
        data = self.resource.show(self.answered, record, root)
        content = {"data": data, **self.resource.address(data["id"], root)}
        return _written(content, reply.status, dict(reply.headers))

    def _reply_page(self, request: Request, page: Page) -> Reply:
        root = request.environ.get("SCRIPT_NAME", "")
        query = {outer_name(name): value for name, value in request.query.items()}
        links = {"self": _address(request.url, query)}
        if page.next:
            links["next"] = _address(request.url, {**query, "page[cursor]": page.next})
        content: dict[str, Any] = {"links": links}
        if page.total is not None:
            content["meta"] = {"total": page.total}
        show = partial(self.resource.show, self.answered, root=root)
        return _written({**content, "data": [*map(show, page.items)]}, 200, HEADERS)


def _written(content: dict[str, Any], status: int, headers: Any) -> Reply:
    body = msgspec.json.encode(json_api_documents.whole(content))
    return Reply(status, body, {**headers, "Content-Type": JSON_API})


def _address(url: str, query: dict[str, str]) -> str:
    return f"{url}?{urlencode(query)}" if query else url


def translated(operation: Operation, resource: ResourceType) -> Operation | None:
    """Return an operation as JSON:API has it; None where that has none such."""
    place = operation.url.removeprefix(operation.home)
    kinds = [kind for at in PLACES if at.fullmatch(place) for kind in PLACES[at]]
    if operation.kind not in kinds or RESERVED & {*resource.contract.properties}:
        return None
    if operation.kind is RETRIEVE:
        json_api_documents.known[resource.name] = resource
    declared = {each.name: getattr(operation, each.name) for each in fields(operation)}
    declared |= {
        "answers": operation.answers and operation.answers.in_media_type(JSON_API),
        "parameters": parameters(operation.parameters),
        "problems": _problems(operation, resource),
        "speaks": _protocol(operation, resource),
    }
    return JsonApiOperation(**declared, resource=resource)


def _problems(operation: Operation, resource: ResourceType) -> Problems:
    """Return what it may answer: also that a related resource is not there."""
    written = operation.accepts.writable if operation.accepts else ()
    refers = not resource.contract.references.keys().isdisjoint(written)
    also = {NotFound} if refers else set()
    return (*operation.problems, *(also - {*operation.problems}))


def _protocol(operation: Operation, resource: ResourceType) -> Protocol:
    return operation.speaks._replace(
        reads=(JSON_API,),
        answers=JSON_API,
        problems=JSON_API,
        problem_schema=json_api_errors.ERRORS,
        read_query=inner_query,
        respond=partial(json_api_errors.respond, locate=resource.locate),
    )
