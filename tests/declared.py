"""A test client that holds every answer against what its operation declares."""

from typing import Any

from flask import json
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from werkzeug.test import TestResponse

from myapp import openapi
from myapp.errors import MEDIA_TYPE
from myapp.operations import Operation

exercised: set[tuple[str, int]] = set()
"""Which operation has answered with which status in this process."""


class DeclaredClient(FlaskClient):
    """Fails the test whose request is answered with anything undeclared."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        """Send a request; check its answer."""
        response = super().open(*args, **kwargs)
        check_problem(response)
        request = response.request.environ.get("myapp.request")
        if request is not None:
            check_declared(self.application, request.operation, response)
        return response


def check_problem(response: TestResponse) -> None:
    """Every error is problem+json, with the headers its status calls for."""
    if response.status_code < 400:
        return
    assert response.content_type == MEDIA_TYPE, response.get_data()
    required = {401: "WWW-Authenticate", 405: "Allow", 503: "Retry-After"}
    header = required.get(response.status_code)
    assert header is None or header in response.headers
    if response.request.method == "HEAD":
        return
    assert len(response.get_data()) < 8192
    problem = json.loads(response.get_data())
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
        assert optional or header in response.headers
    content = declared[status].get("content", {})
    if response.request.method == "HEAD":
        return
    if not content:
        assert response.get_data() == b""
        return
    schema = content[response.content_type]["schema"]
    _validate(document, schema, json.loads(response.get_data()))


def _document(app: Any) -> dict[str, Any]:
    if "document" not in app.extensions:
        response = FlaskClient(app, app.response_class).get("/openapi.json")
        app.extensions["document"] = json.loads(response.get_data())
    document: dict[str, Any] = app.extensions["document"]
    return document


def _validate(document: dict[str, Any], schema: dict[str, Any], body: Any) -> None:
    """Validate with the reference implementation, jsonschema."""
    rooted = {**schema, "components": document["components"]}
    checker = Draft202012Validator.FORMAT_CHECKER
    Draft202012Validator(rooted, format_checker=checker).validate(body)
