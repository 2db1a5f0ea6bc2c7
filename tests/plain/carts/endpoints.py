"""The endpoints of carts; a base resource of their own validates the bodies."""

from typing import Any
from uuid import UUID

from flask import Blueprint, g, request
from flask_restx import Api, Resource
from jsonschema import Draft7Validator

from tests.plain.carts.models import Cart

blueprint = Blueprint("sample_carts", __name__, url_prefix="/v1/sample_carts")
api = Api(
    blueprint,
    doc="/docs",
    title="Carts",
    version="1.0",
    description="What somebody is about to buy.",
    authorizations={"key": {"type": "apiKey", "in": "header", "name": "Authorization"}},
    security="key",
)
namespace = api.namespace("sample_carts", description="Carts", path="/")

read_model = api.schema_model("Cart", Cart.read_schema)
write_model = api.schema_model("WriteCart", Cart.write_schema)
validator = Draft7Validator(Cart.write_schema)


class CartResource(Resource):
    """What the resources of this feature share."""

    def payload(self) -> Any:
        """Return a body that keeps the contract, or end the request."""
        document = request.get_json()
        broken = [
            f"{error.json_path} breaks the rule {error.validator}"
            for error in validator.iter_errors(document)
        ]
        if broken:
            api.abort(400, "; ".join(broken))
        return document


@namespace.route("")
class CartList(CartResource):
    @api.expect(write_model)
    @api.response(201, "Made", read_model)
    @api.response(400, "The body breaks the contract")
    def post(self) -> Any:
        """Make a cart."""
        return Cart.create(g.principal.account_id, self.payload()).to_json(), 201


@namespace.route("/<uuid:cart_id>")
@api.response(404, "There is no such cart")
class CartItem(CartResource):
    @api.response(200, "The cart", read_model)
    def get(self, cart_id: UUID) -> Any:
        """Show a cart."""
        return Cart.get_or_404(g.principal.account_id, cart_id).to_json()

    @api.expect(write_model)
    @api.response(200, "Changed", read_model)
    @api.response(400, "The body breaks the contract")
    def put(self, cart_id: UUID) -> Any:
        """Change a cart; what is not sent stays."""
        cart = Cart.get_or_404(g.principal.account_id, cart_id)
        cart.update(self.payload())
        return cart.to_json()

    @api.response(204, "Forgotten")
    def delete(self, cart_id: UUID) -> Any:
        """Forget a cart."""
        Cart.get_or_404(g.principal.account_id, cart_id).delete()
        return "", 204
