"""The authorization server: Authlib's core, bound to our requests and stores.

Authlib checks requests and their order; clients, codes and tokens are ours. Its
defaults are overridden where they are too lenient: credentials are read from the body
alone, PKCE is required and S256, refresh tokens are rotated.
"""

import logging
import re
from base64 import b64decode
from collections.abc import Mapping
from hmac import compare_digest
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import msgspec
from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc6749 import (
    AuthorizationServer,
    ClientMixin,
    OAuth2Request,
    TokenMixin,
    grants,
    scope_to_list,
)
from authlib.oauth2.rfc6749.errors import (
    AccessDeniedError,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    OAuth2Error,
)
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from sqlalchemy import Row

from myapp import access, db
from myapp.access import EVERY_SCOPE
from myapp.auth.models import (
    TOKENS,
    as_record,
    begin_for,
    check_password,
    find_code,
    issue_code,
    redeem,
)
from myapp.auth.protocol import NOT_STORED
from myapp.clients.models import find
from myapp.errors import BadRequest, Reply
from myapp.request import Request
from myapp.sessions.models import (
    Live,
    Origin,
    Tokens,
    begin,
    claims_of,
    end,
    issue,
    live,
    renew,
    session_of,
)
from myapp.tokens import digest

# It writes every token that it issues to its log, at DEBUG.
logging.getLogger("authlib").setLevel(logging.WARNING)

CLIENT_AUTHENTICATION = ["none", "client_secret_basic", "client_secret_post"]
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
        self.origin = Origin(request.peer, request.environ.get("HTTP_USER_AGENT", ""))

    @property
    def form(self) -> dict[str, Any]:
        """The fields of the body."""
        return self.fields


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
        known = access.scopes | {EVERY_SCOPE}
        if not all(each in known and _covers(allowed, each) for each in asked):
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


def _covers(allowed: list[str], scope: str) -> bool:
    return scope in allowed or EVERY_SCOPE in allowed


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


class Grant:
    """What our grants have in common: how clients authenticate, whose scopes count."""

    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_AUTHENTICATION
    request: OAuthRequest

    def validate_requested_scope(self) -> None:
        """Raise InvalidScopeError for more than the client may have."""
        if self._client.get_allowed_scope(self.request.payload.scope) is None:
            raise InvalidScopeError()

    @property
    def _client(self) -> OAuthClient:
        client: OAuthClient = self.request.client
        return client

    def _scopes(self) -> list[str]:
        allowed = self._client.get_allowed_scope(self.request.payload.scope) or ""
        return allowed.split()

    @property
    def _renewable(self) -> bool:
        return self._client.check_grant_type("refresh_token")


class ClientCredentialsGrant(Grant, grants.ClientCredentialsGrant):
    """A client for itself; only one that keeps a secret (RFC 6749, section 4.4)."""

    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_AUTHENTICATION[1:]

    def generate_token(self, **_: Any) -> dict[str, Any]:
        """Begin a session of the client."""
        row, origin = self._client.row, self.request.origin
        return _answer(issue(begin(row.account_id, self._scopes(), origin, client=row)))


class PasswordGrant(Grant, grants.ResourceOwnerPasswordCredentialsGrant):
    """A user's password through a client of our own (RFC 6749, section 4.3).

    RFC 9700 advises against it, so it is there only where PASSWORD_GRANT is on.
    """

    @classmethod
    def check_token_endpoint(cls, request: OAuthRequest) -> bool:
        """Tell whether a request is for this grant, and the grant is on."""
        asked: bool = super().check_token_endpoint(request)
        return asked and bool(db.stores().settings["PASSWORD_GRANT"])

    def authenticate_user(self, username: str, password: str) -> Row[Any]:
        """Return the user of a password; raise InvalidGrantError."""
        user = user_of(self._client, username, password, self.request.origin)
        if user is None:
            raise InvalidGrantError("The username or the password is wrong.")
        return user

    def authenticate_token_endpoint_client(self) -> OAuthClient:
        """Return the client; the user is looked for in its account."""
        self.request.client = super().authenticate_token_endpoint_client()
        return self._client

    def generate_token(self, **_: Any) -> dict[str, Any]:
        """Begin a session of the user."""
        row = self._client.row
        grant = begin_for(
            self.request.user,
            self._scopes(),
            self.request.origin,
            client=row,
            renewable=self._renewable,
        )
        if grant is None:
            raise InvalidGrantError("The password has just been changed.")
        return _answer(issue(grant))


class CodeGrant(Grant, grants.AuthorizationCodeGrant):
    """A user's consent, in a browser (RFC 6749, section 4.1)."""

    def generate_authorization_code(self) -> str:
        """Return nothing yet: the code is made when it is stored."""
        return ""

    def create_authorization_response(
        self, redirect_uri: str, grant_user: Row[Any] | None
    ) -> tuple[int, str, list[tuple[str, str]]]:
        """Store what the user has consented to, and send the code to the client."""
        if grant_user is None:
            raise AccessDeniedError(redirect_uri=redirect_uri)
        payload = self.request.payload
        challenge = payload.data["code_challenge"]
        code = issue_code(
            self._client.row, grant_user, redirect_uri, self._scopes(), challenge
        )
        if code is None:
            raise AccessDeniedError(redirect_uri=redirect_uri)
        answer = [("code", code), ("state", payload.state)]
        given = [(name, value) for name, value in answer if value]
        return 303, "", [("Location", add_params_to_uri(redirect_uri, given))]

    def query_authorization_code(self, code: str, client: OAuthClient) -> Code | None:
        """Return a live code of the client's own."""
        row = find_code(code)
        return Code(row) if row is not None and row.client_id == client.row.id else None

    def authenticate_user(self, authorization_code: Code) -> Code:
        """Return who has consented; the session that begins asks for the user."""
        return authorization_code

    def generate_token(self, **_: Any) -> dict[str, Any]:
        """Begin the session that the user has consented to."""
        tokens = redeem(
            self.request.authorization_code.row,
            self._client.row,
            self.request.origin,
            renewable=self._renewable,
        )
        if tokens is None:
            raise InvalidGrantError("The code is used, or its user is gone.")
        return _answer(tokens)

    def delete_authorization_code(self, authorization_code: Code) -> None:
        """Keep it, to notice its second use."""


class Pkce(CodeChallenge):
    """PKCE by S256, for every client (RFC 9700, section 2.1.1)."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]

    def validate_code_challenge(self, grant: CodeGrant, redirect_uri: str) -> None:
        """Raise InvalidRequestError without a challenge by S256."""
        data = grant.request.payload.data
        if (
            not data.get("code_challenge")
            or data.get("code_challenge_method") != "S256"
        ):
            raise InvalidRequestError("Send a code_challenge, by the method S256.")
        super().validate_code_challenge(grant, redirect_uri)


class RefreshGrant(Grant, grants.RefreshTokenGrant):
    """The next tokens of a session (RFC 6749, section 6)."""

    def authenticate_token_endpoint_client(self) -> OAuthClient | NoClient:
        """Return the client; the session of a login has none."""
        if not self.request.names_client:
            return NoClient()
        client: OAuthClient = super().authenticate_token_endpoint_client()
        return client

    def _validate_token_scope(self, token: SessionToken) -> None:
        """Raise InvalidScopeError for more than the user has consented to."""
        granted = token.found.session.scopes
        asked = scope_to_list(self.request.payload.scope) or granted
        if not all(_covers(granted, scope) for scope in asked):
            raise InvalidScopeError()

    def authenticate_refresh_token(self, refresh_token: str) -> SessionToken | None:
        """Return the live session of a refresh token."""
        found = session_of(refresh_token)
        return SessionToken(found) if found else None

    def authenticate_user(self, refresh_token: SessionToken) -> SessionToken:
        """Return the session: it is alive, and so its user may go on."""
        return refresh_token

    def issue_token(
        self, user: SessionToken, refresh_token: SessionToken
    ) -> dict[str, Any]:
        """Rotate the refresh token; raise InvalidGrantError where it was used."""
        scope = self.request.payload.scope or refresh_token.get_scope()
        presented = self.request.form["refresh_token"]
        tokens = renew(refresh_token.found.session, presented, scope.split())
        if tokens is None:
            raise InvalidGrantError(
                "The refresh token was used: the session has ended."
            )
        return _answer(tokens)

    def revoke_old_credential(self, refresh_token: SessionToken) -> None:
        """Do nothing more: `renew` has marked it as used."""


class Revocation(RevocationEndpoint):
    """Ends the session of a token (RFC 7009)."""

    CLIENT_AUTH_METHODS = CLIENT_AUTHENTICATION

    def authenticate_endpoint_client(
        self, request: OAuthRequest
    ) -> OAuthClient | NoClient:
        """Return the client; the session of a login has none."""
        if not request.names_client:
            return NoClient()
        client: OAuthClient = super().authenticate_endpoint_client(request)
        return client

    def check_params(self, request: OAuthRequest, client: Any) -> None:
        """Do nothing more: the contract asks for a token, and no hint is needed."""

    def query_token(self, token_string: str, token_type_hint: str) -> Any:
        """Return a token of any kind, also a used one: who signs out has that."""
        return _find_token(token_string)

    def revoke_token(self, token: SessionToken, request: OAuthRequest) -> None:
        """End the session, and with it all of its tokens."""
        end(token.found.session.account_id, token.found.session.id)


class Introspection(IntrospectionEndpoint):
    """Tells a client about tokens of its own (RFC 7662)."""

    CLIENT_AUTH_METHODS = CLIENT_AUTHENTICATION[1:]
    check_params = Revocation.check_params

    def query_token(self, token_string: str, token_type_hint: str) -> Any:
        """Return a live token of any kind."""
        return _find_token(token_string, unused=True)

    def check_permission(
        self, token: SessionToken, client: OAuthClient, request: OAuthRequest
    ) -> bool:
        """Tell whether the token is the client's own."""
        token.client_name = client.get_client_id()
        return token.check_client(client)

    def introspect_token(self, token: SessionToken) -> dict[str, Any]:
        """Return what a live token stands for."""
        told = ("scope", "sub", "iss", "aud", "jti", "exp", "iat")
        claims = token.claims or {"scope": token.get_scope()}
        state = {name: claims[name] for name in told if name in claims}
        return state | {
            "client_id": token.client_name,
            "token_type": "Bearer" if token.claims else "refresh_token",
        }


class Server(AuthorizationServer):
    """Authlib's authorization server, with our clients and replies."""

    def query_client(self, client_id: str) -> OAuthClient | None:
        """Return a live client by its public name."""
        row = find(client_id)
        return OAuthClient(row) if row is not None else None

    def create_oauth2_request(self, request: OAuthRequest) -> OAuthRequest:
        """Return the request: the adapter has made it."""
        return request

    def save_token(self, token: dict[str, Any], request: OAuthRequest) -> None:
        """Do nothing more: a token is stored when its session begins or goes on."""

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Tell nobody: what is stored is in the audit."""

    def handle_response(self, status: int, body: Any, headers: Any) -> Reply:
        """Return our reply for Authlib's answer; a redirection names us (RFC 9207)."""
        sent = {**dict(headers), **NOT_STORED}
        if "Location" in sent:
            issuer = [("iss", db.stores().settings["PUBLIC_URL"])]
            sent["Location"] = add_params_to_uri(sent["Location"], issuer)
            return Reply(303, headers=sent)
        return Reply(status, msgspec.json.encode(body), sent)

    def handle_error_response(self, request: OAuthRequest, error: OAuth2Error) -> Reply:
        """Return the error; who fails as a client learns no more than that."""
        status, body, headers = error(None)
        if error.error != "invalid_client":
            return self.handle_response(status, body, headers)
        body = {"error": error.error, "error_description": "The client is not known."}
        challenge = [("WWW-Authenticate", 'Basic realm="myapp"')]
        return self.handle_response(401, body, [*headers, *challenge])


def user_of(
    client: OAuthClient, username: str, password: str, origin: Origin
) -> Row[Any] | None:
    """Return the user of a password, in the account of a client."""
    tenant = client.row.account_id
    return check_password(tenant, "", username, password, origin.address)


def _find_token(token: str, *, unused: bool = False) -> SessionToken | None:
    """Return a refresh or an access token of a session that is alive."""
    if found := session_of(token, unused=unused):
        return SessionToken(found)
    claims = claims_of(token)
    found = live(UUID(claims["account_id"]), UUID(claims["sid"])) if claims else None
    return SessionToken(found, claims) if found else None


def _answer(tokens: Tokens) -> dict[str, Any]:
    """Return tokens as RFC 6749 writes them, section 5.1."""
    return TOKENS.document(as_record(tokens))


server = Server()
for _grant in (ClientCredentialsGrant, PasswordGrant, RefreshGrant):
    server.register_grant(_grant)
server.register_grant(CodeGrant, [Pkce(required=True)])
server.register_endpoint(Revocation)
server.register_endpoint(Introspection)
