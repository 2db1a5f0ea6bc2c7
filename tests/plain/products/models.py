"""Products: the contracts, the table, and what can be done with a row."""

from typing import Any, ClassVar, Self
from uuid import UUID

from flask import abort
from sqlalchemy import String, select
from sqlalchemy.orm import Mapped, mapped_column

from myapp.db import sql
from myapp.tables import TenantOwned

Json = dict[str, Any]

WRITABLE: Json = {
    "name": {"type": "string", "minLength": 1, "maxLength": 80},
    "price": {"type": "integer", "minimum": 0, "maximum": 10_000_000},
}


class Product(TenantOwned, sql.Model):
    """Something an account sells."""

    __tablename__ = "sample_products"

    name: Mapped[str] = mapped_column(String(80))
    price: Mapped[int]

    read_schema: ClassVar[Json] = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Product",
        "description": "Something an account sells; the price is in cents.",
        "type": "object",
        "properties": {"id": {"type": "string", "format": "uuid"}, **WRITABLE},
        "required": ["id", "name", "price"],
        "additionalProperties": False,
    }
    write_schema: ClassVar[Json] = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "WriteProduct",
        "description": "What a client sends of a product.",
        "type": "object",
        "properties": WRITABLE,
        "required": ["name", "price"],
        "additionalProperties": False,
    }

    @classmethod
    def of(cls, tenant: UUID) -> list[Self]:
        """List the products of an account, oldest first."""
        owned = select(cls).where(cls.account_id == tenant).order_by(cls.id)
        return list(sql.session.scalars(owned))

    @classmethod
    def get_or_404(cls, tenant: UUID, id: UUID) -> Self:
        """Return one product of an account, or end the request."""
        product: Self | None = sql.session.get(cls, (tenant, id))
        return product or abort(404, f"There is no product {id}.")

    @classmethod
    def create(cls, tenant: UUID, values: Json) -> Self:
        """Add a product."""
        product = cls(account_id=tenant, **values)
        sql.session.add(product)
        sql.session.commit()
        return product

    def update(self, values: Json) -> None:
        """Replace what a client may write."""
        for field, value in values.items():
            setattr(self, field, value)
        sql.session.commit()

    def delete(self) -> None:
        """Remove the product."""
        sql.session.delete(self)
        sql.session.commit()

    def to_json(self) -> Json:
        """Return what clients see."""
        return {"id": str(self.id), "name": self.name, "price": self.price}


# The table of a real feature comes with a migration; this one is made by its tests,
# and the migrations know nothing of it.
sql.Model.metadata.remove(Product.__table__)
