"""Clients that read, write and sign in, each the owner of an account of its own."""

import json
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from random import Random
from threading import Event, Lock, Thread
from typing import Any

CALLERS = 8
PAUSE = 0.02
"""Seconds between two requests of one."""
PATIENCE = 60
AS_WANTED, CUT_OFF = "as wanted", "cut off"
"""How a request may end, beside the status of what is no success."""
PASSWORD = "correct horse battery staple"
CUSTOMERS, SESSIONS = "/v1/sample_customers", "/v1/sample_checkouts"
ADA = {"name": "Ada", "email": "ada@example.com"}
SESSION = {"amount": 1, "currency": "EUR", "success_url": "https://example.com"}


class Callers:
    """Clients that read and write without an end; what they were answered."""

    def __init__(self, port: int) -> None:
        self._ended, self._lock = Event(), Lock()
        self.answers: Counter[str] = Counter()
        callers = [Caller(port, number) for number in range(CALLERS)]
        self._threads = [Thread(target=self._call, args=(each,)) for each in callers]

    def __enter__(self) -> "Callers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _call(self, caller: "Caller") -> None:
        while not self._ended.wait(PAUSE):
            outcome = caller.call()
            with self._lock:
                self.answers[outcome] += 1


class Caller:
    """One client, the owner of an account of its own."""

    def __init__(self, port: int, number: int) -> None:
        self._port, self._random = port, Random(number)
        self._account = {"account": f"acme-{number}", "username": f"{number}@acme.com"}
        opened = {"name": "acme", "slug": f"acme-{number}"}
        owner = {"email": f"{number}@acme.com", "password": PASSWORD}
        self._key: dict[str, str] = {}
        _, made = self._ask("POST", "/v1/accounts", opened | owner)
        self._key = {"Authorization": f"Bearer {made['api_key']}"}
        _, made = self._ask("POST", CUSTOMERS, ADA)
        self._customer = f"{CUSTOMERS}/{made['id']}"
        calls: dict[Callable[[], str], int] = {
            self._read: 500,
            self._page: 150,
            self._write: 150,
            self._make_and_remove: 100,
            self._check_out: 50,
            self._ready: 30,
            self._log_in: 5,
        }
        self._calls, self._shares = list(calls), list(calls.values())

    def call(self) -> str:
        """Do one of the things that clients do; return how it was answered."""
        [call] = self._random.choices(self._calls, self._shares)
        try:
            return call()
        except (OSError, HTTPException):
            return CUT_OFF

    def _read(self) -> str:
        return self._said(200, "GET", self._customer)

    def _page(self) -> str:
        return self._said(200, "GET", f"{CUSTOMERS}?limit=50")

    def _write(self) -> str:
        return self._said(200, "PUT", self._customer, ADA)

    def _make_and_remove(self) -> str:
        status, made = self._ask("POST", CUSTOMERS, ADA)
        if status != 201:
            return _named(201, status)
        return self._said(204, "DELETE", f"{CUSTOMERS}/{made['id']}")

    def _check_out(self) -> str:
        return self._said(201, "POST", SESSIONS, SESSION)

    def _ready(self) -> str:
        return self._said(200, "GET", "/health/ready")

    def _log_in(self) -> str:
        login = self._account | {"password": PASSWORD}
        return self._said(200, "POST", "/v1/auth/login", login)

    def _said(self, wanted: int, method: str, url: str, body: Any = None) -> str:
        return _named(wanted, self._ask(method, url, body)[0])

    def _ask(self, method: str, url: str, body: Any = None) -> tuple[int, Any]:
        """Send one request; return the status, and what the body says."""
        open_one = HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        with closing(open_one) as connection:
            sent = None if body is None else json.dumps(body)
            kind = {} if body is None else {"Content-Type": "application/json"}
            connection.request(method, url, sent, self._key | kind)
            answer = connection.getresponse()
            read = answer.read()
            return answer.status, json.loads(read) if read else None


def _named(wanted: int, status: int) -> str:
    return AS_WANTED if status == wanted else str(status)
