"""The application keeps what its OpenAPI document says, on generated requests.

Schemathesis makes the requests from the document: its examples, each boundary of each
rule, random values, and operations in sequence. The requests to each operation come
from an account of their own, and so does each sequence.
"""

from typing import Any

import pytest
import schemathesis
from hypothesis.strategies import from_regex
from schemathesis.config import SchemathesisConfig

from myapp import create_app, openapi
from myapp.negotiation import JSON_API
from myapp.patch import JSON_PATCH
from tests.actors import sign_up
from tests.resources import NEED_A_SECRET

STATE = ["401", "403", "404", "409", "412", "428"]
"""What a well-formed request may meet: it is about the state, not about the request."""

CONFIG = SchemathesisConfig.from_dict(
    {
        "suppress-health-check": ["all"],
        "generation": {
            "deterministic": True,
            "database": "none",
            "allow-x00": False,  # see tests/test_strict_input.py
        },
        "phases": {
            "coverage": {"generate-duplicate-query-parameters": True},
            # After a refusal a sequence leads nowhere.
            "stateful": {"generation": {"mode": "positive"}, "max-steps": 10},
        },
        "checks": {
            "positive_data_acceptance": {"expected-statuses": ["2xx", "3xx", *STATE]},
            "negative_data_rejection": {
                "expected-statuses": ["400", "405", "406", "411", "413", "415", *STATE]
            },
            "missing_required_header": {"expected-statuses": ["400", "401", "428"]},
        },
    }
)
ENDS_ACCESS = {
    "accounts_delete": "the account is closed",
    "api_keys_delete": "the key that it lists may be the one it uses",
    "api_keys_replace": "it may take away the role or the scopes of the key it uses",
    "api_keys_update": "it may take away the role or the scopes of the key it uses",
}
"""What no operation of a sequence may come after, and why; tested by hand."""

NOBODY = "the key of the account that will send the request"
pytestmark = pytest.mark.slow

# By itself it puts nothing but letters and digits into a header.
schemathesis.openapi.format(
    "entity-tag", from_regex(openapi.ENTITY_TAG["pattern"], fullmatch=True)
)

# Requests are made when tests are collected, without a store; tests send them.
nowhere = {"DATABASE_URL": "sqlite:///none", "REDIS_URL": "redis://127.0.0.1:1"}
schema = schemathesis.openapi.from_wsgi(
    "/openapi.json", create_app(nowhere), config=CONFIG
)


@schema.auth()
class Bearer:
    """Signs a request in."""

    def get(self, case, context):
        return NOBODY

    def set(self, case, data, context):
        case.headers["Authorization"] = f"Bearer {data}"


def sign_in(case, key):
    """Give a request the key, unless it is one that goes without."""
    if case.headers.get("Authorization") == f"Bearer {NOBODY}":
        case.headers["Authorization"] = f"Bearer {key}"


def exempt(case):
    """Return the checks that a request is exempt from.

    No schema can say which cursors were given out, which JSON Patch applies, or that
    what JSON:API has a server ignore must be strict JSON all the same.
    """
    if "cursor" in (case.query or {}) or case.media_type in (JSON_PATCH, JSON_API):
        return [schemathesis.checks.positive_data_acceptance]
    name = case.operation.definition.raw["operationId"]
    if name in (*NEED_A_SECRET, "auth_password_reset"):
        # Nobody guesses these, and who tries too often is told to wait.
        return [schemathesis.checks.positive_data_acceptance]
    if name == "teams_members_create":
        # What is not found may be the user in the body.
        return [schemathesis.checks.ensure_resource_availability]
    return []


@schema.parametrize()
def test_operation_on_generated_requests_keeps_the_document(case, app, acme):
    sign_in(case, acme.key)
    case.call_and_validate(app=app, excluded_checks=exempt(case))


STORED = sorted(
    {
        operation["tags"][0]
        for path in schema.raw_schema["paths"].values()
        for operation in path.values()
        if operation["operationId"].endswith("_create")
    }
)
"""The features whose operations follow from one another."""


@pytest.mark.parametrize("feature", STORED)
def test_sequence_of_operations_keeps_the_document(app, feature):
    chosen = schema.include(tag=feature).exclude(operation_id=list(ENDS_ACCESS))
    machine: Any = chosen.as_state_machine()

    class Sequence(machine):
        def setup(self):
            self.key = sign_up(app.test_client(), "acme").key

        def before_call(self, case):
            sign_in(case, self.key)

        def get_call_kwargs(self, case):
            return {"app": app}

        def validate_response(self, response, case, *_, **sent):
            case.validate_response(
                response,
                excluded_checks=exempt(case),
                transport_kwargs=sent,
                recorder=self.recorder,
            )

    Sequence.run(settings=schema.config.get_hypothesis_settings())
