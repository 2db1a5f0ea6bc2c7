"""What a client finds out by itself: the authorization server's metadata (RFC 8414)."""

from typing import Any

from myapp import access, db
from myapp.access import PUBLIC
from myapp.api import FeatureApi, Resource
from myapp.clients.models import GRANTS
from myapp.contract import Contract
from myapp.operations import operation
from myapp.repository import Record
from myapp.request import Request
from myapp.well_known.shapes import AuthorizationServerDocument

_LIST = {
    "type": "array",
    "items": {"type": "string", "maxLength": 100},
    "maxItems": 1000,
    "readOnly": True,
}
_URL = {"type": "string", "format": "uri", "maxLength": 500, "readOnly": True}
ENDPOINTS = {
    "authorization_endpoint": "/v1/auth/authorize",
    "token_endpoint": "/v1/auth/token",
    "revocation_endpoint": "/v1/auth/revoke",
    "introspection_endpoint": "/v1/auth/introspect",
    "jwks_uri": "/.well-known/jwks.json",
    "service_documentation": "/docs",
}
WITH_SECRET = ["client_secret_basic", "client_secret_post"]
CAPABILITIES = {
    "response_types_supported": ["code"],
    "response_modes_supported": ["query"],
    "code_challenge_methods_supported": ["S256"],
    "token_endpoint_auth_methods_supported": ["none", *WITH_SECRET],
    "revocation_endpoint_auth_methods_supported": ["none", *WITH_SECRET],
    "introspection_endpoint_auth_methods_supported": WITH_SECRET,
}

METADATA = Contract[Any, AuthorizationServerDocument](
    "AuthorizationServer",
    description="Where the OAuth endpoints are, and what they can do (RFC 8414).",
    properties={
        "issuer": _URL,
        **dict.fromkeys(ENDPOINTS, _URL),
        **dict.fromkeys(CAPABILITIES, _LIST),
        "grant_types_supported": _LIST,
        "scopes_supported": _LIST,
        "authorization_response_iss_parameter_supported": {
            "type": "boolean",
            "readOnly": True,
        },
    },
)

api = FeatureApi("well_known", METADATA, home="/.well-known/oauth-authorization-server")
blueprint = api.blueprint


@api.route("")
class AuthorizationServer(Resource):
    @operation.action(PUBLIC, answers=METADATA)
    def get(self, request: Request) -> Record:
        """Show where the OAuth endpoints are, and what they can do."""
        settings = db.stores().settings
        issuer = settings["PUBLIC_URL"]
        urls = [issuer + path for path in ENDPOINTS.values()]
        grants = [*GRANTS, *["password"] * settings["PASSWORD_GRANT"]]
        scopes = sorted(access.scopes)
        values = (issuer, *urls, *CAPABILITIES.values(), grants, scopes, True)
        return Record(values)
