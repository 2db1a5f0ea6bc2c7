"""The components of the OpenAPI document: the contracts' own schemas, and some more."""

from collections.abc import Iterable, Iterator
from typing import Any

from myapp import json_api_schemas
from myapp.contract import Contract
from myapp.contract_rules import DeclarationError, Schema
from myapp.kinds import LIST, UPDATE
from myapp.operations import Operation
from myapp.patch import MOST_OPERATIONS

Document = dict[str, Any]

_POINTER: Schema = {"type": "string", "pattern": "^(/([^/~]|~[01])*)*$"}
JSON_PATCH_SCHEMA: Schema = {
    "title": "JsonPatch",
    "description": "A sequence of changes (RFC 6902).",
    "type": "array",
    "maxItems": MOST_OPERATIONS,
    "items": {
        "oneOf": [
            {
                "type": "object",
                "properties": {"op": {"enum": operations}, "path": _POINTER, **more},
                "required": ["op", "path", *more],
            }
            for operations, more in (
                (["add", "replace", "test"], {"value": {}}),
                (["move", "copy"], {"from": _POINTER}),
                (["remove"], {}),
            )
        ]
    },
}


def schemas(operations: Iterable[Operation]) -> Document:
    """Return the schemas that the operations refer to, by name."""
    operations = list(operations)
    _refuse_namesakes(operations)
    found: Document = {}
    first: dict[str, str] = {}
    for operation in operations:
        for name, schema in _schemas(operation):
            other = first.setdefault(name, operation.id)
            if found.setdefault(name, schema) != schema:
                raise DeclarationError(
                    f"{operation.id}: its schema {name} is another than that of"
                    f" {other}: rename the contract of one of the two"
                )
    return found


def _refuse_namesakes(operations: Iterable[Operation]) -> None:
    found: dict[str, Contract] = {}
    for operation in operations:
        for contract in filter(None, (operation.accepts, operation.answers)):
            other = found.setdefault(contract.name, contract)
            if other is not contract:
                raise DeclarationError(
                    f"{contract.declared_in}: {contract.name}: the contract at"
                    f" {other.declared_in} has the same name: rename one of the two"
                )


def _schemas(operation: Operation) -> Iterator[tuple[str, Schema]]:
    """Yield the schemas that an operation refers to, by name."""
    problem = operation.speaks.problem_schema
    yield problem["title"], problem
    if accepted := operation.accepts:
        if operation.kind is UPDATE:
            yield f"{accepted.name}MergePatch", _merge_schema(accepted)
            yield "JsonPatch", JSON_PATCH_SCHEMA
        else:
            yield f"{accepted.name}Write", accepted.write_schema
    if answered := operation.answers:
        yield answered.name, answered.read_schema
        if operation.kind is LIST:
            yield f"{answered.name}Page", _page_schema(answered)
    yield from json_api_schemas.schemas(operation)


def _merge_schema(contract: Contract) -> Schema:
    """Return the schema of a merge patch: null takes a field back to its default."""
    properties = {}
    for field in contract.writable:
        schema = dict(contract.properties[field])
        if "default" in schema:
            del schema["default"]
            schema = {"anyOf": [schema, {"type": "null"}]}
        properties[field] = schema
    return {
        "title": f"{contract.name}MergePatch",
        "description": "The fields to change (RFC 7396).",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def _page_schema(contract: Contract) -> Schema:
    return {
        "title": f"{contract.name}Page",
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": reference(contract.name)},
            "next": {"type": ["string", "null"], "description": "The next cursor."},
        },
        "required": ["items", "next"],
        "additionalProperties": False,
    }


def reference(name: str) -> Document:
    """Return the reference to a component."""
    return {"$ref": f"#/components/schemas/{name}"}
