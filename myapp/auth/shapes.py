"""What clients send and see of auth, as types for editors and mypy.

Written by `./run flask contracts types --write` from the contracts: change those.
"""

from typing import Literal, NotRequired, TypedDict


class TokenRequestBody(TypedDict):
    """What a body of TokenRequest holds."""

    grant_type: str
    client_id: str | None
    client_secret: str | None
    scope: str | None
    code: str | None
    redirect_uri: str | None
    code_verifier: str | None
    refresh_token: str | None
    username: str | None
    password: str | None


class RevocationBody(TypedDict):
    """What a body of Revocation holds."""

    token: str
    token_type_hint: str | None
    client_id: str | None
    client_secret: str | None


class IntrospectionBody(TypedDict):
    """What a body of Introspection holds."""

    token: str
    token_type_hint: str | None
    client_id: str | None
    client_secret: str | None


class TokenStateDocument(TypedDict):
    """What clients see of TokenState."""

    active: bool
    scope: NotRequired[str]
    client_id: NotRequired[str]
    sub: NotRequired[str]
    iss: NotRequired[str]
    aud: NotRequired[str]
    token_type: NotRequired[str]
    jti: NotRequired[str]
    exp: NotRequired[int]
    iat: NotRequired[int]


class AuthorizationBody(TypedDict):
    """What a body of Authorization holds."""

    response_type: str | None
    client_id: str | None
    redirect_uri: str | None
    scope: str | None
    state: str | None
    code_challenge: str | None
    code_challenge_method: str | None


class ConsentBody(TypedDict):
    """What a body of Consent holds."""

    response_type: str | None
    client_id: str | None
    redirect_uri: str | None
    scope: str | None
    state: str | None
    code_challenge: str | None
    code_challenge_method: str | None
    username: str | None
    password: str | None
    decision: str | None
    csrf_token: str | None


class LoginBody(TypedDict):
    """What a body of Login holds."""

    account: str
    username: str
    password: str


class TokensDocument(TypedDict):
    """What clients see of Tokens."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    scope: str
    refresh_token: NotRequired[str]


class PasswordResetBody(TypedDict):
    """What a body of PasswordReset holds."""

    account: str
    username: str


class NewPasswordBody(TypedDict):
    """What a body of NewPassword holds."""

    token: str
    password: str
