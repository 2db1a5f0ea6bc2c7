"""What signing in does: by password, by a user's consent, and for a client itself.

What is refused on the way is in `tests/test_oauth.py`, guessing in
`tests/test_throttle.py`.
"""

from uuid import UUID

import pytest

from myapp.tokens import new_token
from myapp.users.models import ONCE_PREFIX
from tests.actors import OWNER, PASSWORD, Actor, add_user, sign_in
from tests.answers import broken
from tests.mailbox import mailed_token, mails_to
from tests.oauth import (
    AUTHORIZE,
    REVOKE,
    TOKEN,
    answer_of,
    form_of,
    holder,
    json_of,
    part_of,
    register,
)
from tests.tables import rows_of

LOGIN = "/v1/auth/login"
RESET = "/v1/auth/password-reset"
ME = "/v1/users/me"
URL = "/v1/sample_customers"
CUSTOMER = {"name": "Ada Lovelace", "email": "ada@example.com"}


@pytest.fixture
def slug(acme):
    """The name by which acme's people sign in."""
    return acme.get(f"/v1/accounts/{acme.account_id}").json["slug"]


@pytest.fixture
def login(client, slug):
    """Sign in as acme's owner, but for what is said otherwise."""

    def sign_in(**own):
        body = {"account": slug, "username": OWNER, "password": PASSWORD}
        return client.post(LOGIN, json=body | own)

    return sign_in


@pytest.fixture
def reports(acme):
    """A client of acme's that may use every grant, as a member."""
    return register(acme)


def refresh(client, token, **own):
    """Exchange the refresh token of a login, which was through no client."""
    sent = {"grant_type": "refresh_token", "refresh_token": token}
    return client.post(TOKEN, data=sent | own)


# --- login


def test_login_answers_tokens_for_all_that_the_user_may(acme, login):
    made = login()
    assert made.status_code == 200
    assert made.json.keys() == {
        "access_token",
        "token_type",
        "expires_in",
        "scope",
        "refresh_token",
    }
    assert (made.json["token_type"], made.json["scope"]) == ("Bearer", "*")
    owner = holder(acme, made.json["access_token"])
    assert owner.get(ME).json["email"] == OWNER
    assert owner.post(URL, json=CUSTOMER).status_code == 201


def test_login_takes_the_address_in_any_case(login):
    assert login(username=OWNER.upper()).status_code == 200


def test_login_answers_an_access_token_as_rfc_9068_has_it(app, login):
    made = login().json
    header, claims = (part_of(made["access_token"], part) for part in (0, 1))
    assert (header["typ"], header["alg"]) == ("at+jwt", "RS256")
    here = app.config["PUBLIC_URL"]
    assert (claims["iss"], claims["aud"], claims["client_id"]) == (here, here, here)
    assert claims["exp"] - claims["iat"] == made["expires_in"]
    assert made["expires_in"] == app.config["ACCESS_TOKEN_SECONDS"]
    assert {"sub", "jti", "scope", "sid"} <= claims.keys()


def test_login_twice_begins_two_sessions(login):
    first, second = (part_of(login().json["access_token"], 1) for _ in range(2))
    assert first["sub"] == second["sub"]
    assert first["sid"] != second["sid"] and first["jti"] != second["jti"]


def test_login_reaches_as_far_as_the_role(acme):
    viewer = add_user(acme, "viewer")
    assert viewer.get(URL).status_code == 200
    assert viewer.post(URL, json=CUSTOMER).status_code == 403


@pytest.mark.parametrize(
    "own",
    [
        pytest.param({"password": "wrong"}, id="wrong-password"),
        pytest.param({"password": ""}, id="empty-password"),
        pytest.param({"password": PASSWORD + " "}, id="longer-password"),
        pytest.param({"password": PASSWORD.upper()}, id="other-case"),
        pytest.param({"username": "nobody@example.com"}, id="unknown-user"),
        pytest.param({"username": ""}, id="no-user"),
        pytest.param({"account": "no-such-account"}, id="unknown-account"),
        pytest.param({"account": ""}, id="no-account"),
        pytest.param({"username": "' OR 1=1 --"}, id="sql"),
        pytest.param({"username": 'é\\"', "password": "\U0001f600"}, id="odd"),
    ],
)
def test_login_with_something_wrong_is_answered_alike(login, own):
    wrong = login(**own)
    assert wrong.status_code == 401
    assert wrong.headers["WWW-Authenticate"] == 'Bearer realm="myapp"'
    assert wrong.json["detail"] == login(password="also wrong").json["detail"]


def test_login_to_another_account_answers_401(rival, login):
    slug = rival.get(f"/v1/accounts/{rival.account_id}").json["slug"]
    add_user(rival, "viewer")
    assert login(username="viewer@example.com").status_code == 401
    assert login(username="viewer@example.com", account=slug).status_code == 200


def test_login_of_a_user_who_is_switched_off_answers_401(acme, login):
    viewer = add_user(acme, "viewer").get(ME).json
    acme.merge(f"/v1/users/{viewer['id']}", {"is_active": False})
    assert login(username=viewer["email"]).status_code == 401


def test_login_of_a_user_who_has_not_accepted_answers_401(acme, login):
    body = {"name": "New", "email": "new@example.com", "role": "viewer"}
    assert acme.post("/v1/users", json=body).status_code == 201
    assert login(username="new@example.com", password="").status_code == 401
    assert login(username="new@example.com").status_code == 401


def test_login_to_a_closed_account_answers_401(acme, login):
    assert acme.delete(f"/v1/accounts/{acme.account_id}").status_code == 204
    assert login().status_code == 401


def test_login_with_an_invalid_body_answers_400(login):
    assert broken(login(password=None)) == {("/password", "type")}
    assert broken(login(username="x" * 255)) == {("/username", "maxLength")}
    assert broken(login(role="owner")) == {("/role", "additionalProperties")}


def test_login_stores_no_token_and_no_password(app, acme, login):
    tokens = login().json
    stored = repr(rows_of(app, acme.account_id))
    for secret in (tokens["access_token"], tokens["refresh_token"], PASSWORD):
        assert secret not in stored and secret[-40:] not in stored


def test_login_leaves_no_secret_in_the_log(login, caplog):
    tokens = login().json
    login(password="a wrong password")
    said = caplog.text
    assert PASSWORD not in said and "a wrong password" not in said
    assert tokens["access_token"] not in said and tokens["refresh_token"] not in said


# --- token: the tokens of a login


def test_refresh_of_a_login_needs_no_client(acme, client, login):
    first = login().json
    second = refresh(client, first["refresh_token"])
    assert second.status_code == 200
    assert second.json["scope"] == "*"
    assert second.json["refresh_token"] != first["refresh_token"]
    assert holder(acme, second.json["access_token"]).get(ME).status_code == 200


def test_refresh_of_a_login_may_ask_for_less(acme, client, login):
    token = login().json["refresh_token"]
    less = refresh(client, token, scope="sample_customers:read").json
    reader = holder(acme, less["access_token"])
    assert reader.get(URL).status_code == 200
    assert reader.post(URL, json=CUSTOMER).status_code == 403
    assert refresh(client, less["refresh_token"]).json["scope"] == "*"


def test_refresh_of_a_login_twice_ends_it(client, login, pass_time):
    token = login().json["refresh_token"]
    successor = refresh(client, token).json["refresh_token"]
    pass_time(seconds=11)
    assert refresh(client, token).json["error"] == "invalid_grant"
    assert refresh(client, successor).json["error"] == "invalid_grant"


def test_refresh_of_a_login_by_a_client_answers_400(reports, login):
    refused = reports.refresh(login().json["refresh_token"])
    assert (refused.status_code, refused.json["error"]) == (400, "invalid_grant")


def test_revoke_signs_out_of_a_login(acme, client, login, pass_time):
    tokens, others = login().json, login().json
    sent = {"token": tokens["refresh_token"]}
    assert client.post(REVOKE, data=sent).status_code == 200
    pass_time(seconds=1)
    assert holder(acme, tokens["access_token"]).get(ME).status_code == 401
    assert refresh(client, tokens["refresh_token"]).status_code == 400
    assert holder(acme, others["access_token"]).get(ME).status_code == 200


# --- token: client credentials


def test_client_credentials_answer_a_token_of_the_client(acme, reports):
    made = reports.credentials_token()
    assert made.status_code == 200
    assert made.json["scope"] == "sample_customers:read sample_customers:write"
    service = holder(acme, made.json["access_token"])
    assert service.post(URL, json=CUSTOMER).status_code == 201
    assert service.get(ME).status_code == 403  # users:read is not among its scopes
    claims = part_of(made.json["access_token"], 1)
    assert claims["sub"] == claims["client_id"] == reports.client_id


def test_client_credentials_reach_as_far_as_the_clients_role(acme):
    viewer = register(acme, role="viewer").own_token()
    assert holder(acme, viewer).get(URL).status_code == 200
    assert holder(acme, viewer).post(URL, json=CUSTOMER).status_code == 403


def test_client_credentials_open_the_clients_account_alone(acme, rival):
    rival.post(URL, json=CUSTOMER)
    token = register(acme).own_token()
    assert holder(acme, token).get(URL).json["items"] == []


# --- authorize, and the code


def test_authorize_shows_who_asks_for_what(acme, reports):
    page = reports.ask(scope="sample_customers:read")
    assert page.status_code == 200
    assert page.content_type == "text/html; charset=utf-8"
    assert "Acme Reports" in page.text and "<b>member</b>" in page.text
    assert "<code>sample_customers:read</code>" in page.text
    assert "sample_customers:write" not in page.text
    assert "<code>https://reports.acme.example</code>" in page.text
    fields = form_of(page)
    assert fields.keys() == {*reports.question(scope="x"), "csrf_token"}


def test_authorize_leads_to_tokens_of_the_user(acme, reports):
    code = answer_of(reports.decide(reports.ask()))["code"]
    tokens = reports.redeem(code).json
    claims = part_of(tokens["access_token"], 1)
    assert claims["sub"] == sign_in(acme).get(ME).json["id"]
    assert claims["client_id"] == reports.client_id
    person = holder(acme, tokens["access_token"])
    assert person.post(URL, json=CUSTOMER).status_code == 201


def test_authorize_for_fewer_scopes_leads_to_fewer(acme, reports):
    tokens = reports.tokens(scope="sample_customers:read")
    assert tokens["scope"] == "sample_customers:read"
    reader = holder(acme, tokens["access_token"])
    assert reader.get(URL).status_code == 200
    assert reader.post(URL, json=CUSTOMER).status_code == 403


@pytest.mark.parametrize(
    ("of_client", "of_user", "status"),
    [
        pytest.param("owner", "viewer", 403, id="user-is-less"),
        pytest.param("viewer", "member", 403, id="client-is-less"),
        pytest.param("member", "member", 201, id="both-may"),
    ],
)
def test_a_client_and_its_user_reach_as_far_as_the_lesser(
    acme, of_client, of_user, status
):
    add_user(acme, of_user)
    client = register(acme, role=of_client)
    consented = client.decide(client.ask(), username=f"{of_user}@example.com")
    tokens = json_of(client.redeem(answer_of(consented)["code"]))
    person = holder(acme, tokens["access_token"])
    assert person.post(URL, json=CUSTOMER).status_code == status


def test_authorize_sends_the_code_beside_a_query_of_the_client(acme):
    client = register(acme, redirect_uris=["https://a.example/cb?tenant=1"])
    answer = client.decide(client.ask())
    assert answer.location.startswith("https://a.example/cb?tenant=1&code=")
    assert answer_of(answer)["tenant"] == "1"


def test_authorize_without_state_answers_without(reports):
    assert "state" not in answer_of(reports.decide(reports.ask(state=None)))


def test_authorize_keeps_a_secure_cookie_where_it_is_https(start_production, reports):
    there = reports.elsewhere(start_production().test_client())
    assert "Secure" in there.ask().headers["Set-Cookie"]


def test_authorize_in_two_tabs_answers_both(reports):
    first, second = reports.ask(state="1"), reports.ask(state="2")
    assert answer_of(reports.decide(first))["state"] == "1"
    assert answer_of(reports.decide(second))["state"] == "2"


def test_code_stores_no_secret(app, acme, reports):
    code = reports.code()
    assert code[-40:] not in repr(rows_of(app, acme.account_id))


def test_an_account_forgets_old_codes(app, acme, reports, pass_time):
    reports.tokens()
    pass_time(days=1, seconds=61)
    reports.code()
    assert len(rows_of(app, acme.account_id)["authorization_codes"]) == 1


def test_an_account_forgets_sessions_that_have_expired(app, acme, reports, pass_time):
    reports.credentials_token()
    pass_time(seconds=app.config["ACCESS_TOKEN_SECONDS"] + 1)
    reports.credentials_token()
    assert len(rows_of(app, acme.account_id)["sessions"]) == 1


# --- password reset


def test_password_reset_leads_to_another_password(acme, client, slug, login):
    user = {"account": slug, "username": OWNER}
    asked = client.post(RESET, json=user)
    assert (asked.status_code, asked.get_data()) == (202, b"")
    body = {"token": mailed_token(client, OWNER), "password": "a new password, longer"}
    assert client.post(f"{RESET}/confirm", json=body).status_code == 204
    assert login(password="a new password, longer").status_code == 200
    assert login().status_code == 401


def test_password_reset_of_nobody_answers_202_and_mails_nothing(client, slug):
    nobody = "nobody-at-all@example.com"
    asked = client.post(RESET, json={"account": slug, "username": nobody})
    assert (asked.status_code, asked.get_data()) == (202, b"")
    assert mails_to(client, nobody) == []


def test_password_reset_is_limited_whatever_the_case(client, slug):
    def ask(username):
        body = {"account": slug, "username": username}
        return client.post(RESET, json=body).status_code

    asked = [ask(OWNER) for _ in range(5)] + [ask(OWNER.upper()) for _ in range(5)]
    assert asked == [202] * 10
    assert ask(OWNER.title()) == 429


def test_password_reset_with_an_unknown_token_answers_422(client):
    body = {"token": "nonsense", "password": "a new password, longer"}
    refused = client.post(f"{RESET}/confirm", json=body)
    assert refused.status_code == 422
    assert broken(refused) == {("/token", "token")}


def test_password_reset_without_the_database_answers_503(start_app):
    dead = start_app(DATABASE_URL="sqlite:////nowhere/none.sqlite").test_client()
    token = new_token(ONCE_PREFIX, UUID(int=0))
    body = {"token": token, "password": "a new password, longer"}
    assert dead.post(f"{RESET}/confirm", json=body).status_code == 503


# --- the pages are for browsers, the rest is for programs


def test_authorize_answers_get_and_post_alone(client):
    assert client.put(AUTHORIZE).status_code == 405
    assert client.delete(AUTHORIZE).status_code == 405


def test_an_api_key_signs_nobody_in(acme):
    refused = Actor(acme.client, "", "").post(LOGIN, json={"api_key": acme.key})
    assert refused.status_code == 400
