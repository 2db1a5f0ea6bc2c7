"""Nothing of one account can be seen or changed by another, whatever it calls.

The rival, an owner with every scope, walks through all operations with the ids and
cursors of acme's resources, which carry a canary in every text. Then the locks are
taken away one by one: the other must hold alone, and the walk must notice where none
is left.
"""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy import true
from werkzeug.test import TestResponse

from myapp import openapi, sql_statements
from myapp.contract import Contract
from myapp.kinds import CREATE, LIST, RETRIEVE, UPDATE
from myapp.operations import Operation
from myapp.pagination import parameters, read_slice
from myapp.redis_repository import RedisRepository
from myapp.repository import Repository
from myapp.sql_repository import SqlRepository
from tests.actors import Actor, sign_up
from tests.resources import (
    OPERATIONS,
    PARAMETER,
    SERVED,
    Path,
    call,
    listed,
    make_everything,
    models_of,
    named,
    references,
)
from tests.stores import on_postgresql, on_sqlite

ITEMS = [operation for operation in OPERATIONS if PARAMETER.search(operation.url)]
WITHOUT_ID = [operation for operation in OPERATIONS if operation not in ITEMS]
LISTS = [operation for operation in WITHOUT_ID if operation.kind is LIST]
CREATIONS = [operation for operation in WITHOUT_ID if operation.kind is CREATE]
OTHERS = [op for op in WITHOUT_ID if op not in (*LISTS, *CREATIONS)]


class World(NamedTuple):
    """Two accounts; the first has a resource of every feature."""

    acme: Actor
    rival: Actor
    canary: str
    """In every text of acme's resources."""
    path: Path
    """The ids of acme's resources."""


@pytest.fixture
def world(client: FlaskClient) -> World:
    """Acme with a resource of every feature, and the rival."""
    canary = f"canary-{uuid4().hex[:8]}"
    acme, rival = sign_up(client, canary), sign_up(client, "rival")
    return World(acme, rival, canary, make_everything(acme, canary))


# --- the walk


def calls(operations: list[Operation]) -> list[Any]:
    """Return operations as parameters, each with every media type that it reads."""
    return [
        pytest.param(
            operation,
            media_type,
            id=openapi.operation_id(operation)
            + (f"-{media_type}" if operation.kind is UPDATE else ""),
        )
        for operation in operations
        for media_type in operation.kind.reads or (None,)
    ]


def trespasses(world: World, operation: Operation, media_type: str | None) -> list[str]:
    """Call an operation as the rival on acme's resource; say what that gave away."""
    before = seen(world.acme, world.path)
    nowhere = {parameter: str(uuid4()) for parameter in world.path}
    theirs, missing = (
        call(world.rival, operation, path, media_type=media_type)
        for path in (world.path, nowhere)
    )
    found = []
    if theirs.status_code != 404:
        found.append(f"answers {theirs.status_code}")
    if told(theirs) != told(missing):
        found.append("answers unlike for a missing one")
    if shows(world, theirs):
        found.append("shows acme's")
    if seen(world.acme, world.path) != before:
        found.append("changes acme's")
    return found


def trespasses_of_list(world: World, operation: Operation) -> list[str]:
    """Search a list as the rival for acme's resources; say what that gave away."""
    [wanted, *_] = listed(world.acme, operation, world.path)
    found = []
    for query in searches(operation, wanted, world.rival):
        response = call(world.rival, operation, world.path, query=query)
        if response.status_code != 200:
            found.append(f"{query} answers {response.status_code}")
        elif shows(world, response):
            found.append(f"{query} shows acme's")
        elif "count" in query:
            own = listed(world.rival, operation, world.path)
            if response.headers["X-Total-Count"] != str(len(own)):
                found.append(f"{query} counts acme's")
    return found


def searches(
    operation: Operation, wanted: dict[str, Any], actor: Actor
) -> Iterator[dict[str, str]]:
    """Yield queries by which an actor may look for a resource of another one's."""
    contract = answers_of(operation)
    yield {"limit": "100", "count": "exact"}
    for name in parameters(contract):
        field = name.partition("[")[0]
        if field in contract.filters:
            yield {name: as_parameter(wanted[field]), "limit": "100"}
    orders = [{"sort": sign + field} for field in contract.sorts for sign in ("", "-")]
    for query in ({}, *orders):
        yield query
        yield query | {"cursor": cursor(contract, wanted, actor, query)}


def as_parameter(value: Any) -> str:
    """Return a field's value as a filter is written: a string, or JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def cursor(
    contract: Contract, last: dict[str, Any], actor: Actor, query: dict[str, str]
) -> str:
    """Return the cursor behind a resource, as an actor's own list would give it."""
    slice = read_slice(contract, query, UUID(actor.account_id))
    return slice.cursor(last[slice.sort], last["id"])


def answers_of(operation: Operation) -> Contract:
    """Return the contract of what an operation answers."""
    assert operation.answers
    return operation.answers


def seen(actor: Actor, path: Path) -> dict[str, Any]:
    """Return all that an actor's lists and single resources show."""
    return {
        openapi.operation_id(operation): told(call(actor, operation, path))
        for operation in OPERATIONS
        if operation.kind in (LIST, RETRIEVE)
    }


def told(response: TestResponse) -> Any:
    """Return all that tells one answer from another: only the request's id does not."""
    headers = dict(response.headers)
    request_id = headers.pop("X-Request-Id")
    body = response.get_data(as_text=True).replace(request_id, "")
    return response.status_code, headers, body


def shows(world: World, response: TestResponse) -> bool:
    """Tell whether an answer holds a text or an id of acme's."""
    answered = str(told(response))
    return any(secret in answered for secret in (world.canary, *world.path.values()))


def test_walk_covers_every_operation_of_the_application(app):
    assert app.extensions["operations"] == SERVED


@pytest.mark.parametrize(("operation", "media_type"), calls(ITEMS))
def test_item_of_another_account_is_absent(world, operation, media_type):
    assert trespasses(world, operation, media_type) == []
    own = call(world.acme, operation, world.path, media_type=media_type)
    assert own.status_code == operation.status


@pytest.mark.parametrize("operation", named(LISTS))
def test_list_of_another_account_is_out_of_reach(world, operation):
    make_everything(world.rival, f"rival-{uuid4().hex[:8]}")
    assert trespasses_of_list(world, operation) == []
    assert shows(world, call(world.acme, operation, world.path))


@pytest.mark.parametrize("operation", named(LISTS))
def test_list_at_a_cursor_of_another_account_is_refused(world, operation):
    [last, *_] = listed(world.acme, operation, world.path)
    query = {"cursor": cursor(answers_of(operation), last, world.acme, {})}
    assert call(world.acme, operation, world.path, query=query).status_code == 200
    refused = call(world.rival, operation, world.path, query=query)
    assert (refused.status_code, shows(world, refused)) == (400, False)


@pytest.mark.parametrize("operation", named(LISTS))
def test_list_naming_another_account_is_refused(world, operation):
    query = {"account_id": world.acme.account_id}
    assert call(world.rival, operation, world.path, query=query).status_code == 400


@pytest.mark.parametrize("operation", named(CREATIONS))
def test_create_changes_nothing_of_another_account(world, operation):
    before = seen(world.acme, world.path)
    made = call(world.rival, operation, world.path)
    status = 409 if references(operation) else 201  # to acme's there is no way
    assert (made.status_code, shows(world, made)) == (status, False)
    assert seen(world.acme, world.path) == before


@pytest.mark.parametrize("field", ["account_id", "id"])
@pytest.mark.parametrize("operation", named(CREATIONS))
def test_create_naming_another_account_is_refused(world, operation, field):
    body = openapi.example(operation.accepts) | {field: world.acme.account_id}
    refused = world.rival.post(operation.url, json=body)
    assert refused.status_code == 400
    assert [rule["at"] for rule in refused.json["errors"]] == [f"/{field}"]


@pytest.mark.parametrize("operation", named(OTHERS))
def test_action_without_an_id_reaches_nothing_of_another_account(world, operation):
    before = seen(world.acme, world.path)
    assert not shows(world, call(world.rival, operation, world.path))
    assert seen(world.acme, world.path) == before


# --- each lock alone


def kept_in(kind: type[Repository], operations: list[Operation]) -> list[Operation]:
    """Choose the operations whose feature keeps its records in one kind of store."""
    return [
        operation
        for operation in operations
        if any(isinstance(value, kind) for value in models_of(operation))
    ]


@pytest.fixture
def without_conditions(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the tenant out of every SQL statement of every repository."""
    monkeypatch.setattr(sql_statements, "owned", lambda tenant: true())
    found = {id(value): value for op in OPERATIONS for value in models_of(op)}
    for repository in found.values():
        if isinstance(repository, SqlRepository):
            model = SimpleNamespace(__table__=repository.table)
            tenant = repository._tenant.name
            bare = SqlRepository(model, repository.contract, tenant=tenant)
            for name, value in vars(bare).items():
                monkeypatch.setattr(repository, name, value)


@pytest.fixture
def without_tenant_in_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the tenant out of every Redis key."""
    shared = uuid4()
    key, index = RedisRepository._key, RedisRepository._index
    monkeypatch.setattr(
        RedisRepository, "_key", lambda self, tenant, id: key(self, shared, id)
    )
    monkeypatch.setattr(RedisRepository, "_index", lambda self, _: index(self, shared))


@on_postgresql
@pytest.mark.usefixtures("without_conditions")
@pytest.mark.parametrize(
    ("operation", "media_type"), calls(kept_in(SqlRepository, ITEMS))
)
def test_item_is_absent_by_row_security_alone(world, operation, media_type):
    assert trespasses(world, operation, media_type) == []
    own = call(world.acme, operation, world.path, media_type=media_type)
    assert own.status_code == operation.status


@on_postgresql
@pytest.mark.usefixtures("without_conditions")
@pytest.mark.parametrize("operation", named(kept_in(SqlRepository, LISTS)))
def test_list_is_out_of_reach_by_row_security_alone(world, operation):
    assert trespasses_of_list(world, operation) == []
    assert shows(world, call(world.acme, operation, world.path))


@on_sqlite
@pytest.mark.usefixtures("without_conditions")
@pytest.mark.parametrize(
    ("operation", "media_type"), calls(kept_in(SqlRepository, ITEMS))
)
def test_item_in_sqlite_is_exposed_without_conditions(world, operation, media_type):
    assert trespasses(world, operation, media_type)


@on_sqlite
@pytest.mark.usefixtures("without_conditions")
@pytest.mark.parametrize("operation", named(kept_in(SqlRepository, LISTS)))
def test_list_in_sqlite_is_exposed_without_conditions(world, operation):
    assert trespasses_of_list(world, operation)


@on_sqlite
@pytest.mark.usefixtures("without_tenant_in_keys")
@pytest.mark.parametrize(
    ("operation", "media_type"), calls(kept_in(RedisRepository, ITEMS))
)
def test_item_in_redis_is_exposed_without_tenant_in_keys(world, operation, media_type):
    assert trespasses(world, operation, media_type)


@on_sqlite
@pytest.mark.usefixtures("without_tenant_in_keys")
@pytest.mark.parametrize("operation", named(kept_in(RedisRepository, LISTS)))
def test_list_in_redis_is_exposed_without_tenant_in_keys(world, operation):
    assert trespasses_of_list(world, operation)
