"""deploy/nginx.conf, in a real nginx before a real uWSGI: what it adds, and leaves."""

import json
import re
import socket
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.nginx_server import nginx
from tests.programs import program
from tests.servers import Answer, environment_of
from tests.uwsgi_server import INI, serving
from tests.waiting import until

CUSTOMERS = "/v1/sample_customers"
PLAIN_ID = re.compile("[0-9a-f]{32}")
LIMIT = 1024 * 1024


@pytest.fixture(scope="module")
def short():
    """A folder whose sockets have short names."""
    program("nginx")
    with TemporaryDirectory(prefix="myapp-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def front(short, settings, tmp_path_factory):
    """An nginx before two workers, on the stores of the application of the tests."""
    own = environment_of(settings, MYAPP_RATE_LIMIT_ANONYMOUS="1000")
    ini = f"{INI}\nsocket = {short}/app.sock\n"
    with (
        serving(tmp_path_factory.mktemp("uwsgi"), own, 2, ini),
        nginx(short, short / "app.sock") as front,
    ):
        yield front


@pytest.fixture
def lonely():
    """An nginx before nobody: the socket is there, and refuses."""
    with TemporaryDirectory(prefix="myapp-") as folder:
        address = Path(folder, "app.sock")
        with closing(socket.socket(socket.AF_UNIX)) as dead:
            dead.bind(str(address))
        with nginx(Path(folder), address) as front:
            yield front


def is_problem(answer: Answer, status: int) -> None:
    """Assert that an answer is a problem with a request id, in body and header."""
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    problem = json.loads(answer.body)
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert {"type", "title", "detail"} < problem.keys()
    assert problem["title"] != "Error"


def request_with(*headers: str, line: str = "GET /health/live HTTP/1.1") -> bytes:
    """Return a request as bytes."""
    lines = [line, "Host: api.example.com", *headers, "", ""]
    return "\r\n".join(lines).encode()


# what the application answers comes through as it is


def test_the_callers_request_id_is_that_of_the_application(front):
    answer = front.ask("GET", CUSTOMERS, headers={"X-Request-Id": "callers-own-id"})
    assert answer.headers["X-Request-Id"] == "callers-own-id"
    assert json.loads(answer.body)["request_id"] == "callers-own-id"


def test_a_request_without_an_id_has_that_of_nginx_in_both_logs(front):
    answer = front.ask("GET", "/v1/nothing?token=secret")
    made = answer.headers["X-Request-Id"]
    assert PLAIN_ID.fullmatch(made)
    log = front.folder / "myapp.log"
    until(lambda: made in log.read_text())  # the line is written after the answer
    (line,) = [line for line in log.read_text().splitlines() if made in line]
    assert json.loads(line)["path"] == "/v1/nothing"
    assert "secret" not in log.read_text()


def test_an_etag_stays_strong_for_a_client_that_takes_gzip(front, acme):
    body = {"name": "Ada", "email": "ada@example.com"}
    url = acme.post(CUSTOMERS, json=body).headers["Location"]
    plain = front.ask("GET", url, headers=acme.headers)
    headers = {**acme.headers, "Accept-Encoding": "gzip"}
    zipped = front.ask("GET", url, headers=headers)
    assert zipped.status == 200
    assert zipped.headers["ETag"] == plain.headers["ETag"]
    assert not zipped.headers["ETag"].startswith("W/")
    assert "Content-Encoding" not in zipped.headers


def test_a_chunked_body_arrives_whole(front, acme):
    name = "A" * 120
    chunks = [b'{"name": "', *[b"A" * 40] * 3, b'", "email": "a@example.com"}']
    headers = {**acme.headers, "Content-Type": "application/json"}
    answer = front.ask("POST", CUSTOMERS, body=iter(chunks), headers=headers)
    assert answer.status == 201
    assert json.loads(answer.body)["name"] == name


def test_the_address_is_the_clients_whatever_it_says(front):
    lies = ["X-Forwarded-For", "X-Real-IP", "Forwarded", "Remote-Addr"]
    left = [
        front.ask(
            "GET",
            CUSTOMERS,
            address="127.0.0.2",
            headers={name: f"6.6.6.{number}" for name in lies},
        ).headers["RateLimit"]
        for number in range(3)
    ]
    other = front.ask("GET", CUSTOMERS, address="127.0.0.3")
    assert [";r=999;" in left[0], ";r=998;" in left[1], ";r=997;" in left[2]] == [
        True
    ] * 3
    assert ";r=999;" in other.headers["RateLimit"]


def test_what_the_client_says_of_the_way_here_is_not_passed_on(front):
    lie = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"}
    answer = front.ask("GET", "/", headers=lie)
    assert "evil" not in str(answer.headers)


# what nginx answers itself


@pytest.mark.parametrize(
    ("status", "sent"),
    [
        (400, b"nonsense\r\n\r\n"),
        (400, request_with("Content-Length: 1", "Content-Length: 2")),
        (400, request_with(line="GET /%00 HTTP/1.1")),
        (405, request_with(line="TRACE / HTTP/1.1")),
        (413, request_with("Content-Length: 100000000000", line="POST / HTTP/1.1")),
        (414, request_with(line=f"GET /{'a' * 16_384} HTTP/1.1")),
        (431, request_with(f"X-Long: {'a' * 16_384}")),
        (431, request_with(*[f"X-{n}: {'a' * 4000}" for n in range(9)])),
    ],
    ids="nonsense lengths nul trace huge long-line long-header many-headers".split(),
)
def test_a_request_that_nginx_refuses_is_told_by_a_problem(front, status, sent):
    is_problem(front.send(sent), status)


def test_a_body_one_byte_over_the_limit_answers_413(front):
    is_problem(front.ask("POST", CUSTOMERS, body=b"a" * (LIMIT + 1)), 413)


def test_a_chunked_body_over_the_limit_answers_413(front):
    chunks = iter([b"a" * 65_536] * 17)
    answer = front.send(
        request_with("Transfer-Encoding: chunked", line=f"POST {CUSTOMERS} HTTP/1.1")
        + b"".join(b"10000\r\n" + chunk + b"\r\n" for chunk in chunks)
    )
    is_problem(answer, 413)


def test_headers_as_large_as_nginx_takes_are_not_too_large_for_the_application(front):
    path = "/v1/" + "a" * 8100
    line = f"GET {path} HTTP/1.1"
    answer = front.send(request_with(f"X-Long: {'a' * 8000}", line=line))
    assert answer.status == 404


def test_a_request_without_tls_is_refused(front):
    is_problem(front.ask_plain("GET", CUSTOMERS), 403)
    home = front.ask_plain("GET", "/")
    assert (home.status, home.headers["Location"]) == (301, "https://api.example.com/")


def test_an_application_that_is_away_answers_502_and_when_to_try_again(lonely):
    answer = lonely.ask("GET", "/health/live")
    is_problem(answer, 502)
    assert answer.headers["Retry-After"] == "1"
