"""The OpenAPI document as the clients have it."""

from dataclasses import replace

from flask import current_app

from myapp import openapi
from myapp.patch import JSON_PATCH


def description() -> openapi.Document:
    """Return the document, in which all is plain JSON, and a change a merge patch.

    A JSON Patch is an array. openapi-python-client asks `isinstance(body, list[...])`
    for it, which raises TypeError whatever the body is.
    """
    operations = current_app.extensions["operations"]
    plain = [replace(operation, translated=None) for operation in operations]
    document = openapi.document(plain, "myapp")
    for path in document["paths"].values():
        for operation in path.values():
            content = operation.get("requestBody", {}).get("content", {})
            content.pop(JSON_PATCH, None)
    document["components"]["schemas"].pop("JsonPatch", None)
    return document
