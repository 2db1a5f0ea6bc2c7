"""Invoices: a feature with relationships that clients write; none real is named so."""

import sys
from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from myapp import create_app
from myapp.access import MEMBER, VIEWER
from myapp.api import FeatureApi, Resource
from myapp.contract import Contract
from myapp.db import sql
from myapp.operations import operation
from myapp.repository import Page, Record
from myapp.request import Request
from myapp.sql_repository import SqlRepository
from myapp.tables import TenantOwned
from tests.sample_customers import Customer
from tests.samples import FEATURES, make_table

INVOICE = Contract(
    "SampleInvoice",
    description="What a customer owes, and who has approved of it.",
    properties={
        "id": {"type": "string", "format": "uuid", "readOnly": True},
        "total": {"type": "integer", "minimum": 0, "maximum": 1_000_000},
        "customer_id": {"type": "string", "format": "uuid"},
        "approver": {"type": ["string", "null"], "format": "uuid", "default": None},
    },
)


class Invoice(TenantOwned, sql.Model):
    """A row of sample_invoices."""

    __tablename__ = "sample_invoices"
    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "customer_id"], [Customer.account_id, Customer.id]
        ),
        ForeignKeyConstraint(
            ["account_id", "approver"], ["users.account_id", "users.id"]
        ),
    )

    total: Mapped[int]
    customer_id: Mapped[UUID]
    approver: Mapped[UUID | None] = mapped_column(default=None)


invoices = SqlRepository(Invoice, INVOICE)
sql.Model.metadata.remove(Invoice.__table__)  # the migrations know nothing of it

api = FeatureApi("sample_invoices", INVOICE)
blueprint = api.blueprint


@api.route("")
class InvoiceList(Resource):
    @operation.list(VIEWER)
    def get(self, request: Request) -> Page:
        """List the invoices."""
        return invoices.list(request.tenant, request.page)

    @operation.create(MEMBER)
    def post(self, request: Request) -> Record:
        """Write an invoice."""
        return invoices.create(request.tenant, request.body)


@api.route("/<uuid:invoice_id>")
class InvoiceItem(Resource):
    @operation.retrieve(VIEWER)
    def get(self, request: Request) -> Record:
        """Show an invoice."""
        return invoices.retrieve(request.tenant, request.path["invoice_id"])

    @operation.update(MEMBER)
    def patch(self, request: Request) -> Record:
        """Change an invoice."""
        id = request.path["invoice_id"]
        return invoices.update(request.tenant, id, request.change, request.if_match)


def start(settings: dict[str, Any]) -> Flask:
    """Return the application with this feature, on a database of its own."""
    app = create_app(settings, (*FEATURES, sys.modules[__name__]))
    make_table(app, Invoice.__table__)
    return app
