"""The health endpoints, for load balancers and deployments."""

from myapp import db
from myapp.access import PROBE
from myapp.api import FeatureApi, Resource
from myapp.contract import Contract
from myapp.operations import operation
from myapp.repository import Record
from myapp.request import Request

HEALTH = Contract(
    "Health",
    description="That the service answers.",
    properties={"status": {"type": "string", "enum": ["ok"], "readOnly": True}},
)
OK = Record(("ok",))

api = FeatureApi("health", HEALTH, home="/health")
blueprint = api.blueprint


@api.route("/live")
class Live(Resource):
    @operation.action(PROBE, answers=HEALTH)
    def get(self, request: Request) -> Record:
        """Tell that the process answers."""
        return OK


@api.route("/ready")
class Ready(Resource):
    @operation.action(PROBE, answers=HEALTH)
    def get(self, request: Request) -> Record:
        """Tell that both stores answer, or 503."""
        db.ping()
        return OK
