"""Sample customers: the resource on SQL that tests use; no real one is named so."""

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from myapp.access import MEMBER, VIEWER
from myapp.api import FeatureApi, Resource
from myapp.contract import Contract
from myapp.db import sql
from myapp.operations import operation
from myapp.repository import Page, Record
from myapp.request import Request
from myapp.sql_repository import SqlRepository
from myapp.tables import TenantOwned

CUSTOMER = Contract(
    "SampleCustomer",
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
    """A row of sample_customers."""

    __tablename__ = "sample_customers"
    __table_args__ = (
        Index(None, "account_id", "name", "id"),
        Index(None, "account_id", "created_at", "id"),
        Index(None, "account_id", "email"),
    )

    name: Mapped[str] = mapped_column(String(120))
    email: Mapped[str] = mapped_column(String(254))


customers = SqlRepository(Customer, CUSTOMER)
sql.Model.metadata.remove(Customer.__table__)  # the migrations know nothing of it


api = FeatureApi("sample_customers", CUSTOMER)
blueprint = api.blueprint


@api.route("")
class CustomerList(Resource):
    @operation.list(VIEWER)
    def get(self, request: Request) -> Page:
        """List the customers."""
        return customers.list(request.tenant, request.page)

    @operation.create(MEMBER)
    def post(self, request: Request) -> Record:
        """Add a customer."""
        return customers.create(request.tenant, request.body)


@api.route("/<uuid:sample_customer_id>")
class CustomerItem(Resource):
    @operation.retrieve(VIEWER)
    def get(self, request: Request) -> Record:
        """Show a customer."""
        return customers.retrieve(request.tenant, request.path["sample_customer_id"])

    @operation.replace(MEMBER)
    def put(self, request: Request) -> Record:
        """Replace a customer."""
        id = request.path["sample_customer_id"]
        return customers.replace(request.tenant, id, request.body, request.if_match)

    @operation.update(MEMBER)
    def patch(self, request: Request) -> Record:
        """Change a customer."""
        id = request.path["sample_customer_id"]
        return customers.update(request.tenant, id, request.change, request.if_match)

    @operation.delete(MEMBER)
    def delete(self, request: Request) -> None:
        """Remove a customer."""
        id = request.path["sample_customer_id"]
        customers.delete(request.tenant, id, request.if_match)
