"""Checkout sessions: the contract, the repository, and how one is completed."""

from datetime import timedelta
from uuid import UUID

from myapp.checkout_sessions.shapes import CheckoutSessionBody, CheckoutSessionDocument
from myapp.contract import Contract
from myapp.errors import Conflict
from myapp.redis_repository import RedisRepository
from myapp.repository import Record, Values

CHECKOUT_SESSION = Contract[CheckoutSessionBody, CheckoutSessionDocument](
    "CheckoutSession",
    description="A payment about to happen; it expires a day after it was opened.",
    properties={
        "id": {"type": "string", "format": "uuid", "readOnly": True},
        "status": {"type": "string", "enum": ["open", "complete"], "readOnly": True},
        "amount": {
            "type": "integer",
            "minimum": 1,
            "maximum": 99_999_999,
            "description": "In the smallest unit of the currency, as cents.",
            "examples": [4200],
        },
        "currency": {
            "type": "string",
            "pattern": "^[A-Z]{3}$",
            "maxLength": 3,
            "description": "ISO 4217.",
            "examples": ["EUR"],
        },
        "description": {
            "type": ["string", "null"],
            "maxLength": 500,
            "default": None,
            "examples": ["Two tickets"],
        },
        "success_url": {
            "type": "string",
            "format": "uri",
            "pattern": "^https?://",
            "maxLength": 2000,
        },
        "created_at": {"type": "string", "format": "date-time", "readOnly": True},
        "expires_at": {"type": "string", "format": "date-time", "readOnly": True},
    },
)

checkout_sessions = RedisRepository(
    "checkout_sessions", CHECKOUT_SESSION, ttl=timedelta(hours=24)
)


def complete(tenant: UUID, id: UUID, if_match: int | None) -> Record:
    """Complete an open session; raise NotFound, Conflict for a second time."""
    return checkout_sessions.update(tenant, id, _completed, if_match)


def _completed(document: CheckoutSessionDocument) -> Values:
    if document["status"] != "open":
        raise Conflict("The checkout session is complete already.")
    return {"status": "complete"}
