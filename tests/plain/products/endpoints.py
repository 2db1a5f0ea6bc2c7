"""The endpoints of products; Flask-RESTX itself validates the bodies."""

from typing import Any
from uuid import UUID

from flask import Blueprint, g, request
from flask_restx import Api, Resource

from tests.plain.products.models import Product

blueprint = Blueprint("sample_products", __name__, url_prefix="/v1/sample_products")
api = Api(
    blueprint,
    doc="/docs",
    title="Products",
    version="1.0",
    description="What an account sells.",
    authorizations={"key": {"type": "apiKey", "in": "header", "name": "Authorization"}},
    security="key",
)
namespace = api.namespace("sample_products", description="Products", path="/")

read_model = api.schema_model("Product", Product.read_schema)
write_model = api.schema_model("WriteProduct", Product.write_schema)


@namespace.route("/")
class ProductList(Resource):
    @api.response(200, "The products", [read_model])
    def get(self) -> Any:
        """List the products."""
        products = Product.of(g.principal.account_id)
        return [product.to_json() for product in products]

    @api.expect(write_model, validate=True)
    @api.response(201, "Added", read_model)
    @api.response(400, "The body breaks the contract")
    def post(self) -> Any:
        """Add a product."""
        product = Product.create(g.principal.account_id, request.get_json())
        return product.to_json(), 201


@namespace.route("/<uuid:product_id>")
@api.response(404, "There is no such product")
class ProductItem(Resource):
    @api.response(200, "The product", read_model)
    def get(self, product_id: UUID) -> Any:
        """Show a product."""
        return Product.get_or_404(g.principal.account_id, product_id).to_json()

    @api.expect(write_model, validate=True)
    @api.response(200, "Replaced", read_model)
    @api.response(400, "The body breaks the contract")
    def put(self, product_id: UUID) -> Any:
        """Replace a product."""
        product = Product.get_or_404(g.principal.account_id, product_id)
        product.update(request.get_json())
        return product.to_json()

    @api.response(204, "Removed")
    def delete(self, product_id: UUID) -> Any:
        """Remove a product."""
        Product.get_or_404(g.principal.account_id, product_id).delete()
        return "", 204
