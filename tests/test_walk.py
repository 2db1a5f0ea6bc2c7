"""What is true of every operation: generated, so that a new feature is covered.

Each status that an operation declares is provoked here, or by the feature's own tests;
`./run test --all` fails where one never came (see `tests/declared.py`).
"""

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from myapp import create_app, db, errors, openapi
from myapp.access import OPEN
from myapp.api_keys.models import PREFIX
from myapp.kinds import REST, RETRIEVE, UPDATE
from myapp.patch import JSON_PATCH
from myapp.redis_repository import RedisRepository
from myapp.tokens import new_token
from tests.actors import Actor, sign_up
from tests.bodies import TARGETS, example, url_of
from tests.declared import DeclaredClient
from tests.resources import (
    NEED_A_SECRET,
    OPERATIONS,
    PARAMETER,
    call,
    make_everything,
    models_of,
    named,
)

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

EVERY = pytest.mark.parametrize("operation", named(OPERATIONS))
PRIVATE = [op for op in OPERATIONS if op.rule not in OPEN]
OLD = '"999-00000000"'
BODY = pytest.mark.parametrize(
    "target", [pytest.param(target, id=target.name) for target in TARGETS]
)


def declaring(problem):
    """Return the mark of a test for each operation that may answer a problem."""
    chosen = [operation for operation in OPERATIONS if problem in operation.problems]
    return pytest.mark.parametrize("operation", named(chosen))


class Missing(Mapping[str, str]):
    """A path to resources that are not there."""

    def __getitem__(self, parameter):
        return str(UUID(int=0))

    def __iter__(self):
        return iter(())

    def __len__(self):
        return 0


MISSING = Missing()


@pytest.fixture(scope="module")
def closed(settings):
    """The application where nobody but the operator may open an account."""
    app = create_app({**settings, "OPEN_SIGN_UP": False})
    app.test_client_class = DeclaredClient
    yield app
    app.extensions["myapp"].engine.dispose()


@pytest.fixture(scope="module")
def anna(app):
    """The owner of an account that this module's tests share, and do not change."""
    return sign_up(app.test_client(), "anna")


@pytest.fixture(scope="module")
def ids(anna):
    """One resource of every feature, in anna's account."""
    return make_everything(anna, f"mark-{uuid4().hex[:8]}")


def at(closed, actor):
    """Return an actor who calls the application where sign-up is closed."""
    return replace(actor, client=closed.test_client())


# who may not (tests/test_permissions.py has the rest)


PAGES = ("docs.", "dev_mail.")


def test_every_view_but_pages_and_operations_answers_401(closed):
    urls = {operation.url for operation in OPERATIONS}
    for rule in closed.url_map.iter_rules():
        if rule.rule not in urls and not rule.endpoint.startswith(PAGES):
            url = PARAMETER.sub("x", rule.rule)
            assert closed.test_client().get(url).status_code == 401, url


BAD_KEYS = {
    "well_formed": lambda anna: new_token(PREFIX, UUID(anna.account_id), b"-" * 32),
    "of_no_account": lambda anna: new_token(PREFIX, UUID(int=0), b"-" * 32),
}


@pytest.mark.parametrize("operation", named(PRIVATE))
@pytest.mark.parametrize("bad_key", BAD_KEYS.values(), ids=BAD_KEYS)
def test_operation_with_a_bad_token_answers_401(closed, anna, operation, bad_key):
    nobody = replace(at(closed, anna), key=bad_key(anna))
    answer = nobody.open(operation.method, url_of(operation, MISSING))
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


@EVERY
def test_operation_says_in_the_document_who_may_call_it(closed, operation):
    with db.use(closed.extensions["myapp"]):
        document = openapi.document([operation], "one")
    [methods] = document["paths"].values()
    [described] = methods.values()
    if operation.rule in OPEN:
        assert described["security"] == []
    else:
        assert described["security"] == [{"bearer": []}, {"oauth": [operation.scope]}]
        assert operation.rule.text in described["description"]
        assert operation.scope in described["description"]


# requests that are refused


@pytest.mark.parametrize(
    "operation", named(op for op in OPERATIONS if op.speaks is REST)
)
def test_operation_with_an_unknown_query_parameter_answers_400(anna, operation):
    url = url_of(operation, MISSING)
    answer = anna.open(operation.method, f"{url}?no_such_parameter=1")
    assert answer.status_code == 400
    assert answer.json["errors"][0]["at"] == "?no_such_parameter"


@EVERY
def test_operation_whose_answer_is_not_accepted_answers_406(anna, operation):
    url = url_of(operation, MISSING)
    answer = anna.open(operation.method, url, {"Accept": "text/csv"})
    assert answer.status_code == 406


@BODY
def test_body_that_breaks_the_contract_answers_400_with_its_places(anna, ids, target):
    body = b'{"no_such_field": 1}'
    if target.media_type == JSON_PATCH:
        body = b'[{"op": "add", "path": "/no_such_field", "value": 1}]'
    answer = target.send(anna, ids, body)
    assert answer.status_code == 400
    assert "/no_such_field" in [error["at"] for error in answer.json["errors"]]


@BODY
def test_body_that_is_no_json_answers_400(anna, ids, target):
    assert target.send(anna, ids, b"{").status_code == 400


@BODY
def test_body_without_a_length_answers_411(anna, ids, target):
    environ = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
    answer = target.send(anna, ids, b"", environ_overrides=environ)
    assert answer.status_code == 411


@BODY
def test_body_that_is_too_large_answers_413(app, anna, ids, target):
    largest = app.config["MAX_CONTENT_LENGTH"]
    assert target.send(anna, ids, b" " * (largest + 1)).status_code == 413


@BODY
def test_body_of_a_foreign_media_type_answers_415(anna, ids, target):
    answer = target.send(anna, ids, b"{}", {"Content-Type": "text/plain"})
    assert answer.status_code == 415


# what succeeds, and what the state does not admit


@pytest.mark.parametrize(
    "operation", named(op for op in OPERATIONS if op.id not in NEED_A_SECRET)
)
def test_operation_on_what_was_just_made_succeeds(acme, operation):
    made = make_everything(acme, f"mark-{uuid4().hex[:8]}")
    answer = call(acme, operation, made)
    assert answer.status_code == operation.status


@pytest.mark.parametrize(
    "operation",
    named(
        op for op in OPERATIONS if op.kind is RETRIEVE and op.id not in NEED_A_SECRET
    ),
)
def test_retrieve_of_what_has_not_changed_answers_304(anna, ids, operation):
    url = url_of(operation, ids)
    tag = anna.get(url).headers["ETag"]
    assert anna.get(url, {"If-None-Match": tag}).status_code == 304


@declaring(errors.NotFound)
def test_operation_on_what_is_not_there_answers_404(anna, operation):
    assert call(anna, operation, MISSING).status_code == 404


@declaring(errors.PreconditionFailed)
def test_operation_with_an_old_entity_tag_answers_412(anna, ids, operation):
    media_type = next(iter(operation.kind.reads), None)
    answer = anna.open(
        operation.method,
        url_of(operation, ids),
        {"If-Match": OLD},
        json=operation.accepts and example(operation, ids),
        content_type=media_type,
    )
    assert answer.status_code == 412


@declaring(errors.PreconditionRequired)
def test_operation_that_needs_if_match_answers_428_without_it(anna, ids, operation):
    url, body = url_of(operation, ids), example(operation, ids)
    assert anna.open(operation.method, url, json=body).status_code == 428


UPDATES = pytest.mark.parametrize(
    "operation", named(op for op in OPERATIONS if op.kind is UPDATE)
)


@UPDATES
def test_update_whose_test_fails_answers_409(anna, ids, operation):
    step = {"op": "test", "path": "/id", "value": "another"}
    answer = anna.json_patch(url_of(operation, ids), [step])
    assert answer.status_code == 409


@UPDATES
def test_update_of_what_the_server_assigns_answers_422(anna, ids, operation):
    url = url_of(operation, ids)
    before = anna.get(url)
    assert anna.merge(url, {"id": str(UUID(int=0))}).status_code == 422
    assert anna.json_patch(url, [{"op": "remove", "path": "/id"}]).status_code == 422
    assert anna.get(url).headers["ETag"] == before.headers["ETag"]


# what fails


def fail(_request):
    raise ZeroDivisionError("nobody foresaw this")


@EVERY
def test_operation_that_fails_unforeseen_answers_500(app, anna, monkeypatch, operation):
    for view in app.view_functions.values():
        methods = getattr(getattr(view, "view_class", None), "operations", {})
        if operation in methods.values():
            broken = replace(operation, handler=fail)
            monkeypatch.setitem(methods, operation.method, broken)
    answer = anna.open(operation.method, url_of(operation, MISSING))
    assert answer.status_code == 500
    assert "foresaw" not in answer.text


NEED_NO_STORE = (
    "health_live_get",
    "well_known_get_all",
    *(
        name
        for name in NEED_A_SECRET
        if name not in ("auth_login", "users_me_retrieve")
    ),
)
"""What answers from the settings, or refuses a body without looking anything up."""

DEAD = {
    "file": {"DATABASE_URL": "sqlite:////nowhere/none.sqlite"},
    "server": {"DATABASE_URL": "postgresql://app@127.0.0.1:1/none"},
}


@pytest.fixture(scope="module", params=DEAD.values(), ids=list(DEAD))
def dead(request, settings):
    """A caller with a well-formed key, on an application without its stores."""
    stores = {**request.param, "REDIS_URL": "unix:///nowhere/none.sock"}
    app = create_app({**settings, **stores})
    app.test_client_class = DeclaredClient
    yield Actor(
        app.test_client(), str(UUID(int=0)), new_token(PREFIX, UUID(int=0), b"-" * 32)
    )
    app.extensions["myapp"].engine.dispose()


@EVERY
def test_operation_without_its_stores_answers_503_unless_it_needs_none(dead, operation):
    answer = call(dead, operation, MISSING)
    if operation.id in NEED_NO_STORE:
        assert answer.status_code < 500
    else:
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "1"


@pytest.fixture(scope="module")
def without_redis(settings, anna):
    """Anna, on an application that has lost Redis."""
    app = create_app({**settings, "REDIS_URL": "unix:///nowhere/none.sock"})
    app.test_client_class = DeclaredClient
    yield replace(anna, client=app.test_client())
    app.extensions["myapp"].engine.dispose()


@EVERY
def test_operation_without_redis_answers_503_only_if_it_needs_redis(
    without_redis, operation
):
    answer = call(without_redis, operation, MISSING)
    models = models_of(operation)
    needs_redis = any(isinstance(each, RedisRepository) for each in models)
    assert (answer.status_code == 503) == needs_redis
