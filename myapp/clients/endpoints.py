"""The endpoints of OAuth clients."""

from myapp.access import ADMIN, refuse_beyond
from myapp.api import FeatureApi, Resource
from myapp.clients.models import (
    CLIENT,
    NEW_CLIENT,
    clients,
    register,
    renew_secret,
)
from myapp.clients.shapes import ClientBody, NewClientBody
from myapp.errors import Conflict, NotFound
from myapp.operations import operation
from myapp.reach import change_within, remove_within
from myapp.repository import Page, Record
from myapp.request import Request

api = FeatureApi("clients", CLIENT, home="/v1/auth/clients")
blueprint = api.blueprint


@api.route("")
class ClientList(Resource):
    @operation.list(ADMIN)
    def get(self, request: Request) -> Page:
        """List the clients of your account."""
        return clients.list(request.tenant, request.page)

    @operation.create(ADMIN, accepts=NEW_CLIENT, answers=NEW_CLIENT)
    def post(self, request: Request[NewClientBody]) -> Record:
        """Register a client within your own reach; its secret is shown only here."""
        refuse_beyond(request.principal, request.body)
        return register(request.tenant, request.body)


@api.route("/<uuid:client_id>")
class ClientItem(Resource):
    @operation.retrieve(ADMIN)
    def get(self, request: Request) -> Record:
        """Show a client, without its secret."""
        return clients.retrieve(request.tenant, request.path["client_id"])

    @operation.replace(ADMIN)
    def put(self, request: Request[ClientBody]) -> Record:
        """Replace a client's name, role, scopes, grant types and addresses."""
        id, body = request.path["client_id"], request.body
        principal, tenant = request.principal, request.tenant
        return change_within(
            clients, principal, tenant, id, lambda _: body, request.if_match
        )

    @operation.update(ADMIN)
    def patch(self, request: Request[ClientBody]) -> Record:
        """Change a client, or switch it off: its tokens end within a second."""
        id, change = request.path["client_id"], request.change
        principal, tenant = request.principal, request.tenant
        return change_within(clients, principal, tenant, id, change, request.if_match)

    @operation.delete(ADMIN)
    def delete(self, request: Request) -> None:
        """Remove a client: its tokens end within a second."""
        id = request.path["client_id"]
        principal, tenant = request.principal, request.tenant
        remove_within(clients, principal, tenant, id, request.if_match)


@api.route("/<uuid:client_id>/secret")
class ClientSecret(Resource):
    @operation.action(ADMIN, answers=NEW_CLIENT, problems=(NotFound, Conflict))
    def post(self, request: Request) -> Record:
        """Give a client another secret; it is shown only here."""
        id = request.path["client_id"]
        return renew_secret(request.principal, request.tenant, id)
