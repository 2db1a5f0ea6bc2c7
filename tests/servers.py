"""What every real server of a test needs: a folder, settings, and how it is asked."""

import json
from collections.abc import Mapping
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)

    @property
    def worker(self) -> str:
        """The worker that answered."""
        return self.headers["X-Worker"]


def answer_of(response: HTTPResponse) -> Answer:
    """Read a response to its end."""
    return Answer(response.status, dict(response.headers.items()), response.read())


def lay_out(folder: Path, wsgi: str) -> None:
    """Put into an empty folder what a server starts from."""
    for name in ("myapp", "default_config.py", "tests"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "wsgi.py").write_text(wsgi)
    (folder / "instance").mkdir()


def environment_of(settings: Mapping[str, Any], **own: str) -> dict[str, str]:
    """Return the variables of a server on the stores of the application of a test."""
    return {
        "MYAPP_CONFIG": "development",
        "MYAPP_SECRET_KEY": settings["SECRET_KEY"],
        "MYAPP_RATE_LIMIT": "0",
        "MYAPP_RATE_LIMIT_ANONYMOUS": "0",
        "DATABASE_URL": settings["DATABASE_URL"],
        "REDIS_URL": settings["REDIS_URL"],
        **own,
    }
