"""API keys: the contracts, the table, the repository, and how a key is verified."""

from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import (
    JSON,
    String,
    UniqueConstraint,
    bindparam,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from myapp import access, tables
from myapp.access import ROLES, SCOPE, Principal, Role
from myapp.api_keys import shapes
from myapp.contract import Contract
from myapp.contract_rules import Schema
from myapp.db import sql
from myapp.errors import Unavailable
from myapp.repository import Record
from myapp.sql_repository import SqlRepository
from myapp.statement import Statement
from myapp.tables import TenantOwned, UtcDateTime
from myapp.tenants import accounts
from myapp.tokens import account_of, digest, new_token

PREFIX = "myapp_"
USE_IS_NOTED_EVERY = timedelta(minutes=1)

PROPERTIES: dict[str, Schema] = {
    "id": {"type": "string", "format": "uuid", "readOnly": True},
    "name": {
        "type": "string",
        "minLength": 1,
        "maxLength": 120,
        "examples": ["nightly import"],
    },
    "role": {"type": "string", "enum": list(ROLES), "examples": ["member"]},
    "scopes": {
        "type": "array",
        "items": SCOPE,
        "minItems": 1,
        "maxItems": 50,
        "uniqueItems": True,
        "description": "What the key may do; `*` for everything its role may.",
        "examples": [["users:read", "users:write"]],
    },
    "last_used_at": {
        "type": ["string", "null"],
        "format": "date-time",
        "readOnly": True,
        "description": "To the minute; it changes neither version nor ETag.",
    },
    "created_at": {"type": "string", "format": "date-time", "readOnly": True},
}
API_KEY = Contract[shapes.ApiKeyBody, shapes.ApiKeyDocument](
    "ApiKey", description="A machine's credential.", properties=PROPERTIES
)
NEW_API_KEY = Contract[shapes.NewApiKeyBody, shapes.NewApiKeyDocument](
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


def issue(
    tenant: UUID, values: shapes.ApiKeyBody, secret: bytes | None = None
) -> Record:
    """Store a new key; return it as NEW_API_KEY, with the key at the end."""
    key = new_token(PREFIX, tenant, secret)
    record = api_keys.create(tenant, values, key_sha256=digest(key))
    return Record((*record.values, key), record.version)


def principal_of(key: str) -> Principal | None:
    """Return whom a live key stands for; note its use, to the minute."""
    account_id = account_of(PREFIX, key)
    if account_id is None:
        return None
    wanted = {"tenant": account_id, "digest": digest(key)}
    row = _FIND.one(account_id, wanted)
    if row is None:
        return None
    id, role, scopes, last_used_at = row
    noted_before = tables.now() - USE_IS_NOTED_EVERY
    if last_used_at is None or last_used_at < noted_before:
        with suppress(Unavailable):  # the request itself may need no write
            noted = {
                "tenant": account_id,
                "wanted_id": id,
                "noted_before": noted_before,
                "now": tables.now(),
            }
            _NOTE_USE.all(account_id, noted)
    role, scopes = Role[role.upper()], frozenset(scopes)
    return Principal(account_id, f"api_key:{id}", role, scopes, is_announced=True)


_FIND = Statement(
    select(ApiKey.id, ApiKey.role, ApiKey.scopes, ApiKey.last_used_at)
    .join(accounts, accounts.c.id == ApiKey.account_id)
    .where(
        ApiKey.account_id == bindparam("tenant"),
        ApiKey.key_sha256 == bindparam("digest"),
        accounts.c.closed_at.is_(None),
    ),
    read_only=True,
)

_NOTE_USE = Statement(
    update(ApiKey)
    .where(
        ApiKey.account_id == bindparam("tenant"),
        ApiKey.id == bindparam("wanted_id"),
        or_(
            ApiKey.last_used_at.is_(None),
            ApiKey.last_used_at < bindparam("noted_before"),
        ),
    )
    .values(last_used_at=bindparam("now"))
    .returning(ApiKey.id)
)

access.authenticators.append(principal_of)
