"""What OAuth clients do: they are registered within one's reach, limited, taken back.

How they get tokens is in `myapp/auth/test_auth.py` and `tests/test_oauth.py`.
"""

from hashlib import sha256
from uuid import uuid4

import pytest

from tests.actors import Actor
from tests.answers import broken
from tests.oauth import CLIENTS, REPORTS, App, holder, register
from tests.tables import rows_of

ADMIN_SCOPES = ["clients:read", "clients:write", "sample_customers:read"]


@pytest.fixture
def made(acme):
    """The answer to the registration of a client of acme's."""
    return acme.post(CLIENTS, json=REPORTS)


@pytest.fixture
def url(made):
    """Where the client is found."""
    return made.location


@pytest.fixture
def admin(acme):
    """An admin of acme's who may manage clients and see customers, no more."""
    return acme.with_key("admin", ADMIN_SCOPES)


def app_of(actor, made):
    """Return the client that was just registered."""
    return App(actor.client, made.json["client_id"], made.json["client_secret"])


def without_secret(document):
    """Return the document of a new client as it is shown later."""
    return {name: document[name] for name in document if name != "client_secret"}


# --- list


def test_list_shows_the_newest_first_without_secrets(acme, made):
    newest = acme.post(CLIENTS, json=REPORTS | {"name": "Newest"})
    items = acme.get(CLIENTS).json["items"]
    assert items == [without_secret(newest.json), without_secret(made.json)]


def test_list_shows_no_client_of_another_account(made, rival):
    assert rival.get(CLIENTS).json["items"] == []


def test_list_by_a_member_answers_403(acme):
    assert acme.with_key("member", ["*"]).get(CLIENTS).status_code == 403


# --- create


def test_create_answers_201_and_the_secret_only_here(acme, made):
    assert made.status_code == 201
    assert made.json.items() >= REPORTS.items()
    assert made.json["confidential"] is True and made.json["is_active"] is True
    assert len(made.json["client_secret"]) >= 43
    assert acme.get(made.location).json == without_secret(made.json)


def test_create_stores_the_sha256_of_the_secret_and_nothing_else_of_it(app, acme, made):
    secret = made.json["client_secret"]
    rows = rows_of(app, acme.account_id)
    assert sha256(secret.encode()).hexdigest() in repr(rows["clients"])
    assert secret not in repr(rows)


def test_create_of_a_public_client_answers_no_secret(acme):
    made = acme.post(CLIENTS, json=REPORTS | {"confidential": False})
    assert made.status_code == 201
    assert made.json["client_secret"] is None


def test_create_gives_each_a_name_and_a_secret_of_its_own(acme, made):
    other = acme.post(CLIENTS, json=REPORTS).json
    assert other["client_id"] != made.json["client_id"]
    assert other["client_secret"] != made.json["client_secret"]


GOOD = [
    "https://reports.example/callback",
    "https://reports.example:8443/",
    "https://reports.example",
    "https://reports.example/cb?tenant=1&x=%20",
    "http://127.0.0.1/done",
    "http://127.0.0.1:8123",
    "http://[::1]/done",
    "http://localhost:3000/done",
]


@pytest.mark.parametrize("uri", GOOD)
def test_create_with_an_address_that_is_safe_answers_201(acme, uri):
    made = acme.post(CLIENTS, json=REPORTS | {"redirect_uris": [uri]})
    assert made.status_code == 201


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("http://reports.example/callback", id="http"),
        pytest.param("https://reports.example/callback#x", id="fragment"),
        pytest.param("https://ada@reports.example/callback", id="userinfo"),
        pytest.param("https://ada:pw@reports.example/", id="password"),
        pytest.param("HTTPS://reports.example/callback", id="scheme-in-capitals"),
        pytest.param("https:///callback", id="no-host"),
        pytest.param("https://", id="nothing"),
        pytest.param("/callback", id="relative"),
        pytest.param("javascript:alert(1)", id="script"),
        pytest.param("data:text/html,x", id="data"),
        pytest.param("myapp://callback", id="own-scheme"),
        pytest.param("http://127.0.0.1.evil.example/", id="not-loopback"),
        pytest.param("http://127.0.0.2/", id="other-loopback"),
        pytest.param("https://reports.example/a b", id="space"),
        pytest.param("https://reports.example/a\nb", id="line-break"),
        pytest.param("https://reports.example/\n", id="line-break-at-the-end"),
        pytest.param('https://reports.example/"', id="quote"),
        pytest.param("https://reports.example/\\", id="backslash"),
        pytest.param("https://reports.example/<", id="markup"),
        pytest.param("https://reports.example/é", id="not-ascii"),
        pytest.param("https://reports.exämple/", id="host-not-ascii"),
        pytest.param("https://*.example/", id="wildcard"),
    ],
)
def test_create_with_an_address_that_is_not_safe_answers_400(acme, uri):
    refused = acme.post(CLIENTS, json=REPORTS | {"redirect_uris": [uri]})
    assert refused.status_code == 400
    assert ("/redirect_uris/0", "pattern") in broken(refused)


@pytest.mark.parametrize(
    ("own", "rules"),
    [
        pytest.param({"name": ""}, {("/name", "minLength")}, id="no-name"),
        pytest.param({"role": "operator"}, {("/role", "enum")}, id="operator"),
        pytest.param({"scopes": []}, {("/scopes", "minItems")}, id="no-scope"),
        pytest.param(
            {"scopes": ["sample_customers"]}, {("/scopes/0", "pattern")}, id="no-verb"
        ),
        pytest.param(
            {"grant_types": []}, {("/grant_types", "minItems")}, id="no-grant"
        ),
        pytest.param(
            {"grant_types": ["password"]}, {("/grant_types/0", "enum")}, id="password"
        ),
        pytest.param(
            {"grant_types": ["implicit"]}, {("/grant_types/0", "enum")}, id="implicit"
        ),
        pytest.param(
            {"first_party": True},
            {("/first_party", "additionalProperties")},
            id="first-party",
        ),
        pytest.param(
            {"client_id": "mine"}, {("/client_id", "readOnly")}, id="chosen-name"
        ),
        pytest.param(
            {"client_secret": "mine"}, {("/client_secret", "readOnly")}, id="secret"
        ),
    ],
)
def test_create_with_an_invalid_body_answers_400(acme, own, rules):
    refused = acme.post(CLIENTS, json=REPORTS | own)
    assert refused.status_code == 400
    assert broken(refused) == rules
    assert acme.get(CLIENTS).json["items"] == []


@pytest.mark.parametrize(
    "own",
    [
        pytest.param({"role": "owner", "scopes": ["sample_customers:read"]}, id="role"),
        pytest.param({"scopes": ["sample_customers:write"]}, id="scope"),
        pytest.param({"scopes": ["*"]}, id="every-scope"),
    ],
)
def test_create_beyond_the_callers_reach_answers_403(acme, admin, own):
    assert admin.post(CLIENTS, json=REPORTS | own).status_code == 403
    assert acme.get(CLIENTS).json["items"] == []


def test_create_within_the_callers_reach_answers_201(admin):
    body = REPORTS | {"role": "admin", "scopes": ADMIN_SCOPES}
    assert admin.post(CLIENTS, json=body).status_code == 201


# --- retrieve


def test_retrieve_shows_all_but_the_secret(acme, made, url):
    shown = acme.get(url)
    assert shown.json == without_secret(made.json)
    assert acme.get(url, {"If-None-Match": shown.headers["ETag"]}).status_code == 304


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_every_operation_on_another_accounts_client_answers_404(
    acme, rival, made, url, method
):
    body = {name: REPORTS[name] for name in REPORTS}
    assert rival.open(method, url, json=body).status_code == 404
    assert rival.merge(url, {"is_active": False}).status_code == 404
    assert rival.post(f"{url}/secret").status_code == 404
    assert acme.get(url).json == without_secret(made.json)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_unknown_client_answers_404(acme, method):
    assert acme.open(method, f"{CLIENTS}/{uuid4()}").status_code == 404


# --- replace and update


def test_replace_writes_what_may_change(acme, made, url):
    body = REPORTS | {"name": "Renamed", "role": "viewer", "is_active": False}
    changed = acme.put(url, json=body)
    assert changed.status_code == 200
    assert changed.json == without_secret(made.json) | body


def test_replace_cannot_make_a_client_public(acme, url):
    refused = acme.put(url, json=REPORTS | {"confidential": False})
    assert broken(refused) == {("/confidential", "readOnly")}


def test_replace_with_an_old_etag_answers_412_and_changes_nothing(acme, made, url):
    changed = acme.merge(url, {"name": "Renamed"})
    sent = {"If-Match": made.headers["ETag"]}
    assert acme.put(url, sent, json=REPORTS).status_code == 412
    assert acme.get(url).json == changed.json


def test_update_changes_what_it_names(acme, made, url):
    changed = acme.merge(url, {"redirect_uris": ["https://new.example/"]})
    new = {"redirect_uris": ["https://new.example/"]}
    assert changed.json == without_secret(made.json) | new


def test_update_of_the_address_holds_at_once(acme, made, url):
    acme.merge(url, {"redirect_uris": ["https://new.example/"]})
    reports = app_of(acme, made)
    assert reports.ask().status_code == 400
    assert reports.ask(redirect_uri="https://new.example/").status_code == 200


def test_update_of_the_grants_holds_at_once(acme, made, url):
    reports = app_of(acme, made)
    token = reports.tokens()["refresh_token"]
    acme.merge(url, {"grant_types": ["client_credentials"]})
    assert reports.refresh(token).json["error"] == "unauthorized_client"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"name": "mine"}, id="rename"),
        pytest.param({"redirect_uris": ["https://evil.example/"]}, id="address"),
        pytest.param(
            {"role": "viewer", "scopes": ["sample_customers:read"]}, id="weaken"
        ),
    ],
)
def test_update_of_a_client_beyond_the_callers_reach_answers_403(
    acme, admin, made, url, change
):
    # It has a lower role than the admin, but a scope that the admin has not.
    assert admin.merge(url, change).status_code == 403
    assert admin.put(url, json=REPORTS | change).status_code == 403
    assert acme.get(url).json == without_secret(made.json)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"role": "owner"}, id="role"),
        pytest.param({"scopes": ["*"]}, id="scope"),
    ],
)
def test_update_cannot_strengthen_a_client_beyond_the_callers_reach(admin, change):
    own = REPORTS | {"role": "admin", "scopes": ADMIN_SCOPES}
    url = admin.post(CLIENTS, json=own).location
    assert admin.merge(url, change).status_code == 403


def test_update_to_inactive_and_back_revives_what_has_not_expired(
    acme, made, url, pass_time
):
    reports = app_of(acme, made)
    token = reports.tokens()["access_token"]
    acme.merge(url, {"is_active": False})
    pass_time(seconds=1)
    assert holder(acme, token).get("/v1/sample_customers").status_code == 401
    acme.merge(url, {"is_active": True})
    assert holder(acme, token).get("/v1/sample_customers").status_code == 200


@pytest.mark.parametrize(
    ("step", "status"),
    [
        pytest.param({"op": "test", "path": "/role", "value": "x"}, 409, id="test"),
        pytest.param({"op": "remove", "path": "/scopes/5"}, 422, id="missing-path"),
        pytest.param({"op": "remove", "path": "/client_id"}, 422, id="forbidden-path"),
        pytest.param({"op": "remove", "path": "/scopes"}, 400, id="breaks-contract"),
    ],
)
def test_update_that_fails_changes_nothing(acme, made, url, step, status):
    change = {"op": "replace", "path": "/name", "value": "Renamed"}
    assert acme.json_patch(url, [change, step]).status_code == status
    assert acme.get(url).json == without_secret(made.json)


# --- the secret


def test_secret_replaces_the_old_one_at_once(acme, made, url):
    before = app_of(acme, made)
    renewed = acme.post(f"{url}/secret")
    assert renewed.status_code == 200
    after = app_of(acme, renewed)
    assert after.client_id == before.client_id
    assert before.credentials_token().status_code == 401
    assert after.credentials_token().status_code == 200


def test_secret_of_a_public_client_answers_409(acme):
    public = acme.post(CLIENTS, json=REPORTS | {"confidential": False})
    assert acme.post(f"{public.location}/secret").status_code == 409


def test_secret_beyond_the_callers_reach_answers_403(acme, admin, made, url):
    assert admin.post(f"{url}/secret").status_code == 403
    assert app_of(acme, made).credentials_token().status_code == 200


def test_secret_of_an_unknown_client_answers_404(acme):
    assert acme.post(f"{CLIENTS}/{uuid4()}/secret").status_code == 404


# --- delete


def test_delete_ends_the_tokens_within_a_second(acme, made, url, pass_time):
    token = app_of(acme, made).own_token()
    assert holder(acme, token).get("/v1/sample_customers").status_code == 200
    assert acme.delete(url).status_code == 204
    pass_time(seconds=1)
    assert holder(acme, token).get("/v1/sample_customers").status_code == 401
    assert acme.get(url).status_code == 404


def test_delete_with_an_old_etag_answers_412(acme, made, url):
    acme.merge(url, {"name": "Renamed"})
    sent = {"If-Match": made.headers["ETag"]}
    assert acme.delete(url, sent).status_code == 412


def test_delete_beyond_the_callers_reach_answers_403(acme, admin, url):
    assert admin.delete(url).status_code == 403
    assert acme.get(url).status_code == 200


# --- flask clients create


@pytest.fixture
def create(app, acme):
    """Run `flask clients create` for acme."""
    slug = acme.get(f"/v1/accounts/{acme.account_id}").json["slug"]
    run = app.test_cli_runner()

    def call(*arguments, account=slug):
        return run.invoke(args=["clients", "create", account, *arguments])

    return call


def test_command_registers_a_client_and_shows_its_secret(acme, create):
    shown = create("Nightly", "--grant", "client_credentials", "--role", "viewer")
    assert shown.exit_code == 0
    found = dict(line.split(": ") for line in shown.output.splitlines())
    nightly = App(acme.client, found["client_id"], found["client_secret"])
    token = nightly.own_token()
    assert holder(acme, token).get("/v1/sample_customers").status_code == 200


def test_command_registers_a_public_client_without_a_secret(acme, create):
    uri = "http://127.0.0.1/done"
    shown = create(
        "App", "--public", "--grant", "authorization_code", "--redirect-uri", uri
    )
    assert shown.exit_code == 0
    assert "client_secret" not in shown.output
    client_id = shown.output.split()[1]
    phone = App(acme.client, client_id, redirect_uri=uri)
    assert phone.redeem(phone.code()).status_code == 200


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["x"], "--grant", id="no-grant"),
        pytest.param(["x", "--grant", "implicit"], "implicit", id="unknown-grant"),
        pytest.param(
            ["x", "--grant", "refresh_token", "--role", "king"], "king", id="role"
        ),
        pytest.param(
            ["x", "--grant", "refresh_token", "--redirect-uri", "http://a.example"],
            "redirect_uris/0",
            id="address",
        ),
        pytest.param(["", "--grant", "refresh_token"], "name", id="no-name"),
        pytest.param(
            ["x", "--grant", "refresh_token", "--scope", "nonsense"],
            "scopes/0",
            id="scope",
        ),
    ],
)
def test_command_that_fails_says_what_is_wrong(create, arguments, said):
    failed = create(*arguments)
    assert failed.exit_code != 0
    assert said in failed.output
    assert "Traceback" not in failed.output


def test_command_for_an_unknown_account_says_so(create):
    failed = create("x", "--grant", "refresh_token", account="no-such-account")
    assert failed.exit_code != 0
    assert "There is no open account no-such-account" in failed.output


# --- what a client's token may not do


def test_a_clients_token_cannot_register_beyond_itself(acme):
    own = {"role": "admin", "scopes": ADMIN_SCOPES}
    token = register(acme, **own).own_token()
    service = Actor(acme.client, acme.account_id, token)
    assert service.post(CLIENTS, json=REPORTS | own).status_code == 201
    assert service.post(CLIENTS, json=REPORTS | {"scopes": ["*"]}).status_code == 403
