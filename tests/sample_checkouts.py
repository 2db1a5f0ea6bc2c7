"""Sample checkouts: the resource on Redis that tests use; no real one is named so."""

from datetime import timedelta
from uuid import UUID

from myapp.access import MEMBER, VIEWER
from myapp.api import FeatureApi, Resource
from myapp.contract import Contract
from myapp.errors import Conflict, NotFound, PreconditionFailed
from myapp.operations import operation
from myapp.redis_repository import RedisRepository
from myapp.repository import Page, Record
from myapp.request import Request

CHECKOUT = Contract(
    "SampleCheckout",
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

checkouts = RedisRepository("sample_checkouts", CHECKOUT, ttl=timedelta(hours=24))


def complete(tenant: UUID, id: UUID, if_match: int | None) -> Record:
    """Complete an open session; raise NotFound, Conflict for a second time."""
    return checkouts.update(tenant, id, _completed, if_match)


def _completed(document: dict[str, object]) -> dict[str, object]:
    if document["status"] != "open":
        raise Conflict("The checkout is complete already.")
    return {"status": "complete"}


api = FeatureApi("sample_checkouts", CHECKOUT)
blueprint = api.blueprint


@api.route("")
class CheckoutList(Resource):
    @operation.list(VIEWER)
    def get(self, request: Request) -> Page:
        """List the checkouts that have not expired."""
        return checkouts.list(request.tenant, request.page)

    @operation.create(MEMBER)
    def post(self, request: Request) -> Record:
        """Open a checkout."""
        return checkouts.create(request.tenant, request.body, status="open")


@api.route("/<uuid:sample_checkout_id>")
class CheckoutItem(Resource):
    @operation.retrieve(VIEWER)
    def get(self, request: Request) -> Record:
        """Show a checkout."""
        id = request.path["sample_checkout_id"]
        return checkouts.retrieve(request.tenant, id)

    @operation.replace(MEMBER)
    def put(self, request: Request) -> Record:
        """Replace a checkout; it expires when it did."""
        id, body = request.path["sample_checkout_id"], request.body
        return checkouts.replace(request.tenant, id, body, request.if_match)

    @operation.update(MEMBER)
    def patch(self, request: Request) -> Record:
        """Change a checkout; it expires when it did."""
        id, change = request.path["sample_checkout_id"], request.change
        return checkouts.update(request.tenant, id, change, request.if_match)

    @operation.delete(MEMBER)
    def delete(self, request: Request) -> None:
        """Remove a checkout."""
        id = request.path["sample_checkout_id"]
        checkouts.delete(request.tenant, id, request.if_match)


@api.route("/<uuid:sample_checkout_id>/complete")
class CheckoutCompletion(Resource):
    @operation.action(
        MEMBER,
        answers=CHECKOUT,
        problems=(NotFound, Conflict, PreconditionFailed),
    )
    def post(self, request: Request) -> Record:
        """Complete a checkout, once."""
        id = request.path["sample_checkout_id"]
        return complete(request.tenant, id, request.if_match)
