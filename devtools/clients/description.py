"""The OpenAPI document as the clients have it."""

from flask import current_app

from myapp import openapi
from myapp.patch import JSON_PATCH


def description() -> openapi.Document:
    """Return the document, in which a change is a merge patch.

    A JSON Patch is an array. openapi-python-client asks `isinstance(body, list[...])`
    for it, which raises TypeError whatever the body is.
    """
    document = openapi.document(current_app.extensions["operations"], "myapp")
    for path in document["paths"].values():
        for operation in path.values():
            content = operation.get("requestBody", {}).get("content", {})
            content.pop(JSON_PATCH, None)
    document["components"]["schemas"].pop("JsonPatch", None)
    return document
