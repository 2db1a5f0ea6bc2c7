"""Customers: the contract, the table and the repository."""

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from myapp.contract import Contract
from myapp.customers.shapes import CustomerBody, CustomerDocument
from myapp.db import sql
from myapp.sql_repository import SqlRepository
from myapp.tables import TenantOwned

CUSTOMER = Contract[CustomerBody, CustomerDocument](
    "Customer",
    description="Someone an account sells to.",
    properties={
        "id": {"type": "string", "format": "uuid", "readOnly": True},
        "name": {
            "type": "string",
            "minLength": 1,
            "maxLength": 120,
            "examples": ["Ada Lovelace"],
        },
        "email": {"type": "string", "format": "email", "maxLength": 254},
        "created_at": {"type": "string", "format": "date-time", "readOnly": True},
        "updated_at": {"type": "string", "format": "date-time", "readOnly": True},
    },
    filters=("name", "email", "created_at"),
    sorts=("name", "created_at"),
)


class Customer(TenantOwned, sql.Model):
    """A row of customers."""

    __tablename__ = "customers"
    __table_args__ = (
        Index(None, "account_id", "name", "id"),
        Index(None, "account_id", "created_at", "id"),
        Index(None, "account_id", "email"),
    )

    name: Mapped[str] = mapped_column(String(120))
    email: Mapped[str] = mapped_column(String(254))


customers = SqlRepository(Customer, CUSTOMER)
