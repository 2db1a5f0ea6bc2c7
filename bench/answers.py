"""Do all servers say the same? Asked before anything is timed."""

import json
from collections.abc import Mapping
from datetime import datetime
from http.client import HTTPConnection
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from bench.population import Tenant
from bench.stage import URL

TIMES = ("created_at", "updated_at")
SENT = {"name": "Ada Lovelace", "email": "ada@example.com"}
REFUSED = (
    {"name": "Ada"},
    {**SENT, "email": "ada"},
    {**SENT, "name": ""},
    {**SENT, "id": str(uuid4())},
)


Answers = dict[str, object]
"""What was asked, and what came back."""


class Answer(NamedTuple):
    """A status and a document."""

    status: int
    document: Any


class Caller(NamedTuple):
    """Asks one server on behalf of one tenant."""

    port: int
    tenant: Tenant

    def ask(self, method: str, url: str, body: object = None) -> Answer:
        """Send one request."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {
            "Authorization": f"Bearer {self.tenant.key}",
            "X-Account": str(self.tenant.id),
            "Content-Type": "application/json",
        }
        sent = None if body is None else json.dumps(body)
        connection.request(method, url, sent, headers)
        with connection.getresponse() as answer:
            text = answer.read()
        connection.close()
        return Answer(answer.status, json.loads(text or "null"))


def check(ports: Mapping[str, int], tenant: Tenant) -> None:
    """Ask all servers the same; raise RuntimeError where one differs from the first.

    The rows that this writes stay.
    """
    callers = {name: Caller(port, tenant) for name, port in ports.items()}
    for ask in (_reads, _refusals, _writes):
        found = {name: ask(caller) for name, caller in callers.items()}
        first = next(iter(found), "")
        for name, answers in found.items():
            for asked, answer in answers.items():
                if answer != found[first][asked]:
                    raise RuntimeError(
                        f"{name} answers {asked} with {answer},"
                        f" and {first} with {found[first][asked]}"
                    )


def _reads(caller: Caller) -> Answers:
    """Return what a server says to reads, as far as it can be the same."""
    return {
        "GET": _plain(caller.ask("GET", _first(caller))),
        "GET of none": caller.ask("GET", f"{URL}/{uuid4()}").status,
        "GET of a page": _plain(caller.ask("GET", f"{URL}?limit=50")),
    }


def _refusals(caller: Caller) -> Answers:
    """Return what a server says to bodies that break the contract."""
    urls = {"POST": URL, "PUT": _first(caller)}
    return {
        f"{method} of {body}": caller.ask(method, url, body).status
        for method, url in urls.items()
        for body in REFUSED
    }


def _writes(caller: Caller) -> Answers:
    """Return what a server says to writes, and remembers of them."""
    made = caller.ask("POST", URL, SENT)
    url = f"{URL}/{UUID(made.document['id'])}"
    again = caller.ask("GET", url)
    changed = caller.ask("PUT", url, {**SENT, "name": "Ada King"})
    kept = _plain(made)["created_at"] == _plain(changed)["created_at"]
    return {
        "POST": (made.status, sorted(made.document), _written(made)),
        "GET after POST": (again.status, _plain(again) == _plain(made)),
        "PUT": (changed.status, sorted(changed.document), _written(changed), kept),
        "GET after PUT": _plain(caller.ask("GET", url)) == _plain(changed),
    }


def _first(caller: Caller) -> str:
    return f"{URL}/{caller.tenant.customers[0]}"


def _written(answer: Answer) -> tuple[str, str]:
    return answer.document["name"], answer.document["email"]


def _plain(answer: Answer) -> Any:
    """Return a document whose times and cursor are written in one way."""
    document = answer.document
    if "items" in document:
        return [_timed(item) for item in document["items"]], bool(document["next"])
    return _timed(document)


def _timed(item: dict[str, str]) -> dict[str, object]:
    times = {name: _milliseconds(item[name]) for name in TIMES}
    return {**item, **times}


def _milliseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)
