"""Who calls in a test: an account's key and the client it calls with."""

from dataclasses import dataclass
from functools import partialmethod
from typing import Any
from uuid import uuid4

from flask.testing import FlaskClient
from werkzeug.test import TestResponse


@dataclass(frozen=True)
class Actor:
    """A key of one account; `get`, `post`, `put`, `patch` and `delete` send it."""

    client: FlaskClient
    account_id: str
    key: str

    @property
    def headers(self) -> dict[str, str]:
        """The header that signs the actor in."""
        return {"Authorization": f"Bearer {self.key}"}

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
    body = {"name": name, "slug": f"{name}-{uuid4().hex[:12]}"}
    made = client.post("/v1/accounts", json=body)
    assert made.json is not None and made.status_code == 201, made.get_data()
    return Actor(client, made.json["id"], made.json["api_key"])
