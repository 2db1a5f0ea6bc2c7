"""The endpoints of API keys."""

from myapp.access import ADMIN, refuse_beyond
from myapp.api import FeatureApi, Resource
from myapp.api_keys.models import (
    API_KEY,
    NEW_API_KEY,
    api_keys,
    issue,
)
from myapp.api_keys.shapes import ApiKeyBody
from myapp.operations import operation
from myapp.reach import change_within, remove_within
from myapp.repository import Page, Record
from myapp.request import Request

api = FeatureApi("api_keys", API_KEY)
blueprint = api.blueprint


@api.route("")
class ApiKeyList(Resource):
    @operation.list(ADMIN)
    def get(self, request: Request) -> Page:
        """List the API keys, without the keys themselves."""
        return api_keys.list(request.tenant, request.page)

    @operation.create(ADMIN, answers=NEW_API_KEY)
    def post(self, request: Request[ApiKeyBody]) -> Record:
        """Make an API key within your own role and scopes; it is shown only here."""
        refuse_beyond(request.principal, request.body)
        return issue(request.tenant, request.body)


@api.route("/<uuid:api_key_id>")
class ApiKeyItem(Resource):
    @operation.retrieve(ADMIN)
    def get(self, request: Request) -> Record:
        """Show an API key, without the key itself."""
        return api_keys.retrieve(request.tenant, request.path["api_key_id"])

    @operation.replace(ADMIN)
    def put(self, request: Request[ApiKeyBody]) -> Record:
        """Replace the name, role and scopes of an API key."""
        id, body = request.path["api_key_id"], request.body
        principal, tenant = request.principal, request.tenant
        return change_within(
            api_keys, principal, tenant, id, lambda _: body, request.if_match
        )

    @operation.update(ADMIN)
    def patch(self, request: Request[ApiKeyBody]) -> Record:
        """Change the name, role or scopes of an API key."""
        id, change = request.path["api_key_id"], request.change
        principal, tenant = request.principal, request.tenant
        return change_within(api_keys, principal, tenant, id, change, request.if_match)

    @operation.delete(ADMIN)
    def delete(self, request: Request) -> None:
        """Revoke an API key: it ends on every worker within a second."""
        id = request.path["api_key_id"]
        principal, tenant = request.principal, request.tenant
        remove_within(api_keys, principal, tenant, id, request.if_match)
