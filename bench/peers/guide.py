"""The API that a beginner's guide to Flask-RESTX leads to, and nothing cleverer.

Models with a read and a write schema, `marshal_with` and `expect`, Flask-SQLAlchemy's
session, and `jsonschema.validate` for each request.
"""

import os
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import jsonschema
import uuid_utils.compat as uuid
from flask import Flask, request
from flask_restx import Api, Resource, abort, fields
from flask_sqlalchemy import SQLAlchemy

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"pool_size": int(os.environ["CONNECTIONS"])}
api = Api(app)
db: Any = SQLAlchemy(app)

customers = api.namespace("customers", path="/v1/sample_customers")


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


class Customer(db.Model):
    """A row of customers."""

    __tablename__ = "sample_customers"

    account_id = db.Column(db.Uuid, primary_key=True)
    id = db.Column(db.Uuid, primary_key=True, default=uuid.uuid7)
    version = db.Column(db.Integer, nullable=False, default=1)
    created_at = db.Column(db.DateTime(timezone=True), default=now)
    updated_at = db.Column(db.DateTime(timezone=True), default=now, onupdate=now)
    name = db.Column(db.String(120), nullable=False)
    email = db.Column(db.String(254), nullable=False)

    read_schema = {
        "id": fields.String,
        "name": fields.String,
        "email": fields.String,
        "created_at": fields.DateTime,
        "updated_at": fields.DateTime,
    }
    write_schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 120},
            "email": {"type": "string", "format": "email", "maxLength": 254},
        },
        "required": ["name", "email"],
        "additionalProperties": False,
    }


read_model = api.model("CustomerRead", Customer.read_schema)
write_model = api.schema_model("CustomerWrite", Customer.write_schema)
page_model = api.model(
    "CustomerPage",
    {"items": fields.List(fields.Nested(read_model)), "next": fields.String},
)


def account_id() -> UUID:
    """Return the account that the request names."""
    return UUID(request.headers["X-Account"])


def validated() -> dict[str, str]:
    """Return the request's body, or answer 400."""
    checker = jsonschema.FormatChecker()
    body: dict[str, str] = request.json
    try:
        jsonschema.validate(body, Customer.write_schema, format_checker=checker)
    except jsonschema.ValidationError as error:
        abort(400, error.message)
    return body


@customers.route("")
class CustomerList(Resource):
    """Customers."""

    @customers.marshal_with(page_model)
    def get(self):
        """List customers, the newest first."""
        limit = request.args.get("limit", 20, type=int)
        query = Customer.query.filter_by(account_id=account_id())
        if not 1 <= limit <= 100:
            abort(400, "limit is 1 to 100")
        if "cursor" in request.args:
            query = query.filter(Customer.id < UUID(request.args["cursor"]))
        found = query.order_by(Customer.id.desc()).limit(limit + 1).all()
        more = len(found) > limit
        return {"items": found[:limit], "next": found[limit - 1].id if more else None}

    @customers.expect(write_model)
    @customers.marshal_with(read_model, code=201)
    def post(self):
        """Create a customer."""
        customer = Customer(account_id=account_id(), **validated())
        db.session.add(customer)
        db.session.commit()
        return customer, 201, {"Location": f"/v1/sample_customers/{customer.id}"}


@customers.route("/<uuid:customer_id>")
class CustomerItem(Resource):
    """A customer."""

    @customers.marshal_with(read_model)
    def get(self, customer_id):
        """Retrieve a customer."""
        return Customer.query.get_or_404((account_id(), customer_id))

    @customers.expect(write_model)
    @customers.marshal_with(read_model)
    def put(self, customer_id):
        """Replace a customer."""
        customer = Customer.query.get_or_404((account_id(), customer_id))
        body = validated()
        customer.name = body["name"]
        customer.email = body["email"]
        customer.version += 1
        db.session.commit()
        return customer
