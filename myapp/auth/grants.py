"""The grants: what a token is given for (RFC 6749, section 4), and PKCE (RFC 7636).

Authlib checks requests and their order; codes and tokens are ours. Its defaults are
overridden where they are too lenient: PKCE is required and S256, refresh tokens are
rotated.
"""

from typing import Any

from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc6749 import grants, scope_to_list
from authlib.oauth2.rfc6749.errors import (
    AccessDeniedError,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
)
from authlib.oauth2.rfc7636 import CodeChallenge
from sqlalchemy import Row

from myapp import db
from myapp.auth.models import (
    TOKENS,
    as_record,
    begin_for,
    check_password,
    find_code,
    issue_code,
    redeem,
)
from myapp.auth.parties import (
    Code,
    NoClient,
    OAuthClient,
    OAuthRequest,
    SessionToken,
    covers,
)
from myapp.auth.shapes import TokensDocument
from myapp.sessions.models import Origin, Tokens, begin, issue, renew, session_of

CLIENT_AUTHENTICATION = ["none", "client_secret_basic", "client_secret_post"]


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

    def generate_token(self, **_: Any) -> TokensDocument:
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

    def generate_token(self, **_: Any) -> TokensDocument:
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

    def generate_token(self, **_: Any) -> TokensDocument:
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
        asked = scope_to_list(self.request.payload.scope) or []
        if not all(covers(token.found.session.scopes, scope) for scope in asked):
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
    ) -> TokensDocument:
        """Rotate the refresh token; raise InvalidGrantError where it was used."""
        session = refresh_token.found.session
        asked = scope_to_list(self.request.payload.scope) or session.scopes
        presented = self.request.form["refresh_token"]
        tokens = renew(session, presented, list(dict.fromkeys(asked)))
        if tokens is None:
            raise InvalidGrantError(
                "The refresh token was used: the session has ended."
            )
        return _answer(tokens)

    def revoke_old_credential(self, refresh_token: SessionToken) -> None:
        """Do nothing more: `renew` has marked it as used."""


def user_of(
    client: OAuthClient, username: str, password: str, origin: Origin
) -> Row[Any] | None:
    """Return the user of a password, in the account of a client."""
    tenant = client.row.account_id
    return check_password(tenant, "", username, password, origin.address)


def _answer(tokens: Tokens) -> TokensDocument:
    """Return tokens as RFC 6749 writes them, section 5.1."""
    return TOKENS.document(as_record(tokens))
