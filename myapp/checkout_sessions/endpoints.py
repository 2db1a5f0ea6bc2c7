"""The endpoints of checkout sessions."""

from myapp.access import MEMBER, VIEWER
from myapp.api import FeatureApi, Resource
from myapp.checkout_sessions.models import (
    CHECKOUT_SESSION,
    checkout_sessions,
    complete,
)
from myapp.checkout_sessions.shapes import CheckoutSessionBody
from myapp.errors import Conflict, NotFound, PreconditionFailed
from myapp.operations import operation
from myapp.repository import Page, Record
from myapp.request import Request

api = FeatureApi("checkout_sessions", CHECKOUT_SESSION)
blueprint = api.blueprint


@api.route("")
class CheckoutSessionList(Resource):
    @operation.list(VIEWER)
    def get(self, request: Request) -> Page:
        """List the checkout sessions that have not expired."""
        return checkout_sessions.list(request.tenant, request.page)

    @operation.create(MEMBER)
    def post(self, request: Request[CheckoutSessionBody]) -> Record:
        """Open a checkout session."""
        return checkout_sessions.create(request.tenant, request.body, status="open")


@api.route("/<uuid:checkout_session_id>")
class CheckoutSessionItem(Resource):
    @operation.retrieve(VIEWER)
    def get(self, request: Request) -> Record:
        """Show a checkout session."""
        id = request.path["checkout_session_id"]
        return checkout_sessions.retrieve(request.tenant, id)

    @operation.replace(MEMBER)
    def put(self, request: Request[CheckoutSessionBody]) -> Record:
        """Replace a checkout session; it expires when it did."""
        id, body = request.path["checkout_session_id"], request.body
        return checkout_sessions.replace(request.tenant, id, body, request.if_match)

    @operation.update(MEMBER)
    def patch(self, request: Request[CheckoutSessionBody]) -> Record:
        """Change a checkout session; it expires when it did."""
        id, change = request.path["checkout_session_id"], request.change
        return checkout_sessions.update(request.tenant, id, change, request.if_match)

    @operation.delete(MEMBER)
    def delete(self, request: Request) -> None:
        """Remove a checkout session."""
        id = request.path["checkout_session_id"]
        checkout_sessions.delete(request.tenant, id, request.if_match)


@api.route("/<uuid:checkout_session_id>/complete")
class CheckoutSessionCompletion(Resource):
    @operation.action(
        MEMBER,
        answers=CHECKOUT_SESSION,
        problems=(NotFound, Conflict, PreconditionFailed),
    )
    def post(self, request: Request) -> Record:
        """Complete a checkout session, once."""
        id = request.path["checkout_session_id"]
        return complete(request.tenant, id, request.if_match)
