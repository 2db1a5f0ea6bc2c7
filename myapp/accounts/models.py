"""Accounts: the contracts, the table, and how one is opened, closed and purged."""

from datetime import datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from pkgutil import resolve_name
from uuid import UUID

from sqlalchemy import String, UniqueConstraint, delete, select
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from myapp import access, audit, db, tables
from myapp.access import EVERY_SCOPE, Principal, Role, Rule
from myapp.accounts import shapes
from myapp.api_keys.models import API_KEY, ApiKey, issue
from myapp.contract import Contract
from myapp.contract_rules import Schema
from myapp.db import sql
from myapp.errors import BrokenRule, Forbidden, Unavailable
from myapp.housekeeping import (
    Chore,
    chores,
    found_by_owner,
    of_each,
    remove_owned,
)
from myapp.passwords import PASSWORD
from myapp.repository import Record
from myapp.sql_repository import SqlRepository
from myapp.tables import UtcDateTime, Versioned
from myapp.users.models import EMAIL, ready, users

KEPT_DAYS = 30
"""How long a closed account is kept, for whoever closed it by mistake."""

PROPERTIES: dict[str, Schema] = {
    "id": {"type": "string", "format": "uuid", "readOnly": True},
    "name": {
        "type": "string",
        "minLength": 1,
        "maxLength": 120,
        "examples": ["Acme Tickets"],
    },
    "slug": {
        "type": "string",
        "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$",
        "minLength": 3,
        "maxLength": 40,
        "description": "The short name of the account, unique among all accounts.",
        "examples": ["acme-tickets"],
    },
    "created_at": {"type": "string", "format": "date-time", "readOnly": True},
    "updated_at": {"type": "string", "format": "date-time", "readOnly": True},
}
ACCOUNT = Contract[shapes.AccountBody, shapes.AccountDocument](
    "Account", description="A tenant: all else belongs to one.", properties=PROPERTIES
)
NEW_OWNER: dict[str, Schema] = {
    "email": {**EMAIL, "writeOnly": True, "description": "The owner's address."},
    "password": PASSWORD,
    "captcha": {
        "type": ["string", "null"],
        "maxLength": 4000,
        "default": None,
        "writeOnly": True,
        "description": "The answer to the captcha, where the server asks for one.",
    },
}
NEW_ACCOUNT = Contract[shapes.NewAccountBody, shapes.NewAccountDocument](
    "NewAccount",
    description="A new account, its owner, and a first API key, shown only here.",
    properties=PROPERTIES
    | NEW_OWNER
    | {"api_key": {"type": "string", "maxLength": 100, "readOnly": True}},
)

FIRST_KEY = API_KEY.validate(
    {"name": "first key", "role": "owner", "scopes": [EVERY_SCOPE]}
)


class Account(Versioned, sql.Model):
    """A row of accounts; its tenant is its own id."""

    __tablename__ = "accounts"
    __table_args__ = (UniqueConstraint("slug"),)

    name: Mapped[str] = mapped_column(String(120))
    slug: Mapped[str] = mapped_column(String(40))
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


accounts = SqlRepository(Account, ACCOUNT, tenant="id")

OPERATOR = Principal(None, "operator", Role.OPERATOR, frozenset({"accounts:write"}))
"""Who runs the service: opens accounts, and has no right inside one."""


def operator_of(key: str) -> Principal | None:
    """Return the operator for the key whose SHA-256 is in the settings."""
    expected = db.stores().settings["OPERATOR_KEY_SHA256"].lower()
    digest = sha256(key.encode()).hexdigest()
    return OPERATOR if compare_digest(digest.encode(), expected.encode()) else None


access.authenticators.append(operator_of)


def _is_operator(principal: Principal | None) -> bool:
    return principal is not None and principal.role is Role.OPERATOR


def _may_sign_up(principal: Principal | None) -> bool:
    return _is_operator(principal) or bool(db.stores().settings["OPEN_SIGN_UP"])


SIGN_UP = Rule("operator, or anyone where sign-up is open", _may_sign_up)


def check_captcha(authorization: str | None, answer: str | None, peer: str) -> None:
    """Raise Forbidden where the function of the settings refuses an answer.

    The function takes the answer and the caller's address; Unavailable is raised where
    it fails. An operator needs none; where sign-up is open, nobody has yet looked at
    who calls: Unauthorized is raised for a credential that names nobody.
    """
    named = db.stores().settings["CAPTCHA"]
    if not named or _is_operator(access.authenticate(authorization)):
        return
    try:
        solved = resolve_name(named)(answer or "", peer)
    except Exception as error:
        raise Unavailable("The captcha cannot be checked: try again.") from error
    if not solved:
        rule = BrokenRule("/captcha", "captcha", "is not the answer: try another one")
        raise Forbidden("The captcha is not solved.", [rule])


def sign_up(
    values: shapes.NewAccountBody, id: UUID | None = None, secret: bytes | None = None
) -> Record:
    """Open an account with its owner and a first key; return it as NEW_ACCOUNT.

    Raises Conflict where the slug is taken.
    """
    tenant = id or uuid7()
    named = {"name": values["name"], "slug": values["slug"]}
    owner = ready(values["email"], values["password"], name=None, role="owner")
    with db.transaction(tenant):
        account = accounts.create(tenant, named)
        users.create(tenant, owner)
        key = issue(tenant, FIRST_KEY, secret).values[-1]
    return Record((*account.values, key), account.version)


def close(tenant: UUID, id: UUID, if_match: int | None) -> None:
    """End all access to an account within a second; `purge` removes it later."""
    with db.transaction(tenant) as connection:
        accounts.replace(tenant, id, {"closed_at": tables.now()}, if_match)
        keys = delete(ApiKey).where(ApiKey.account_id == tenant)
        for key in connection.execute(keys.returning(ApiKey.id, ApiKey.version)).all():
            audit.note(connection, tenant, "api_keys", key.id, key.version)


def purge_closed(days: int = KEPT_DAYS) -> int:
    """Remove the accounts that were closed so long ago; return how many there were."""
    moment = tables.now() - timedelta(days=days)
    closed = select(Account.id).where(Account.closed_at < moment)
    return of_each(found_by_owner(closed), _purge)


chores.append(Chore("accounts", purge_closed))


def _purge(id: UUID) -> int:
    """Remove a closed account with all that it owns, in both stores, but its audit.

    Returns 1; 0 where another purge was faster.
    """
    # Its row goes last: a purge that was cut short finds the account again.
    for key in db.redis_store.scan_iter(match=f"{{{id}}}:*", count=500):
        db.redis_store.delete(key)
    remove_owned(id)
    with db.transaction(id) as connection:
        closed = (Account.id == id, Account.closed_at.is_not(None))
        removal = delete(Account).where(*closed).returning(Account.version)
        versions = connection.scalars(removal).all()
        for version in versions:
            audit.note(connection, id, "accounts", id, version)
    return len(versions)
