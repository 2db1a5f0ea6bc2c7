"""OAuth clients: the contracts, the table, and what a client may ask for.

A confidential client has a secret, of which only the SHA-256 is kept; a public one
(an app, a page, a command) has none and proves itself by PKCE (RFC 7636).
"""

from secrets import token_urlsafe
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Row, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, mapped_column

from myapp import db
from myapp.access import ROLES, SCOPE, Principal, refuse_beyond
from myapp.clients import shapes
from myapp.contract import Contract
from myapp.contract_rules import Schema
from myapp.db import sql
from myapp.errors import Conflict
from myapp.repository import Record
from myapp.sql_repository import SqlRepository
from myapp.tables import TenantOwned
from myapp.tenants import is_open
from myapp.tokens import digest

GRANTS = ("authorization_code", "client_credentials", "refresh_token")
REDIRECT_URI = (
    r"^(https://[0-9A-Za-z.-]+(:[0-9]+)?"
    r"|http://(127\.0\.0\.1|\[::1\]|localhost)(:[0-9]+)?)"
    r"(/[!%-;=?-Z_a-z~]*)?$"
)
"""HTTPS, or this machine; no user, no fragment, nothing that has two spellings."""

CONFIDENTIAL: Schema = {
    "type": "boolean",
    "description": "Whether it keeps a secret, as a server does and an app cannot.",
}
PROPERTIES: dict[str, Schema] = {
    "id": {"type": "string", "format": "uuid", "readOnly": True},
    "name": {
        "type": "string",
        "minLength": 1,
        "maxLength": 120,
        "description": "What people are shown when they are asked for consent.",
        "examples": ["Acme Reports"],
    },
    "role": {
        "type": "string",
        "enum": list(ROLES),
        "description": "The most it may be, for itself or for a user.",
        "examples": ["member"],
    },
    "scopes": {
        "type": "array",
        "items": SCOPE,
        "minItems": 1,
        "maxItems": 50,
        "uniqueItems": True,
        "description": "The most it may ask for.",
        "examples": [["users:read", "users:write"]],
    },
    "grant_types": {
        "type": "array",
        "items": {"type": "string", "enum": list(GRANTS)},
        "minItems": 1,
        "maxItems": len(GRANTS),
        "uniqueItems": True,
        "examples": [["client_credentials"]],
    },
    "redirect_uris": {
        "type": "array",
        "items": {
            "type": "string",
            "pattern": REDIRECT_URI,
            "maxLength": 500,
        },
        "maxItems": 20,
        "uniqueItems": True,
        "default": [],
        "description": "Where codes are sent, exactly; on loopback to any port.",
        "examples": [["https://reports.acme.example/callback"]],
    },
    "is_active": {"type": "boolean", "default": True},
    "client_id": {"type": "string", "maxLength": 64, "readOnly": True},
    "confidential": CONFIDENTIAL | {"readOnly": True},
    "created_at": {"type": "string", "format": "date-time", "readOnly": True},
}
CLIENT = Contract[shapes.ClientBody, shapes.ClientDocument](
    "Client", description="A program that asks for tokens.", properties=PROPERTIES
)
NEW_CLIENT = Contract[shapes.NewClientBody, shapes.NewClientDocument](
    "NewClient",
    description="A client; the secret of a confidential one is shown only here.",
    properties=PROPERTIES
    | {
        "confidential": CONFIDENTIAL | {"default": True},
        "client_secret": {
            "type": ["string", "null"],
            "maxLength": 64,
            "readOnly": True,
        },
    },
)


class Client(TenantOwned, sql.Model):
    """A row of clients."""

    __tablename__ = "clients"
    __table_args__ = (UniqueConstraint("client_id"),)

    name: Mapped[str] = mapped_column(String(120))
    role: Mapped[str] = mapped_column(String(6))
    scopes: Mapped[list[str]] = mapped_column(JSON)
    grant_types: Mapped[list[str]] = mapped_column(JSON)
    redirect_uris: Mapped[list[str]] = mapped_column(JSON)
    is_active: Mapped[bool]
    client_id: Mapped[str] = mapped_column(String(64))
    confidential: Mapped[bool]
    first_party: Mapped[bool] = mapped_column(default=False)
    secret_sha256: Mapped[str | None] = mapped_column(String(64))


clients = SqlRepository(Client, CLIENT)


def register(
    tenant: UUID,
    values: shapes.NewClientBody,
    *,
    client_id: str | None = None,
    first_party: bool = False,
) -> Record:
    """Store a new client; return it as NEW_CLIENT, with the secret at the end.

    A first-party client may send passwords to the token endpoint (PASSWORD_GRANT).
    """
    secret = token_urlsafe(32) if values["confidential"] else None
    record = clients.create(
        tenant,
        values,
        client_id=client_id or token_urlsafe(16),
        secret_sha256=secret and digest(secret),
        first_party=first_party,
    )
    return Record((*record.values, secret), record.version)


def renew_secret(principal: Principal, tenant: UUID, id: UUID) -> Record:
    """Give a confidential client another secret; the old one ends at once."""
    found = clients.retrieve(tenant, id)
    document = CLIENT.document(found)
    refuse_beyond(principal, document)
    if not document["confidential"]:
        raise Conflict("A public client has no secret.")
    secret = token_urlsafe(32)
    new = {"secret_sha256": digest(secret)}
    record = clients.replace(tenant, id, new, found.version)
    return Record((*record.values, secret), record.version)


def find(client_id: str) -> Row[Any] | None:
    """Return the row of a live client, of whatever account, by its public name."""
    if "\0" in client_id:  # PostgreSQL takes it for the end of a text
        return None
    with db.transaction(None, presented=client_id, read_only=True) as connection:
        chosen = select(Client.__table__).where(
            Client.client_id == client_id, Client.is_active
        )
        found = connection.execute(chosen).one_or_none()
    return found if found is not None and is_open(found.account_id) else None
