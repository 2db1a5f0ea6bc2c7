"""The OpenAPI 3.1 document, written straight from the operations.

Components are the contracts' own schemas, word for word. Every statement about an
operation (who may call it, what it answers) comes from its declaration.
"""

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

from myapp import components, errors, json_api_schemas, rate_limits
from myapp.access import OPEN, Rule
from myapp.contract import Contract
from myapp.contract_rules import Schema, types_of
from myapp.kinds import CREATE, LIST, RETRIEVE, UPDATE
from myapp.operations import Operation
from myapp.patch import JSON_PATCH, MERGE_PATCH

Document = dict[str, Any]

LIMIT_HEADERS: Document = {
    name: {"$ref": f"#/components/headers/{name}"} for name in rate_limits.DOCUMENTED
}
VERSION = "0.1.0"
KEY = "An API key, `myapp_…`, or an access token, without `Bearer`."
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


def document(operations: Sequence[Operation], title: str) -> Document:
    """Return the OpenAPI document of some operations.

    Raises DeclarationError where two contracts, or their schemas, share a name.
    """
    paths: Document = {}
    for operation in operations:
        url = _path(operation.url)
        paths.setdefault(url, {})[operation.method.lower()] = _operation(operation)
    schemas = components.schemas(operations)
    schemes = {
        "bearer": {"type": "http", "scheme": "bearer", "description": KEY},
        "oauth": _oauth(operations),
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": VERSION, "description": INTRODUCTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in sorted({op.feature for op in operations})],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "headers": rate_limits.DOCUMENTED,
            "securitySchemes": schemes,
        },
    }


def _oauth(operations: Iterable[Operation]) -> Document:
    """Return how a user signs in: by code and PKCE (RFC 6749, RFC 7636)."""
    scopes = {
        operation.scope: f"To {operation.scope.replace(':', ', ')}."
        for operation in sorted(operations, key=lambda operation: operation.scope)
        if operation.rule not in OPEN
    }
    urls = {"authorizationUrl": "/v1/auth/authorize", "tokenUrl": "/v1/auth/token"}
    flow = {**urls, "refreshUrl": "/v1/auth/token", "scopes": scopes}
    return {"type": "oauth2", "flows": {"authorizationCode": flow}}


def _path(url: str) -> str:
    """Return a URL rule in the template form of OpenAPI."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", url)


def _operation(operation: Operation) -> Document:
    described: Document = {
        "operationId": operation_id(operation),
        "summary": operation.summary,
        "description": _description(operation.rule, operation.scope),
        "tags": [operation.feature],
        "parameters": [*_path_parameters(operation), *_parameters(operation)],
        "responses": responses(operation),
        "security": _security(operation),
    }
    if operation.accepts:
        described["requestBody"] = _request_body(operation, operation.accepts)
    return described


def operation_id(operation: Operation) -> str:
    """Return a unique, readable name: `users_update`, `users_me_retrieve`."""
    return operation.id


def _description(rule: Rule, scope: str) -> str:
    if rule.allows(None):
        return "For anyone: no token is needed."
    return f"For the role {rule.text}, with the scope `{scope}`."


def _security(operation: Operation) -> list[Document]:
    if operation.rule.allows(None):
        return []
    return [{"bearer": []}, {"oauth": [operation.scope]}]


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
    write = components.reference(f"{contract.name}Write")
    content: Document = {}
    for media_type in operation.reads:
        content[media_type] = {"schema": write, "example": example(contract)}
    fields = example(contract)
    if operation.kind is UPDATE:
        field, value = next(iter(fields.items()))
        fields = {field: value}
        merge = components.reference(f"{contract.name}MergePatch")
        content[MERGE_PATCH] = {"schema": merge, "example": {field: value}}
        change = {"op": "replace", "path": f"/{field}", "value": value}
        content[JSON_PATCH] = {
            "schema": components.reference("JsonPatch"),
            "example": [change],
        }
    content |= json_api_schemas.bodies(operation, fields, UUID_EXAMPLE)
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
    if operation.speaks.redirects:
        found["303"] = {"description": "On to the client, with a code or an error."}
    by_status: dict[int, list[str]] = {}
    for problem in (operation.translated or operation).problems:
        by_status.setdefault(problem.status, []).append(problem.__doc__ or "")
    schema = components.reference(operation.speaks.problem_schema["title"])
    own = {operation.speaks.problems: {"schema": schema}}
    statuses = {problem.status for problem in operation.problems}
    for status, texts in by_status.items():
        content = own if status in statuses else {}  # else JSON:API's alone
        content = {**content, **json_api_schemas.problems(operation)}
        found[str(status)] = {"description": " ".join(texts), "content": content}
    if operation.rule.limited:
        for described in found.values():
            described["headers"] = described.get("headers", {}) | LIMIT_HEADERS
    return found


def _page_for_people(operation: Operation) -> Document:
    schema = components.reference(operation.speaks.problem_schema["title"])
    content = {operation.speaks.answers: {"schema": schema}}
    shown = operation.status == 200 and operation.speaks.answers == "text/html"
    return {"content": content} if shown else {}


def _success(operation: Operation) -> Document:
    described: Document = {"description": HTTPStatus(operation.status).phrase}
    if operation.answers is None:
        return described | _page_for_people(operation)
    page = operation.kind is LIST
    name = operation.answers.name + ("Page" if page else "")
    described["content"] = {
        operation.speaks.answers: {"schema": components.reference(name)},
        **json_api_schemas.answers(operation),
    }
    headers = ["Link", "X-Total-Count"] if page else ["ETag"]
    if operation.kind is CREATE:
        headers.append("Location")
    described["headers"] = {name: {"schema": {"type": "string"}} for name in headers}
    return described
