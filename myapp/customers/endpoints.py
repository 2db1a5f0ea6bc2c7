"""The endpoints of customers."""

from myapp.access import MEMBER, VIEWER
from myapp.api import FeatureApi, Resource
from myapp.customers.models import CUSTOMER, customers
from myapp.customers.shapes import CustomerBody
from myapp.operations import operation
from myapp.repository import Page, Record
from myapp.request import Request

api = FeatureApi("customers", CUSTOMER)
blueprint = api.blueprint


@api.route("")
class CustomerList(Resource):
    @operation.list(VIEWER)
    def get(self, request: Request) -> Page:
        """List the customers."""
        return customers.list(request.tenant, request.page)

    @operation.create(MEMBER)
    def post(self, request: Request[CustomerBody]) -> Record:
        """Add a customer."""
        return customers.create(request.tenant, request.body)


@api.route("/<uuid:customer_id>")
class CustomerItem(Resource):
    @operation.retrieve(VIEWER)
    def get(self, request: Request) -> Record:
        """Show a customer."""
        return customers.retrieve(request.tenant, request.path["customer_id"])

    @operation.replace(MEMBER)
    def put(self, request: Request[CustomerBody]) -> Record:
        """Replace a customer."""
        id = request.path["customer_id"]
        return customers.replace(request.tenant, id, request.body, request.if_match)

    @operation.update(MEMBER)
    def patch(self, request: Request[CustomerBody]) -> Record:
        """Change a customer."""
        id = request.path["customer_id"]
        return customers.update(request.tenant, id, request.change, request.if_match)

    @operation.delete(MEMBER)
    def delete(self, request: Request) -> None:
        """Remove a customer."""
        id = request.path["customer_id"]
        customers.delete(request.tenant, id, request.if_match)
