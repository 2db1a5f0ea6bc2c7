"""The components of the OpenAPI document: the contracts' own schemas, and some more."""

from collections.abc import Iterable
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
    found: dict[str, Contract] = {}
    named: Document = {}
    for operation in operations:
        for contract in filter(None, (operation.accepts, operation.answers)):
            other = found.setdefault(contract.name, contract)
            if other is not contract:
                raise DeclarationError(
                    f"{contract.declared_in}: {contract.name}: the contract at"
                    f" {other.declared_in} has the same name: rename one of the two"
                )
        problem = operation.speaks.problem_schema
        named[problem["title"]] = problem
        if accepted := operation.accepts:
            if operation.kind is UPDATE:
                named[f"{accepted.name}MergePatch"] = _merge_schema(accepted)
                named["JsonPatch"] = JSON_PATCH_SCHEMA
            else:
                named[f"{accepted.name}Write"] = accepted.write_schema
        if answered := operation.answers:
            named[answered.name] = answered.read_schema
            if operation.kind is LIST:
                named[f"{answered.name}Page"] = _page_schema(answered)
        named |= json_api_schemas.schemas(operation)
    return named


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
