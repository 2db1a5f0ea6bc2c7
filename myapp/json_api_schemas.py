"""What the OpenAPI document says of JSON:API: the documents of each contract.

Answers are described to the last member. Of what is sent only the members that are
read are: the specification has a server ignore what it does not know.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from myapp.contract import Contract
from myapp.contract_rules import Schema, types_of
from myapp.json_api import JsonApiOperation
from myapp.json_api_documents import Relationship, ResourceType
from myapp.kinds import CREATE, LIST, UPDATE
from myapp.negotiation import JSON_API
from myapp.operations import Operation

Document = dict[str, Any]

LINK: Schema = {"type": "string", "format": "uri-reference"}
ID: Schema = {"type": "string", "format": "uuid"}
VERSION: Schema = {"type": "object", "properties": {"version": {"const": "1.1"}}}
IGNORED: Schema = {"^@": {}}
"""Members of any value that are no data (1.1, @-members)."""


def schemas(operation: Operation) -> Iterator[tuple[str, Schema]]:
    """Yield the schemas that an operation in JSON:API refers to, by name."""
    if (other := _translated(operation)) is None:
        return
    type, problem = other.resource, other.speaks.problem_schema
    yield problem["title"], problem
    if contract := operation.answers:
        resource = f"{contract.name}Resource"
        yield resource, {"title": resource, **_shown(type, contract)}
        name, data = _answer_name(operation, contract), _reference(resource)
        shown = _page(data) if operation.kind is LIST else _document(type, data)
        yield name, {"title": name, **shown}
    if contract := operation.accepts:
        name = _body_name(operation, contract)
        yield name, {"title": name, **_body(operation, type, contract)}


def problems(operation: Operation) -> Document:
    """Return the content of an operation's errors in JSON:API."""
    other = _translated(operation)
    return _content(other.speaks.problem_schema["title"]) if other else {}


def answers(operation: Operation) -> Document:
    """Return the content of an operation's success in JSON:API."""
    contract = operation.answers if _translated(operation) else None
    return _content(_answer_name(operation, contract)) if contract else {}


def bodies(operation: Operation, fields: Document, id: str) -> Document:
    """Return the content of an operation's body in JSON:API, with an example."""
    other, contract = _translated(operation), operation.accepts
    if other is None or contract is None:
        return {}
    data = _resource_object(other.resource, fields)
    if operation.kind is UPDATE:
        data["id"] = id
    [(media_type, described)] = _content(_body_name(operation, contract)).items()
    return {media_type: {**described, "example": {"data": data}}}


def _translated(operation: Operation) -> JsonApiOperation | None:
    other = operation.translated
    return other if isinstance(other, JsonApiOperation) else None


def _answer_name(operation: Operation, contract: Contract) -> str:
    return f"{contract.name}Document{'s' if operation.kind is LIST else ''}"


def _body_name(operation: Operation, contract: Contract) -> str:
    return f"{contract.name}{'Change' if operation.kind is UPDATE else 'New'}Document"


def _content(name: str) -> Document:
    return {JSON_API: {"schema": _reference(name)}}


def _reference(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}


def _resource_object(type: ResourceType, fields: Document) -> Document:
    """Return the resource object with these fields, as a client sends it."""
    related = {
        each.name: {"data": {"type": each.type.name, "id": fields[field]}}
        for field, each in type.relationships.items()
        if field in fields
    }
    attributes = {f: fields[f] for f in fields if f not in type.relationships}
    data: Document = {"type": type.name, "attributes": attributes}
    return data | ({"relationships": related} if related else {})


def _closed(properties: Document, required: Iterable[str]) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _document(type: ResourceType, data: Schema) -> Schema:
    links = {"links": _closed({"self": LINK}, ["self"])} if type.is_known else {}
    properties = {"jsonapi": VERSION, "data": data, **links}
    return _closed(properties, properties)


def _page(data: Schema) -> Schema:
    properties = {
        "jsonapi": VERSION,
        "data": {"type": "array", "items": data},
        "links": _closed({"self": LINK, "next": LINK}, ["self"]),
        "meta": _closed({"total": {"type": "integer", "minimum": 0}}, ["total"]),
    }
    return _closed(properties, ["jsonapi", "data", "links"])


def _shown(type: ResourceType, contract: Contract) -> Schema:
    """Return the schema of a resource object that is shown."""
    required = contract.read_schema["required"]
    attributes = _attributes(type, contract, [f for f in contract.shown if f != "id"])
    attributes["required"] = [f for f in required if f in attributes["properties"]]
    properties = {"type": {"const": type.name}, "id": ID, "attributes": attributes}
    if related := _relationships(type, contract, contract.shown):
        linked = {name: _linked(member) for name, member in related.items()}
        properties["relationships"] = _closed(linked, linked)
    if type.is_known:
        properties["links"] = _closed({"self": LINK}, ["self"])
    return {"description": contract.description, **_closed(properties, properties)}


def _linked(member: Schema) -> Schema:
    links = _closed({"related": LINK}, ["related"])
    return _closed({**member["properties"], "links": links}, ["data"])


def _body(operation: Operation, type: ResourceType, contract: Contract) -> Schema:
    """Return the schema of a document that makes or changes a resource."""
    fields, is_new = contract.writable, operation.kind is CREATE
    needed = contract.write_schema["required"] if is_new else []
    attributes = _attributes(type, contract, fields)
    attributes["required"] = [f for f in needed if f in attributes["properties"]]
    attributes["patternProperties"] = IGNORED
    related = _relationships(type, contract, fields)
    members = _closed(related, [n for n in related if type.field_of(n) in needed])
    properties: Document = {"type": {"const": type.name}, "attributes": attributes}
    properties["relationships"] = {**members, "patternProperties": IGNORED}
    required = ["type"] if is_new else ["type", "id"]
    if not is_new:
        properties["id"] = ID
    required += [
        n for n in ("attributes", "relationships") if properties[n]["required"]
    ]
    data = {"type": "object", "properties": properties, "required": required}
    return {"type": "object", "properties": {"data": data}, "required": ["data"]}


def _attributes(
    type: ResourceType, contract: Contract, fields: Iterable[str]
) -> Schema:
    names = [field for field in fields if field not in type.relationships]
    return _closed({name: contract.properties[name] for name in names}, [])


def _relationships(
    type: ResourceType, contract: Contract, fields: Iterable[str]
) -> dict[str, Schema]:
    """Return the schema of each relationship among some fields, by name."""
    found = [type.relationships[f] for f in fields if f in type.relationships]
    return {each.name: _relationship(each, contract) for each in found}


def _relationship(each: Relationship, contract: Contract) -> Schema:
    data: Schema = {
        "type": "object",
        "properties": {"type": {"const": each.type.name}, "id": ID},
        "required": ["type", "id"],
    }
    if "null" in types_of(contract.properties[each.field]):
        data = {"anyOf": [data, {"type": "null"}]}
    return {"type": "object", "properties": {"data": data}, "required": ["data"]}
