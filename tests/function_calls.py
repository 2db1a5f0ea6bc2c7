"""Counts the calls that it takes to answer a request: each time the same number.

Counted is what the project and its libraries call, in Python and in C, on the thread
that answers. What the standard library does inside is left out, and so is the frame of
a comprehension: both differ from one Python to the next, the rest hardly does.
"""

import gc
import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from os import devnull
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pytest
from flask import Flask

import myapp
from myapp import log, pipelines, recent
from tests import sample_customers, wsgi_calls
from tests.actors import sign_up

WARM_UP = 10  # psycopg prepares a statement that comes for the sixth time
REPEATS = 10
ROOT = Path(myapp.__file__).parents[1]
COUNTED = (ROOT / "myapp", Path(sample_customers.__file__))
"""What is ours and makes calls: the package, and the feature that is asked."""

COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>")  # no frames since 3.12


class Call(NamedTuple):
    """Who calls what; `place` is a file of the project, or a library."""

    place: str
    caller: str
    called: str


Calls = Counter[Call]

LIST, ITEM = "/v1/sample_customers", "/v1/sample_customers/{id}"
JSON = {"Content-Type": "application/json"}
MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}
CUSTOMER = b'{"name": "Ada", "email": "ada@example.com"}'
CREATE = wsgi_calls.Call("POST", LIST, JSON, CUSTOMER)
REQUESTS = {
    "GET one": wsgi_calls.Call("GET", ITEM),
    "GET page of 50": wsgi_calls.Call("GET", f"{LIST}?limit=50"),
    "POST": CREATE,
    "PUT": wsgi_calls.Call("PUT", ITEM, JSON, CUSTOMER),
    "PATCH": wsgi_calls.Call("PATCH", ITEM, MERGE_PATCH, b'{"name": "Grace"}'),
    "DELETE": wsgi_calls.Call("DELETE", ITEM),
}
"""What is counted, by name; `{id}` is that of a customer made for the request."""


class Server:
    """An application, and one account of more than a page of customers."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        with _as_on_a_server():
            self._signed_in = sign_up(app.test_client(), "acme").headers
            for _ in range(51):
                self._create()

    def count(self, request: wsgi_calls.Call) -> Calls:
        """Return the calls of a request, once what is done only at first is done.

        The least of several: an answer that comes from the database in parts adds some.
        """
        with _as_on_a_server():
            for _ in range(WARM_UP):
                self._count_once(request)
            counts = [self._count_once(request) for _ in range(REPEATS)]
            return min(counts, key=Counter.total)

    def _count_once(self, request: wsgi_calls.Call) -> Calls:
        url = request.url.format(id=self._create())
        calls: Calls = Counter()
        with _noting(calls):
            self._send(request._replace(url=url))
        return calls

    def _create(self) -> str:
        """Add a customer; return its id."""
        return str(json.loads(self._send(CREATE))["id"])

    def _send(self, request: wsgi_calls.Call) -> bytes:
        """Return the body of the answer."""
        headers = {**request.headers, **self._signed_in}
        answer, _ = wsgi_calls.send(self._app, request._replace(headers=headers))
        assert answer.status.startswith("2"), (request, answer)
        return answer.body


@contextmanager
def _as_on_a_server() -> Iterator[None]:
    """Log as shipped, not to pytest; let who calls be remembered all the time."""
    level = log.package.level
    with pytest.MonkeyPatch.context() as patch, open(devnull, "w") as nowhere:
        patch.setattr(recent, "SECONDS", 3600)
        patch.setattr(pipelines, "IDLE", 3600)  # a slow machine would look again
        patch.setattr(pipelines, "KEPT", 3600)
        patch.setattr(log, "STDERR", nowhere.fileno())
        for logger in (log.root, log.package):
            patch.setattr(logger, "handlers", [])
        log.to_stderr()
        try:
            yield
        finally:
            log.package.setLevel(level)


@contextmanager
def _noting(calls: Calls) -> Iterator[None]:
    """Note every call inside the block; what the collector does comes at any time."""

    def note(frame: FrameType, event: str, called: Any) -> None:
        if call := _call_of(frame, event, called):
            calls[call] += 1

    before = sys.getprofile()
    gc.disable()
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(before)
        gc.enable()


def _call_of(frame: FrameType, event: str, called: Any) -> Call | None:
    """Return the call that an event of `sys.setprofile` tells of, if it counts."""
    if event == "c_call":
        caller, name = _function_of(frame), called.__qualname__
    elif event == "call" and frame.f_code.co_name not in COMPREHENSIONS:
        caller, name = _function_of(frame.f_back), frame.f_code.co_qualname
    else:
        return None
    # What the standard library calls back counts where it leads to.
    place = _place_of(caller.f_code.co_filename) or _place_of(frame.f_code.co_filename)
    return Call(place, caller.f_code.co_qualname, name) if place else None


def _function_of(frame: FrameType | None) -> FrameType:
    """Return the frame of the function that a comprehension stands in."""
    assert frame is not None, "the block itself is in a function"
    if frame.f_code.co_name in COMPREHENSIONS:
        return _function_of(frame.f_back)
    return frame


@cache
def _place_of(filename: str) -> str | None:
    """Return where a file belongs; None for the standard library and other tests."""
    path = Path(filename)
    if any(path.is_relative_to(each) for each in COUNTED):
        return str(path.relative_to(ROOT))
    if "site-packages" in path.parts:
        return path.parts[path.parts.index("site-packages") + 1].removesuffix(".py")
    return None
