"""Plain views that do what no good feature does."""

from typing import Any

from flask import Blueprint, abort as abort_flask, g
from flask_restx import Api, Resource, fields
from werkzeug.exceptions import Gone

SECRET = "hunter2hunter2"

blueprint = Blueprint("oddities", __name__, url_prefix="/v1/oddities")
api = Api(blueprint, doc=False)
oddity = api.model("Oddity", {"name": fields.String})


@api.route("/crash")
class Crash(Resource):
    def get(self) -> Any:
        raise RuntimeError(SECRET)


@api.route("/abort/<int:status>")
class Abort(Resource):
    def get(self, status: int) -> Any:
        abort_flask(status)


@api.route("/abort-restx")
class AbortRestx(Resource):
    def get(self) -> Any:
        api.abort(409, "The shop is closed.", opens="tomorrow")


@api.route("/gone")
class GoneForGood(Resource):
    def get(self) -> Any:
        raise Gone("It was sold.")


@api.route("/marshalled")
class Marshalled(Resource):
    @api.marshal_with(oddity)
    def get(self) -> Any:
        return {"name": "x"}


@api.route("/doc", endpoint="doc")
class NamedAsDocumentation(Resource):
    def get(self) -> Any:
        return {}


@blueprint.get("/view")
def view() -> Any:
    """Answer without Flask-RESTX."""
    return {"account_id": str(g.principal.account_id)}
