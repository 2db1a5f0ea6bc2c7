"""Users: the contracts, the table, and how one is invited, changed and removed."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Connection,
    ForeignKeyConstraint,
    Index,
    Row,
    String,
    UniqueConstraint,
    Uuid,
    column,
    delete,
    exists,
    insert,
    or_,
    select,
    table,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from myapp import db, housekeeping, mail, tables, throttle
from myapp.access import EVERY_SCOPE, ROLES, Principal, Role, refuse_beyond
from myapp.contract import Contract
from myapp.contract_rules import Schema
from myapp.db import sql
from myapp.errors import BrokenRule, Conflict, Forbidden, Unprocessable
from myapp.pagination import Slice
from myapp.passwords import GIVEN, PASSWORD, hashed, is_outdated, matches, refuse_common
from myapp.repository import Condition, Page, Record, Values
from myapp.sessions.models import end_all
from myapp.sql_repository import SqlRepository
from myapp.tables import TenantOwned, UtcDateTime
from myapp.tenants import accounts
from myapp.tokens import account_of, digest, new_token
from myapp.users import mails, shapes

ONCE_PREFIX = "myapp_once_"
INVITATION, RESET = "invitation", "password reset"
OWN = {"email", "password"}
RANKED = {"role", "is_active"}
SENSITIVE = OWN | RANKED
LASTING = {INVITATION: timedelta(hours=24), RESET: timedelta(hours=1)}

NAME: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 120,
    "examples": ["Ada Lovelace"],
}
EMAIL: Schema = {
    "type": "string",
    "format": "email",
    "maxLength": 254,
    "description": "Unique in the account; upper and lower case are the same.",
    "examples": ["ada@example.com"],
}
ROLE: Schema = {"type": "string", "enum": list(ROLES), "examples": ["member"]}
TOKEN: Schema = {"type": "string", "maxLength": 200, "writeOnly": True}

USER = Contract[shapes.UserBody, shapes.UserDocument](
    "User",
    description=(
        "A person who signs in. A change of `email`, `password`, `role` or"
        " `is_active` asks for `current_password`, the caller's own. Another password"
        " ends every session of the user: the one that changed it, too."
    ),
    properties={
        "id": {"type": "string", "format": "uuid", "readOnly": True},
        "name": NAME,
        "email": EMAIL,
        "role": ROLE,
        "is_active": {"type": "boolean"},
        "password": PASSWORD,
        "current_password": GIVEN,
        "created_at": {"type": "string", "format": "date-time", "readOnly": True},
        "updated_at": {"type": "string", "format": "date-time", "readOnly": True},
    },
    filters=("email", "role", "is_active"),
    proofs=("current_password",),
)
NEW_USER = Contract[shapes.InvitationBody](
    "Invitation",
    description="Whom to invite: they choose a password by the link in their mail.",
    properties={"name": NAME, "email": EMAIL, "role": ROLE},
)
READY_USER = Contract[shapes.ReadyUserBody](
    "ReadyUser",
    description="A user who can sign in at once: without a name, by the address.",
    properties={
        "email": EMAIL,
        "password": PASSWORD,
        "name": NAME | {"type": ["string", "null"], "default": None},
        "role": ROLE,
    },
)
ACCEPTANCE = Contract[shapes.AcceptanceBody](
    "Acceptance",
    description="The token of an invitation, and the password that is chosen.",
    properties={"token": TOKEN, "password": PASSWORD},
)


class User(TenantOwned, sql.Model):
    """A row of users; one without a password has not accepted the invitation."""

    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("account_id", "email"),
        Index(None, "account_id", "role"),
    )

    name: Mapped[str] = mapped_column(String(120))
    email: Mapped[str] = mapped_column(String(254))
    role: Mapped[str] = mapped_column(String(6))
    is_active: Mapped[bool] = mapped_column(default=True)
    password_hash: Mapped[str | None] = mapped_column(String(200))


class OneTimeToken(TenantOwned, sql.Model):
    """A row of one_time_tokens: an invitation, or a way to a new password."""

    __tablename__ = "one_time_tokens"
    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "user_id"],
            ["users.account_id", "users.id"],
            ondelete="CASCADE",
        ),
        UniqueConstraint("account_id", "token_sha256"),
        Index(None, "account_id", "user_id"),
    )

    user_id: Mapped[UUID]
    purpose: Mapped[str] = mapped_column(String(14))
    token_sha256: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


housekeeping.remove_expired(OneTimeToken)


class UserRepository(SqlRepository[shapes.UserDocument]):
    """Users; whoever writes, an account keeps an owner, and old sign-ins end."""

    def list(self, tenant: UUID, slice: Slice, **parent: Any) -> Page:
        """Return one page; an address that is filtered by may be in any case."""
        filters = tuple(
            (
                filter._replace(value=filter.value.lower())
                if filter.field == "email"
                else filter
            )
            for filter in slice.filters
        )
        return super().list(tenant, slice._replace(filters=filters), **parent)

    def replace(
        self,
        tenant: UUID,
        id: UUID,
        values: Values,
        if_match: int | None = None,
        where: Condition | None = None,
    ) -> Record:
        """Write fields of a user; raise Conflict for the last owner's."""
        with db.transaction(tenant) as connection:
            ranked = RANKED & values.keys()
            if ranked:
                _wait_for_account(connection, tenant)
            record = super().replace(tenant, id, values, if_match, where)
            if ranked:
                _refuse_ownerless(connection, tenant)
            if "password_hash" in values or values.get("is_active") is False:
                _forget_codes(connection, tenant, id)
                _forget_tokens(connection, tenant, id)
                end_all(tenant, id)
            elif "email" in values:  # what was mailed is at the address of before
                _forget_tokens(connection, tenant, id)
        return record

    def delete(
        self,
        tenant: UUID,
        id: UUID,
        if_match: int | None = None,
        where: Condition | None = None,
    ) -> None:
        """Remove a user; raise Conflict for the last owner."""
        with db.transaction(tenant) as connection:
            _wait_for_account(connection, tenant)
            super().delete(tenant, id, if_match, where)
            _refuse_ownerless(connection, tenant)


users = UserRepository(User, USER)


def _wait_for_account(connection: Connection, tenant: UUID) -> None:
    """Let one change of roles in an account follow the other."""
    account = select(accounts.c.id).where(accounts.c.id == tenant)
    # Not for the key: who adds a row of the account, and has a user's, goes on.
    connection.execute(account.with_for_update(key_share=True))


def _refuse_ownerless(connection: Connection, tenant: UUID) -> None:
    owners = exists().where(
        User.account_id == tenant,
        User.role == "owner",
        User.is_active,
        User.password_hash.is_not(None),
    )
    if not connection.execute(select(owners)).scalar_one():
        raise Conflict("An account keeps an active owner: make another one first.")


# Named as the feature auth names it: its models import this file.
_codes = table(
    "authorization_codes", column("account_id", Uuid()), column("user_id", Uuid())
)


def _forget_codes(connection: Connection, tenant: UUID, user_id: UUID) -> None:
    """Let no code begin another session; wait for one that is just beginning."""
    own = (_codes.c.account_id == tenant, _codes.c.user_id == user_id)
    connection.execute(delete(_codes).where(*own))


def invite(principal: Principal, tenant: UUID, values: shapes.InvitationBody) -> Record:
    """Store a user who has no password yet, and mail the link that sets one."""
    _refuse_sign_in(principal, values)
    with db.transaction(tenant) as connection:
        record = users.create(tenant, _lowered(values), is_active=True)
        _invite(connection, tenant, record)
    return record


def invite_again(principal: Principal, tenant: UUID, id: UUID) -> None:
    """Mail another invitation; raise Conflict for who has accepted, or is inactive."""
    with db.transaction(tenant) as connection:
        record = users.retrieve(tenant, id)
        _refuse_sign_in(principal, USER.document(record))
        own = (User.account_id == tenant, User.id == id)
        waiting = (User.is_active, User.password_hash.is_(None))
        chosen = select(User.id).where(*own, *waiting).with_for_update(key_share=True)
        if connection.execute(chosen).first() is None:
            raise Conflict("Only an active user who has not accepted is invited again.")
        _forget_tokens(connection, tenant, id)
        _invite(connection, tenant, record)


def _invite(connection: Connection, tenant: UUID, record: Record) -> None:
    """Mail a new invitation."""
    token = _one_time_token(connection, tenant, USER.value(record, "id"), INVITATION)
    email = USER.document(record)["email"]
    invitation = mails.invitation(_account(connection, tenant), email, token)
    mail.send(invitation)


def _account(connection: Connection, tenant: UUID) -> Any:
    """Return the name and the slug of an account."""
    named = select(accounts.c.name, accounts.c.slug).where(accounts.c.id == tenant)
    return connection.execute(named).one()


def create(
    tenant: UUID, email: str, password: str, name: str | None, role: str
) -> Record:
    """Store a user who can sign in at once, without an invitation."""
    return users.create(tenant, ready(email, password, name, role))


def ready(email: str, password: str, name: str | None, role: str) -> Values:
    """Return the row of a user who can sign in at once; raise InvalidBody.

    It takes a while: make it before a transaction begins.
    """
    refuse_common(password, email)
    return {
        "name": name or email[: NAME["maxLength"]],
        "email": email.lower(),
        "role": role,
        "is_active": True,
        "password_hash": hashed(password),
    }


def accept(token: str, password: str) -> Record:
    """Set the password of the user whom a token invites; raise Unprocessable."""
    return _set_password(INVITATION, token, password)


def reset_password(token: str, password: str) -> Record:
    """Set another password by a token that was mailed; raise Unprocessable."""
    return _set_password(RESET, token, password)


def mail_reset(tenant: UUID, email: str) -> None:
    """Mail a way to a new password to a user, if there is such a user."""
    chosen = (User.account_id == tenant, User.email == email.lower())
    ready = (User.is_active, User.password_hash.is_not(None))
    found = select(User.id, User.email).where(*chosen, *ready)
    with db.transaction(tenant) as connection:
        # Until the token is there to be forgotten, nobody changes the address.
        user = connection.execute(found.with_for_update(key_share=True)).one_or_none()
        if user is None:
            return
        _forget_tokens(connection, tenant, user.id)
        token = _one_time_token(connection, tenant, user.id, RESET)
        account = _account(connection, tenant)
    mail.send(mails.reset(account, user.email, token))


def _one_time_token(
    connection: Connection, tenant: UUID, user_id: UUID, purpose: str
) -> str:
    token = new_token(ONCE_PREFIX, tenant)
    row = {
        "account_id": tenant,
        "user_id": user_id,
        "purpose": purpose,
        "token_sha256": digest(token),
        "expires_at": tables.now() + LASTING[purpose],
    }
    connection.execute(insert(OneTimeToken), row)
    return token


def _forget_tokens(connection: Connection, tenant: UUID, user_id: UUID) -> None:
    own = (OneTimeToken.account_id == tenant, OneTimeToken.user_id == user_id)
    connection.execute(delete(OneTimeToken).where(*own))


def _set_password(purpose: str, token: str, password: str) -> Record:
    tenant = account_of(ONCE_PREFIX, token)
    if tenant is None:
        raise _unknown_token()
    chosen = (
        OneTimeToken.account_id == tenant,
        OneTimeToken.token_sha256 == digest(token),
        OneTimeToken.purpose == purpose,
        OneTimeToken.expires_at > tables.now(),
        exists().where(accounts.c.id == tenant, accounts.c.closed_at.is_(None)),
    )
    of_user = (User.account_id == tenant, User.id == OneTimeToken.user_id)
    # A guess is not worth a hash, and nobody waits in a transaction for one.
    with db.transaction(tenant, read_only=True) as connection:
        email = _found(connection, select(User.email).where(*chosen, *of_user))
    refuse_common(password, email)
    stored = hashed(password)
    with db.transaction(tenant) as connection:
        used = delete(OneTimeToken).where(*chosen).returning(OneTimeToken.user_id)
        user_id = _found(connection, used)
        return users.replace(tenant, user_id, {"password_hash": stored})


def _found(connection: Connection, tokens: Any) -> Any:
    """Return what a statement finds by a token; raise Unprocessable for nothing."""
    found = connection.execute(tokens).scalar_one_or_none()
    if found is None:
        raise _unknown_token()
    return found


def _unknown_token() -> Unprocessable:
    rule = BrokenRule("/token", "token", "is unknown, used or expired: ask for another")
    return Unprocessable("The token opens nothing.", [rule])


def find(tenant: UUID, email: str) -> Row[Any] | None:
    """Return the row of a user by e-mail address, in any case."""
    with db.transaction(tenant, read_only=True) as connection:
        chosen = (User.account_id == tenant, User.email == email.lower())
        return connection.execute(select(User.__table__).where(*chosen)).one_or_none()


def is_unchanged(connection: Connection, user: Row[Any]) -> bool:
    """Tell whether a user may still sign in with the password that was just right.

    Until the transaction ends nobody changes it: what begins in it is seen, and ended,
    by whoever changes it next. `renew_hash` leaves the version as it is.
    """
    same_password = or_(
        User.password_hash == user.password_hash, User.version == user.version
    )
    own = (User.account_id == user.account_id, User.id == user.id)
    found = select(User.id).where(*own, User.is_active, same_password)
    return connection.execute(found.with_for_update(read=True)).first() is not None


def renew_hash(user: Row[Any], password: str) -> None:
    """Hash a password that has just been right again, if the settings ask for more."""
    if is_outdated(user.password_hash):
        renewed = hashed(password)
        same = (
            User.account_id == user.account_id,
            User.id == user.id,
            User.password_hash == user.password_hash,
        )
        with db.transaction(user.account_id) as connection:
            connection.execute(update(User).where(*same).values(password_hash=renewed))


def change_user(
    principal: Principal,
    tenant: UUID,
    id: UUID,
    change: Callable[[shapes.UserDocument], shapes.UserChange],
    if_match: int | None,
    where: Condition | None,
) -> Record:
    """Write a change of a user, as far as the caller may go.

    Address and password are their owner's alone; role and activity are for an admin,
    up to the admin's own role. All four ask for the caller's current password; a key
    or a client has none, and may do without for role and activity.
    """

    def permitted(document: shapes.UserDocument) -> Values:
        values = _lowered(change(document))
        given = values.pop("current_password", None)
        changed = {
            name: values[name] for name in values if _differs(name, document, values)
        }
        _refuse_reach(principal, document, changed)
        asked = given is not None or SENSITIVE & changed.keys()
        if asked and principal.user_id:
            _check_password(tenant, principal.user_id, given)
        if "password" in changed:
            refuse_common(changed["password"], values["email"])
            changed["password_hash"] = hashed(changed.pop("password"))
        return changed

    return users.update(tenant, id, permitted, if_match, where)


def _lowered(values: shapes.InvitationBody | shapes.UserChange) -> dict[str, Any]:
    return {**values, "email": values["email"].lower()}


def _differs(name: str, document: Values, values: Values) -> bool:
    return name not in document or document[name] != values[name]


def _refuse_reach(
    principal: Principal, document: shapes.UserDocument, changed: Values
) -> None:
    """Raise Forbidden for a change that is another one's to make."""
    own = str(principal.user_id) == document["id"]
    if not own:
        refuse_beyond(principal, document)
        if OWN & changed.keys():
            raise Forbidden("Address and password are their user's own to change.")
    if RANKED & changed.keys():
        if principal.role < Role.ADMIN:
            raise Forbidden("Role and activity are for an admin to change.")
        _refuse_sign_in(principal, {**document, **changed})


def _refuse_sign_in(principal: Principal, values: Values) -> None:
    """Raise Forbidden where somebody who signs in would reach beyond the caller.

    Who signs in has every scope: a caller who has not must not let anybody in.
    """
    refuse_beyond(principal, {**values, "scopes": [EVERY_SCOPE]})


def _check_password(tenant: UUID, user_id: UUID, given: str | None) -> None:
    """Raise Forbidden unless the password is the user's; guesses are counted."""
    if given is None:
        raise _wrong_password("required", "is missing: send it, or test it first")
    with db.transaction(tenant, read_only=True) as connection:
        own = (User.account_id == tenant, User.id == user_id)
        stored = connection.execute(select(User.password_hash).where(*own)).scalar()
    limit = throttle.Limit(f"current password of {user_id}")
    with throttle.attempt(limit):
        right = matches(stored, given)
    if not right:
        raise _wrong_password("match", "is not your password")
    throttle.succeed(limit)


def _wrong_password(rule: str, detail: str) -> Forbidden:
    broken = BrokenRule("/current_password", rule, detail)
    return Forbidden("This change asks for your current password.", [broken])
