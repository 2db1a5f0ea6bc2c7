"""Who calls in a test: an account's key and the client it calls with."""

from dataclasses import dataclass
from functools import partialmethod
from typing import Any
from uuid import UUID, uuid4

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from myapp import db
from myapp.users.models import create

OWNER = "owner@example.com"
PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Actor:
    """A key of one account; `get`, `post`, `put`, `patch` and `delete` send it.

    With an empty key the actor is nobody, and sends none.
    """

    client: FlaskClient
    account_id: str
    key: str

    @property
    def headers(self) -> dict[str, str]:
        """The header that signs the actor in."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def open(
        self, method: str, url: str, headers: Any = None, **options: Any
    ) -> TestResponse:
        """Send one request."""
        sent = self.headers | dict(headers or {})
        return self.client.open(url, method=method, headers=sent, **options)

    get = partialmethod(open, "GET")
    post = partialmethod(open, "POST")
    put = partialmethod(open, "PUT")
    patch = partialmethod(open, "PATCH")
    delete = partialmethod(open, "DELETE")
    options = partialmethod(open, "OPTIONS")
    head = partialmethod(open, "HEAD")

    def merge(self, url: str, change: Any, headers: Any = None) -> TestResponse:
        """Send a merge patch (RFC 7396)."""
        sent = {"Content-Type": "application/merge-patch+json"} | dict(headers or {})
        return self.open("PATCH", url, json=change, headers=sent)

    def json_patch(self, url: str, steps: Any, headers: Any = None) -> TestResponse:
        """Send a JSON Patch (RFC 6902)."""
        sent = {"Content-Type": "application/json-patch+json"} | dict(headers or {})
        return self.open("PATCH", url, json=steps, headers=sent)

    def with_key(self, role: str, scopes: list[str]) -> "Actor":
        """Return another key of the same account."""
        body = {"name": role, "role": role, "scopes": scopes}
        made = self.post("/v1/api_keys", json=body)
        assert made.status_code == 201, made.json
        return Actor(self.client, self.account_id, made.json["key"])


def sign_up(client: FlaskClient, name: str) -> Actor:
    """Open an account with a slug of its own."""
    slug = f"{name}-{uuid4().hex[:12]}"
    body = {"name": name, "slug": slug, "email": OWNER, "password": PASSWORD}
    made = client.post("/v1/accounts", json=body)
    assert made.json is not None and made.status_code == 201, made.get_data()
    return Actor(client, made.json["id"], made.json["api_key"])


def log_in(
    actor: Actor,
    username: str = OWNER,
    password: str = PASSWORD,
    address: str | None = None,
) -> TestResponse:
    """Send a login to an actor's account, from an address of that account's own.

    An address has only so many failures: tests that share one would disturb others.
    """
    slug = actor.get(f"/v1/accounts/{actor.account_id}").json["slug"]
    body = {"account": slug, "username": username, "password": password}
    peer = {"REMOTE_ADDR": address or home_of(actor)}
    return actor.client.post("/v1/auth/login", json=body, environ_base=peer)


def tokens_of(answer: TestResponse) -> Any:
    """Return the tokens that a login, or a client, is answered with."""
    assert answer.status_code == 200, answer.get_data()
    return answer.json


def home_of(actor: Actor) -> str:
    """Return an address that no other account's people have."""
    groups = [actor.account_id[-12:][at : at + 4] for at in (0, 4, 8)]
    return f"fd00:{':'.join(groups)}::1"


def sign_in(actor: Actor, username: str = OWNER, password: str = PASSWORD) -> Actor:
    """Return a person of an actor's account, signed in: the one who opened it."""
    tokens = tokens_of(log_in(actor, username, password))
    return Actor(actor.client, actor.account_id, tokens["access_token"])


def add_user(actor: Actor, role: str, username: str = "") -> Actor:
    """Return another person of an actor's account, signed in."""
    username = username or f"{role}@example.com"
    with db.use(actor.client.application.extensions["myapp"]):
        create(UUID(actor.account_id), username, PASSWORD, name=role, role=role)
    return sign_in(actor, username)


def id_of(user: Actor) -> str:
    """Return the id of a user."""
    return str(user.get("/v1/users/me").json["id"])
