"""What takes part in OAuth, as Authlib asks it: a request, client, code or token."""

import re
from base64 import b64decode
from collections.abc import Mapping
from hmac import compare_digest
from typing import Any
from urllib.parse import unquote
from uuid import UUID

from authlib.oauth2.rfc6749 import (
    ClientMixin,
    OAuth2Request,
    TokenMixin,
    scope_to_list,
)
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from sqlalchemy import Row

from myapp import access
from myapp.access import EVERY_SCOPE
from myapp.errors import BadRequest
from myapp.request import Request
from myapp.sessions.models import Live, Origin
from myapp.tokens import digest

FORM_CREDENTIALS = {"client_id", "client_secret"}
BASIC = re.compile(r"Basic( +(?P<credentials>.*))?", re.IGNORECASE | re.DOTALL)
LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]|localhost))(?::\d{1,5})?(/.*)?")


class OAuthRequest(OAuth2Request):
    """A request as Authlib reads it: the fields of the form or of the query."""

    def __init__(self, request: Request, fields: Mapping[str, Any]) -> None:
        self.fields = {name: value for name, value in fields.items() if value}
        basic = BASIC.fullmatch(request.environ.get("HTTP_AUTHORIZATION", ""))
        self.names_client = bool(basic or self.fields.keys() & FORM_CREDENTIALS)
        header = _one_way_to_authenticate(basic, self.fields) if basic else ""
        # The transport is the proxy's business; Authlib asks for HTTPS here.
        super().__init__("POST", "https://myapp/", headers={"Authorization": header})
        self.payload = BasicOAuth2Payload(self.fields)
        self.origin = origin_of(request)

    @property
    def form(self) -> dict[str, Any]:
        """The fields of the body."""
        return self.fields


def origin_of(request: Request) -> Origin:
    """Return where a request came from, in printable text: no store takes NUL."""
    agent = request.environ.get("HTTP_USER_AGENT", "")
    return Origin(request.peer, "".join(filter(str.isprintable, agent)))


def _one_way_to_authenticate(basic: re.Match[str], fields: Mapping[str, Any]) -> str:
    """Return a Basic header that Authlib can read, "" for one that names nobody.

    Raises BadRequest where the body names another client, or a secret beside it.
    """
    try:
        raw = b64decode(basic["credentials"] or "", validate=True)
        named, _, _ = raw.decode().partition(":")
    except ValueError:
        named = ""
    if fields.get("client_secret") or fields.get("client_id") not in (
        None,
        unquote(named),
    ):
        raise BadRequest("A client authenticates in one way: by Basic or by the body.")
    return basic[0] if named else ""


class OAuthClient(ClientMixin):
    """A client as Authlib asks it."""

    def __init__(self, row: Row[Any]) -> None:
        self.row = row
        self.id: UUID | None = row.id

    def get_client_id(self) -> str:
        """Return its public name."""
        return str(self.row.client_id)

    def get_default_redirect_uri(self) -> None:
        """Return None: each request names the address that it wants."""

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """Return the scopes asked for, or all it may have; None where it may not."""
        asked, allowed = scope_to_list(scope), self.row.scopes
        if not asked:
            return " ".join(allowed)
        if not all(covers(allowed, each) for each in asked):
            return None
        return " ".join(dict.fromkeys(asked))

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Tell whether an address is registered; on loopback of any port (RFC 8252)."""
        wanted = _without_port(redirect_uri)
        return any(wanted == _without_port(uri) for uri in self.row.redirect_uris)

    def check_client_secret(self, client_secret: str) -> bool:
        """Tell whether a secret is its own."""
        stored = self.row.secret_sha256 or ""
        return compare_digest(digest(client_secret), stored)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Tell whether it may authenticate in a way: one with a secret must show it."""
        return bool(self.row.confidential) == (method != "none")

    def check_response_type(self, response_type: str) -> bool:
        """Tell whether it may ask for a code."""
        return self.check_grant_type("authorization_code")

    def check_grant_type(self, grant_type: str) -> bool:
        """Tell whether it may use a grant; passwords only pass through our own."""
        if grant_type == "password":
            return bool(self.row.first_party)
        return grant_type in self.row.grant_types


class NoClient(ClientMixin):
    """Whoever holds a token of a login, which was through no client."""

    id = None

    def check_grant_type(self, grant_type: str) -> bool:
        """Return True: the session decides."""
        return True


def covers(allowed: list[str], scope: str) -> bool:
    """Tell whether a scope is one that an operation asks for, and is allowed."""
    known = access.scopes | {EVERY_SCOPE}
    return scope in known and (scope in allowed or EVERY_SCOPE in allowed)


def _without_port(uri: str) -> str:
    local = LOOPBACK.fullmatch(uri)
    return f"{local[1]}{local[2] or ''}" if local else uri


class Code:
    """An authorization code as Authlib asks it."""

    code_challenge_method = "S256"

    def __init__(self, row: Row[Any]) -> None:
        self.row = row
        self.code_challenge = row.code_challenge

    def get_redirect_uri(self) -> str:
        """Return the address that it was sent to."""
        return str(self.row.redirect_uri)

    def get_scope(self) -> str:
        """Return what it stands for."""
        return " ".join(self.row.scopes)


class SessionToken(TokenMixin):
    """A token of a live session as Authlib asks it."""

    client_name = ""

    def __init__(self, found: Live, claims: Mapping[str, Any] | None = None) -> None:
        self.found = found
        self.claims = claims

    def check_client(self, client: OAuthClient | NoClient) -> bool:
        """Tell whether it was issued to a client."""
        return bool(self.found.session.client_id == client.id)

    def get_scope(self) -> str:
        """Return what the session reaches."""
        return " ".join(self.found.session.scopes)

    def is_expired(self) -> bool:
        """Return False: an expired token is not found."""
        return False

    is_revoked = is_expired
