"""Signing in: the contracts, authorization codes, and how a password is checked."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    Connection,
    Index,
    Row,
    String,
    UniqueConstraint,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from myapp import background, db, housekeeping, tables, throttle
from myapp.access import EVERY_SCOPE, NOBODY
from myapp.auth import shapes
from myapp.contract import Contract
from myapp.contract_rules import Schema
from myapp.db import sql
from myapp.errors import TooManyRequests, Unauthorized
from myapp.passwords import GIVEN, PASSWORD, matches
from myapp.repository import Record
from myapp.sessions.models import Grant, Origin, Tokens, begin, end, issue
from myapp.tables import TenantOwned, UtcDateTime
from myapp.tenants import tenant_of
from myapp.tokens import account_of, digest, new_token
from myapp.users.models import TOKEN, User, find, is_unchanged, mail_reset, renew_hash

CODE_PREFIX = "myapp_code_"
CODE_LASTS = timedelta(seconds=60)
KEPT = timedelta(days=1)
"""How long a used code is remembered, to notice its second use."""

ACCOUNT_SLUG: Schema = {
    "type": "string",
    "maxLength": 40,
    "description": "The slug of the account.",
    "examples": ["acme-tickets"],
}
USERNAME: Schema = {
    "type": "string",
    "maxLength": 254,
    "description": "The user's e-mail address.",
    "examples": ["ada@example.com"],
}
LOGIN = Contract[shapes.LoginBody](
    "Login",
    description="What a user signs in with.",
    properties={"account": ACCOUNT_SLUG, "username": USERNAME, "password": GIVEN},
)
TOKENS = Contract[Any, shapes.TokensDocument](
    "Tokens",
    description="An access token, and a refresh token that is good for one use.",
    properties={
        "access_token": {"type": "string", "maxLength": 4096, "readOnly": True},
        "token_type": {"type": "string", "enum": ["Bearer"], "readOnly": True},
        "expires_in": {
            "type": "integer",
            "minimum": 1,
            "maximum": 86_400,
            "description": "Seconds.",
            "readOnly": True,
        },
        "scope": {
            "type": "string",
            "maxLength": 4000,
            "description": "What it reaches, divided by spaces; `*` is everything.",
            "readOnly": True,
        },
        "refresh_token": {
            "type": "string",
            "maxLength": 200,
            "description": "Not for a client's own token.",
            "readOnly": True,
        },
    },
    optional=("refresh_token",),
)
PASSWORD_RESET = Contract[shapes.PasswordResetBody](
    "PasswordReset",
    description="Who has forgotten a password.",
    properties={"account": ACCOUNT_SLUG, "username": USERNAME},
)
NEW_PASSWORD = Contract[shapes.NewPasswordBody](
    "NewPassword",
    description="The token of the mail, and the password that is chosen.",
    properties={"token": TOKEN, "password": PASSWORD},
)


class AuthorizationCode(TenantOwned, sql.Model):
    """A row of authorization_codes: what a user has consented to (RFC 6749, 4.1)."""

    __tablename__ = "authorization_codes"
    __table_args__ = (
        UniqueConstraint("account_id", "code_sha256"),
        Index(None, "account_id", "expires_at"),
    )

    code_sha256: Mapped[str] = mapped_column(String(64))
    client_id: Mapped[UUID]
    user_id: Mapped[UUID]
    redirect_uri: Mapped[str] = mapped_column(String(500))
    scopes: Mapped[list[str]] = mapped_column(JSON)
    code_challenge: Mapped[str] = mapped_column(String(128))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    session_id: Mapped[UUID | None]
    """The session that it was exchanged for; a second use ends that."""


housekeeping.remove_expired(AuthorizationCode, KEPT)


def check_password(
    tenant: UUID | None, account: str, username: str, password: str, address: str
) -> Row[Any] | None:
    """Return the active user of a password, None where anything is wrong.

    Works alike whether the account and the user are there or not, and counts what
    fails. Raises TooManyRequests after too many failures.
    """
    named = f"{tenant or account}/{username.lower()}"
    limits = throttle.limits_of_login(named, address)
    with throttle.attempt(*limits):
        user = find(tenant or NOBODY, username)
        right = matches(user and user.password_hash, password)
    if not right or user is None or not user.is_active:
        return None
    throttle.succeed(*limits)
    throttle.remember(named, address)
    renew_hash(user, password)
    return user


def as_record(tokens: Tokens) -> Record:
    """Return tokens as TOKENS."""
    scope = " ".join(tokens.scopes)
    return Record(
        (tokens.access_token, "Bearer", tokens.expires_in, scope, tokens.refresh_token)
    )


def sign_in(account: str, username: str, password: str, origin: Origin) -> Record:
    """Begin a session for a user of an account; raise Unauthorized."""
    tenant = tenant_of(account)
    user = check_password(tenant, account, username, password, origin.address)
    if tenant is None or user is None:
        raise Unauthorized("The account, the username or the password is wrong.")
    grant = begin_for(user, [EVERY_SCOPE], origin, renewable=True)
    if grant is None:
        raise Unauthorized("The password has just been changed.")
    return as_record(issue(grant))


def begin_for(
    user: Row[Any],
    scopes: list[str],
    origin: Origin,
    *,
    client: Row[Any] | None = None,
    renewable: bool,
) -> Grant | None:
    """Begin a session for a password that was right; None where it no longer is.

    So a login that is under way does not outlive a change of the password.
    """
    tenant = user.account_id
    with db.transaction(tenant) as connection:
        if not is_unchanged(connection, user):
            return None
        return begin(
            tenant, scopes, origin, user_id=user.id, client=client, renewable=renewable
        )


def ask_for_reset(account: str, username: str, address: str) -> None:
    """Mail a way to a new password, if there is such a user; takes as long if not."""
    throttle.begin(
        *throttle.limits_of(f"reset of {account}/{username.lower()}", address)
    )
    background.run(_reset, account, username)


def _reset(account: str, username: str) -> None:
    tenant = tenant_of(account)
    if tenant is None:
        return
    with suppress(TooManyRequests):  # the token of the last mail stays good
        throttle.begin(throttle.limit_of_mails(f"{tenant}/{username.lower()}"))
        mail_reset(tenant, username)


def issue_code(
    client: Row[Any],
    user: Row[Any],
    redirect_uri: str,
    scopes: list[str],
    challenge: str,
) -> str | None:
    """Store what a user has consented to; return the code for it.

    None where the password that was right has been changed meanwhile.
    """
    now = tables.now()
    code = new_token(CODE_PREFIX, client.account_id)
    row = {
        "account_id": client.account_id,
        "code_sha256": digest(code),
        "client_id": client.id,
        "user_id": user.id,
        "redirect_uri": redirect_uri,
        "scopes": scopes,
        "code_challenge": challenge,
        "expires_at": now + CODE_LASTS,
    }
    outdated = (
        AuthorizationCode.account_id == client.account_id,
        AuthorizationCode.expires_at < now - KEPT,
    )
    with db.transaction(client.account_id) as connection:
        if not is_unchanged(connection, user):
            return None
        connection.execute(delete(AuthorizationCode).where(*outdated))
        connection.execute(insert(AuthorizationCode), row)
    return code


def find_code(code: str) -> Row[Any] | None:
    """Return the row of a code; one that comes again ends what it was exchanged for."""
    tenant = account_of(CODE_PREFIX, code)
    if tenant is None:
        return None
    with db.transaction(tenant, read_only=True) as connection:
        chosen = (
            AuthorizationCode.account_id == tenant,
            AuthorizationCode.code_sha256 == digest(code),
        )
        stored = select(AuthorizationCode.__table__).where(*chosen)
        found = connection.execute(stored).one_or_none()
    if found is not None and found.session_id is not None:
        end(tenant, found.session_id)
        return None
    return found if found is not None and found.expires_at > tables.now() else None


def redeem(
    code: Row[Any], client: Row[Any], origin: Origin, *, renewable: bool
) -> Tokens | None:
    """Exchange a code for the tokens of a new session.

    None the second time, which ends that session, and where the user is gone or the
    code is: it goes with its user's access.
    """
    tenant = code.account_id
    chosen = (AuthorizationCode.account_id == tenant, AuthorizationCode.id == code.id)
    stored = select(AuthorizationCode.session_id).where(*chosen)
    with db.transaction(tenant) as connection:
        # Whoever comes with the same code at the same time waits here.
        has_user = _has_user(connection, code)
        found = connection.execute(stored.with_for_update()).one_or_none()
        if found is None or not has_user:
            return None
        if found.session_id is not None:
            end(tenant, found.session_id)
            return None
        grant = begin(
            tenant,
            code.scopes,
            origin,
            user_id=code.user_id,
            client=client,
            renewable=renewable,
        )
        used = update(AuthorizationCode).where(*chosen)
        connection.execute(used.values(session_id=grant.session_id))
    return issue(grant)


def _has_user(connection: Connection, code: Row[Any]) -> bool:
    """Tell whether a code's user is there, and stays until the transaction ends."""
    own = (User.account_id == code.account_id, User.id == code.user_id)
    kept = select(User.id).where(*own).with_for_update(read=True, key_share=True)
    return connection.execute(kept).first() is not None
