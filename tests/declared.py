"""A test client that holds every answer against what its operation declares."""

from typing import Any

from flask import json
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from sqlalchemy import UniqueConstraint
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from myapp import db, openapi, rate_limits
from myapp.errors import MEDIA_TYPE
from myapp.kinds import CREATE, DELETE, REPLACE, REST
from myapp.negotiation import JSON_API
from myapp.operations import Operation
from myapp.tables import Base
from tests.resources import OPERATIONS

Answered = tuple[str, int]
"""The name of an operation, and a status."""

exercised: set[Answered] = set()
"""Which operation has answered with which status, in this process and its workers."""

NO_CLASH = "what is unique of it is made by the server"
NO_LUCK = "only for a caller who loses three races in a row"
NEVER: dict[Answered, str] = {
    ("health_live_get", 503): "it looks at no store",
    ("well_known_get_all", 503): "it looks at no store",
    ("api_keys_create", 409): NO_CLASH,
    ("api_keys_replace", 409): NO_LUCK,
    ("clients_create", 409): NO_CLASH,
    ("clients_replace", 409): NO_LUCK,
}
"""What is declared, as for every operation of its kind, and cannot come; and why."""


def complaints() -> list[str]:
    """Say which declared answers no test has provoked, and what should never come."""
    declared = {
        (openapi.operation_id(operation), int(status))
        for operation in OPERATIONS
        for status in openapi.responses(operation)
    }
    excused = {
        (openapi.operation_id(each), 409) for each in OPERATIONS if is_free(each)
    }
    missing = sorted(declared - exercised - excused - NEVER.keys())
    surprising = sorted(exercised & NEVER.keys())
    gone = sorted(NEVER.keys() - declared)
    return [
        *(f"{name} declares {status}: no test provoked it" for name, status in missing),
        *(
            f"{name} answered {status}: take it off NEVER"
            for name, status in surprising
        ),
        *(f"{name} declares no {status}: take it off NEVER" for name, status in gone),
    ]


def is_free(operation: Operation) -> bool:
    """Tell whether no other record can be in the way of a write, as its table says.

    A creation and a replacement meet what is unique, and what they refer to; a removal
    meets what refers to the record, and does not go with it.
    """
    if operation.home not in (operation.url, operation.url.rpartition("/")[0]):
        return False  # it is of another table, below
    table = Base.metadata.tables.get(operation.feature)
    if operation.kind is DELETE:
        keys = [
            key for other in Base.metadata.tables.values() for key in other.foreign_keys
        ]
        return not any(
            key.column.table is table and key.ondelete != "CASCADE" for key in keys
        )
    if operation.kind not in (CREATE, REPLACE) or table is None:
        return operation.kind in (CREATE, REPLACE)
    unique = any(isinstance(rule, UniqueConstraint) for rule in table.constraints)
    return not unique and len(table.foreign_key_constraints) == 1  # of its account


class DeclaredClient(FlaskClient):
    """Fails the test whose request is answered with anything undeclared."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        """Send a request; check its answer."""
        response = super().open(*args, **kwargs)
        operation = operation_of(self.application, response.request.environ)
        if operation is None or operation.speaks is REST:
            check_problem(response)
        if operation is not None:
            check_declared(self.application, operation, response)
        return response


def operation_of(app: Any, environ: dict[str, Any]) -> Operation | None:
    """Return the operation that a request was for, if it was for one."""
    # The client runs a copy of the environment: what is noted in it does not come back.
    if environ["PATH_INFO"].startswith("//"):
        return None
    try:
        endpoint, _ = app.url_map.bind_to_environ(environ).match()
    except HTTPException:
        return None
    resource = getattr(app.view_functions[endpoint], "view_class", None)
    method = environ["REQUEST_METHOD"].replace("HEAD", "GET")
    found: Operation | None = getattr(resource, "operations", {}).get(method)
    return found


def check_problem(response: TestResponse) -> None:
    """Every error is problem+json, with the headers its status calls for.

    Or a document of JSON:API, for those who ask for that.
    """
    if response.status_code < 400:
        return
    assert response.content_type in (MEDIA_TYPE, JSON_API), response.get_data()
    required = {401: "WWW-Authenticate", 405: "Allow"}
    required |= dict.fromkeys((429, 503), "Retry-After")
    header = required.get(response.status_code)
    assert header is None or header in response.headers
    if response.request.method == "HEAD":
        return
    assert len(response.get_data()) < 8192
    problem = json.loads(response.get_data())
    if response.content_type == JSON_API:
        statuses = {error["status"] for error in problem["errors"]}
        assert statuses == {str(response.status_code)}
        problem = {**problem["meta"], "status": response.status_code}
    assert problem["status"] == response.status_code
    assert problem["request_id"] == response.headers["X-Request-Id"]


def check_declared(app: Any, operation: Operation, response: TestResponse) -> None:
    """Status, media type, headers and body are those of the OpenAPI document."""
    document = _document(app)
    path = openapi._path(operation.url)
    declared = document["paths"][path][operation.method.lower()]["responses"]
    status = str(response.status_code)
    name = openapi.operation_id(operation)
    assert status in declared, f"{name} answered {status}, which it does not declare"
    exercised.add((name, response.status_code))
    for header in declared[status].get("headers", {}):
        optional = header in ("Link", "X-Total-Count", "ETag")
        optional |= header in rate_limits.DOCUMENTED  # there may be no limit
        assert optional or header in response.headers
    content = declared[status].get("content", {})
    if response.request.method == "HEAD":
        return
    if not content:
        assert response.get_data() == b""
        return
    media_type = response.content_type.partition(";")[0]
    schema = content[media_type]["schema"]
    text = response.get_data(as_text=True)
    body = text if media_type == "text/html" else json.loads(text)
    _validate(document, schema, body)


def _document(app: Any) -> dict[str, Any]:
    if "document" not in app.extensions:
        with db.use(app.extensions["myapp"]):
            written = openapi.document(app.extensions["operations"], "myapp")
        app.extensions["document"] = written
    document: dict[str, Any] = app.extensions["document"]
    return document


def _validate(document: dict[str, Any], schema: dict[str, Any], body: Any) -> None:
    """Validate with the reference implementation, jsonschema."""
    rooted = {**schema, "components": document["components"]}
    checker = Draft202012Validator.FORMAT_CHECKER
    Draft202012Validator(rooted, format_checker=checker).validate(body)
