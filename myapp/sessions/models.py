"""Sessions: who is signed in, through which client, and the tokens of a session.

A session begins with a login, a consent or a client's own credentials. Its access
tokens are JWTs (RFC 9068) that name it; who is behind one is read from the store, so
a session that ends, a user or client that is switched off and an account that closes
end them within a second. Its refresh tokens form one family: each is used once.
"""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from joserfc.errors import JoseError
from joserfc.jwt import ClaimsOption, JWTClaimsRegistry
from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    ForeignKeyConstraint,
    Index,
    Row,
    String,
    UniqueConstraint,
    and_,
    bindparam,
    column,
    delete,
    insert,
    or_,
    select,
    table,
    true,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from myapp import access, db, housekeeping, tables
from myapp.access import EVERY_SCOPE, SCOPE, Principal, Role, refuse_beyond
from myapp.audit import note_removals
from myapp.clients.models import Client
from myapp.contract import Contract
from myapp.db import sql
from myapp.errors import NotFound
from myapp.keys.models import sign, verified
from myapp.repository import Condition
from myapp.secret_key import derived
from myapp.sessions.shapes import SessionDocument
from myapp.sql_repository import SqlRepository
from myapp.statement import Statement
from myapp.tables import TenantOwned, UtcDateTime
from myapp.tenants import accounts
from myapp.tokens import account_of, digest, new_token

REFRESH_PREFIX = "myapp_refresh_"
LONGEST_ACCESS_TOKEN = 4096
MOST_SESSIONS = 100
"""How many live sessions a user may have: the next login ends the oldest."""
RETRY = timedelta(seconds=10)
"""How long the refresh token before the last may be sent again, for a lost answer."""
LEEWAY = 30
"""Seconds that clocks may differ by."""
LONGEST_LIFE = 86_400
"""Seconds that no access token lives longer than, whatever it says."""

SESSION = Contract[Any, SessionDocument](
    "Session",
    description="One sign-in of a user, or of a client for itself.",
    properties={
        "id": {"type": "string", "format": "uuid", "readOnly": True},
        "user_id": {"type": ["string", "null"], "format": "uuid", "readOnly": True},
        "client_id": {
            "type": ["string", "null"],
            "format": "uuid",
            "readOnly": True,
            "description": "The id of the client that it was made through, if any.",
        },
        "scopes": {
            "type": "array",
            "items": SCOPE,
            "maxItems": 50,
            "readOnly": True,
        },
        "address": {"type": "string", "maxLength": 45, "readOnly": True},
        "user_agent": {"type": "string", "maxLength": 200, "readOnly": True},
        "created_at": {"type": "string", "format": "date-time", "readOnly": True},
        "expires_at": {"type": "string", "format": "date-time", "readOnly": True},
    },
    filters=("user_id",),
)


class Session(TenantOwned, sql.Model):
    """A row of sessions; it goes with its user and its client."""

    __tablename__ = "sessions"
    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "user_id"],
            ["users.account_id", "users.id"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["account_id", "client_id"],
            ["clients.account_id", "clients.id"],
            ondelete="CASCADE",
        ),
        Index(None, "account_id", "user_id"),
        Index(None, "account_id", "client_id"),
        Index(None, "account_id", "expires_at"),
    )

    user_id: Mapped[UUID | None]
    client_id: Mapped[UUID | None]
    scopes: Mapped[list[str]] = mapped_column(JSON)
    address: Mapped[str] = mapped_column(String(45))
    user_agent: Mapped[str] = mapped_column(String(200))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RefreshToken(TenantOwned, sql.Model):
    """A row of refresh_tokens; all of one session are its family."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "session_id"],
            ["sessions.account_id", "sessions.id"],
            ondelete="CASCADE",
        ),
        UniqueConstraint("account_id", "token_sha256"),
        Index(None, "account_id", "session_id"),
    )

    session_id: Mapped[UUID]
    token_sha256: Mapped[str] = mapped_column(String(64))
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


sessions = SqlRepository(Session, SESSION)
housekeeping.remove_expired(Session)  # its refresh tokens go with it

# Named as the foreign key names it: the models of users import this file.
_users = table("users", *map(column, ("account_id", "id", "role", "is_active")))


class Origin(NamedTuple):
    """Where a login came from: an address, and what the program calls itself."""

    address: str = ""
    user_agent: str = ""


class Tokens(NamedTuple):
    """What a login answers: an access token and, for a user, a refresh token."""

    access_token: str
    expires_in: int
    scopes: list[str]
    refresh_token: str | None = None


class Found(NamedTuple):
    """What is read of a session, of its user and of its client."""

    account_id: UUID
    id: UUID
    user_id: UUID | None
    client_id: UUID | None
    scopes: list[str]
    user_role: str | None
    client_role: str | None
    client_scopes: list[str] | None
    client_name: str | None


class Live(NamedTuple):
    """A session that is alive, and the role that it has now."""

    session: Found
    role: Role

    def within(self, scopes: list[str]) -> frozenset[str]:
        """Return the scopes that its client, if it has one, may have now."""
        allowed = self.session.client_scopes
        if allowed is None or EVERY_SCOPE in allowed:
            return frozenset(scopes)
        return frozenset(allowed if EVERY_SCOPE in scopes else {*scopes} & {*allowed})

    @property
    def subject(self) -> str:
        """Who acts in it: a user, or a client for itself."""
        if self.session.user_id is not None:
            return f"user:{self.session.user_id}"
        return f"client:{self.session.client_id}"


class Grant(NamedTuple):
    """What a session hands out: whom and what its next tokens stand for."""

    tenant: UUID
    session_id: UUID
    user_id: UUID | None
    client: str | None
    """The public name of the client."""

    scopes: list[str]
    refresh_token: str | None


def begin(
    tenant: UUID,
    scopes: list[str],
    origin: Origin,
    *,
    user_id: UUID | None = None,
    client: Row[Any] | None = None,
    renewable: bool = False,
) -> Grant:
    """Begin a session; `issue` makes its first tokens."""
    now = tables.now()
    settings = db.stores().settings
    lasting = timedelta(days=settings["SESSION_DAYS"])
    if not renewable:
        lasting = timedelta(seconds=settings["ACCESS_TOKEN_SECONDS"])
    with db.transaction(tenant) as connection:
        expired = (Session.account_id == tenant, Session.expires_at < now)
        connection.execute(delete(Session).where(*expired))
        record = sessions.create(
            tenant,
            {"user_id": user_id, "scopes": scopes},
            client_id=client.id if client else None,
            address=origin.address[:45],
            user_agent=origin.user_agent[:200],
            expires_at=now + lasting,
        )
        id: UUID = SESSION.value(record, "id")
        if user_id:
            _end_oldest(connection, tenant, user_id, id)
        refresh = new_token(REFRESH_PREFIX, tenant) if renewable else None
        if refresh:
            _store(connection, tenant, id, refresh)
    return Grant(tenant, id, user_id, client and client.client_id, scopes, refresh)


def _end_oldest(
    connection: Connection, tenant: UUID, user_id: UUID, newest: UUID
) -> None:
    """End the sessions of a user beyond the most, and never the one just begun."""
    others = (
        Session.account_id == tenant,
        Session.user_id == user_id,
        Session.id != newest,
    )
    by_age = select(Session.id).where(*others).order_by(Session.id.desc())
    beyond = by_age.offset(MOST_SESSIONS - 1)
    ids = connection.scalars(beyond.with_for_update(skip_locked=True)).all()
    if ids:  # as a rule none
        _end_those(connection, tenant, Session.id.in_(ids))


def _end_those(
    connection: Connection, tenant: UUID, chosen: ColumnElement[bool]
) -> None:
    """End sessions of an account, however many, in two statements."""
    ended = delete(Session).where(Session.account_id == tenant, chosen)
    rows = connection.execute(ended.returning(Session.id, Session.version)).all()
    note_removals(connection, tenant, sessions.table.name, rows)


def _store(connection: Connection, tenant: UUID, session_id: UUID, token: str) -> None:
    row = {"account_id": tenant, "session_id": session_id}
    connection.execute(insert(RefreshToken), row | {"token_sha256": digest(token)})


def issue(grant: Grant) -> Tokens:
    """Return the tokens of a grant; the access token is a JWT (RFC 9068)."""
    settings = db.stores().settings
    ourselves, lasting = settings["PUBLIC_URL"], settings["ACCESS_TOKEN_SECONDS"]
    issued_at = int(tables.now().timestamp())
    claims = {
        "iss": ourselves,
        "aud": ourselves,
        "sub": str(grant.user_id or grant.client),
        "client_id": grant.client or ourselves,  # a login is through no client
        "iat": issued_at,
        "exp": issued_at + lasting,
        "jti": uuid4().hex,
        "scope": " ".join(grant.scopes),
        "sid": str(grant.session_id),
        "account_id": str(grant.tenant),
    }
    return Tokens(sign(claims), lasting, grant.scopes, grant.refresh_token)


_OF_USER = and_(
    _users.c.account_id == Session.account_id, _users.c.id == Session.user_id
)
_OF_CLIENT = and_(
    Client.account_id == Session.account_id, Client.id == Session.client_id
)
_LIVE = Statement(
    select(
        Session.account_id,
        Session.id,
        Session.user_id,
        Session.client_id,
        Session.scopes,
        _users.c.role,
        Client.role,
        Client.scopes,
        Client.client_id,
    )
    .join(accounts, accounts.c.id == Session.account_id)
    .outerjoin(_users, _OF_USER)
    .outerjoin(Client, _OF_CLIENT)
    .where(
        Session.account_id == bindparam("tenant"),
        Session.id == bindparam("session_id"),
        Session.expires_at > bindparam("now", type_=UtcDateTime()),
        accounts.c.closed_at.is_(None),
        or_(Session.user_id.is_(None), _users.c.is_active == true()),
        or_(Session.client_id.is_(None), Client.is_active == true()),
    ),
    read_only=True,
)


_HOLDER = (
    select(
        Session.user_id,
        _users.c.role.label("user_role"),
        Client.role.label("client_role"),
    )
    .outerjoin(_users, _OF_USER)
    .outerjoin(Client, _OF_CLIENT)
    .where(Session.account_id == bindparam("tenant"), Session.id == bindparam("id"))
)


def live(tenant: UUID, session_id: UUID) -> Live | None:
    """Return a session that nothing has ended, with the role that it has now."""
    wanted = {"tenant": tenant, "session_id": session_id, "now": tables.now()}
    row = _LIVE.one(tenant, wanted)
    if row is None:
        return None
    found = Found(*row)
    roles = filter(None, (found.user_role, found.client_role))
    return Live(found, min(Role[role.upper()] for role in roles))


def principal_of(token: str) -> Principal | None:
    """Return whom an access token stands for, if its session is alive."""
    claims = claims_of(token)
    if claims is None:
        return None
    found = live_of(claims)
    if found is None:
        return None
    return Principal(
        found.session.account_id,
        found.subject,
        found.role,
        found.within(claims["scope"].split()),
        found.session.user_id,
        found.session.id,
    )


def live_of(claims: dict[str, Any]) -> Live | None:
    """Return the session that an access token's claims name, if it is alive."""
    return live(UUID(claims["account_id"]), UUID(claims["sid"]))


def claims_of(token: str) -> dict[str, Any] | None:
    """Return the claims of an access token that we have signed, for now and for us."""
    if len(token) > LONGEST_ACCESS_TOKEN or token.count(".") != 2:
        return None
    claims = verified(token)
    return claims if claims is not None and _is_current(claims) else None


def _is_current(claims: dict[str, Any]) -> bool:
    """Tell whether signed claims are meant for us and for now (RFC 9068, 4)."""
    ours: ClaimsOption = {
        "essential": True,
        "value": db.stores().settings["PUBLIC_URL"],
    }
    given: ClaimsOption = {"essential": True}
    names = ("exp", "iat", "jti", "sub", "client_id", "scope", "sid", "account_id")
    now = int(tables.now().timestamp())
    registry = JWTClaimsRegistry(
        now, LEEWAY, iss=ours, aud=ours, **dict.fromkeys(names, given)
    )
    try:
        registry.validate(claims)
    except JoseError:
        return False
    moments = (claims.get(name, 0) for name in ("exp", "iat", "nbf"))
    if not all(type(moment) is int for moment in moments):
        return False
    return bool(claims["exp"] - claims["iat"] <= LONGEST_LIFE)


access.authenticators.append(principal_of)


def session_of(refresh_token: str, *, unused: bool = False) -> Live | None:
    """Return the live session of a refresh token; of a used one, unless told so."""
    tenant = account_of(REFRESH_PREFIX, refresh_token)
    if tenant is None:
        return None
    with db.transaction(tenant, read_only=True) as connection:
        found = _refresh_row(connection, tenant, refresh_token)
    if found is None or (unused and found.used_at is not None):
        return None
    return live(tenant, found.session_id)


def _refresh_row(connection: Connection, tenant: UUID, token: str) -> Any:
    chosen = select(RefreshToken.session_id, RefreshToken.used_at).where(
        RefreshToken.account_id == tenant, RefreshToken.token_sha256 == digest(token)
    )
    return connection.execute(chosen).one_or_none()


def renew(session: Found, refresh_token: str, scopes: list[str]) -> Tokens | None:
    """Exchange a refresh token for new tokens; end the session of a used one.

    The successor is derived from the token, so a caller who lost the answer gets the
    same one again: within ten seconds, and as long as the successor is unused.
    """
    tenant, id = session.account_id, session.id
    secret = derived("refresh token", refresh_token.encode())
    successor = new_token(REFRESH_PREFIX, tenant, secret)
    with db.transaction(tenant) as connection:
        # Whoever comes with the same family at the same time waits here.
        family = (Session.account_id == tenant, Session.id == id)
        connection.execute(select(Session.id).where(*family).with_for_update())
        presented = _refresh_row(connection, tenant, refresh_token)
        if presented is None:
            return None
        if presented.used_at is None:
            _use(connection, tenant, refresh_token)
            _store(connection, tenant, id, successor)
        elif not _may_retry(connection, presented.used_at, tenant, successor):
            end(tenant, id)
            return None
    user_id, client = session.user_id, session.client_name
    return issue(Grant(tenant, id, user_id, client, scopes, successor))


def _use(connection: Connection, tenant: UUID, token: str) -> None:
    chosen = (
        RefreshToken.account_id == tenant,
        RefreshToken.token_sha256 == digest(token),
    )
    used = update(RefreshToken).where(*chosen).values(used_at=tables.now())
    connection.execute(used)


def _may_retry(
    connection: Connection, used_at: datetime, tenant: UUID, successor: str
) -> bool:
    following = _refresh_row(connection, tenant, successor)
    in_time = tables.now() - used_at <= RETRY
    return in_time and following is not None and following.used_at is None


def end(tenant: UUID, id: UUID) -> None:
    """End a session, if it has not ended: its tokens die within a second."""
    with suppress(NotFound):
        sessions.delete(tenant, id)


def end_all(tenant: UUID, user_id: UUID) -> None:
    """End every session of a user."""
    with db.transaction(tenant) as connection:
        _end_those(connection, tenant, Session.user_id == user_id)


def remove(
    principal: Principal,
    tenant: UUID,
    id: UUID,
    if_match: int | None,
    where: Condition | None,
) -> None:
    """End a session of one's own, or of whose role is not above the caller's."""
    with db.transaction(tenant) as connection:
        holder = connection.execute(_HOLDER, {"tenant": tenant, "id": id}).one_or_none()
        if holder and holder.user_id not in (None, principal.user_id):
            refuse_beyond(principal, {"role": holder.user_role})
        elif holder and holder.user_id is None:
            refuse_beyond(principal, {"role": holder.client_role})
        sessions.delete(tenant, id, if_match, where)
