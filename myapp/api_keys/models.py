"""API keys: the contracts, the table, the repository, and how a key is verified.

A key is `myapp_` and base64url of the account's id, 256 random bits and a CRC-32:
the account leads to the row in one statement, the checksum spares the look-up for
what is no key. Only its SHA-256 is stored (docs/adr/0004).
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import crc32
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_bytes
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    String,
    UniqueConstraint,
    bindparam,
    column,
    or_,
    select,
    table,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from myapp import access, db, tables
from myapp.access import Principal, Role
from myapp.contract import Contract
from myapp.contract_rules import Schema
from myapp.db import sql
from myapp.errors import Forbidden, Unavailable
from myapp.repository import Change, Record, Values
from myapp.sql_repository import SqlRepository
from myapp.tables import TenantOwned, UtcDateTime

PREFIX = "myapp_"
USE_IS_NOTED_EVERY = timedelta(minutes=1)
ROLES = ["viewer", "member", "admin", "owner"]

PROPERTIES: dict[str, Schema] = {
    "id": {"type": "string", "format": "uuid", "readOnly": True},
    "name": {
        "type": "string",
        "minLength": 1,
        "maxLength": 120,
        "examples": ["nightly import"],
    },
    "role": {"type": "string", "enum": ROLES, "examples": ["member"]},
    "scopes": {
        "type": "array",
        "items": {
            "type": "string",
            "pattern": r"^(\*|[a-z_]+:(read|write))$",
            "maxLength": 64,
        },
        "minItems": 1,
        "maxItems": 50,
        "uniqueItems": True,
        "description": "What the key may do; `*` for everything its role may.",
        "examples": [["customers:read", "customers:write"]],
    },
    "last_used_at": {
        "type": ["string", "null"],
        "format": "date-time",
        "readOnly": True,
        "description": "To the minute; it changes neither version nor ETag.",
    },
    "created_at": {"type": "string", "format": "date-time", "readOnly": True},
}
API_KEY = Contract(
    "ApiKey", description="A machine's credential.", properties=PROPERTIES
)
NEW_API_KEY = Contract(
    "NewApiKey",
    description="A machine's credential, with the key, which is shown only here.",
    properties=PROPERTIES
    | {"key": {"type": "string", "maxLength": 100, "readOnly": True}},
)


class ApiKey(TenantOwned, sql.Model):
    """A row of api_keys."""

    __tablename__ = "api_keys"
    __table_args__ = (UniqueConstraint("account_id", "key_sha256"),)

    name: Mapped[str] = mapped_column(String(120))
    role: Mapped[str] = mapped_column(String(6))
    scopes: Mapped[list[str]] = mapped_column(JSON)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    key_sha256: Mapped[str] = mapped_column(String(64))


api_keys = SqlRepository(ApiKey, API_KEY)


def new_key(account_id: UUID, secret: bytes) -> str:
    """Return the key of an account that carries a secret of 32 bytes."""
    body = account_id.bytes + secret
    checksum = crc32(body).to_bytes(4, "big")
    return PREFIX + urlsafe_b64encode(body + checksum).rstrip(b"=").decode()


def account_of(key: str) -> UUID | None:
    """Return the account that a well-formed key names, None for anything else."""
    try:
        raw = urlsafe_b64decode(key.removeprefix(PREFIX) + "==")
        account_id, secret = UUID(bytes=raw[:16]), raw[16:48]
    except ValueError:
        return None
    # base64 reads many spellings alike; a key has the one that we gave it.
    return account_id if key == new_key(account_id, secret) else None


def issue(tenant: UUID, values: Values, secret: bytes | None = None) -> Record:
    """Store a new key; return it as NEW_API_KEY, with the key at the end."""
    key = new_key(tenant, secret or token_bytes(32))
    record = api_keys.create(tenant, values, key_sha256=_digest(key))
    return Record((*record.values, key), record.version)


def _digest(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def principal_of(key: str) -> Principal | None:
    """Return whom a live key stands for; note its use, to the minute."""
    account_id = account_of(key)
    if account_id is None:
        return None
    wanted = {"tenant": account_id, "digest": _digest(key)}
    with db.transaction(account_id, read_only=True) as connection:
        row = connection.execute(_FIND, wanted).one_or_none()
    if row is None:
        return None
    noted_before = tables.now() - USE_IS_NOTED_EVERY
    if row.last_used_at is None or row.last_used_at < noted_before:
        with suppress(Unavailable):  # the request itself may need no write
            _note_use(account_id, row.id, noted_before)
    role, scopes = Role[row.role.upper()], frozenset(row.scopes)
    return Principal(account_id, f"api_key:{row.id}", role, scopes)


def _note_use(account_id: UUID, id: UUID, noted_before: datetime) -> None:
    unnoted = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < noted_before)
    with db.transaction(account_id) as connection:
        chosen = (ApiKey.account_id == account_id, ApiKey.id == id, unnoted)
        noted = update(ApiKey).where(*chosen).values(last_used_at=tables.now())
        connection.execute(noted)


# Named as the foreign key names it: the models of accounts import this file.
_accounts = table("accounts", column("id"), column("closed_at"))
_FIND = (
    select(ApiKey.id, ApiKey.role, ApiKey.scopes, ApiKey.last_used_at)
    .join(_accounts, _accounts.c.id == ApiKey.account_id)
    .where(
        ApiKey.account_id == bindparam("tenant"),
        ApiKey.key_sha256 == bindparam("digest"),
        _accounts.c.closed_at.is_(None),
    )
)

access.authenticators.append(principal_of)


def refuse_beyond(principal: Principal, values: Values) -> None:
    """Raise Forbidden for a role or scope that the caller does not have."""
    role = Role[values["role"].upper()]
    if role > principal.role or not all(map(principal.has_scope, values["scopes"])):
        raise Forbidden("A key cannot reach beyond your own role and scopes.")


def change_key(
    principal: Principal, tenant: UUID, id: UUID, change: Change, if_match: int | None
) -> Record:
    """Write a change between two states that are both within the caller's reach."""

    def within(document: dict[str, Any]) -> Values:
        refuse_beyond(principal, document)
        values = change(document)
        refuse_beyond(principal, values)
        return values

    return api_keys.update(tenant, id, within, if_match)


def revoke(principal: Principal, tenant: UUID, id: UUID, if_match: int | None) -> None:
    """Remove a key: it ends on every worker within a second."""
    record = api_keys.retrieve(tenant, id)
    refuse_beyond(principal, API_KEY.document(record))
    api_keys.delete(tenant, id, record.version if if_match is None else if_match)
