"""The authorization server: Authlib's core, bound to our requests and stores.

Credentials are read from the body alone (Authlib would take them from the query).
"""

import logging
from typing import Any

import msgspec
from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc6749 import AuthorizationServer
from authlib.oauth2.rfc6749.errors import OAuth2Error
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from myapp import db
from myapp.auth.grants import (
    CLIENT_AUTHENTICATION,
    ClientCredentialsGrant,
    CodeGrant,
    PasswordGrant,
    Pkce,
    RefreshGrant,
)
from myapp.auth.parties import NoClient, OAuthClient, OAuthRequest, SessionToken
from myapp.auth.protocol import NOT_STORED
from myapp.clients.models import find
from myapp.errors import Reply
from myapp.sessions.models import claims_of, end, live_of, session_of

# It writes every token that it issues to its log, at DEBUG.
logging.getLogger("authlib").setLevel(logging.WARNING)


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


def _find_token(token: str, *, unused: bool = False) -> SessionToken | None:
    """Return a refresh or an access token of a session that is alive."""
    if found := session_of(token, unused=unused):
        return SessionToken(found)
    claims = claims_of(token)
    found = live_of(claims) if claims else None
    return SessionToken(found, claims) if found else None


server = Server()
for _grant in (ClientCredentialsGrant, PasswordGrant, RefreshGrant):
    server.register_grant(_grant)
server.register_grant(CodeGrant, [Pkce(required=True)])
server.register_endpoint(Revocation)
server.register_endpoint(Introspection)
