"""How a test calls any operation of any feature: its URL, a body, and what it is about.

Everything is derived from the operations: a new feature needs nothing here.
"""

import json
import re
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Table
from werkzeug.test import TestResponse

import myapp
from devtools.examples import marked
from myapp import openapi
from myapp.api import FeatureApi
from myapp.errors import PreconditionFailed
from myapp.kinds import CREATE, DELETE, LIST, RETRIEVE, UPDATE
from myapp.operations import Operation
from myapp.patch import JSON_PATCH
from myapp.tables import Base
from tests import samples
from tests.actors import Actor, sign_in


def _operations_of(features: Iterable[ModuleType]) -> list[Operation]:
    """Return what features declare; one in plain Flask-RESTX declares nothing."""
    apis = [getattr(feature, "endpoints", feature).api for feature in features]
    declaring = [api for api in apis if isinstance(api, FeatureApi)]
    return [operation for api in declaring for operation in api.operations]


OPERATIONS = _operations_of(myapp.FEATURES)
"""What the product serves; known before there is an application, to name tests by."""

SERVED = _operations_of(samples.FEATURES)
"""What the application of the tests serves: also the samples."""

NEED_A_SECRET = (
    "users_invitations_accept",
    "users_me_retrieve",
    "auth_login",
    "auth_token",
    "auth_authorize_get",
    "auth_authorize",
    "auth_revoke",
    "auth_introspect",
    "auth_password_reset_confirm",
)
"""What succeeds only for who knows a password, a code, or a token of one's own."""

CREATIONS = [operation for operation in SERVED if operation.kind is CREATE]

ITEM = (RETRIEVE, DELETE)
PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
FIRST_VERSION = '"1-00000000"'

CHANGED = {"users_update": {"name"}}
"""What an update changes, where not all may be changed by whoever may update."""

Path = Mapping[str, str]
"""Path parameter → the id that it leads to."""


def named(operations: Iterable[Operation]) -> list[Any]:
    """Return operations as the parameters of tests, named as in the API description."""
    return [
        pytest.param(operation, id=openapi.operation_id(operation))
        for operation in operations
    ]


def models_of(operation: Operation) -> list[Any]:
    """Return what the models of an operation's feature define."""
    [feature] = [
        feature
        for feature in samples.FEATURES
        if operation in _operations_of([feature])
    ]
    return list(vars(getattr(feature, "models", feature)).values())


def call(
    actor: Actor,
    operation: Operation,
    path: Path,
    *,
    mark: str | None = None,
    media_type: str | None = None,
    query: Mapping[str, str] | None = None,
) -> TestResponse:
    """Call an operation with what it needs to succeed on resources just made."""
    headers = {}
    if PreconditionFailed in operation.problems:
        headers["If-Match"] = FIRST_VERSION
    if operation.accepts:
        media_type = media_type or operation.reads[0]
        headers["Content-Type"] = media_type
    return actor.open(
        operation.method,
        PARAMETER.sub(lambda parameter: path[parameter[1]], operation.url),
        headers,
        json=_body(operation, path, mark or f"mark-{uuid4().hex[:8]}", media_type),
        query_string=query,
    )


def _body(operation: Operation, path: Path, mark: str, media_type: str | None) -> Any:
    if operation.accepts is None:
        return None
    body = marked(operation.accepts, mark)
    named = references(operation).items()
    body |= {field: path[name] for field, name in named if name in path}
    changed = CHANGED.get(openapi.operation_id(operation), body)
    body = {field: body[field] for field in body if field in changed}
    if operation.kind is not UPDATE or media_type != JSON_PATCH:
        return body
    return [
        {"op": "replace", "path": f"/{field}", "value": body[field]} for field in body
    ]


def listed(actor: Actor, operation: Operation, path: Path) -> list[dict[str, Any]]:
    """Return what an actor's list shows, the newest first."""
    response = call(actor, operation, path)
    assert response.status_code == 200, response.get_data()
    items: list[dict[str, Any]] = json.loads(response.get_data())["items"]
    return items


def make_everything(actor: Actor, mark: str) -> Path:
    """Make a resource of every feature, marked; return the ids that lead to them."""
    return _find(actor, _make(actor, mark, CREATIONS), UNASKED)


def make_named(actor: Actor, mark: str, operation: Operation) -> Path:
    """Make only the resources that an operation names, in its URL or its body."""
    named = _named_by(operation)
    for made in reversed(CREATIONS):  # each names only what was made before it
        if _parameter_below(made) in named:
            named |= _named_by(made)
    chosen = [made for made in CREATIONS if _parameter_below(made) in named]
    found = [listing for listing in UNASKED if _parameter_below(listing) in named]
    return _find(actor, _make(actor, mark, chosen), found)


def references(operation: Operation) -> dict[str, str]:
    """Return the fields of a body that hold the id of something else.

    Each with the path parameter that leads there: `billed_to_id` → `customer_id`.
    """
    contract = operation.accepts
    if contract is None:
        return {}
    table = Base.metadata.tables.get(operation.feature)
    return {
        field: _parameter_of(table, field)
        for field in contract.writable
        if contract.properties[field].get("format") == "uuid"
    }


def _parameter_of(table: Table | None, field: str) -> str:
    keys = table.c[field].foreign_keys if table is not None and field in table.c else ()
    for key in keys:
        for creation in CREATIONS:
            is_top_level = creation.url == creation.home
            if is_top_level and creation.feature == key.column.table.name:
                return _parameter_below(creation)
    return field


def _named_by(operation: Operation) -> set[str]:
    return {*PARAMETER.findall(operation.url), *references(operation).values()}


def _make(actor: Actor, mark: str, creations: list[Operation]) -> Path:
    path: dict[str, str] = {}
    for creation in creations:
        path[_parameter_below(creation)] = _make_one(actor, mark, creation, path)
    # A user is in a team only once: whoever adds one needs another. Nothing refers to
    # the second one, so that it can be deleted.
    referred = {name for each in creations for name in references(each).values()}
    for creation in reversed(creations):
        if (named := _parameter_below(creation)) in referred:
            path[named] = _make_one(actor, f"{mark}-2", creation, path)
    return path


def _make_one(actor: Actor, mark: str, creation: Operation, path: Path) -> str:
    made = call(actor, creation, path, mark=mark)
    assert made.status_code == 201, made.get_data()
    [listing] = [
        operation
        for operation in SERVED
        if operation.kind is LIST and operation.url == creation.url
    ]
    # Of accounts, an actor lists its own, and not the one just made.
    newest: str = listed(actor, listing, path)[0]["id"]
    return newest


def _find(actor: Actor, path: Path, listings: list[Operation]) -> Path:
    """Add the ids of what is listed, and was made by the way: a session is, too."""
    if listings:
        sign_in(actor)
    found = {_parameter_below(each): listed(actor, each, path) for each in listings}
    return {**path, **{name: items[0]["id"] for name, items in found.items()}}


def _parameter_below(operation: Operation) -> str:
    """Return the path parameter of what an operation makes or lists."""
    for item in SERVED:
        above, _, below = item.url.rpartition("/")
        parameter = PARAMETER.fullmatch(below)
        if item.kind in ITEM and above == operation.url and parameter:
            return parameter[1]
    raise LookupError(f"what is at {operation.url} has no address of its own")


UNASKED = [
    operation
    for operation in SERVED
    if operation.kind is LIST
    and operation.url not in {creation.url for creation in CREATIONS}
    and any(
        item.kind in ITEM and item.url.rpartition("/")[0] == operation.url
        for item in SERVED
    )
]
"""The lists of what nobody makes: it comes about by the way, as audit entries do."""
