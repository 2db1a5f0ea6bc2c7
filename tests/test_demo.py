"""The demo of `./run`: everyone can sign in, on one machine, whatever has happened."""

from importlib import import_module
from importlib.util import find_spec
from uuid import UUID

import pytest
from flask import Flask

from devtools import demo
from myapp import FEATURES, create_app, db
from myapp.access import ROLES
from myapp.clients.models import find
from tests.actors import Actor
from tests.stores import on_sqlite
from tests.tables import rows_of

TOKEN = "/v1/auth/token"
WITH_A_DEMO = [
    feature.__name__.removeprefix("myapp.")
    for feature in FEATURES
    if find_spec(f"{feature.__name__}.demo")
]


def start(settings, databases):
    """Return an application with a database of its own."""
    secret = {"DEVELOPMENT_SECRET": "the secret of a test's machine"}
    return create_app(settings | databases.clone() | secret)


@pytest.fixture
def app(settings, databases):
    """An application with the demo."""
    demo.seed(app := start(settings, databases))
    yield app
    app.extensions["myapp"].engine.dispose()


def key(app, account=demo.DEMO):
    """Return who calls with the key of an account."""
    return Actor(app.test_client(), str(account.id), demo.api_key(app, account))


def login(app, role, account="demo"):
    """Sign in with a password."""
    body = {"account": account, "username": demo.email(role)}
    body["password"] = demo.password(app)
    return app.test_client().post("/v1/auth/login", json=body)


def user(app, role):
    """Return the user of a role, as the owner's key sees it."""
    query = {"email": demo.email(role)}
    return key(app).get("/v1/users", query_string=query).json["items"][0]


def url(app, role):
    """Return the address of the user of a role."""
    return f"/v1/users/{user(app, role)['id']}"


def app_with(secret):
    """Return an application whose settings hold a secret."""
    app = Flask(__name__)
    app.config["DEVELOPMENT_SECRET"] = secret
    return app


# --- what a start makes


def test_key_and_password_are_the_same_for_a_secret_and_no_other():
    one, another = app_with("one"), app_with("another")
    assert demo.api_key(one) == demo.api_key(app_with("one"))
    assert demo.api_key(one) != demo.api_key(another)
    assert demo.api_key(one) != demo.api_key(one, demo.RIVAL)
    assert demo.password(one) == demo.password(app_with("one"))
    assert demo.password(one) != demo.password(another)


@pytest.mark.usefixtures("engine")
def test_demo_has_users_of_every_role_who_can_sign_in(app):
    assert {*demo.DEMO.roles} == {*ROLES}
    for role in ROLES:
        assert login(app, role).status_code == 200
        assert user(app, role)["role"] == role


@pytest.mark.usefixtures("engine")
def test_accounts_have_keys_and_nothing_in_common(app):
    assert login(app, "owner", "rival").status_code == 200
    accounts = (demo.DEMO, demo.RIVAL)
    ours, rivals = (
        {user["id"] for user in key(app, account).get("/v1/users").json["items"]}
        for account in accounts
    )
    assert (len(ours), len(rivals)) == (len(ROLES), 1)
    assert not ours & rivals


FEATURE = """
filled = []

def fill(tenant, account, people):
    filled.append((account, tenant, people))
"""


@on_sqlite
def test_feature_fills_each_account_once_with_what_its_demo_says(
    settings, databases, tmp_path, monkeypatch
):
    (tmp_path / "with_a_demo").mkdir()
    (tmp_path / "with_a_demo/__init__.py").touch()
    (tmp_path / "with_a_demo/demo.py").write_text(FEATURE)
    monkeypatch.syspath_prepend(tmp_path)
    feature = import_module("with_a_demo")
    app = start(settings, databases)
    for _ in range(2):
        demo.seed(app, [*FEATURES, feature])
    names = ("owner", "admin", "member", "viewer")
    people = {role: UUID(user(app, role)["id"]) for role in names}
    [(*first, given), (*second, others)] = feature.demo.filled
    assert first == ["Demo", demo.DEMO.id]
    assert second == ["Rival", demo.RIVAL.id]
    assert given == people
    assert [*others] == ["owner"]
    app.extensions["myapp"].engine.dispose()


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("feature", WITH_A_DEMO)
def test_feature_with_a_demo_has_something_to_show(app, feature):
    assert key(app).get(f"/v1/{feature}").json["items"] != []


@pytest.mark.usefixtures("engine")
def test_form_of_the_guide_answers_tokens(app):
    form = {"grant_type": "password", "client_id": "documentation"}
    form |= {"username": demo.email("viewer"), "password": demo.password(app)}
    answered = app.test_client().post(TOKEN, data=form)
    assert answered.status_code == 200
    viewer = Actor(app.test_client(), "", answered.json["access_token"])
    assert viewer.get("/v1/users/me").status_code == 200
    eve = {"name": "Eve", "email": "eve@example.com", "role": "viewer"}
    assert viewer.post("/v1/users", json=eve).status_code == 403


# --- what the next start mends


@pytest.mark.usefixtures("engine")
def test_next_start_changes_nothing_where_all_is_well(app):
    before = rows_of(app, str(demo.DEMO.id))
    assert len(before["audit_entries"]) > len(ROLES)
    demo.seed(app)
    after = rows_of(app, str(demo.DEMO.id))
    for row in (*before.pop("api_keys"), *after.pop("api_keys")):
        assert row["name"] == "first key"  # it was used: that is noted
    assert after == before


def remove_user(app):
    assert key(app).delete(url(app, "viewer")).status_code == 204


def demote_user(app):
    assert key(app).merge(url(app, "admin"), {"role": "viewer"}).status_code == 200


def switch_user_off(app):
    off = {"is_active": False}
    assert key(app).merge(url(app, "member"), off).status_code == 200


def change_password(app):
    signed_in = login(app, "viewer").json["access_token"]
    viewer = Actor(app.test_client(), "", signed_in)
    change = {"password": "another long password"}
    change["current_password"] = demo.password(app)
    assert viewer.merge(url(app, "viewer"), change).status_code == 200


def close_account(app):
    assert key(app).delete(f"/v1/accounts/{demo.DEMO.id}").status_code == 204


def rename_account(app):
    renamed = {"slug": "another-name"}
    address = f"/v1/accounts/{demo.DEMO.id}"
    assert key(app).merge(address, renamed).status_code == 200


def remove_key(app):
    [own] = key(app).get("/v1/api_keys").json["items"]
    assert key(app).delete(f"/v1/api_keys/{own['id']}").status_code == 204


def client_url(app):
    [own] = key(app).get("/v1/auth/clients").json["items"]
    return f"/v1/auth/clients/{own['id']}"


def remove_client(app):
    assert key(app).delete(client_url(app)).status_code == 204


def switch_client_off(app):
    off = {"is_active": False}
    assert key(app).merge(client_url(app), off).status_code == 200


def make_another_secret(app):
    app.config["DEVELOPMENT_SECRET"] = "the secret of a machine that was set up anew"


@on_sqlite
@pytest.mark.parametrize(
    "harm",
    [
        remove_user,
        demote_user,
        switch_user_off,
        change_password,
        close_account,
        rename_account,
        remove_key,
        remove_client,
        switch_client_off,
        make_another_secret,
    ],
    ids=lambda harm: harm.__name__,
)
def test_next_start_mends_what_was_changed(app, harm):
    harm(app)
    app.extensions["myapp"].recent.clear()  # as a new process starts
    demo.seed(app)
    assert key(app).get("/v1/users").status_code == 200
    for role in ROLES:
        assert login(app, role).status_code == 200
        assert user(app, role)["role"] == role
    with db.use(app.extensions["myapp"]):
        assert find("documentation") is not None


@on_sqlite
def test_start_with_a_name_that_is_taken_says_what_to_do(app):
    rename_account(app)
    taken = {"name": "Mine", "slug": "demo", "email": "me@example.com"}
    opened = app.test_client().post(
        "/v1/accounts", json=taken | {"password": "a password of mine"}
    )
    assert opened.status_code == 201
    with pytest.raises(RuntimeError, match="has the slug demo.*change it, or remove"):
        demo.seed(app)
