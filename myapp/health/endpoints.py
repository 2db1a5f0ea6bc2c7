"""The health endpoints, for load balancers and deployments."""

from collections.abc import Callable
from typing import Any

from myapp import db, store_errors
from myapp.access import PROBE
from myapp.api import FeatureApi, Resource
from myapp.contract import Contract
from myapp.errors import Unavailable
from myapp.health.shapes import HealthDocument, ReadinessDocument
from myapp.operations import operation
from myapp.repository import Record
from myapp.request import Request

HEALTH = Contract[Any, HealthDocument](
    "Health",
    description="That the service answers.",
    properties={"status": {"type": "string", "enum": ["ok"], "readOnly": True}},
)
READINESS = Contract[Any, ReadinessDocument](
    "Readiness",
    description="That requests are served, and whether all of them.",
    properties={
        "status": {"type": "string", "enum": ["ok", "degraded"], "readOnly": True},
        "sql": {"type": "string", "enum": ["ok"], "readOnly": True},
        "redis": {"type": "string", "enum": ["ok", "away"], "readOnly": True},
    },
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
    @operation.action(PROBE, answers=READINESS)
    def get(self, request: Request) -> Record:
        """Tell which stores answer, or 503 where the database does not.

        Without Redis the service is `degraded` and goes on: what is kept there alone is
        put off. No load balancer is to take every machine out for that.
        """
        redis = _answers(db.ping_redis)
        if not _answers(db.ping_sql):
            others = "Redis does" if redis else "Redis does not, either"
            raise Unavailable(f"The database does not answer. {others}.")
        if redis:
            return Record(("ok", "ok", "ok"))
        return Record(("degraded", "ok", "away"))


def _answers(ping: Callable[[], None]) -> bool:
    try:
        ping()
    except Exception as error:
        if isinstance(store_errors.problem_of(error), Unavailable):
            return False
        raise
    return True
