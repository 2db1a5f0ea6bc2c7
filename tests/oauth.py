"""A small OAuth client: it registers, asks a user, redeems the code, and refreshes."""

import re
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, replace
from hashlib import sha256
from html import unescape
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from flask import json
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.actors import OWNER, PASSWORD, Actor

CLIENTS = "/v1/auth/clients"
TOKEN = "/v1/auth/token"
AUTHORIZE = "/v1/auth/authorize"
REVOKE = "/v1/auth/revoke"
INTROSPECT = "/v1/auth/introspect"
CALLBACK = "https://reports.acme.example/callback"
VERIFIER = "a-verifier-of-43-characters-or-more_unpadded.~"
REPORTS = {
    "name": "Acme Reports",
    "role": "member",
    "scopes": ["sample_customers:read", "sample_customers:write"],
    "grant_types": ["authorization_code", "client_credentials", "refresh_token"],
    "redirect_uris": [CALLBACK],
}


@dataclass(frozen=True)
class App:
    """A registered client; `send` is its back end, `ask` and `decide` a browser."""

    http: FlaskClient
    client_id: str
    client_secret: str | None = None
    redirect_uri: str = CALLBACK

    @property
    def credentials(self) -> dict[str, str]:
        """The fields of a form that authenticate it."""
        named = {"client_id": self.client_id}
        secret = self.client_secret
        return named | {"client_secret": secret} if secret else named

    @property
    def basic(self) -> dict[str, str]:
        """The header that authenticates it instead (RFC 6749, 2.3.1)."""
        return basic(f"{quote(self.client_id)}:{quote(self.client_secret or '')}")

    def elsewhere(self, http: FlaskClient) -> "App":
        """Return the same client, which calls from another place."""
        return replace(self, http=http)

    def send(self, url: str, **fields: Any) -> TestResponse:
        """Send a form with its credentials; a field of None is left out."""
        return self.http.post(url, data=given(self.credentials | fields))

    def credentials_token(self, **fields: Any) -> TestResponse:
        """Ask for a token of its own."""
        return self.send(TOKEN, grant_type="client_credentials", **fields)

    def own_token(self, **fields: Any) -> str:
        """Return an access token of its own."""
        made = self.credentials_token(**fields)
        assert made.status_code == 200, made.get_data()
        return str(json_of(made)["access_token"])

    def question(self, **fields: Any) -> dict[str, str]:
        """Return what it asks a user for, with PKCE."""
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "state": "xyz",
            "code_challenge": challenge_of(VERIFIER),
            "code_challenge_method": "S256",
        }
        return given(asked | fields)

    def ask(self, **fields: Any) -> TestResponse:
        """Send the user's browser to the consent page."""
        return self.http.get(AUTHORIZE, query_string=self.question(**fields))

    def decide(
        self,
        page: TestResponse,
        decision: str = "allow",
        username: str = OWNER,
        password: str = PASSWORD,
        **fields: Any,
    ) -> TestResponse:
        """Fill in the form of a consent page, and send it."""
        filled = {"username": username, "password": password, "decision": decision}
        return self.http.post(AUTHORIZE, data=given(form_of(page) | filled | fields))

    def code(self, **fields: Any) -> str:
        """Return the code that a user's consent leads to."""
        return answer_of(self.decide(self.ask(**fields)))["code"]

    def redeem(self, code: str | None, **fields: Any) -> TestResponse:
        """Exchange a code."""
        own = {"code": code, "redirect_uri": self.redirect_uri}
        own |= {"code_verifier": VERIFIER}
        return self.send(TOKEN, grant_type="authorization_code", **own | fields)

    def tokens(self, **fields: Any) -> Any:
        """Return the tokens that a user's consent leads to."""
        redeemed = self.redeem(self.code(**fields))
        assert redeemed.status_code == 200, redeemed.get_data()
        return json_of(redeemed)

    def refresh(self, refresh_token: str | None, **fields: Any) -> TestResponse:
        """Exchange a refresh token."""
        own = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return self.send(TOKEN, **own | fields)

    def is_active(self, token: str) -> bool:
        """Ask whether a token of its own is alive."""
        return bool(json_of(self.send(INTROSPECT, token=token))["active"])


def register(actor: Actor, **own: Any) -> App:
    """Register a client in an actor's account."""
    made = actor.post(CLIENTS, json=REPORTS | own)
    assert made.json is not None and made.status_code == 201, made.get_data()
    uris = made.json["redirect_uris"] or [CALLBACK]
    secret = made.json["client_secret"]
    return App(actor.client, made.json["client_id"], secret, uris[0])


def holder(actor: Actor, token: str) -> Actor:
    """Return who calls with an access token."""
    return Actor(actor.client, actor.account_id, token)


def given(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636, 4.2)."""
    return base64url(sha256(verifier.encode()).digest())


def basic(credentials: str | bytes) -> dict[str, str]:
    """Return the Authorization header of Basic credentials (RFC 7617)."""
    raw = credentials if isinstance(credentials, bytes) else credentials.encode()
    return {"Authorization": f"Basic {b64encode(raw).decode()}"}


def json_of(answer: TestResponse) -> Any:
    """Return what an answer says; fail for one that says nothing in JSON."""
    assert answer.json is not None, answer.get_data()
    return answer.json


def form_of(page: TestResponse) -> dict[str, str]:
    """Return the hidden fields of a consent page."""
    assert page.status_code in (200, 401), page.get_data()
    found = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text)
    return {name: unescape(value) for name, value in found}


def answer_of(redirection: TestResponse) -> dict[str, str]:
    """Return the query of the address that a client is answered at."""
    assert redirection.status_code == 303, redirection.get_data()
    query = parse_qs(urlsplit(redirection.location).query, keep_blank_values=True)
    assert all(len(values) == 1 for values in query.values())
    return {name: values[0] for name, values in query.items()}


def base64url(raw: bytes) -> str:
    """Return base64url without padding (RFC 7515)."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def part_of(token: str, number: int) -> dict[str, Any]:
    """Return the header (0) or the claims (1) of a JWT, unverified."""
    part = token.split(".")[number]
    read: dict[str, Any] = json.loads(urlsafe_b64decode(part + "=="))
    return read
