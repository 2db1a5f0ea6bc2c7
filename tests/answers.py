"""What an answer says, in the form that tests compare."""

from werkzeug.test import TestResponse


def broken(response: TestResponse) -> set[tuple[str, str]]:
    """Return where a problem says that which rules are broken."""
    assert response.json is not None
    return {(error["at"], error["rule"]) for error in response.json["errors"]}
