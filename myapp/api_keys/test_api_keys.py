"""What API keys do: they are shown once, they limit, and they can be taken back."""

from base64 import urlsafe_b64decode
from hashlib import sha256
from string import ascii_letters
from uuid import UUID, uuid4

import pytest

from myapp.api_keys import models
from myapp.errors import Unavailable
from tests.actors import Actor
from tests.answers import broken
from tests.tables import rows_of, statements

URL = "/v1/api_keys"
IMPORT = {
    "name": "nightly import",
    "role": "member",
    "scopes": ["sample_customers:write"],
}
CUSTOMER = {"name": "Ada Lovelace", "email": "ada@example.com"}
ADMIN_SCOPES = ["api_keys:read", "api_keys:write", "sample_customers:read"]


@pytest.fixture
def made(acme):
    """The answer to the making of a key of acme's."""
    return acme.post(URL, json=IMPORT)


@pytest.fixture
def admin(acme):
    """An admin of acme's who may manage keys and see customers, no more."""
    return acme.with_key("admin", ADMIN_SCOPES)


def holder(actor, made):
    """Return the actor who holds a key that was just made."""
    return Actor(actor.client, actor.account_id, made.json["key"])


def without_key(document):
    """Return the document of a new key as it is shown later."""
    return {field: document[field] for field in document if field != "key"}


# --- list


def test_list_shows_the_newest_first_without_the_keys(acme, made):
    shown = acme.get(URL)
    assert shown.status_code == 200
    assert shown.json["items"][0] == without_key(made.json)
    assert [item["name"] for item in shown.json["items"]] == [
        "nightly import",
        "first key",
    ]
    assert not any("key" in item for item in shown.json["items"])


def test_list_by_a_member_answers_403(acme):
    assert acme.with_key("member", ["*"]).get(URL).status_code == 403


def test_list_shows_no_key_of_another_account(made, rival):
    names = [item["name"] for item in rival.get(URL).json["items"]]
    assert names == ["first key"]


# --- create


def test_create_answers_201_and_the_key_only_here(acme):
    made = acme.post(URL, json=IMPORT)
    assert made.status_code == 201
    assert made.location == f"{URL}/{made.json['id']}"
    assert made.json["last_used_at"] is None
    assert IMPORT.items() <= made.json.items()
    assert acme.get(made.location).json == without_key(made.json)


def test_create_makes_a_key_of_account_secret_and_checksum(acme, made):
    prefix, _, encoded = made.json["key"].partition("_")
    assert prefix == "myapp"
    raw = urlsafe_b64decode(encoded + "==")
    assert UUID(bytes=raw[:16]) == UUID(acme.account_id)
    assert len(raw) == 16 + 32 + 4
    assert made.json["key"] != acme.post(URL, json=IMPORT).json["key"]


def test_create_stores_the_sha256_of_the_key_and_nothing_else_of_it(app, acme, made):
    key = made.json["key"]
    rows = rows_of(app, acme.account_id)["api_keys"]
    assert sha256(key.encode()).hexdigest() in [row["key_sha256"] for row in rows]
    secret = urlsafe_b64decode(key.removeprefix("myapp_") + "==")[16:48]
    stored = repr(rows)
    assert key[-54:] not in stored
    assert secret.hex() not in stored and repr(secret) not in stored


def test_create_makes_a_key_that_is_good_at_once(acme, made):
    machine = holder(acme, made)
    assert machine.post("/v1/sample_customers", json=CUSTOMER).status_code == 201


def test_create_leaves_the_other_keys_alive(acme, made):
    second = acme.post(URL, json=IMPORT)
    for live in (made, second):
        sent = holder(acme, live).post("/v1/sample_customers", json=CUSTOMER)
        assert sent.status_code == 201
    assert acme.get(URL).status_code == 200


@pytest.mark.parametrize(
    ("own", "rules"),
    [
        pytest.param({"name": ""}, {("/name", "minLength")}, id="no-name"),
        pytest.param({"role": "operator"}, {("/role", "enum")}, id="operator"),
        pytest.param({"role": "OWNER"}, {("/role", "enum")}, id="upper-case"),
        pytest.param({"scopes": []}, {("/scopes", "minItems")}, id="no-scope"),
        pytest.param({"scopes": "*"}, {("/scopes", "type")}, id="no-array"),
        pytest.param(
            {"scopes": ["a:read", "a:read"]}, {("/scopes", "uniqueItems")}, id="twice"
        ),
        pytest.param(
            {"scopes": ["*", "sample_customers"]},
            {("/scopes/1", "pattern")},
            id="no-verb",
        ),
        pytest.param(
            {"scopes": ["sample_customers:*"]},
            {("/scopes/0", "pattern")},
            id="wildcard",
        ),
        pytest.param({"scopes": [1]}, {("/scopes/0", "type")}, id="number"),
        pytest.param(
            {"key": "mine"}, {("/key", "additionalProperties")}, id="chosen-key"
        ),
        pytest.param(
            {"last_used_at": None}, {("/last_used_at", "readOnly")}, id="assigned"
        ),
    ],
)
def test_create_with_an_invalid_body_answers_400(acme, own, rules):
    refused = acme.post(URL, json=IMPORT | own)
    assert refused.status_code == 400
    assert broken(refused) == rules
    assert len(acme.get(URL).json["items"]) == 1


@pytest.mark.parametrize(
    "own",
    [
        pytest.param({"role": "owner", "scopes": ["sample_customers:read"]}, id="role"),
        pytest.param(
            {"role": "viewer", "scopes": ["sample_customers:write"]}, id="scope"
        ),
        pytest.param({"role": "viewer", "scopes": ["*"]}, id="every-scope"),
        pytest.param(
            {"role": "viewer", "scopes": ["sample_customers:read", "accounts:read"]},
            id="one-scope-of-two",
        ),
    ],
)
def test_create_beyond_the_callers_reach_answers_403(acme, admin, own):
    assert admin.post(URL, json=IMPORT | own).status_code == 403
    assert len(acme.get(URL).json["items"]) == 2


def test_create_within_the_callers_reach_answers_201(admin):
    body = {"name": "second", "role": "admin", "scopes": ADMIN_SCOPES}
    assert admin.post(URL, json=body).status_code == 201


def test_create_by_a_member_answers_403(acme):
    member = acme.with_key("member", ["*"])
    body = IMPORT | {"role": "viewer"}
    assert member.post(URL, json=body).status_code == 403


# --- what a key may do


def test_a_key_without_the_scope_answers_403_and_names_it(acme):
    reader = acme.with_key("owner", ["sample_customers:read"])
    assert reader.get("/v1/sample_customers").status_code == 200
    refused = reader.post("/v1/sample_customers", json=CUSTOMER)
    assert refused.status_code == 403
    challenge = refused.headers["WWW-Authenticate"]
    assert challenge.startswith("Bearer ")
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="sample_customers:write"' in challenge
    assert acme.get("/v1/sample_customers").json["items"] == []


def test_a_key_without_the_role_answers_403_whatever_its_scopes(acme):
    viewer = acme.with_key("viewer", ["*", "sample_customers:write"])
    assert viewer.get("/v1/sample_customers").status_code == 200
    refused = viewer.post("/v1/sample_customers", json=CUSTOMER)
    assert refused.status_code == 403
    assert "WWW-Authenticate" not in refused.headers


def test_a_key_to_write_does_not_read(acme, made):
    assert holder(acme, made).get("/v1/sample_customers").status_code == 403


def test_a_mistyped_key_answers_401_without_a_query(app, acme):
    for place, letter in enumerate(acme.key):
        other = ascii_letters[(ascii_letters.find(letter) + 1) % len(ascii_letters)]
        mistyped = acme.key[:place] + other + acme.key[place + 1 :]
        with statements(app) as executed:
            refused = Actor(acme.client, "", mistyped).get("/v1/sample_customers")
        assert (refused.status_code, executed) == (401, []), place


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda key: key[:-1], id="cut-short"),
        pytest.param(lambda key: key + "A", id="longer"),
        pytest.param(lambda key: key + "=", id="padded"),
        pytest.param(lambda key: key[:20] + "." + key[20:], id="a-dot"),
        pytest.param(lambda key: key[:20] + " " + key[20:], id="a-space"),
        pytest.param(lambda key: key.removeprefix("myapp_"), id="no-prefix"),
        pytest.param(lambda key: "myapp_", id="prefix-alone"),
        pytest.param(lambda key: "myapp_é", id="not-ascii"),
    ],
)
def test_a_malformed_key_answers_401_without_a_query(app, acme, change):
    with statements(app) as executed:
        refused = Actor(acme.client, "", change(acme.key)).get("/v1/sample_customers")
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
    assert executed == []


def test_the_use_of_a_key_is_noted_once_a_minute(acme, made, pass_time):
    machine = holder(acme, made)

    def used_after(seconds):
        pass_time(seconds=seconds)
        machine.post("/v1/sample_customers", json=CUSTOMER)
        return acme.get(made.location).json["last_used_at"]

    first = used_after(0)
    assert first is not None
    assert used_after(30) == first
    assert used_after(31) > first


def test_the_use_of_a_key_changes_neither_version_nor_etag(app, acme, made):
    holder(acme, made).post("/v1/sample_customers", json=CUSTOMER)
    shown = acme.get(made.location)
    used_at = shown.json["last_used_at"]
    assert shown.json == without_key(made.json) | {"last_used_at": used_at}
    assert {row["version"] for row in rows_of(app, acme.account_id)["api_keys"]} == {1}
    sent = {"If-Match": made.headers["ETag"]}
    assert acme.merge(made.location, {"name": "import"}, sent).status_code == 200


def test_a_use_that_cannot_be_noted_fails_no_request(app, acme, made, monkeypatch):
    def unavailable(*_):
        raise Unavailable()

    monkeypatch.setattr(models._NOTE_USE, "all", unavailable)
    assert (
        acme.with_key("viewer", ["sample_customers:read"])
        .get("/v1/sample_customers")
        .json
    )


# --- retrieve


def test_retrieve_shows_all_but_the_key(acme, made):
    shown = acme.get(made.location)
    assert shown.status_code == 200
    assert shown.json == without_key(made.json)
    tag = {"If-None-Match": shown.headers["ETag"]}
    assert acme.get(made.location, tag).status_code == 304


def test_retrieve_of_an_unknown_key_answers_404(acme):
    assert acme.get(f"{URL}/{uuid4()}").status_code == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_every_operation_on_another_accounts_key_answers_404(made, rival, acme, method):
    assert rival.open(method, made.location, json=IMPORT).status_code == 404
    assert rival.merge(made.location, {"name": "mine"}).status_code == 404
    assert acme.get(made.location).json == without_key(made.json)


# --- replace


def test_replace_writes_name_role_and_scopes(acme, made):
    body = {"name": "import", "role": "viewer", "scopes": ["sample_customers:read"]}
    changed = acme.put(made.location, json=body)
    assert changed.status_code == 200
    assert changed.headers["ETag"] != made.headers["ETag"]
    assert changed.json == without_key(made.json) | body
    assert acme.get(made.location).json == changed.json


def test_replace_limits_a_key_in_use_within_a_second(acme, made, pass_time):
    machine = holder(acme, made)
    assert machine.post("/v1/sample_customers", json=CUSTOMER).status_code == 201
    acme.put(made.location, json=IMPORT | {"role": "viewer"})
    pass_time(seconds=1)
    assert machine.post("/v1/sample_customers", json=CUSTOMER).status_code == 403


def test_replace_with_an_old_etag_answers_412_and_changes_nothing(acme, made):
    changed = acme.merge(made.location, {"name": "import"})
    sent = {"If-Match": made.headers["ETag"]}
    assert acme.put(made.location, sent, json=IMPORT).status_code == 412
    assert acme.get(made.location).json == changed.json


def test_replace_with_an_invalid_body_answers_400(acme, made):
    refused = acme.put(made.location, json={"name": "", "role": "member"})
    assert refused.status_code == 400
    assert broken(refused) == {("/name", "minLength"), ("/scopes", "required")}


# --- update


def test_update_changes_what_it_names(acme, made):
    changed = acme.merge(made.location, {"scopes": ["sample_customers:read"]})
    assert changed.status_code == 200
    assert changed.json == without_key(made.json) | {
        "scopes": ["sample_customers:read"]
    }
    assert acme.get(made.location).json == changed.json


@pytest.mark.parametrize(
    ("step", "status"),
    [
        pytest.param({"op": "test", "path": "/role", "value": "x"}, 409, id="test"),
        pytest.param({"op": "remove", "path": "/scopes/5"}, 422, id="missing-path"),
        pytest.param({"op": "remove", "path": "/created_at"}, 422, id="forbidden-path"),
        pytest.param({"op": "remove", "path": "/scopes/0"}, 400, id="breaks-contract"),
    ],
)
def test_update_that_fails_changes_nothing(acme, made, step, status):
    change = {"op": "replace", "path": "/name", "value": "import"}
    assert acme.json_patch(made.location, [change, step]).status_code == status
    assert acme.get(made.location).json == without_key(made.json)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"role": "owner"}, id="role"),
        pytest.param({"scopes": ["*"]}, id="every-scope"),
        pytest.param({"scopes": ["sample_customers:write"]}, id="one-scope"),
    ],
)
def test_update_of_ones_own_key_cannot_strengthen_it(acme, admin, change):
    before = acme.get(URL).json["items"][0]
    own = f"{URL}/{before['id']}"
    assert admin.merge(own, change).status_code == 403
    assert admin.put(own, json=IMPORT | {"role": "admin"} | change).status_code == 403
    shown = acme.get(own).json
    assert shown == before | {"last_used_at": shown["last_used_at"]}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"name": "mine"}, id="rename"),
        pytest.param(
            {"role": "viewer", "scopes": ["sample_customers:read"]}, id="weaken"
        ),
    ],
)
def test_update_of_a_stronger_key_answers_403(acme, admin, made, change):
    (owners,) = (i for i in acme.get(URL).json["items"] if i["role"] == "owner")
    assert admin.merge(f"{URL}/{owners['id']}", change).status_code == 403
    # The other has a lower role than the admin, but a scope that the admin has not.
    assert admin.merge(made.location, change).status_code == 403
    assert admin.put(made.location, json=IMPORT | change).status_code == 403
    assert acme.get(made.location).json == without_key(made.json)


# --- delete


def test_delete_revokes_the_key_within_a_second(acme, made, pass_time):
    machine = holder(acme, made)
    assert machine.post("/v1/sample_customers", json=CUSTOMER).status_code == 201
    assert acme.delete(made.location).status_code == 204
    assert acme.get(made.location).status_code == 404
    pass_time(seconds=1)
    assert machine.post("/v1/sample_customers", json=CUSTOMER).status_code == 401


def test_delete_revokes_the_key_in_another_worker_within_a_second(
    acme, made, start_app, pass_time
):
    elsewhere = Actor(start_app().test_client(), acme.account_id, made.json["key"])
    assert elsewhere.post("/v1/sample_customers", json=CUSTOMER).status_code == 201
    acme.delete(made.location)
    pass_time(seconds=1)
    assert elsewhere.post("/v1/sample_customers", json=CUSTOMER).status_code == 401


def test_delete_of_ones_own_key_ends_it(acme, pass_time):
    (own,) = acme.get(URL).json["items"]
    assert acme.delete(f"{URL}/{own['id']}").status_code == 204
    pass_time(seconds=1)
    assert acme.get(URL).status_code == 401


def test_delete_leaves_the_key_that_takes_over(acme, made, pass_time):
    successor = holder(acme, acme.post(URL, json=IMPORT))
    acme.delete(made.location)
    pass_time(seconds=1)
    assert successor.post("/v1/sample_customers", json=CUSTOMER).status_code == 201


def test_delete_beyond_the_callers_reach_answers_403(acme, admin, made, pass_time):
    (owners,) = (i for i in acme.get(URL).json["items"] if i["role"] == "owner")
    assert admin.delete(f"{URL}/{owners['id']}").status_code == 403
    assert admin.delete(made.location).status_code == 403
    pass_time(seconds=1)
    assert acme.get(made.location).status_code == 200


def test_delete_with_an_old_etag_answers_412_and_revokes_nothing(acme, made):
    acme.merge(made.location, {"name": "import"})
    sent = {"If-Match": made.headers["ETag"]}
    assert acme.delete(made.location, sent).status_code == 412
    assert acme.get(made.location).status_code == 200


def test_delete_of_an_unknown_key_answers_404(acme):
    assert acme.delete(f"{URL}/{uuid4()}").status_code == 404
