"""The OpenAPI 3.1 document, written straight from the operations.

Components are the contracts' own schemas, word for word. Every statement about an
operation (who may call it, what it answers) comes from its declaration.
"""

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

from myapp import errors
from myapp.access import Rule
from myapp.contract import Contract
from myapp.contract_rules import Schema, types_of
from myapp.kinds import ACTION, CREATE, LIST, RETRIEVE, UPDATE
from myapp.operations import Operation
from myapp.patch import JSON_PATCH, MERGE_PATCH, MOST_OPERATIONS

Document = dict[str, Any]

VERSION = "0.1.0"
KEY = "An API key, `myapp_…`, without `Bearer`."
INTRODUCTION = "Sign in under Authorize. Every error is a problem (RFC 9457)."
UUID_EXAMPLE = "01890a5d-ac96-774b-bcce-b302099a8057"
EXAMPLES = {
    "uuid": UUID_EXAMPLE,
    "date-time": "2026-01-31T12:00:00Z",
    "date": "2026-01-31",
    "email": "ada@example.com",
    "uri": "https://example.com/thanks",
}

ENTITY_TAG: Schema = {
    "type": "string",
    "format": "entity-tag",
    "pattern": '^(\\*|(W/)?"[!#-~]*")$',
    "maxLength": 100,
}
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


def document(operations: Sequence[Operation], title: str) -> Document:
    """Return the OpenAPI document of some operations.

    Raises TypeError where two contracts share a name.
    """
    paths: Document = {}
    for operation in operations:
        url = _path(operation.url)
        paths.setdefault(url, {})[operation.method.lower()] = _operation(operation)
    schemas = _schemas(operations)
    bearer = {"type": "http", "scheme": "bearer", "description": KEY}
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": VERSION, "description": INTRODUCTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in sorted({op.feature for op in operations})],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"bearer": bearer}},
    }


def _path(url: str) -> str:
    """Return a URL rule in the template form of OpenAPI."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", url)


def _schemas(operations: Iterable[Operation]) -> Document:
    """Return the schemas that the operations refer to, by name."""
    found: dict[str, Contract] = {}
    schemas: Document = {}
    for operation in operations:
        for contract in filter(None, (operation.accepts, operation.answers)):
            if found.setdefault(contract.name, contract) is not contract:
                raise TypeError(
                    f"{contract.declared_in}: another contract is named"
                    f" {contract.name}: rename one of the two"
                )
        problem = operation.speaks.problem_schema
        schemas[problem["title"]] = problem
        if accepted := operation.accepts:
            schemas[f"{accepted.name}Write"] = accepted.write_schema
            if operation.kind is UPDATE:
                schemas[f"{accepted.name}MergePatch"] = _merge_schema(accepted)
                schemas["JsonPatch"] = JSON_PATCH_SCHEMA
        if answered := operation.answers:
            schemas[answered.name] = answered.read_schema
            if operation.kind is LIST:
                schemas[f"{answered.name}Page"] = _page_schema(answered)
    return schemas


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
            "items": {"type": "array", "items": _reference(contract.name)},
            "next": {"type": ["string", "null"], "description": "The next cursor."},
        },
        "required": ["items", "next"],
        "additionalProperties": False,
    }


def _reference(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}


def _operation(operation: Operation) -> Document:
    described: Document = {
        "operationId": operation_id(operation),
        "summary": operation.summary,
        "description": _description(operation.rule, operation.scope),
        "tags": [operation.feature],
        "parameters": [*_path_parameters(operation), *_parameters(operation)],
        "responses": responses(operation),
        "security": [] if operation.rule.allows(None) else [{"bearer": []}],
    }
    if operation.accepts:
        described["requestBody"] = _request_body(operation, operation.accepts)
    return described


def operation_id(operation: Operation) -> str:
    """Return a unique, readable name: `customers_replace`, `teams_members_list`."""
    below = operation.url.removeprefix(operation.home)
    names = [part for part in below.split("/") if part and not part.startswith("<")]
    if operation.kind is not ACTION:
        names.append(operation.kind.name)
    return "_".join([operation.feature, *names])


def _description(rule: Rule, scope: str) -> str:
    if rule.allows(None):
        return "For anyone: no token is needed."
    return f"For the role {rule.text}, with the scope `{scope}`."


def _path_parameters(operation: Operation) -> list[Document]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "format": converter},
        }
        for converter, name in re.findall(r"<(\w+):(\w+)>", operation.url)
    ]


def _parameters(operation: Operation) -> list[Document]:
    found = [
        {"name": name, "in": "query", "schema": schema}
        | {"description": schema.get("description", "A filter.")}
        for name, schema in operation.parameters.items()
    ]
    if errors.PreconditionFailed in operation.problems:
        text = "The `ETag` that you last read: writes only if it still holds."
        header: Document = {"name": "If-Match", "in": "header", "description": text}
        header |= {"required": operation.requires_match, "schema": ENTITY_TAG}
        found.append(header)
    if operation.kind is RETRIEVE:
        text = "An `ETag`: answers 304 while it holds."
        header = {"name": "If-None-Match", "in": "header", "description": text}
        found.append(header | {"schema": {"type": "string", "maxLength": 1000}})
    return found


def _request_body(operation: Operation, contract: Contract) -> Document:
    write = _reference(f"{contract.name}Write")
    content: Document = {}
    for media_type in operation.reads:
        content[media_type] = {"schema": write, "example": example(contract)}
    if operation.kind is UPDATE:
        field, value = next(iter(example(contract).items()))
        merge = _reference(f"{contract.name}MergePatch")
        content[MERGE_PATCH] = {"schema": merge, "example": {field: value}}
        change = {"op": "replace", "path": f"/{field}", "value": value}
        content[JSON_PATCH] = {"schema": _reference("JsonPatch"), "example": [change]}
    return {"required": True, "content": content}


def example(contract: Contract) -> Document:
    """Return a body that the contract admits, as it stands."""
    return {field: _example(contract.properties[field]) for field in contract.writable}


def _example(schema: Schema) -> Any:
    if "examples" in schema:
        return schema["examples"][0]
    for keyword in ("default", "const"):
        if keyword in schema:
            return schema[keyword]
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("format") in EXAMPLES:
        return EXAMPLES[schema["format"]]
    for alternatives in (schema.get("anyOf"), schema.get("oneOf")):
        if alternatives:
            return _example(alternatives[0])
    simple: Document = {"boolean": True, "integer": schema.get("minimum"), "array": []}
    simple |= {"number": schema.get("minimum"), "object": {}, "string": "string"}
    return simple[sorted(types_of(schema) - {"null"})[0]]


def responses(operation: Operation) -> Document:
    """Return what an operation may answer, by status."""
    found: Document = {str(operation.status): _success(operation)}
    if operation.kind is RETRIEVE:
        found["304"] = {"description": "It has not changed."}
    by_status: dict[int, list[str]] = {}
    for problem in operation.problems:
        by_status.setdefault(problem.status, []).append(problem.__doc__ or "")
    for status, texts in by_status.items():
        schema = _reference(operation.speaks.problem_schema["title"])
        content = {operation.speaks.problems: {"schema": schema}}
        found[str(status)] = {"description": " ".join(texts), "content": content}
    return found


def _success(operation: Operation) -> Document:
    described: Document = {"description": HTTPStatus(operation.status).phrase}
    if operation.answers is None:
        return described
    page = operation.kind is LIST
    name = operation.answers.name + ("Page" if page else "")
    described["content"] = {operation.speaks.answers: {"schema": _reference(name)}}
    headers = ["Link", "X-Total-Count"] if page else ["ETag"]
    if operation.kind is CREATE:
        headers.append("Location")
    described["headers"] = {name: {"schema": {"type": "string"}} for name in headers}
    return described
