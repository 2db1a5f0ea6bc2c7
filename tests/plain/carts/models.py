"""Carts: the contracts, and how one is kept in Redis."""

import json
from datetime import timedelta
from typing import Any, ClassVar, Self
from uuid import UUID, uuid4

from flask import abort

from myapp.db import redis_store

Json = dict[str, Any]

LIFE = timedelta(hours=1)
ITEM: Json = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 80},
        "quantity": {"type": "integer", "minimum": 1, "maximum": 99},
    },
    "required": ["name", "quantity"],
    "additionalProperties": False,
}
WRITABLE: Json = {
    "items": {"type": "array", "items": ITEM, "maxItems": 50},
    "note": {"type": "string", "maxLength": 200},
}


class Cart:
    """What somebody is about to buy; forgotten an hour after the last change."""

    read_schema: ClassVar[Json] = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Cart",
        "description": "What somebody is about to buy.",
        "type": "object",
        "properties": {"id": {"type": "string", "format": "uuid"}, **WRITABLE},
        "required": ["id", "items"],
        "additionalProperties": False,
    }
    write_schema: ClassVar[Json] = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "WriteCart",
        "description": "What a client sends of a cart.",
        "type": "object",
        "properties": WRITABLE,
        "required": ["items"],
        "additionalProperties": False,
    }

    def __init__(self, key: str, content: Json) -> None:
        self._key = key
        self._content = content

    @classmethod
    def get_or_404(cls, tenant: UUID, id: UUID) -> Self:
        """Return one cart of an account, or end the request."""
        key = _key(tenant, id)
        stored = redis_store.get(key)
        if stored is None:
            abort(404, f"There is no cart {id}.")
        return cls(key, json.loads(stored))

    @classmethod
    def create(cls, tenant: UUID, values: Json) -> Self:
        """Store a new cart."""
        id = uuid4()
        cart = cls(_key(tenant, id), {"id": str(id)})
        cart.update(values)
        return cart

    def update(self, values: Json) -> None:
        """Merge values into the cart."""
        self._content |= values
        redis_store.set(self._key, json.dumps(self._content), ex=LIFE)

    def delete(self) -> None:
        """Forget the cart."""
        redis_store.delete(self._key)

    def to_json(self) -> Json:
        """Return what clients see."""
        return self._content


def _key(tenant: UUID, id: UUID) -> str:
    """Return where a cart is kept; an account's keys are in one slot of a cluster."""
    return f"{{{tenant}}}:sample_carts:{id}"
