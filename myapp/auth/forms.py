"""What OAuth requests carry: the contracts of the forms and of the query."""

from typing import Any

from myapp.auth import shapes
from myapp.contract import Contract
from myapp.contract_rules import Schema

PRINTABLE = "^[ -~]*$"
PLAIN = r"^[ !#-\[\]-~]*$"
"""What an error may quote (RFC 6749, appendix A): no quotation mark, no backslash."""


def _text(longest: int, pattern: str = PRINTABLE, description: str = "") -> Schema:
    schema: Schema = {"type": ["string", "null"], "maxLength": longest, "default": None}
    schema |= {"pattern": pattern} if pattern else {}
    return schema | ({"description": description} if description else {})


CLIENT_FIELDS: dict[str, Schema] = {
    "client_id": _text(64),
    "client_secret": _text(200),
}
TOKEN_REQUEST = Contract[shapes.TokenRequestBody](
    "TokenRequest",
    description="What a token is asked for with (RFC 6749); a client may use Basic.",
    properties={
        "grant_type": {
            "type": "string",
            "pattern": PLAIN,
            "maxLength": 100,
            "examples": ["client_credentials"],
        },
        **CLIENT_FIELDS,
        "scope": _text(4000, description="Divided by spaces; all you may, without it."),
        "code": _text(4096),
        "redirect_uri": _text(500, PLAIN),
        "code_verifier": _text(200, description="PKCE (RFC 7636)."),
        "refresh_token": _text(4096, description="Of a login: without a client."),
        "username": _text(254, ""),
        "password": _text(128, ""),
    },
)
TOKEN_FIELDS: dict[str, Schema] = {
    "token": {"type": "string", "maxLength": 4096, "examples": ["myapp_refresh_…"]},
    "token_type_hint": _text(100),
    **CLIENT_FIELDS,
}
REVOCATION = Contract[shapes.RevocationBody](
    "Revocation", description="What to revoke (RFC 7009).", properties=TOKEN_FIELDS
)
INTROSPECTION = Contract[shapes.IntrospectionBody](
    "Introspection", description="What to look at (RFC 7662).", properties=TOKEN_FIELDS
)
TOKEN_STATE = Contract[Any, shapes.TokenStateDocument](
    "TokenState",
    description="Whether a token of yours is alive, and what it stands for.",
    properties={
        "active": {"type": "boolean", "readOnly": True},
        **{
            name: {"type": "string", "maxLength": 4000, "readOnly": True}
            for name in ("scope", "client_id", "sub", "iss", "aud", "token_type", "jti")
        },
        **{
            name: {
                "type": "integer",
                "minimum": 0,
                "maximum": 2**40,
                "readOnly": True,
            }
            for name in ("exp", "iat")
        },
    },
    optional=(
        "scope",
        "client_id",
        "sub",
        "iss",
        "aud",
        "token_type",
        "jti",
        "exp",
        "iat",
    ),
)
AUTHORIZATION_FIELDS: dict[str, Schema] = {
    "response_type": _text(100, PLAIN, "`code`"),
    "client_id": _text(64),
    "redirect_uri": _text(500, PLAIN, "One that the client has registered."),
    "scope": _text(4000),
    "state": _text(1000, description="Comes back unchanged."),
    "code_challenge": _text(128, description="PKCE (RFC 7636)."),
    "code_challenge_method": _text(10, description="`S256`"),
}
AUTHORIZATION = Contract[shapes.AuthorizationBody](
    "Authorization",
    description="What a client asks a user for (RFC 6749, section 4.1).",
    properties=AUTHORIZATION_FIELDS,
)
CONSENT = Contract[shapes.ConsentBody](
    "Consent",
    description="The form of the consent page.",
    properties={
        **AUTHORIZATION_FIELDS,
        "username": _text(254, ""),
        "password": _text(128, "") | {"writeOnly": True},
        "decision": _text(10, description="`allow`, or anything else to deny."),
        "csrf_token": _text(100) | {"writeOnly": True},
    },
)
