"""What the authorization server refuses, and how.

RFC 6749, 6750, 7009, 7636, 7662, 8252, 9207 and 9700. What it does for whoever asks
well: `myapp/auth/test_auth.py`.
"""

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from threading import Barrier
from types import FunctionType
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.actors import OWNER, PASSWORD, Actor, add_user, log_in, sign_in
from tests.oauth import (
    AUTHORIZE,
    CALLBACK,
    CLIENTS,
    INTROSPECT,
    REVOKE,
    TOKEN,
    VERIFIER,
    App,
    answer_of,
    basic,
    challenge_of,
    holder,
    json_of,
    part_of,
    register,
)
from tests.tables import rows_of

URL = "/v1/sample_customers"
CALLERS = 20
CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}


@pytest.fixture
def reports(acme: Actor) -> App:
    """A client of acme's that keeps a secret and may use every grant."""
    return register(acme)


@pytest.fixture
def phone(acme: Actor) -> App:
    """A client of acme's that keeps no secret: an app on a user's machine."""
    uris = ["http://127.0.0.1/done", "http://[::1]/done", "http://localhost/done"]
    grants = ["authorization_code", "refresh_token"]
    own = {"confidential": False, "grant_types": grants, "redirect_uris": uris}
    return register(acme, name="Phone", **own)


@pytest.fixture
def other(acme: Actor) -> App:
    """Another client of acme's, who must not use what was given to the first."""
    return register(acme, name="Other")


@pytest.fixture
def foreign(rival: Actor) -> App:
    """A client of another account."""
    return register(rival, name="Foreign")


def refused(response: TestResponse, error: str, status: int = 400) -> bool:
    """Tell whether an answer is an OAuth error that no cache keeps (RFC 6749, 5.2)."""
    told = (response.status_code, json_of(response)["error"])
    assert told == (status, error)
    assert response.headers["Cache-Control"] == "no-store"
    assert response.content_type == "application/json"
    if error == "invalid_client":
        assert response.headers["WWW-Authenticate"] == 'Basic realm="myapp"'
    return True


def shown(response: TestResponse, status: int = 400) -> bool:
    """Tell whether an error is shown to the user, and not sent to anybody."""
    assert response.status_code == status, response.get_data()
    assert "Location" not in response.headers
    assert response.mimetype == "text/html"
    return True


def is_good(actor: Actor, tokens: Any) -> bool:
    """Tell whether an access token opens what it should."""
    answer = holder(actor, tokens["access_token"]).get(URL)
    return bool(answer.status_code == 200)


# --- the form of a request (RFC 6749, 2.3 and 3.2)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_token_by_another_method_answers_405(client, method):
    answer = client.open(TOKEN, method=method)
    assert answer.status_code == 405
    assert {*answer.headers["Allow"].split(", ")} == {"OPTIONS", "POST"}


@pytest.mark.parametrize(
    "field",
    ["client_id", "client_secret", "username", "password", "code", "refresh_token"],
)
def test_token_with_credentials_in_the_query_answers_400(reports, caplog, field):
    sent = {"grant_type": "client_credentials"} | reports.credentials
    answer = reports.http.post(f"{TOKEN}?{field}=s3cret", data=sent)
    assert refused(answer, "invalid_request")
    assert "URL" in answer.json["error_description"]
    assert "s3cret" not in caplog.text


def test_token_with_the_whole_request_in_the_query_answers_400(reports):
    sent = {"grant_type": "client_credentials"} | reports.credentials
    form = {"content_type": "application/x-www-form-urlencoded"}
    assert refused(
        reports.http.post(TOKEN, query_string=sent, **form), "invalid_request"
    )


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("grant_type=client_credentials&grant_type=password", id="grant"),
        pytest.param(
            "grant_type=client_credentials&scope=a:read&scope=b:read", id="scope"
        ),
        pytest.param(
            "grant_type=client_credentials&client_id=a&client_id=b", id="client"
        ),
        pytest.param("grant_type=client_credentials&scope=&scope=a:read", id="empty"),
        pytest.param("grant_type=client_credentials&%73cope=a&scope=a", id="encoded"),
    ],
)
def test_token_with_a_parameter_given_twice_answers_400(reports, body):
    form = {"content_type": "application/x-www-form-urlencoded"}
    answer = reports.http.post(TOKEN, data=body, headers=reports.basic, **form)
    assert refused(answer, "invalid_request")


@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param("application/json", id="json"),
        pytest.param("text/plain", id="text"),
        pytest.param("multipart/form-data; boundary=x", id="multipart"),
        pytest.param("", id="none"),
        pytest.param("application/x-www-form-urlencoded; charset=utf-16", id="utf-16"),
    ],
)
@pytest.mark.parametrize("url", [TOKEN, REVOKE, INTROSPECT])
def test_a_body_of_another_type_answers_415(client, url, content_type):
    answer = client.post(url, data="token=x", headers={"Content-Type": content_type})
    assert refused(answer, "invalid_request", 415)


@pytest.mark.parametrize("url", [TOKEN, REVOKE, INTROSPECT])
def test_a_body_that_is_too_large_answers_413(app, client, url):
    form = {"content_type": "application/x-www-form-urlencoded"}
    body = "token=" + "a" * app.config["MAX_CONTENT_LENGTH"]
    assert refused(client.post(url, data=body, **form), "invalid_request", 413)


@pytest.mark.parametrize("url", [TOKEN, REVOKE, INTROSPECT])
def test_a_body_in_chunks_answers_411(client, url):
    form = {"content_type": "application/x-www-form-urlencoded"}
    answer = client.post(url, environ_overrides=CHUNKED, **form)
    assert refused(answer, "invalid_request", 411)


@pytest.mark.parametrize("url", [TOKEN, REVOKE, INTROSPECT])
def test_a_caller_who_takes_no_json_gets_406(reports, url):
    sent = reports.credentials | {"grant_type": "client_credentials", "token": "x"}
    answer = reports.http.post(url, data=sent, headers={"Accept": "text/html"})
    assert refused(answer, "invalid_request", 406)


def test_unknown_and_empty_parameters_are_ignored(reports):
    made = reports.credentials_token(nonsense="x", scope="", code="", resource="y")
    assert made.status_code == 200


ODD = [
    '"',
    "\\",
    "é",
    "\U0001f600",
    "a\0b",
    "a\r\nX-Injected: 1",
    "%",
    "<script>alert(1)</script>",
    "' OR 1=1 --",
    "x" * 5000,
    "x " * 2500,
]
FIELDS = [
    "grant_type",
    "client_id",
    "client_secret",
    "scope",
    "code",
    "redirect_uri",
    "code_verifier",
    "refresh_token",
    "username",
    "password",
]
GRANTS = ["authorization_code", "client_credentials", "refresh_token", "password"]
REFUSALS = {
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "invalid_scope",
    "unauthorized_client",
    "unsupported_grant_type",
    "temporarily_unavailable",
}


def is_plain(text: str) -> bool:
    """Tell whether a description has but the characters of RFC 6749, 5.2."""
    return all(" " <= letter <= "~" and letter not in '"\\' for letter in text)


@pytest.mark.parametrize("field", FIELDS)
def test_token_with_odd_characters_answers_an_oauth_error(reports, field):
    well = {"code": reports.code(), "refresh_token": "x", "username": OWNER}
    for grant, value in product(GRANTS, ODD):
        sent = {"grant_type": grant, "password": "x"} | well | {field: value}
        answer = reports.http.post(TOKEN, data=reports.credentials | sent)
        if answer.status_code == 200:  # this grant reads no such field
            continue
        assert answer.status_code in (400, 401, 429)
        assert answer.json["error"] in REFUSALS
        assert is_plain(answer.json.get("error_description", ""))
        assert "X-Injected" not in answer.headers


@pytest.mark.parametrize("field", ["token", "token_type_hint", "client_id"])
@pytest.mark.parametrize("url", [REVOKE, INTROSPECT])
def test_odd_characters_about_a_token_are_no_failure(reports, url, field):
    for value in ODD:
        answer = reports.send(url, **{"token": "x", field: value})
        assert answer.status_code in (200, 400, 401)
        assert answer.status_code == 200 or answer.json["error"] in REFUSALS


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"grant_type=\xff", id="not-utf-8"),
        pytest.param(b"grant_type=%ff", id="not-utf-8-encoded"),
        pytest.param(b"&".join([b"a=1"] * 100), id="many"),
        pytest.param(b"", id="empty"),
        pytest.param(b"&&&", id="nothing"),
        pytest.param(b"grant_type", id="no-value"),
        pytest.param(b"grant_type=", id="empty-value"),
        pytest.param(b"grant_type=%zz", id="bad-escape"),
    ],
)
@pytest.mark.parametrize("url", [TOKEN, REVOKE, INTROSPECT])
def test_a_body_that_is_no_form_answers_400(client, url, body):
    form = {"content_type": "application/x-www-form-urlencoded"}
    answer = client.post(url, data=body, **form)
    assert answer.status_code == 400
    assert answer.json["error"] in ("invalid_request", "unsupported_grant_type")


# --- who is the client (RFC 6749, 2.3)


def test_token_with_basic_answers_200(reports):
    sent = {"grant_type": "client_credentials"}
    made = reports.http.post(TOKEN, data=sent, headers=reports.basic)
    assert made.status_code == 200


def test_token_with_percent_encoded_basic_answers_200(reports):
    encoded = "".join(f"%{ord(letter):02x}" for letter in reports.client_secret)
    sent = {"grant_type": "client_credentials"}
    header = basic(f"{quote(reports.client_id)}:{encoded}")
    assert reports.http.post(TOKEN, data=sent, headers=header).status_code == 200


def test_token_with_basic_and_the_same_client_id_answers_200(reports):
    sent = {"grant_type": "client_credentials", "client_id": reports.client_id}
    made = reports.http.post(TOKEN, data=sent, headers=reports.basic)
    assert made.status_code == 200


@pytest.mark.parametrize("url", [TOKEN, REVOKE, INTROSPECT])
def test_two_ways_to_authenticate_answer_400(reports, url):
    sent = {"grant_type": "client_credentials", "token": "x"} | reports.credentials
    answer = reports.http.post(url, data=sent, headers=reports.basic)
    assert refused(answer, "invalid_request")


def test_basic_of_one_client_and_the_id_of_another_answer_400(reports, other):
    sent = {"grant_type": "client_credentials", "client_id": other.client_id}
    answer = reports.http.post(TOKEN, data=sent, headers=reports.basic)
    assert refused(answer, "invalid_request")


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("Basic", id="nothing"),
        pytest.param("Basic ", id="empty"),
        pytest.param("Basic !!!", id="no-base64"),
        pytest.param("Basic YTpi=YTpi", id="bad-padding"),
        pytest.param("Basic YTp", id="cut-short"),
        pytest.param(basic(b"\xff\xfe:\xff")["Authorization"], id="not-utf-8"),
        pytest.param(basic("nobody")["Authorization"], id="no-colon"),
        pytest.param(basic(":")["Authorization"], id="colon-alone"),
        pytest.param(basic(":secret")["Authorization"], id="no-name"),
        pytest.param(basic("nobody:")["Authorization"], id="no-secret"),
        pytest.param(basic("a\0b:c")["Authorization"], id="nul"),
        pytest.param(basic("a%00b:%00")["Authorization"], id="nul-encoded"),
        pytest.param(basic("%FF:%FF")["Authorization"], id="not-utf-8-encoded"),
        pytest.param(basic("é:é")["Authorization"], id="not-ascii"),
        pytest.param(basic("a" * 5000 + ":b")["Authorization"], id="long"),
        pytest.param(basic('"\\:"\\')["Authorization"], id="quotes"),
        pytest.param("Bearer abc", id="another-scheme"),
        pytest.param("Basic YTpi YTpi", id="two"),
    ],
)
@pytest.mark.parametrize("url", [TOKEN, INTROSPECT])
def test_a_malformed_basic_header_answers_401(client, url, header):
    sent = {"grant_type": "client_credentials", "token": "x"}
    answer = client.post(url, data=sent, headers={"Authorization": header})
    assert refused(answer, "invalid_client", 401)


def test_a_malformed_basic_header_beside_the_body_answers_400(reports):
    sent = {"grant_type": "client_credentials"} | reports.credentials
    answer = reports.http.post(TOKEN, data=sent, headers={"Authorization": "Basic !"})
    assert refused(answer, "invalid_request")


@pytest.mark.parametrize(
    "own",
    [
        pytest.param({"client_secret": "wrong"}, id="wrong-secret"),
        pytest.param({"client_secret": None}, id="no-secret"),
        pytest.param({"client_secret": ""}, id="empty-secret"),
        pytest.param({"client_id": "nobody"}, id="unknown"),
        pytest.param({"client_id": None, "client_secret": None}, id="nobody"),
        pytest.param({"client_id": None}, id="no-id"),
    ],
)
@pytest.mark.parametrize(
    "grant", ["client_credentials", "authorization_code", "introspect"]
)
def test_a_client_that_does_not_prove_itself_answers_401(reports, grant, own):
    url = INTROSPECT if grant == "introspect" else TOKEN
    sent = {"grant_type": grant, "token": "x", "code": "x"}
    answer = reports.send(url, **sent | own)
    assert refused(answer, "invalid_client", 401)


def test_unknown_clients_and_wrong_secrets_are_answered_alike(reports):
    unknown = reports.credentials_token(client_id="nobody")
    wrong = reports.credentials_token(client_secret="wrong")
    missing = reports.credentials_token(client_secret=None)
    assert unknown.get_data() == wrong.get_data() == missing.get_data()


def test_a_public_client_that_sends_a_secret_answers_401(phone):
    answer = phone.redeem(phone.code(), client_secret="chosen")
    assert refused(answer, "invalid_client", 401)


# --- which grant (RFC 6749, 4 and 5.2)


@pytest.mark.parametrize(
    ("grant", "error"),
    [
        pytest.param("nonsense", "unsupported_grant_type", id="unknown"),
        pytest.param("implicit", "unsupported_grant_type", id="implicit"),
        pytest.param(
            "urn:ietf:params:oauth:grant-type:device_code",
            "unsupported_grant_type",
            id="device",
        ),
        pytest.param("Password", "unsupported_grant_type", id="other-case"),
        pytest.param("client_credentials ", "unsupported_grant_type", id="a-space"),
        pytest.param(None, "invalid_request", id="missing"),
    ],
)
def test_token_by_an_unsupported_grant_answers_400(reports, grant, error):
    assert refused(reports.send(TOKEN, grant_type=grant), error)


@pytest.mark.parametrize("grant", ["authorization_code", "refresh_token"])
def test_token_by_a_grant_that_the_client_may_not_use_answers_400(acme, grant):
    service = register(acme, grant_types=["client_credentials"])
    sent = {"grant_type": grant, "code": "x", "refresh_token": "x"}
    assert refused(service.send(TOKEN, **sent), "unauthorized_client")


def test_client_credentials_that_the_client_may_not_use_answer_400(acme):
    site = register(acme, grant_types=["authorization_code"])
    assert refused(site.credentials_token(), "unauthorized_client")


def test_client_credentials_of_a_public_client_answer_401(acme):
    own = {"confidential": False, "grant_types": ["client_credentials"]}
    assert refused(register(acme, **own).credentials_token(), "invalid_client", 401)


def test_a_client_without_refresh_tokens_gets_none(acme):
    site = register(acme, grant_types=["authorization_code"])
    assert "refresh_token" not in site.tokens()


def test_a_clients_own_token_comes_without_a_refresh_token(reports):
    assert "refresh_token" not in reports.credentials_token().json


@pytest.mark.parametrize(
    "missing",
    [
        pytest.param({"grant_type": "authorization_code"}, id="code"),
        pytest.param({"grant_type": "refresh_token"}, id="refresh_token"),
    ],
)
def test_token_without_what_the_grant_needs_answers_400(reports, missing):
    assert refused(reports.send(TOKEN, **missing), "invalid_request")


@pytest.mark.parametrize(
    "scope",
    [
        pytest.param("sample_customers:delete", id="unknown"),
        pytest.param("api_keys:read", id="not-its-own"),
        pytest.param("sample_customers:read api_keys:read", id="one-of-two"),
        pytest.param("*", id="every"),
        pytest.param('sample_customers:read"', id="quote"),
    ],
)
def test_token_with_a_scope_beyond_the_client_answers_400(reports, scope):
    assert refused(reports.credentials_token(scope=scope), "invalid_scope")


def test_token_with_fewer_scopes_reaches_no_further(acme, reports):
    made = reports.credentials_token(
        scope="sample_customers:read sample_customers:read"
    )
    assert made.json["scope"] == "sample_customers:read"
    assert is_good(acme, made.json)
    body = {"name": "Ada", "email": "ada@example.com"}
    sent = holder(acme, made.json["access_token"]).post(URL, json=body)
    assert sent.status_code == 403


# --- the password grant (RFC 6749, 4.3; RFC 9700, 2.4)


@pytest.fixture
def app_of(start_app, acme):
    """Start the application with a setting of the password grant, for a client."""

    def start(client: App, **own: Any) -> App:
        return client.elsewhere(start_app(**own).test_client())

    return start


@pytest.fixture
def ours(app: Flask, acme: Actor) -> App:
    """A client of our own, which may send passwords."""
    run = app.test_cli_runner()
    slug = acme.get(f"/v1/accounts/{acme.account_id}").json["slug"]
    named = ["clients", "create", slug, "ours", "--first-party"]
    made = run.invoke(args=[*named, "--grant", "refresh_token", "--role", "owner"])
    assert made.exit_code == 0, made.output
    found = dict(line.split(": ") for line in made.output.splitlines() if ": " in line)
    return App(acme.client, found["client_id"], found["client_secret"])


def by_password(client: App, **own: Any) -> TestResponse:
    """Ask for a token with a user's password."""
    sent = {"grant_type": "password", "username": OWNER, "password": PASSWORD}
    return client.send(TOKEN, **sent | own)


def test_password_grant_of_a_first_party_client_answers_200(acme, ours):
    made = by_password(ours)
    assert made.status_code == 200
    tokens = json_of(made)
    assert is_good(acme, tokens)
    assert ours.refresh(tokens["refresh_token"]).status_code == 200


def test_password_grant_of_another_client_answers_400(reports):
    assert refused(by_password(reports), "unauthorized_client")


def test_password_grant_that_is_off_answers_400(ours, app_of):
    assert refused(
        by_password(app_of(ours, PASSWORD_GRANT=False)), "unsupported_grant_type"
    )


@pytest.mark.parametrize(
    "own",
    [
        pytest.param({"password": "wrong"}, id="wrong-password"),
        pytest.param({"username": "nobody@example.com"}, id="unknown-user"),
        pytest.param({"username": 'é\\"'}, id="odd-user"),
    ],
)
def test_password_grant_with_a_wrong_password_answers_400(ours, own):
    wrong = by_password(ours, **own)
    assert refused(wrong, "invalid_grant")
    assert wrong.json == by_password(ours, password="also wrong").json


def test_password_grant_for_a_user_of_another_account_answers_400(ours, rival):
    email = "only@rival.example"
    body = {"name": "Only", "email": email, "role": "viewer"}
    assert rival.post("/v1/users", json=body).status_code == 201
    assert refused(by_password(ours, username=email), "invalid_grant")


@pytest.mark.parametrize("field", ["username", "password"])
def test_password_grant_without_a_field_answers_400(ours, field):
    assert refused(by_password(ours, **{field: None}), "invalid_request")


def test_password_grant_guessed_too_often_answers_429(ours):
    for _ in range(10):
        assert refused(by_password(ours, password="wrong"), "invalid_grant")
    limited = by_password(ours)
    assert refused(limited, "temporarily_unavailable", 429)
    assert int(limited.headers["Retry-After"]) > 0


# --- where an answer may go (RFC 6749, 3.1.2; RFC 9700, 4.1)


REGISTERED = "https://reports.acme.example/callback"


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("https://reports.acme.example/Callback", id="path-case"),
        pytest.param("https://Reports.acme.example/callback", id="host-case"),
        pytest.param("HTTPS://reports.acme.example/callback", id="scheme-case"),
        pytest.param("https://reports.acme.example/callback/", id="slash"),
        pytest.param("https://reports.acme.example//callback", id="two-slashes"),
        pytest.param("https://reports.acme.example:443/callback", id="port"),
        pytest.param("https://reports.acme.example:8443/callback", id="other-port"),
        pytest.param("https://a@reports.acme.example/callback", id="userinfo"),
        pytest.param("https://reports.acme.example@evil.example/", id="as-userinfo"),
        pytest.param("https://reports.acme.example/callback#x", id="fragment"),
        pytest.param("https://reports.acme.example/callback#", id="empty-fragment"),
        pytest.param("https://reports.acme.example/callback?x=1", id="query"),
        pytest.param("https://reports.acme.example/callback?", id="empty-query"),
        pytest.param("https://reports.acme.example/c%61llback", id="percent"),
        pytest.param("https://reports.acme.example/x/../callback", id="dots"),
        pytest.param("http://reports.acme.example/callback", id="http"),
        pytest.param("https://evil.example/callback", id="other-host"),
        pytest.param("https://reports.acme.example.evil.example/", id="suffix"),
        pytest.param("//reports.acme.example/callback", id="no-scheme"),
        pytest.param("javascript:alert(1)", id="script"),
        pytest.param("https://reports.acme.example/callback\r\nX-A: b", id="crlf"),
        pytest.param("https://reports.acme.example/callback\\", id="backslash"),
        pytest.param('https://reports.acme.example/callback"', id="quote"),
        pytest.param("https://reports.acme.example/cällback", id="not-ascii"),
        pytest.param("https://[", id="malformed"),
        pytest.param("x" * 600, id="long"),
        pytest.param("", id="empty"),
        pytest.param(None, id="missing"),
    ],
)
def test_authorize_with_another_address_is_told_to_the_user(reports, uri):
    for also in ({}, {"response_type": "token"}, {"code_challenge": None}):
        answer = reports.ask(redirect_uri=uri, **also)
        assert shown(answer)
        assert "X-A" not in answer.headers


@pytest.mark.parametrize(
    "own",
    [
        pytest.param({"client_id": None}, id="no-client"),
        pytest.param({"client_id": "nobody"}, id="unknown-client"),
        pytest.param({"client_id": "é"}, id="odd-client"),
        pytest.param({"client_id": "a\0b"}, id="nul-in-client"),
        pytest.param(
            {"client_id": "nobody", "response_type": "token"}, id="both-wrong"
        ),
    ],
)
def test_authorize_for_an_unknown_client_is_told_to_the_user(reports, own):
    assert shown(reports.ask(**own))


@pytest.mark.parametrize(
    ("own", "error"),
    [
        pytest.param(
            {"response_type": None}, "unsupported_response_type", id="no-response-type"
        ),
        pytest.param(
            {"response_type": "token"}, "unsupported_response_type", id="implicit"
        ),
        pytest.param(
            {"response_type": "code token"}, "unsupported_response_type", id="hybrid"
        ),
        pytest.param({"scope": "nonsense"}, "invalid_scope", id="unknown-scope"),
        pytest.param({"scope": "*"}, "invalid_scope", id="every-scope"),
        pytest.param({"scope": '"'}, "invalid_scope", id="quote-in-scope"),
        pytest.param({"code_challenge": None}, "invalid_request", id="no-challenge"),
        pytest.param(
            {"code_challenge": None, "code_challenge_method": None},
            "invalid_request",
            id="no-pkce",
        ),
        pytest.param({"code_challenge": "short"}, "invalid_request", id="short"),
        pytest.param(
            {"code_challenge": "x" * 42}, "invalid_request", id="one-too-short"
        ),
        pytest.param(
            {"code_challenge": "+" * 43}, "invalid_request", id="no-base64url"
        ),
        pytest.param({"code_challenge_method": "plain"}, "invalid_request", id="plain"),
        pytest.param(
            {"code_challenge_method": None}, "invalid_request", id="plain-by-default"
        ),
        pytest.param(
            {"code_challenge_method": "s256"}, "invalid_request", id="method-case"
        ),
        pytest.param(
            {"code_challenge_method": "S512"}, "invalid_request", id="unknown-method"
        ),
    ],
)
def test_authorize_with_an_error_tells_the_client(app, reports, own, error):
    told = answer_of(reports.ask(**own))
    assert told.pop("error") == error
    assert is_plain(told.pop("error_description", ""))
    assert told == {"state": "xyz", "iss": app.config["PUBLIC_URL"]}


def test_authorize_for_a_client_without_the_grant_tells_the_client(acme):
    service = register(acme, grant_types=["client_credentials"])
    assert answer_of(service.ask())["error"] == "unauthorized_client"


@pytest.mark.parametrize(
    "field",
    [
        "response_type",
        "client_id",
        "redirect_uri",
        "scope",
        "state",
        "code_challenge",
        "code_challenge_method",
    ],
)
def test_authorize_with_odd_characters_is_no_failure(reports, field):
    for value in ODD:
        answer = reports.ask(**{field: value})
        assert answer.status_code in (200, 303, 400)
        assert "X-Injected" not in answer.headers
        assert "<script>" not in answer.text
        if answer.status_code == 303:
            assert answer.location.startswith(CALLBACK + "?")
            assert "\n" not in answer.location


@pytest.mark.parametrize(
    "field", ["response_type", "client_id", "redirect_uri", "scope", "state"]
)
def test_authorize_with_a_parameter_given_twice_answers_400(reports, field):
    twice = [*reports.question().items(), (field, "x")]
    sent = [(name, value) for name, value in twice]
    if field == "scope":
        sent.append((field, "y"))
    text = "&".join(f"{name}={quote(value, '')}" for name, value in sent)
    assert shown(reports.http.get(f"{AUTHORIZE}?{text}"))


def test_authorize_with_a_query_that_is_not_utf_8_answers_400(client):
    assert shown(client.get(f"{AUTHORIZE}?state=%ff"))


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1/done",
        "http://127.0.0.1:8123/done",
        "http://127.0.0.1:65535/done",
        "http://[::1]:8123/done",
        "http://localhost:8123/done",
    ],
)
def test_a_loopback_address_is_good_on_any_port(phone, uri):
    code = phone.code(redirect_uri=uri)
    assert phone.redeem(code, redirect_uri=uri).status_code == 200


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("http://127.0.0.1:8123/other", id="path"),
        pytest.param("http://127.0.0.1:8123/done/", id="slash"),
        pytest.param("http://127.0.0.2:8123/done", id="other-address"),
        pytest.param("http://127.0.0.1:8123@evil.example/done", id="userinfo"),
        pytest.param("http://127.0.0.1:123456/done", id="long-port"),
        pytest.param("http://127.0.0.1:/done", id="empty-port"),
        pytest.param("http://127.0.0.1:80a/done", id="no-number"),
        pytest.param("http://127.0.0.1:٣/done", id="other-digits"),
        pytest.param("http://127.0.0.1.evil.example:80/done", id="suffix"),
        pytest.param("https://127.0.0.1:8123/done", id="https"),
        pytest.param("http://127.0.0.1:8123/done#x", id="fragment"),
    ],
)
def test_a_loopback_address_is_exact_but_for_the_port(phone, uri):
    assert shown(phone.ask(redirect_uri=uri))


def test_redeem_on_another_port_than_the_codes_answers_400(phone):
    code = phone.code(redirect_uri="http://127.0.0.1:8123/done")
    answer = phone.redeem(code, redirect_uri="http://127.0.0.1:8124/done")
    assert refused(answer, "invalid_grant")


# --- consent (RFC 6749, 10.12 and 10.13)


def test_consent_answers_the_client_with_code_state_and_issuer(app, reports):
    told = answer_of(reports.decide(reports.ask(state="a b&c=d")))
    assert told.keys() == {"code", "state", "iss"}
    assert told["state"] == "a b&c=d"
    assert told["iss"] == app.config["PUBLIC_URL"]


def test_a_denial_tells_the_client(app, reports):
    told = answer_of(reports.decide(reports.ask(), decision="deny", password=""))
    told.pop("error_description", None)
    issuer = app.config["PUBLIC_URL"]
    assert told == {"error": "access_denied", "state": "xyz", "iss": issuer}


@pytest.mark.parametrize("decision", ["", "Allow", "yes"])
def test_whatever_is_no_consent_is_a_denial(reports, decision):
    told = answer_of(reports.decide(reports.ask(), decision=decision))
    assert told["error"] == "access_denied"


def test_a_wrong_password_shows_the_page_again(reports):
    page = reports.decide(reports.ask(), password="wrong")
    assert shown(page, 401)
    assert PASSWORD not in page.text and "wrong</" not in page.text
    assert answer_of(reports.decide(page)).keys() == {"code", "state", "iss"}


def test_a_password_guessed_too_often_answers_429(reports):
    page = reports.ask()
    for _ in range(10):
        assert shown(reports.decide(page, password="wrong"), 401)
    assert shown(reports.decide(page), 429)


def test_a_user_of_another_account_cannot_consent(reports, rival):
    add_user(rival, "viewer")
    page = reports.decide(reports.ask(), username="viewer@example.com")
    assert shown(page, 401)


@pytest.mark.parametrize(
    "own",
    [
        pytest.param({"csrf_token": None}, id="no-token"),
        pytest.param({"csrf_token": "x" * 64}, id="wrong-token"),
        pytest.param({"csrf_token": "é"}, id="odd-token"),
        pytest.param({"scope": "sample_customers:read"}, id="other-scope"),
        pytest.param({"state": "other"}, id="other-state"),
        pytest.param({"redirect_uri": "https://evil.example/"}, id="other-address"),
        pytest.param({"code_challenge": "x" * 43}, id="other-challenge"),
        pytest.param({"client_id": "nobody"}, id="other-client"),
    ],
)
def test_a_form_that_was_not_shown_is_refused(reports, own):
    answer = reports.decide(reports.ask(), **own)
    assert answer.status_code in (400, 403)
    assert shown(answer, answer.status_code)


def test_a_form_from_another_browser_is_refused(app, reports):
    page = reports.ask()
    assert shown(reports.elsewhere(app.test_client()).decide(page), 403)


@pytest.fixture
def cookieless(app: Flask, reports: App) -> App:
    """Reports in a browser that sends the cookies that it is told to, and no other."""
    return reports.elsewhere(app.test_client(use_cookies=False))


FORGED = ["", "é", "\xff\xfe", '"', "x", "a" * 31 + "é", '"' + "a" * 31, "a" * 4000]


@pytest.mark.parametrize("cookie", FORGED)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_form_with_another_cookie_is_refused(cookieless, cookie, encoding):
    sent = {"Cookie": f"consent={cookie}".encode(encoding).decode("latin-1")}
    fields = {"csrf_token": "x", "decision": "allow"} | cookieless.question()
    answer = cookieless.http.post(AUTHORIZE, data=fields, headers=sent)
    assert shown(answer, 403)


@pytest.mark.parametrize("cookie", FORGED)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_cookie_that_was_not_made_here_is_replaced(cookieless, cookie, encoding):
    sent = {"Cookie": f"consent={cookie}".encode(encoding).decode("latin-1")}
    asked = cookieless.question()
    page = cookieless.http.get(AUTHORIZE, query_string=asked, headers=sent)
    assert page.status_code == 200
    made = page.headers["Set-Cookie"].partition(";")[0].removeprefix("consent=")
    assert re.fullmatch(r"[\w-]{32}", made, re.ASCII) and made != cookie


def test_a_cookie_that_was_made_here_stays(cookieless):
    sent = {"Cookie": f"consent={'a-_9' * 8}"}
    asked = cookieless.question()
    page = cookieless.http.get(AUTHORIZE, query_string=asked, headers=sent)
    assert page.headers["Set-Cookie"].startswith(f"consent={'a-_9' * 8};")


def test_the_page_runs_no_script_and_is_in_no_frame(reports):
    page = reports.ask()
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "script-src" not in policy and "unsafe" not in policy
    assert page.headers["X-Frame-Options"] == "DENY"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"
    cookie = page.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie


def test_the_page_shows_a_clients_name_as_text(acme):
    page = register(acme, name='<img src=x onerror="alert(1)">').ask()
    assert "<img" not in page.text and "&lt;img" in page.text


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param({"data": b"\xff"}, 400, id="no-form"),
        pytest.param({"content_type": "application/json"}, 415, id="json"),
        pytest.param({"headers": {"Accept": "application/json"}}, 406, id="accept"),
        pytest.param({"data": b"x" * 2_000_000}, 413, id="large"),
        pytest.param(
            {"environ_overrides": CHUNKED},
            411,
            id="chunks",
        ),
    ],
)
def test_a_form_that_cannot_be_read_is_told_to_the_user(client, sent, status):
    form = {"content_type": "application/x-www-form-urlencoded"}
    assert shown(client.post(AUTHORIZE, **form | sent), status)


def test_authorize_for_a_caller_who_takes_no_page_answers_406(reports):
    sent = {"Accept": "application/json"}
    query = reports.question()
    answer = reports.http.get(AUTHORIZE, query_string=query, headers=sent)
    assert shown(answer, 406)


# --- the code (RFC 6749, 4.1; RFC 7636; RFC 9700, 2.1)


def test_a_code_is_good_once_and_its_second_use_ends_its_tokens(
    acme, reports, pass_time
):
    code = reports.code()
    tokens = reports.redeem(code).json
    assert is_good(acme, tokens)
    assert refused(reports.redeem(code), "invalid_grant")
    pass_time(seconds=1)
    assert not is_good(acme, tokens)
    assert refused(reports.refresh(tokens["refresh_token"]), "invalid_grant")


def test_a_second_use_of_a_code_is_noticed_when_it_has_expired(
    acme, reports, pass_time
):
    code = reports.code()
    tokens = reports.redeem(code).json
    pass_time(minutes=5)
    assert is_good(acme, tokens)
    assert refused(reports.redeem(code), "invalid_grant")
    pass_time(seconds=1)
    assert not is_good(acme, tokens)


def test_a_code_is_good_for_60_seconds(reports, pass_time):
    first, second = reports.code(), reports.code()
    pass_time(seconds=58)
    assert reports.redeem(first).status_code == 200
    pass_time(seconds=3)
    assert refused(reports.redeem(second), "invalid_grant")


@pytest.mark.parametrize("whose", ["other", "foreign", "phone"])
def test_a_code_of_another_client_answers_400_and_stays_good(reports, whose, request):
    code = reports.code()
    thief: App = request.getfixturevalue(whose)
    own = {"redirect_uri": reports.redirect_uri}
    assert refused(thief.redeem(code, **own), "invalid_grant")
    assert reports.redeem(code).status_code == 200


@pytest.mark.parametrize(
    ("own", "error"),
    [
        pytest.param({"code": "nonsense"}, "invalid_grant", id="unknown-code"),
        pytest.param({"code": "é"}, "invalid_request", id="odd-code"),
        pytest.param({"code": None}, "invalid_request", id="no-code"),
        pytest.param({"redirect_uri": None}, "invalid_grant", id="no-address"),
        pytest.param(
            {"redirect_uri": CALLBACK + "/"}, "invalid_grant", id="other-address"
        ),
        pytest.param({"code_verifier": None}, "invalid_request", id="no-verifier"),
        pytest.param({"code_verifier": ""}, "invalid_request", id="empty-verifier"),
        pytest.param({"code_verifier": "short"}, "invalid_request", id="short"),
        pytest.param(
            {"code_verifier": "x" * 129}, "invalid_request", id="long-verifier"
        ),
        pytest.param({"code_verifier": "x" * 43}, "invalid_grant", id="wrong-verifier"),
        pytest.param(
            {"code_verifier": challenge_of(VERIFIER)}, "invalid_grant", id="plain"
        ),
        pytest.param({"code_verifier": "é" * 43}, "invalid_request", id="not-ascii"),
    ],
)
@pytest.mark.parametrize("whose", ["reports", "phone"])
def test_redeem_with_something_wrong_answers_400(acme, whose, own, error, request):
    client: App = request.getfixturevalue(whose)
    assert refused(client.redeem(**{"code": client.code()} | own), error)


def test_redeem_without_proof_of_the_client_answers_401(reports):
    code = reports.code()
    assert refused(reports.redeem(code, client_secret=None), "invalid_client", 401)
    assert refused(reports.redeem(code, client_secret="x"), "invalid_client", 401)
    assert reports.redeem(code).status_code == 200


def test_a_code_redeemed_by_many_at_once_gives_tokens_once(app, reports):
    code = reports.code()
    answers = at_once(app, reports, lambda client: client.redeem(code))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 400: 19}


# --- refresh tokens (RFC 6749, 6; RFC 9700, 4.14)


def at_once(app: Flask, client: App, call: Any) -> list[TestResponse]:
    """Let twenty copies of a client do something at the same moment."""
    barrier = Barrier(CALLERS)

    def one(_: int) -> TestResponse:
        own = client.elsewhere(app.test_client())
        barrier.wait()
        answer: TestResponse = call(own)
        return answer

    with ThreadPoolExecutor(CALLERS) as pool:
        return list(pool.map(one, range(CALLERS)))


def test_refresh_answers_new_tokens_and_the_old_access_token_lives_on(acme, reports):
    first = reports.tokens()
    second = reports.refresh(first["refresh_token"]).json
    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    assert is_good(acme, first) and is_good(acme, second)


def test_a_replayed_refresh_token_ends_the_family(acme, reports, pass_time):
    first = reports.tokens()
    second = reports.refresh(first["refresh_token"]).json
    pass_time(seconds=11)
    assert refused(reports.refresh(first["refresh_token"]), "invalid_grant")
    assert refused(reports.refresh(second["refresh_token"]), "invalid_grant")
    pass_time(seconds=1)
    assert not is_good(acme, first) and not is_good(acme, second)


def test_a_lost_answer_may_be_asked_for_again_within_ten_seconds(
    acme, reports, pass_time
):
    first = reports.tokens()
    second = reports.refresh(first["refresh_token"]).json
    pass_time(seconds=9)
    again = reports.refresh(first["refresh_token"]).json
    assert again["refresh_token"] == second["refresh_token"]
    assert is_good(acme, again)
    assert reports.refresh(again["refresh_token"]).status_code == 200


def test_a_predecessor_whose_successor_was_used_ends_the_family(reports):
    first = reports.tokens()
    second = reports.refresh(first["refresh_token"]).json
    third = reports.refresh(second["refresh_token"]).json
    assert refused(reports.refresh(first["refresh_token"]), "invalid_grant")
    assert refused(reports.refresh(third["refresh_token"]), "invalid_grant")


def test_a_grandparent_within_ten_seconds_ends_the_family(reports):
    tokens = [reports.tokens()["refresh_token"]]
    for _ in range(3):
        tokens.append(reports.refresh(tokens[-1]).json["refresh_token"])
    assert refused(reports.refresh(tokens[1]), "invalid_grant")
    assert refused(reports.refresh(tokens[3]), "invalid_grant")


def test_a_retry_does_not_lengthen_the_ten_seconds(reports, pass_time):
    first = reports.tokens()["refresh_token"]
    reports.refresh(first)
    pass_time(seconds=6)
    assert reports.refresh(first).status_code == 200
    pass_time(seconds=6)
    assert refused(reports.refresh(first), "invalid_grant")


def test_twenty_parallel_refreshes_get_one_successor(app, acme, reports):
    first = reports.tokens()
    answers = at_once(
        app, reports, lambda client: client.refresh(first["refresh_token"])
    )
    assert Counter(answer.status_code for answer in answers) == {200: CALLERS}
    (successor,) = {json_of(answer)["refresh_token"] for answer in answers}
    assert all(is_good(acme, answer.json) for answer in answers)
    assert reports.refresh(successor).status_code == 200


@pytest.mark.parametrize("whose", ["other", "foreign", "phone"])
def test_a_refresh_token_of_another_client_answers_400_and_stays_good(
    reports, whose, request
):
    token = reports.tokens()["refresh_token"]
    thief: App = request.getfixturevalue(whose)
    assert refused(thief.refresh(token), "invalid_grant")
    assert reports.refresh(token).status_code == 200


def test_a_refresh_token_of_a_client_is_not_good_without_the_client(reports):
    token = reports.tokens()["refresh_token"]
    nobody = {"client_id": None, "client_secret": None}
    assert refused(reports.refresh(token, **nobody), "invalid_grant")
    secretless = reports.refresh(token, client_secret=None)
    assert refused(secretless, "invalid_client", 401)
    assert reports.refresh(token).status_code == 200


@pytest.mark.parametrize(
    "scope",
    [
        pytest.param("sample_customers:read sample_customers:write", id="wider"),
        pytest.param("*", id="every"),
        pytest.param("sample_customers:read nonsense", id="unknown"),
    ],
)
def test_refresh_for_more_than_was_consented_to_answers_400(reports, scope):
    tokens = reports.tokens(scope="sample_customers:read")
    answer = reports.refresh(tokens["refresh_token"], scope=scope)
    assert refused(answer, "invalid_scope")
    assert reports.refresh(tokens["refresh_token"]).status_code == 200


def test_refresh_of_every_scope_for_an_unknown_one_answers_400(acme, client):
    login = json_of(log_in(acme))

    def refresh(**own):
        sent = {"grant_type": "refresh_token", "refresh_token": login["refresh_token"]}
        return client.post(TOKEN, data=sent | own)

    for scope in (
        "q" * 64,
        "sample_customers:read nonsense",
        "sample_customers:delete",
    ):
        assert refused(refresh(scope=scope), "invalid_scope")
    [stored] = rows_of(client.application, acme.account_id)["refresh_tokens"]
    assert stored["used_at"] is None
    once = json_of(refresh(scope="sample_customers:read sample_customers:read"))
    assert once["scope"] == "sample_customers:read"


def test_refresh_for_less_lessens_the_access_token_alone(reports):
    first = reports.tokens()
    second = reports.refresh(first["refresh_token"], scope="sample_customers:read").json
    assert second["scope"] == "sample_customers:read"
    assert part_of(second["access_token"], 1)["scope"] == "sample_customers:read"
    third = reports.refresh(second["refresh_token"]).json
    assert third["scope"] == first["scope"]


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("nonsense", id="nonsense"),
        pytest.param("myapp_refresh_", id="prefix"),
        pytest.param("myapp_refresh_" + "A" * 70, id="well-formed"),
    ],
)
def test_an_unknown_refresh_token_answers_400(reports, token):
    assert refused(reports.refresh(token), "invalid_grant")


def test_a_refresh_token_ends_with_its_session(reports, app, pass_time):
    token = reports.tokens()["refresh_token"]
    pass_time(days=app.config["SESSION_DAYS"], seconds=1)
    assert refused(reports.refresh(token), "invalid_grant")


# --- revocation (RFC 7009)


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_revoke_ends_the_session_within_a_second(acme, reports, kind, pass_time):
    tokens = reports.tokens()
    revoked = reports.send(REVOKE, token=tokens[kind], token_type_hint=kind)
    assert revoked.status_code == 200
    pass_time(seconds=1)
    assert not is_good(acme, tokens)
    assert refused(reports.refresh(tokens["refresh_token"]), "invalid_grant")


def test_revoke_is_seen_by_another_worker_within_a_second(
    acme, reports, start_app, pass_time
):
    elsewhere = reports.elsewhere(start_app().test_client())
    there = Actor(elsewhere.http, acme.account_id, "")
    tokens = reports.tokens()
    assert is_good(there, tokens)
    assert elsewhere.is_active(tokens["access_token"])
    reports.send(REVOKE, token=tokens["refresh_token"])
    pass_time(seconds=1)
    assert not is_good(there, tokens)
    assert not elsewhere.is_active(tokens["access_token"])


@pytest.mark.parametrize(
    "token", ["nonsense", "myapp_refresh_x", "a.b.c", "é", "myapp_code_x"]
)
def test_revoke_of_an_unknown_token_answers_200(reports, token):
    assert reports.send(REVOKE, token=token).status_code == 200


def test_revoke_twice_answers_200(reports):
    token = reports.tokens()["refresh_token"]
    assert reports.send(REVOKE, token=token).status_code == 200
    assert reports.send(REVOKE, token=token).status_code == 200


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "nonsense"])
def test_revoke_needs_no_right_hint(acme, reports, hint, pass_time):
    tokens = reports.tokens()
    reports.send(REVOKE, token=tokens["refresh_token"], token_type_hint=hint)
    pass_time(seconds=1)
    assert not is_good(acme, tokens)


def test_revoke_by_a_refresh_token_that_was_used_ends_the_session(reports):
    first = reports.tokens()
    second = reports.refresh(first["refresh_token"]).json
    assert reports.send(REVOKE, token=first["refresh_token"]).status_code == 200
    assert refused(reports.refresh(second["refresh_token"]), "invalid_grant")


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
@pytest.mark.parametrize("whose", ["other", "foreign", "phone"])
def test_revoke_of_another_clients_token_answers_400(
    acme, reports, whose, kind, request, pass_time
):
    tokens = reports.tokens()
    thief: App = request.getfixturevalue(whose)
    assert refused(thief.send(REVOKE, token=tokens[kind]), "invalid_grant")
    pass_time(seconds=1)
    assert is_good(acme, tokens)


def test_revoke_by_nobody_answers_400_and_ends_nothing(reports):
    token = reports.tokens()["refresh_token"]
    answer = reports.http.post(REVOKE, data={"token": token})
    assert refused(answer, "invalid_grant")
    assert reports.is_active(token)


def test_revoke_without_a_token_answers_400(reports):
    assert refused(reports.send(REVOKE), "invalid_request")


def test_revoke_by_a_client_that_does_not_prove_itself_answers_401(reports):
    answer = reports.send(REVOKE, token="x", client_secret="wrong")
    assert refused(answer, "invalid_client", 401)


# --- introspection (RFC 7662)


def test_introspect_of_an_access_token_tells_its_claims(reports):
    tokens = reports.tokens()
    claims = part_of(tokens["access_token"], 1)
    told = reports.send(INTROSPECT, token=tokens["access_token"])
    assert told.headers["Cache-Control"] == "no-store"
    names = ("scope", "sub", "iss", "aud", "jti", "exp", "iat", "client_id")
    expected = {name: claims[name] for name in names}
    assert told.json == {"active": True, "token_type": "Bearer"} | expected


def test_introspect_of_a_refresh_token_says_that_it_is_alive(reports):
    first = reports.tokens()["refresh_token"]
    assert reports.is_active(first)
    second = reports.refresh(first).json["refresh_token"]
    assert not reports.is_active(first)
    assert reports.is_active(second)


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
@pytest.mark.parametrize("whose", ["other", "foreign"])
def test_introspect_of_another_clients_token_says_only_inactive(
    reports, whose, kind, request
):
    token = reports.tokens()[kind]
    thief: App = request.getfixturevalue(whose)
    told = thief.send(INTROSPECT, token=token)
    assert (told.status_code, told.json) == (200, {"active": False})


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("nonsense", id="nonsense"),
        pytest.param("a.b.c", id="three-parts"),
        pytest.param("é", id="not-ascii"),
        pytest.param("myapp_refresh_" + "A" * 70, id="unknown"),
    ],
)
def test_introspect_of_an_unknown_token_says_only_inactive(reports, token):
    told = reports.send(INTROSPECT, token=token)
    assert (told.status_code, told.json) == (200, {"active": False})


def test_introspect_of_a_login_an_api_key_or_a_code_says_only_inactive(acme, reports):
    for token in (sign_in(acme).key, acme.key, reports.code()):
        assert reports.send(INTROSPECT, token=token).json == {"active": False}


def test_introspect_of_an_expired_token_says_only_inactive(reports, app, pass_time):
    token = reports.tokens()["access_token"]
    pass_time(seconds=app.config["ACCESS_TOKEN_SECONDS"] + 31)
    assert reports.send(INTROSPECT, token=token).json == {"active": False}


def test_introspect_by_a_public_client_answers_401(phone):
    token = phone.tokens()["access_token"]
    assert refused(phone.send(INTROSPECT, token=token), "invalid_client", 401)


def test_introspect_by_nobody_answers_401(client, reports):
    token = reports.tokens()["access_token"]
    answer = client.post(INTROSPECT, data={"token": token})
    assert refused(answer, "invalid_client", 401)


def test_introspect_with_a_bearer_token_instead_answers_401(acme, reports):
    token = reports.tokens()["access_token"]
    answer = holder(acme, token).post(INTROSPECT, data={"token": token})
    assert refused(answer, "invalid_client", 401)


def test_introspect_without_a_token_answers_400(reports):
    assert refused(reports.send(INTROSPECT), "invalid_request")


def test_introspect_needs_no_right_hint(reports):
    sent = {"token": reports.tokens()["access_token"], "token_type_hint": "nonsense"}
    assert reports.send(INTROSPECT, **sent).json["active"] is True


# --- headers (RFC 6749, 5.1; RFC 6750, 3)


@pytest.mark.parametrize("url", [TOKEN, INTROSPECT, REVOKE])
def test_no_cache_keeps_an_answer(reports, url):
    sent = {"grant_type": "client_credentials", "token": "x"}
    answer = reports.send(url, **sent)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Pragma"] == "no-cache"


def test_no_cache_keeps_a_redirection(reports):
    answer = reports.decide(reports.ask())
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_request_without_a_token_is_told_no_error(client):
    answer = client.get(URL)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="myapp"'


def test_a_request_with_a_bad_token_is_told_so(client):
    answer = client.get(URL, headers={"Authorization": "Bearer nonsense"})
    assert answer.status_code == 401
    challenge = 'Bearer realm="myapp", error="invalid_token"'
    assert answer.headers["WWW-Authenticate"] == challenge


def test_a_request_beyond_the_scope_is_told_which(acme, reports):
    token = reports.own_token(scope="sample_customers:read")
    body = {"name": "Ada", "email": "ada@example.com"}
    answer = holder(acme, token).post(URL, json=body)
    assert answer.status_code == 403
    challenge = 'Bearer realm="myapp", error="insufficient_scope"'
    scope = ', scope="sample_customers:write"'
    assert answer.headers["WWW-Authenticate"] == challenge + scope


# --- what ends tokens


@pytest.fixture
def viewer(acme: Actor) -> dict[str, Any]:
    """Somebody else of acme's, as they are shown."""
    shown: dict[str, Any] = add_user(acme, "viewer").get("/v1/users/me").json
    return shown


def tokens_of(client: App, user: dict[str, Any]) -> Any:
    """Return the tokens that a user's consent leads to."""
    consented = client.decide(client.ask(), username=user["email"])
    return client.redeem(answer_of(consented)["code"]).json


def assert_ended(actor: Actor, client: App, tokens: Any, error: str) -> None:
    """Fail unless an access and a refresh token are good for nothing any more."""
    assert not is_good(actor, tokens)
    answer = client.refresh(tokens["refresh_token"])
    assert refused(answer, error, 401 if error == "invalid_client" else 400)


def test_a_user_who_is_switched_off_loses_all_tokens(acme, reports, viewer, pass_time):
    tokens = tokens_of(reports, viewer)
    assert is_good(acme, tokens)
    acme.merge(f"/v1/users/{viewer['id']}", {"is_active": False})
    pass_time(seconds=1)
    assert_ended(acme, reports, tokens, "invalid_grant")


def test_a_user_who_is_removed_loses_all_tokens(acme, reports, viewer, pass_time):
    tokens = tokens_of(reports, viewer)
    assert acme.delete(f"/v1/users/{viewer['id']}").status_code == 204
    pass_time(seconds=1)
    assert_ended(acme, reports, tokens, "invalid_grant")


@pytest.mark.parametrize("how", ["off", "removed"])
def test_a_code_of_a_user_who_is_gone_answers_400(acme, reports, viewer, how):
    consented = reports.decide(reports.ask(), username=viewer["email"])
    code = answer_of(consented)["code"]
    where = f"/v1/users/{viewer['id']}"
    if how == "off":
        assert acme.merge(where, {"is_active": False}).status_code == 200
    else:
        assert acme.delete(where).status_code == 204
    assert refused(reports.redeem(code), "invalid_grant")


def test_a_user_with_a_lower_role_reaches_less_within_a_second(
    acme, reports, pass_time
):
    member = add_user(acme, "member").get("/v1/users/me").json
    actor = holder(acme, tokens_of(reports, member)["access_token"])
    body = {"name": "Ada", "email": "ada@example.com"}
    assert actor.post(URL, json=body).status_code == 201
    acme.merge(f"/v1/users/{member['id']}", {"role": "viewer"})
    pass_time(seconds=1)
    assert actor.post(URL, json=body).status_code == 403


def client_url(acme: Actor, client: App) -> str:
    """Return the address of a client of acme's."""
    items = acme.get(CLIENTS).json["items"]
    (id,) = (item["id"] for item in items if item["client_id"] == client.client_id)
    return f"{CLIENTS}/{id}"


def test_a_client_that_is_switched_off_loses_all_tokens(acme, reports, pass_time):
    tokens = reports.tokens()
    own = reports.credentials_token().json
    assert is_good(acme, own)
    acme.merge(client_url(acme, reports), {"is_active": False})
    pass_time(seconds=1)
    assert not is_good(acme, own)
    assert_ended(acme, reports, tokens, "invalid_client")
    assert shown(reports.ask())


def test_a_client_that_is_removed_loses_all_tokens(acme, reports, pass_time):
    tokens = reports.tokens()
    assert acme.delete(client_url(acme, reports)).status_code == 204
    pass_time(seconds=1)
    assert_ended(acme, reports, tokens, "invalid_client")


def test_a_client_with_fewer_scopes_reaches_less_within_a_second(
    acme, reports, pass_time
):
    tokens = reports.tokens()
    assert is_good(acme, tokens)
    acme.merge(client_url(acme, reports), {"scopes": ["sample_customers:write"]})
    pass_time(seconds=1)
    assert not is_good(acme, tokens)
    body = {"name": "Ada", "email": "ada@example.com"}
    writer = holder(acme, tokens["access_token"])
    assert writer.post(URL, json=body).status_code == 201


def test_a_closed_account_ends_all_tokens(acme, reports, pass_time):
    tokens, code = reports.tokens(), reports.code()
    assert acme.delete(f"/v1/accounts/{acme.account_id}").status_code == 204
    pass_time(seconds=1)
    assert_ended(acme, reports, tokens, "invalid_client")
    assert refused(reports.credentials_token(), "invalid_client", 401)
    assert refused(reports.redeem(code), "invalid_client", 401)
    assert shown(reports.ask())


def test_a_changed_password_ends_all_tokens(acme, reports, pass_time):
    user = sign_in(acme)
    tokens = reports.tokens()
    own = f"/v1/users/{user.get('/v1/users/me').json['id']}"
    change = {"password": "another horse battery", "current_password": PASSWORD}
    assert user.merge(own, change).status_code == 200
    pass_time(seconds=1)
    assert_ended(acme, reports, tokens, "invalid_grant")
    assert user.get(URL).status_code == 401


# --- what a program calls itself


def test_a_user_agent_is_kept_in_printable_characters(acme, client, reports):
    client.environ_base["HTTP_USER_AGENT"] = "Bro\0wser\x1b[31m/1.0\x7f"
    assert log_in(acme).status_code == 200
    assert reports.credentials_token().status_code == 200
    reports.tokens()
    sessions = rows_of(client.application, acme.account_id)["sessions"]
    assert {row["user_agent"] for row in sessions} == {"Browser[31m/1.0"}
    assert len(sessions) == 3


# --- what fails on our side


@pytest.fixture
def dead(start_app):
    """A caller of an application that has lost its database."""
    return start_app(DATABASE_URL="sqlite:////nowhere/none.sqlite").test_client()


@pytest.mark.parametrize("url", [TOKEN, REVOKE, INTROSPECT])
def test_without_the_database_a_client_is_told_to_try_again(dead, reports, url):
    answer = reports.elsewhere(dead).send(
        url, grant_type="client_credentials", token="x"
    )
    assert refused(answer, "temporarily_unavailable", 503)
    assert answer.headers["Retry-After"] == "1"


def test_without_the_database_a_user_is_told_to_try_again(dead, reports):
    there = reports.elsewhere(dead)
    assert shown(there.ask(), 503)
    page = reports.ask()
    cookie = reports.http.get_cookie("consent", path=AUTHORIZE)
    dead.set_cookie("consent", cookie.value, path=AUTHORIZE)
    assert shown(there.decide(page), 503)


# --- the table


PROMISED = {
    "credentials in query": "test_token_with_credentials_in_the_query_answers_400",
    "GET on token": "test_token_by_another_method_answers_405",
    "duplicate parameters": "test_token_with_a_parameter_given_twice_answers_400",
    "duplicate parameters, authorize": (
        "test_authorize_with_a_parameter_given_twice_answers_400"
    ),
    "two auth methods": "test_two_ways_to_authenticate_answer_400",
    "wrong content type": "test_a_body_of_another_type_answers_415",
    "unknown grant": "test_token_by_an_unsupported_grant_answers_400[unknown]",
    "unsupported grant": "test_token_by_an_unsupported_grant_answers_400[implicit]",
    "not-allowed grant": (
        "test_token_by_a_grant_that_the_client_may_not_use_answers_400"
    ),
    "client A's code used by B": (
        "test_a_code_of_another_client_answers_400_and_stays_good"
    ),
    "client A's refresh token used by B": (
        "test_a_refresh_token_of_another_client_answers_400_and_stays_good"
    ),
    "client A's token introspected by B": (
        "test_introspect_of_another_clients_token_says_only_inactive"
    ),
    "client A's token revoked by B": (
        "test_revoke_of_another_clients_token_answers_400"
    ),
    "scope widening at refresh": (
        "test_refresh_for_more_than_was_consented_to_answers_400"
    ),
    "code reuse revokes": (
        "test_a_code_is_good_once_and_its_second_use_ends_its_tokens"
    ),
    "code > 60 s": "test_a_code_is_good_for_60_seconds",
    **{
        f"redirect off by {name}": (
            f"test_authorize_with_another_address_is_told_to_the_user[{id}]"
        )
        for name, id in {
            "case": "path-case",
            "slash": "slash",
            "port": "port",
            "userinfo": "userinfo",
            "fragment": "fragment",
        }.items()
    },
    "error never redirected to an unvalidated URI": (
        "test_authorize_with_another_address_is_told_to_the_user" "[other-host]"
    ),
    "PKCE missing": "test_authorize_with_an_error_tells_the_client[no-pkce]",
    "PKCE plain": "test_authorize_with_an_error_tells_the_client[plain]",
    "PKCE short": "test_authorize_with_an_error_tells_the_client[short]",
    "PKCE downgrade": (
        "test_redeem_with_something_wrong_answers_400[phone-no-verifier]"
    ),
    "iss in the answer": ("test_consent_answers_the_client_with_code_state_and_issuer"),
    "refresh replay (family dies)": "test_a_replayed_refresh_token_ends_the_family",
    "20 parallel refreshes": "test_twenty_parallel_refreshes_get_one_successor",
    "retry of the predecessor within 10 s": (
        "test_a_lost_answer_may_be_asked_for_again_within_ten_seconds"
    ),
    "grandparent within 10 s": (
        "test_a_grandparent_within_ten_seconds_ends_the_family"
    ),
    "revoke is 200 for unknown tokens": ("test_revoke_of_an_unknown_token_answers_200"),
    "introspection needs client auth": "test_introspect_by_nobody_answers_401",
    "introspection says only active: false": (
        "test_introspect_of_an_unknown_token_says_only_inactive"
    ),
    "no-store headers": "test_no_cache_keeps_an_answer",
    "WWW-Authenticate, no token": "test_a_request_without_a_token_is_told_no_error",
    "WWW-Authenticate, bad token": "test_a_request_with_a_bad_token_is_told_so",
    "WWW-Authenticate, scope": "test_a_request_beyond_the_scope_is_told_which",
    "disabled user kills tokens": ("test_a_user_who_is_switched_off_loses_all_tokens"),
    "disabled client kills tokens": (
        "test_a_client_that_is_switched_off_loses_all_tokens"
    ),
    "closed tenant kills tokens": "test_a_closed_account_ends_all_tokens",
    "password change kills sessions": "test_a_changed_password_ends_all_tokens",
    "loopback redirect on any port": "test_a_loopback_address_is_good_on_any_port",
    "password grant on": "test_password_grant_of_a_first_party_client_answers_200",
    "password grant off": "test_password_grant_that_is_off_answers_400",
    "password grant of others": ("test_password_grant_of_another_client_answers_400"),
    "odd characters, token": ("test_token_with_odd_characters_answers_an_oauth_error"),
    "odd characters, authorize": "test_authorize_with_odd_characters_is_no_failure",
    "malformed Basic": "test_a_malformed_basic_header_answers_401",
    "percent-encoded Basic": "test_token_with_percent_encoded_basic_answers_200",
}
"""Each case that the project promises, and the id of its test; * stands for all."""


def ids_of(function: FunctionType) -> set[str]:
    """Return the ids of a test, without the engine: as `name` and `name[case]`."""
    found = [""]
    for mark in getattr(function, "pytestmark", ()):
        if mark.name == "parametrize":
            own = [getattr(each, "id", None) or str(each) for each in mark.args[1]]
            found = [f"{rest}-{id}".strip("-") for rest in found for id in own]
    name = function.__name__
    return {name} | {f"{name}[{case}]" for case in found if case}


@pytest.mark.parametrize("words", PROMISED)
def test_every_promised_case_is_a_test(words):
    tests = [test for test in globals().values() if isinstance(test, FunctionType)]
    ids = set().union(*map(ids_of, tests))
    assert PROMISED[words] in ids
