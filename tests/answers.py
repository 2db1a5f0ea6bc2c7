"""What an answer says, in the form that tests compare."""

from typing import Any

from werkzeug.test import TestResponse


def broken(response: TestResponse) -> set[tuple[str, str]]:
    """Return where a problem says that which rules are broken."""
    assert response.json is not None
    return {(error["at"], error["rule"]) for error in response.json["errors"]}


def told(response: TestResponse) -> Any:
    """Return all that tells one answer from another: neither its id nor the count."""
    headers = dict(response.headers)
    headers.pop("RateLimit", None)
    request_id = headers.pop("X-Request-Id")
    body = response.get_data(as_text=True).replace(request_id, "")
    return response.status_code, headers, body
