"""The application under gunicorn, a way out of uWSGI: deploy/gunicorn.conf.py.

What it answers is tested everywhere else; here, that it arrives as under uWSGI.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from tests import actors
from tests.actors import OWNER, PASSWORD
from tests.programs import free_port
from tests.servers import ROOT, Answer, answer_of, environment_of, lay_out

PATIENCE = 30  # seconds until a test gives up waiting
WORKERS = 2
QUOTA = 20
CUSTOMERS = "/v1/sample_customers"
ADA = {"name": "Ada", "email": "ada@example.com"}
ON_SQLITE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
JSON = {"Content-Type": "application/json"}
WSGI = '''\
"""The application as shipped; each answer says which worker gave it, and how."""

import os

from myapp import create_app
from tests.samples import FEATURES

shipped = create_app(features=FEATURES)


def app(environ, start_response):
    def start(status, headers, *exc_info):
        lane = "on" if shipped.extensions["lane"].is_on else "off"
        named = [("X-Worker", str(os.getpid())), ("X-Lane", lane)]
        return start_response(status, [*headers, *named], *exc_info)

    return shipped(environ, start)
'''


class Gunicorn:
    """A gunicorn that serves: ask it, end it."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        lay_out(folder, WSGI)
        self.port = free_port()
        program = Path(sysconfig.get_path("scripts"), "gunicorn")
        own = {"PATH": os.environ["PATH"], "PORT": str(self.port)}
        self._said: SimpleQueue[str] = SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self.process = subprocess.Popen(
            [
                sys.executable,
                program,
                "--config",
                ROOT / "deploy/gunicorn.conf.py",
                "wsgi:app",
            ],
            cwd=folder,
            env=own | dict(settings),
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader.start()  # what it logs would fill the pipe
        self.wait_for("Listening at")  # a request waits until a worker is there

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                self._said.put(line)

    def wait_for(self, text: str) -> None:
        """Wait until it has said so."""
        while text not in self._said.get(timeout=PATIENCE):
            pass

    def connect(self) -> HTTPConnection:
        """Return a connection to it."""
        return HTTPConnection("127.0.0.1", self.port, PATIENCE)

    def ask(
        self, method: str, url: str, headers: Mapping[str, str], body: Any = None
    ) -> Answer:
        """Send one request; an iterable of bytes is sent in chunks."""
        with closing(self.connect()) as connection:
            connection.request(method, url, body, dict(headers))
            return answer_of(connection.getresponse())

    def end(self) -> int:
        """Let it end, and return its status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status


class Caller(NamedTuple):
    """The owner of an account; what is sent and answered is JSON."""

    server: Gunicorn
    key: str
    slug: str

    def ask(self, method: str, url: str, body: Any = None, **headers: str) -> Answer:
        """Send one request: `If_Match='"1"'` is a header."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"Authorization": f"Bearer {self.key}"} | JSON | sent
        text = None if body is None else json.dumps(body)
        return self.server.ask(method, url, sent, text)


def sign_up(server: Gunicorn) -> Caller:
    """Open an account."""
    slug = f"acme-{uuid4().hex[:12]}"
    body = {"name": "acme", "slug": slug, "email": OWNER, "password": PASSWORD}
    made = server.ask("POST", "/v1/accounts", JSON, json.dumps(body))
    assert made.status == 201, made
    return Caller(server, made.json["api_key"], slug)


@contextmanager
def serving(folder: Path, settings: Any, **own: str) -> Iterator[Gunicorn]:
    """Serve for a block."""
    own["WEB_CONCURRENCY"] = str(WORKERS)
    server = Gunicorn(folder, environment_of(settings, **own))
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.end()


@pytest.fixture(scope="module")
def server(settings, tmp_path_factory):
    """Two workers on the stores of the tests."""
    with serving(tmp_path_factory.mktemp("gunicorn"), settings) as server:
        yield server


@pytest.fixture
def acme(server):
    """The owner of an account of this test's own."""
    return sign_up(server)


# the essential flows


def test_customer_is_made_read_changed_and_removed(acme):
    made = acme.ask("POST", CUSTOMERS, ADA)
    assert made.status == 201 and made.headers["X-Lane"] == "on"
    url, tag = made.headers["Location"], made.headers["ETag"]

    found = acme.ask("GET", url)
    assert (found.status, found.json, found.headers["ETag"]) == (200, made.json, tag)
    assert acme.ask("GET", url, If_None_Match=tag)[::2] == (304, b"")
    assert acme.ask("GET", f"{CUSTOMERS}?limit=1").json["items"] == [made.json]

    grace = {"name": "Grace", "email": "grace@example.com"}
    assert acme.ask("PUT", url, grace, If_Match=tag).status == 200
    assert acme.ask("PUT", url, ADA, If_Match=tag).status == 412
    merge = {"Content_Type": "application/merge-patch+json"}
    patched = acme.ask("PATCH", url, {"name": "Hopper"}, **merge)
    assert patched.json["name"] == "Hopper"
    assert acme.ask("DELETE", url)[::2] == (204, b"")
    assert acme.ask("GET", url).status == 404


def test_login_gives_tokens_that_any_worker_takes(acme):
    body = {"account": acme.slug, "username": OWNER, "password": PASSWORD}
    tokens = acme.server.ask("POST", "/v1/auth/login", JSON, json.dumps(body)).json
    person = acme._replace(key=tokens["access_token"])
    seen: set[str] = set()
    while len(seen) < WORKERS:
        answer = person.ask("GET", "/v1/users/me")
        assert (answer.status, answer.json["email"]) == (200, OWNER)
        seen.add(answer.headers["X-Worker"])


def test_checkout_session_is_kept_for_the_other_worker(acme):
    body = {"amount": 1, "currency": "EUR", "success_url": "https://example.com/"}
    made = acme.ask("POST", "/v1/sample_checkouts", body)
    assert made.status == 201, made
    seen: set[str] = set()
    while len(seen) < WORKERS:
        answer = acme.ask("GET", made.headers["Location"])
        assert (answer.status, answer.json) == (200, made.json)
        seen.add(answer.headers["X-Worker"])


def test_several_requests_share_a_connection(acme):
    with closing(acme.server.connect()) as connection:
        for _ in range(3):
            headers = {"Authorization": f"Bearer {acme.key}"}
            connection.request("GET", CUSTOMERS, headers=headers)
            assert answer_of(connection.getresponse()).status == 200


def test_failure_is_a_problem_with_its_request_id(acme):
    for url, status in (("/nope", 404), (f"{CUSTOMERS}?limit=0", 400)):
        answer = acme.ask("GET", url, X_Request_Id="mine-12345678")
        assert answer.status == answer.json["status"] == status
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["X-Request-Id"] == "mine-12345678"
    answer = acme.ask("PUT", CUSTOMERS, ADA)
    assert answer.status == 405 and "POST" in answer.headers["Allow"]


# bodies


def test_body_in_chunks_arrives_whole(acme):
    text = json.dumps(ADA).encode()
    headers = {"Authorization": f"Bearer {acme.key}"} | JSON
    made = acme.server.ask("POST", CUSTOMERS, headers, [text[:9], text[9:]])
    assert made.status == 201 and made.json["name"] == "Ada"


@pytest.mark.parametrize("chunked", [False, True], ids=["with_its_length", "chunked"])
def test_body_that_is_too_large_answers_413(acme, chunked):
    body = b" " * (1024 * 1024 + 1)
    headers = {"Authorization": f"Bearer {acme.key}"} | JSON
    sent = [body] if chunked else body
    answer = acme.server.ask("POST", CUSTOMERS, headers, sent)
    assert (answer.status, answer.json["status"]) == (413, 413)


# limits


@pytest.fixture(scope="module")
def limited(settings, tmp_path_factory):
    """Two workers that let QUOTA requests a minute pass."""
    names = ("MYAPP_RATE_LIMIT", "MYAPP_RATE_LIMIT_ANONYMOUS")
    own = dict.fromkeys(names, str(QUOTA))
    with serving(tmp_path_factory.mktemp("limited"), settings, **own) as server:
        seen: set[str] = set()
        while len(seen) < WORKERS:  # else one has given all of its quota before
            seen.add(server.ask("GET", "/health/live", {}).headers["X-Worker"])
        yield server


def flood(server: Gunicorn, *each: Mapping[str, str]) -> Counter[str]:
    """Send requests until every worker refuses; return how many each let pass."""
    sent = [*each] * (4 * WORKERS * QUOTA // len(each))
    ask = partial(server.ask, "GET", CUSTOMERS)
    answers: list[Answer] = []
    refusing: set[str] = set()
    with ThreadPoolExecutor(8) as pool:
        while len(refusing) < WORKERS and len(answers) < 10 * len(sent):
            answers += pool.map(ask, sent)
            refused = (answer for answer in answers if answer.status == 429)
            refusing = {answer.headers["X-Worker"] for answer in refused}
    assert len(refusing) == WORKERS
    passed = [answer for answer in answers if answer.status != 429]
    return Counter(answer.headers["X-Worker"] for answer in passed)


def seconds_left(server: Gunicorn, headers: Mapping[str, str]) -> int:
    """Return how long this window of a caller still lasts."""
    told = server.ask("GET", CUSTOMERS, headers).headers["RateLimit"]
    return int(told.rpartition("t=")[2])


@ON_SQLITE
def test_each_worker_counts_a_quota_for_itself(limited, client):
    headers = actors.sign_up(client, "acme").headers
    while seconds_left(limited, headers) < 20:
        headers = actors.sign_up(client, "acme").headers
    passed = flood(limited, headers)
    assert len(passed) == WORKERS
    assert all(QUOTA - 1 <= number <= QUOTA for number in passed.values())


@ON_SQLITE
def test_address_that_a_client_gives_itself_is_not_believed(limited):
    claims = [{"X-Forwarded-For": f"203.0.113.{number}"} for number in range(100)]
    assert flood(limited, *claims).total() <= 2 * WORKERS * QUOTA  # of two windows


@ON_SQLITE
def test_address_that_the_proxy_gives_is_taken(settings, tmp_path):
    own = {"PROXIES": "1", "WEB_CONCURRENCY": "1", "MYAPP_RATE_LIMIT_ANONYMOUS": "1"}
    with serving(tmp_path, settings, **own) as server:
        given = ["203.0.113.1", "192.0.2.7, 203.0.113.2", "192.0.2.7, 203.0.113.1"]
        asked = [{"X-Forwarded-For": addresses} for addresses in given]
        answers = [server.ask("GET", CUSTOMERS, headers) for headers in asked]
    assert [answer.status for answer in answers] == [401, 401, 429]


# the end


@ON_SQLITE
def test_stop_lets_a_running_request_end(settings, tmp_path):
    text = json.dumps(ADA).encode()
    with serving(tmp_path, settings, WEB_CONCURRENCY="1") as server:
        acme = sign_up(server)
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as peer:
            head = (
                f"POST {CUSTOMERS} HTTP/1.1\r\nHost: localhost\r\n"
                f"Authorization: Bearer {acme.key}\r\n"
                "Content-Type: application/json\r\n"
                f"Content-Length: {len(text)}\r\nExpect: 100-continue\r\n\r\n"
            )
            peer.sendall(head.encode())
            assert b"100 Continue" in peer.recv(1000)  # it runs
            server.process.send_signal(signal.SIGTERM)
            server.wait_for("Handling signal: term")
            peer.sendall(text)
            assert peer.recv(1000).startswith(b"HTTP/1.1 201 ")
        assert server.process.wait(PATIENCE) == 0
