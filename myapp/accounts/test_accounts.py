"""What accounts do: how one is opened, changed, closed and purged."""

import re
import sys
from hashlib import sha256
from types import SimpleNamespace
from uuid import uuid4

import pytest
from redis import Redis

from myapp.access import PROBE, PUBLIC
from myapp.accounts.models import SIGN_UP
from myapp.settings import SettingsError
from tests.actors import OWNER, PASSWORD, Actor, add_user, sign_in, tokens_of
from tests.answers import broken
from tests.oauth import register
from tests.tables import rows_of

URL = "/v1/accounts"
OPERATOR_KEY = "the key of a test's operator"
CUSTOMER = {"name": "Ada Lovelace", "email": "ada@example.com"}
SESSION = {"amount": 1, "currency": "EUR", "success_url": "https://acme.example/"}


def account(**own):
    """Return the body of an account with a slug of its own."""
    return {"name": "Acme Tickets", "slug": f"acme-{uuid4().hex}", **own}


def sign_up(**own):
    """Return the body of a sign-up: an account and its owner."""
    return account(email=OWNER, password=PASSWORD, **own)


def address(actor):
    """Return the URL of an actor's account."""
    return f"{URL}/{actor.account_id}"


@pytest.fixture
def production(start_production):
    """A client of the application with production's settings and an operator."""
    digest = sha256(OPERATOR_KEY.encode()).hexdigest()
    return start_production(OPERATOR_KEY_SHA256=digest).test_client()


@pytest.fixture
def operator(production):
    """Who runs the service; their credential belongs to no account."""
    return Actor(production, "", OPERATOR_KEY)


@pytest.fixture
def redis(redis_url):
    """A client of our own, to look at what is stored."""
    with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def purge(app):
    """Run `flask accounts purge`; return what it says."""

    def run(*options):
        done = app.test_cli_runner().invoke(args=["accounts", "purge", *options])
        assert done.exit_code == 0, done.output
        return done.output

    return run


# --- list


def test_list_shows_the_callers_account_and_no_other(acme, rival):
    shown = acme.get(URL, query_string={"count": "exact"})
    assert shown.status_code == 200
    assert shown.json["items"] == [acme.get(address(acme)).json]
    assert shown.headers["X-Total-Count"] == "1"


# --- create


def test_create_answers_201_and_the_account_with_its_first_key(client):
    body = sign_up()
    made = client.post(URL, json=body)
    assert made.status_code == 201
    assert body.items() - made.json.items() == {
        ("email", OWNER),
        ("password", PASSWORD),
    }
    assert made.location == f"{URL}/{made.json['id']}"
    owner = Actor(client, made.json["id"], made.json["api_key"])
    shown = owner.get(made.location)
    assert shown.status_code == 200
    assert shown.json.items() == made.json.items() - {("api_key", owner.key)}


def test_create_gives_the_first_key_to_an_owner_with_every_scope(acme):
    (key,) = acme.get("/v1/api_keys").json["items"]
    assert key["role"] == "owner"
    assert key["scopes"] == ["*"]


def test_create_makes_its_owner_who_can_sign_in(client):
    body = sign_up() | {"email": "Ada@Example.com"}
    made = client.post(URL, json=body)
    acme = Actor(client, made.json["id"], made.json["api_key"])
    shown = sign_in(acme, "ada@example.com").get("/v1/users/me").json
    assert shown["email"] == "ada@example.com"
    assert shown["name"] == "Ada@Example.com"
    assert shown["role"] == "owner"
    assert [user["id"] for user in acme.get("/v1/users").json["items"]] == [shown["id"]]


def test_create_shows_no_password(client):
    for own in ({}, {"slug": "No Slug"}):
        answer = client.post(URL, json=sign_up() | own)
        assert PASSWORD not in answer.text


def test_create_takes_an_address_that_another_account_has(client):
    for _ in range(2):
        assert client.post(URL, json=sign_up()).status_code == 201


def test_create_with_a_taken_slug_makes_no_user(app, client):
    body = sign_up()
    first = client.post(URL, json=body)
    taken = body | {"email": "eve@example.com"}
    assert client.post(URL, json=taken).status_code == 409
    [user] = rows_of(app, first.json["id"])["users"]
    assert user["email"] == OWNER


def test_create_with_a_taken_slug_answers_409_and_names_it(client):
    body = sign_up()
    assert client.post(URL, json=body).status_code == 201
    refused = client.post(URL, json=body)
    assert refused.status_code == 409
    assert broken(refused) == {("/slug", "unique")}


@pytest.mark.parametrize(
    ("own", "rules"),
    [
        pytest.param({"name": ""}, {("/name", "minLength")}, id="no-name"),
        pytest.param({"slug": "a" * 41}, {("/slug", "maxLength")}, id="long-slug"),
        pytest.param({"slug": "ab"}, {("/slug", "minLength")}, id="short-slug"),
        pytest.param({"slug": "Acme"}, {("/slug", "pattern")}, id="upper-case"),
        pytest.param({"slug": "acme\n"}, {("/slug", "pattern")}, id="line-end"),
        pytest.param({"slug": "-acme"}, {("/slug", "pattern")}, id="leading-hyphen"),
        pytest.param({"slug": "ac--me"}, {("/slug", "pattern")}, id="two-hyphens"),
        pytest.param({"slug": "café"}, {("/slug", "pattern")}, id="not-ascii"),
        pytest.param({"email": "ada"}, {("/email", "format")}, id="no-address"),
        pytest.param({"password": "short"}, {("/password", "minLength")}, id="short"),
        pytest.param(
            {"password": "1234567890"}, {("/password", "common")}, id="common"
        ),
        pytest.param({"captcha": 1}, {("/captcha", "type")}, id="captcha"),
        pytest.param({"id": str(uuid4())}, {("/id", "readOnly")}, id="id"),
        pytest.param({"api_key": "x"}, {("/api_key", "readOnly")}, id="key"),
        pytest.param(
            {"closed_at": None}, {("/closed_at", "additionalProperties")}, id="closed"
        ),
        pytest.param(
            {"name": 1, "slug": ""},
            {("/name", "type"), ("/slug", "minLength"), ("/slug", "pattern")},
            id="every-error-at-once",
        ),
    ],
)
def test_create_with_an_invalid_body_answers_400(client, own, rules):
    refused = client.post(URL, json=sign_up() | own)
    assert refused.status_code == 400
    assert broken(refused) == rules


def test_create_in_production_without_a_token_answers_401(production):
    body = sign_up()
    assert production.post(URL, json=body).status_code == 401


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("another key", id="other"),
        pytest.param(OPERATOR_KEY.upper(), id="upper-case"),
        pytest.param(sha256(OPERATOR_KEY.encode()).hexdigest(), id="digest"),
        pytest.param("café", id="not-ascii"),
    ],
)
def test_create_in_production_with_an_unknown_key_answers_401(production, key):
    refused = Actor(production, "", key).post(URL, json=sign_up())
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]


def test_create_in_production_by_an_owner_answers_403(production, acme):
    owner = Actor(production, acme.account_id, acme.key)
    assert owner.post(URL, json=sign_up()).status_code == 403


def test_create_in_production_by_the_operator_answers_201(production, operator):
    made = operator.post(URL, json=sign_up())
    assert made.status_code == 201
    owner = Actor(production, made.json["id"], made.json["api_key"])
    assert owner.get(made.location).status_code == 200


def test_create_takes_the_operators_digest_in_upper_case(start_app):
    digest = sha256(OPERATOR_KEY.encode()).hexdigest().upper()
    app = start_app(OPEN_SIGN_UP=False, OPERATOR_KEY_SHA256=digest)
    operator = Actor(app.test_client(), "", OPERATOR_KEY)
    assert operator.post(URL, json=sign_up()).status_code == 201


@pytest.mark.parametrize("digest", ["", "é", "x" * 64])
def test_create_without_an_operator_in_the_settings_answers_401(start_app, digest):
    app = start_app(OPEN_SIGN_UP=False, OPERATOR_KEY_SHA256=digest)
    nobody = Actor(app.test_client(), "", OPERATOR_KEY)
    assert nobody.post(URL, json=sign_up()).status_code == 401


def test_the_operator_can_do_nothing_else(operator, production):
    for operation in production.application.extensions["operations"]:
        url = re.sub("<uuid:.*?>", str(uuid4()), operation.url)
        if operation.rule not in (PUBLIC, PROBE, SIGN_UP):
            assert operator.open(operation.method, url).status_code == 403, operation


# --- a captcha

SOLVED = "the answer to a captcha"
asked: list[tuple[str, str]] = []


def is_solved(answer, peer):
    """Tell whether a captcha is solved, as a function of the settings does."""
    asked.append((answer, peer))
    return answer == SOLVED


@pytest.fixture
def guarded(start_app, monkeypatch):
    """A client of an application that is open, and asks for a captcha."""
    module = SimpleNamespace(is_solved=is_solved)
    monkeypatch.setitem(sys.modules, "captcha_of_the_tests", module)
    asked.clear()
    digest = sha256(OPERATOR_KEY.encode()).hexdigest()
    named = {"CAPTCHA": "captcha_of_the_tests:is_solved"}
    return start_app(**named, OPERATOR_KEY_SHA256=digest).test_client()


def test_create_with_the_captcha_solved_answers_201(guarded):
    peer = {"REMOTE_ADDR": "192.0.2.7"}
    made = guarded.post(URL, json=sign_up(captcha=SOLVED), environ_base=peer)
    assert made.status_code == 201
    assert "captcha" not in made.json
    assert asked == [(SOLVED, "192.0.2.7")]


@pytest.mark.parametrize("own", [{}, {"captcha": None}, {"captcha": "another"}])
def test_create_without_the_captcha_answers_403_and_opens_nothing(guarded, own):
    body = sign_up(**own)
    refused = guarded.post(URL, json=body)
    assert refused.status_code == 403
    assert broken(refused) == {("/captcha", "captcha")}
    assert guarded.post(URL, json=body | {"captcha": SOLVED}).status_code == 201


def test_create_without_a_service_that_checks_the_captcha_answers_503(
    guarded, monkeypatch, caplog
):
    def fail(answer, peer):
        raise TimeoutError("the service of captchas")

    monkeypatch.setattr(sys.modules["captcha_of_the_tests"], "is_solved", fail)
    body = sign_up(captcha=SOLVED)
    failed = guarded.post(URL, json=body)
    assert failed.status_code == 503
    assert failed.headers["Retry-After"]
    assert "the service of captchas" in caplog.text
    assert "the service of captchas" not in failed.text


def test_create_with_an_invalid_body_asks_for_no_captcha(guarded):
    assert guarded.post(URL, json=sign_up(captcha=SOLVED, name="")).status_code == 400
    assert asked == []


def test_create_by_the_operator_needs_no_captcha(guarded):
    operator = Actor(guarded, "", OPERATOR_KEY)
    assert operator.post(URL, json=sign_up()).status_code == 201
    assert asked == []


def test_create_by_an_owner_needs_the_captcha_as_anyone(guarded, acme):
    owner = Actor(guarded, acme.account_id, acme.key)
    assert owner.post(URL, json=sign_up()).status_code == 403
    assert owner.post(URL, json=sign_up(captcha=SOLVED)).status_code == 201


def test_create_with_a_captcha_and_an_unknown_key_answers_401(guarded):
    nobody = Actor(guarded, "", "another key")
    assert nobody.post(URL, json=sign_up(captcha=SOLVED)).status_code == 401


def test_create_without_a_captcha_in_the_settings_takes_any_answer(client):
    assert client.post(URL, json=sign_up(captcha="any")).status_code == 201


@pytest.mark.parametrize(
    "named",
    ["nowhere:check", "hashlib:nothing", "hashlib", "hashlib:algorithms", "a b", ":"],
)
def test_start_with_a_captcha_that_is_no_function_says_what_to_name(start_app, named):
    with pytest.raises(SettingsError, match="CAPTCHA=.*package.module:function"):
        start_app(CAPTCHA=named)


# --- retrieve


def test_retrieve_answers_the_callers_account(acme):
    shown = acme.get(address(acme))
    assert shown.status_code == 200
    assert shown.json["id"] == acme.account_id
    assert "api_key" not in shown.json
    tag = {"If-None-Match": shown.headers["ETag"]}
    assert acme.get(address(acme), tag).status_code == 304


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_every_operation_on_another_account_answers_404(acme, rival, method):
    before = rival.get(address(rival)).json
    sent = {"If-Match": "*"}
    refused = acme.open(method, address(rival), sent, json=account())
    assert refused.status_code == 404
    assert acme.merge(address(rival), {"name": "Mine"}).status_code == 404
    assert rival.get(address(rival)).json == before


# --- replace


def test_replace_without_if_match_answers_428_and_changes_nothing(acme):
    before = acme.get(address(acme)).json
    assert acme.put(address(acme), json=account()).status_code == 428
    assert acme.get(address(acme)).json == before


def test_replace_with_the_current_etag_writes_name_and_slug(acme):
    shown, body = acme.get(address(acme)), account(name="Acme & Co")
    changed = acme.put(address(acme), {"If-Match": shown.headers["ETag"]}, json=body)
    assert changed.status_code == 200
    assert changed.headers["ETag"] != shown.headers["ETag"]
    updated_at = changed.json["updated_at"]
    assert changed.json == shown.json | body | {"updated_at": updated_at}
    assert acme.get(address(acme)).json == changed.json


def test_replace_with_an_old_etag_answers_412_and_changes_nothing(acme):
    sent = {"If-Match": acme.get(address(acme)).headers["ETag"]}
    changed = acme.merge(address(acme), {"name": "Acme & Co"})
    assert acme.put(address(acme), sent, json=account()).status_code == 412
    assert acme.get(address(acme)).json == changed.json


def test_replace_with_a_taken_slug_answers_409_and_changes_nothing(acme, rival):
    before = acme.get(address(acme)).json
    body = account(slug=rival.get(address(rival)).json["slug"])
    refused = acme.put(address(acme), {"If-Match": "*"}, json=body)
    assert refused.status_code == 409
    assert broken(refused) == {("/slug", "unique")}
    assert acme.get(address(acme)).json == before


def test_replace_with_an_invalid_body_answers_400(acme):
    body = account(name="", closed_at=None)
    refused = acme.put(address(acme), {"If-Match": "*"}, json=body)
    assert refused.status_code == 400
    assert broken(refused) == {
        ("/name", "minLength"),
        ("/closed_at", "additionalProperties"),
    }


# --- update


def test_update_without_if_match_changes_what_it_names(acme):
    shown = acme.get(address(acme)).json
    changed = acme.merge(address(acme), {"name": "Acme & Co"})
    assert changed.status_code == 200
    assert changed.json["name"] == "Acme & Co"
    assert changed.json["slug"] == shown["slug"]
    assert acme.get(address(acme)).json == changed.json


def test_update_to_a_taken_slug_answers_409_and_changes_nothing(acme, rival):
    before = acme.get(address(acme)).json
    taken = {"slug": rival.get(address(rival)).json["slug"], "name": "Acme & Co"}
    assert acme.merge(address(acme), taken).status_code == 409
    assert acme.get(address(acme)).json == before


def test_update_by_a_member_answers_403(acme):
    member = acme.with_key("member", ["*"])
    assert member.merge(address(acme), {"name": "Mine"}).status_code == 403
    assert member.get(address(acme)).json["name"] == "acme"


# --- delete


def test_delete_ends_every_key_of_the_account(acme, rival, pass_time):
    admin = acme.with_key("admin", ["*"])
    assert acme.delete(address(acme)).status_code == 204
    pass_time(seconds=1)
    assert acme.get(address(acme)).status_code == 401
    assert admin.get("/v1/sample_customers").status_code == 401
    assert rival.get(address(rival)).status_code == 200


def test_delete_ends_every_session_and_login_of_the_account(acme, pass_time):
    user, member = sign_in(acme), add_user(acme, "member")
    app = register(acme)
    granted = tokens_of(app.credentials_token())
    machine = Actor(acme.client, acme.account_id, granted["access_token"])
    slug = acme.get(address(acme)).json["slug"]
    assert user.delete(address(acme)).status_code == 204
    pass_time(seconds=1)
    for ended in (user, member, machine):
        assert ended.get("/v1/sample_customers").status_code == 401
    body = {"account": slug, "username": OWNER, "password": PASSWORD}
    assert acme.client.post("/v1/auth/login", json=body).status_code == 401


def test_delete_ends_access_in_another_worker_within_a_second(
    acme, start_app, pass_time
):
    elsewhere = Actor(start_app().test_client(), acme.account_id, acme.key)
    assert elsewhere.get(address(acme)).status_code == 200
    acme.delete(address(acme))
    pass_time(seconds=1)
    assert elsewhere.get(address(acme)).status_code == 401


def test_delete_is_survived_by_no_key_made_at_the_same_moment(acme, pass_time):
    assert acme.delete(address(acme)).status_code == 204
    # Until the second is over, this worker still knows acme's key.
    late = acme.with_key("owner", ["*"])
    assert late.get(address(acme)).status_code == 401


def test_delete_keeps_the_slug_taken_until_the_purge(client, acme, purge, pass_time):
    body = sign_up(slug=acme.get(address(acme)).json["slug"])
    acme.delete(address(acme))
    assert client.post(URL, json=body).status_code == 409
    pass_time(days=31)
    purge()
    assert client.post(URL, json=body).status_code == 201


def test_delete_with_an_old_etag_answers_412_and_closes_nothing(acme, pass_time):
    sent = {"If-Match": acme.get(address(acme)).headers["ETag"]}
    acme.merge(address(acme), {"name": "Acme & Co"})
    assert acme.delete(address(acme), sent).status_code == 412
    pass_time(seconds=1)
    assert acme.get(address(acme)).status_code == 200


def test_delete_by_an_admin_answers_403_and_closes_nothing(acme, pass_time):
    admin = acme.with_key("admin", ["*"])
    assert admin.delete(address(acme)).status_code == 403
    pass_time(seconds=1)
    assert acme.get(address(acme)).status_code == 200


# --- purge


def test_purge_removes_all_that_a_closed_account_owned(
    app, acme, redis, purge, pass_time
):
    acme.post("/v1/sample_checkouts", json=SESSION)
    acme.delete(address(acme))
    acme.with_key("viewer", ["*"])
    before = rows_of(app, acme.account_id)
    assert before["accounts"] and before["users"] and before["api_keys"]
    pass_time(days=31)
    assert "closed accounts" in purge()
    left = {name for name, rows in rows_of(app, acme.account_id).items() if rows}
    assert left == {"audit_entries"}
    assert not [*redis.scan_iter(f"*{acme.account_id}*")]


def test_purge_leaves_other_accounts_alone(app, acme, rival, redis, purge, pass_time):
    rival.post("/v1/sample_customers", json=CUSTOMER)
    opened = rival.post("/v1/sample_checkouts", json=SESSION)
    before = rows_of(app, rival.account_id)
    acme.delete(address(acme))
    pass_time(days=31)
    purge()
    assert rows_of(app, rival.account_id) == before
    assert rival.get(opened.location).json == opened.json


def test_purge_leaves_an_account_that_was_closed_of_late(app, acme, purge, pass_time):
    acme.delete(address(acme))
    pass_time(days=29)
    purge()
    assert rows_of(app, acme.account_id)["accounts"]
    purge("--days", "28")
    assert not rows_of(app, acme.account_id)["accounts"]


def test_purge_without_closed_accounts_says_so(purge):
    purge("--days", "0")
    assert "Removed 0 closed accounts." in purge("--days", "0")
