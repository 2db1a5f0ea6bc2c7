"""How often anyone may call: who is counted, what is told, and that counts are exact.

The tests above the servers stop the clock, so that no window ends under them.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from myapp import openapi, rate_limits
from myapp.portions import LARGEST
from tests.actors import Actor, sign_up
from tests.resources import OPERATIONS, SERVED, call, named
from tests.servers import environment_of
from tests.uwsgi_server import INI, serving

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

CUSTOMERS = "/v1/sample_customers"
ADA = {"name": "Ada", "email": "ada@example.com"}
MISSING = {
    parameter: "01890a5d-ac96-774b-bcce-b302099a8057"
    for operation in SERVED
    for parameter in re.findall(r":(\w+)>", operation.url)
}
LIMITED = [operation for operation in OPERATIONS if operation.rule.limited]
PROBES = [operation for operation in OPERATIONS if not operation.rule.limited]
WORKERS = 4


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still; `clock.append(seconds)` sets it."""
    times = [1_000_000.0]
    monkeypatch.setattr(rate_limits, "monotonic", lambda: times[-1])
    return times


@pytest.fixture
def limit(start_app, clock):
    """Let an actor call an application with these limits."""

    def start(actor, *, signed_in=0, anonymous=0):
        app = start_app(RATE_LIMIT=signed_in, RATE_LIMIT_ANONYMOUS=anonymous)
        return Actor(app.test_client(), actor.account_id, actor.key)

    return start


class Told(NamedTuple):
    """What the headers of an answer say."""

    policy: str
    quota: int
    window: int
    left: int
    seconds: int


def told(headers: Mapping[str, str]) -> Told:
    """Return what an answer says of its caller's limit."""
    policy = re.fullmatch(r'"(\w+)";q=(\d+);w=(\d+)', headers["RateLimit-Policy"])
    standing = re.fullmatch(r'"(\w+)";r=(\d+);t=(\d+)', headers["RateLimit"])
    assert policy and standing and policy[1] == standing[1]
    numbers = (policy[2], policy[3], standing[2], standing[3])
    return Told(policy[1], *map(int, numbers))


def statuses(send, times):
    return [send().status_code for _ in range(times)]


# what a caller is told


def test_answer_says_what_is_left_in_the_window(acme, limit):
    acme = limit(acme, signed_in=3)
    answers = [acme.get(CUSTOMERS) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    seen = [told(answer.headers) for answer in answers]
    assert [found.left for found in seen] == [2, 1, 0]
    assert {found[:3] for found in seen} == {("principal", 3, 60)}
    assert 1 <= seen[0].seconds <= 60


def test_request_beyond_the_quota_answers_429_and_when_to_try_again(acme, limit):
    acme = limit(acme, signed_in=1)
    acme.get(CUSTOMERS)
    refused = acme.get(CUSTOMERS)
    assert refused.status_code == 429
    assert refused.json["type"] == "/problems/too-many-requests"
    found = told(refused.headers)
    assert found.left == 0
    assert refused.headers["Retry-After"] == str(found.seconds)


def test_refused_request_does_nothing(acme, limit):
    limited = limit(acme, signed_in=1)
    assert statuses(lambda: limited.post(CUSTOMERS, json=ADA), 3) == [201, 429, 429]
    assert len(acme.get(CUSTOMERS).json["items"]) == 1


def test_quota_is_whole_again_after_the_seconds_that_were_told(acme, limit, clock):
    acme = limit(acme, signed_in=2)
    assert statuses(lambda: acme.get(CUSTOMERS), 3) == [200, 200, 429]
    seconds = int(acme.get(CUSTOMERS).headers["Retry-After"])
    clock.append(clock[0] + seconds - 1)
    assert acme.get(CUSTOMERS).headers["Retry-After"] == "1"
    clock.append(clock[0] + seconds)
    answer = acme.get(CUSTOMERS)
    assert answer.status_code == 200
    assert told(answer.headers) == ("principal", 2, 60, 1, 60)


def test_clock_that_jumps_back_locks_nobody_out_for_longer_than_a_window(
    acme, limit, clock
):
    acme = limit(acme, signed_in=1)
    assert statuses(lambda: acme.get(CUSTOMERS), 2) == [200, 429]
    for hour in range(1, 4):
        clock.append(clock[0] - 3600 * hour)
        assert statuses(lambda: acme.get(CUSTOMERS), 2) == [200, 429]
        seconds = int(acme.get(CUSTOMERS).headers["Retry-After"])
        assert seconds <= 60
        clock.append(clock[-1] + seconds)
        assert acme.get(CUSTOMERS).status_code == 200


def test_windows_of_different_callers_end_at_different_times(client, limit):
    callers = [limit(sign_up(client, "acme"), signed_in=9) for _ in range(5)]
    ends = {told(caller.get(CUSTOMERS).headers).seconds for caller in callers}
    assert len(ends) > 1


@pytest.mark.parametrize(
    ("status", "url", "headers"),
    [
        (304, CUSTOMERS, {"If-None-Match": "*"}),
        (400, f"{CUSTOMERS}?nope=1", {}),
        (403, "/v1/api_keys", {}),
        (404, f"{CUSTOMERS}/{MISSING['sample_customer_id']}", {}),
        (406, CUSTOMERS, {"Accept": "text/html"}),
    ],
)
def test_every_answer_counts_and_says_so(acme, limit, status, url, headers):
    url = acme.post(CUSTOMERS, json=ADA).location if status == 304 else url
    viewer = limit(acme.with_key("viewer", ["*"]), signed_in=9)
    for left in (8, 7):
        answer = viewer.get(url, headers)
        assert (answer.status_code, told(answer.headers).left) == (status, left)


@pytest.mark.parametrize("operation", named(LIMITED))
def test_operation_beyond_the_quota_answers_429(acme, limit, operation):
    acme = limit(acme, signed_in=1, anonymous=1)
    call(acme, operation, MISSING)
    assert call(acme, operation, MISSING).status_code == 429
    for declared in openapi.responses(operation).values():
        assert declared["headers"].keys() >= {"RateLimit", "RateLimit-Policy"}


# who is counted


def test_all_operations_use_one_quota(acme, limit):
    acme = limit(acme, signed_in=3)
    urls = (CUSTOMERS, "/v1/api_keys", "/v1/sample_checkouts", CUSTOMERS)
    assert [acme.get(url).status_code for url in urls] == [200, 200, 200, 429]


def test_every_key_and_every_account_has_a_quota_of_its_own(acme, rival, limit):
    first = limit(acme, signed_in=1)
    second = acme.with_key("viewer", ["*"])
    assert statuses(lambda: first.get(CUSTOMERS), 2) == [200, 429]
    for other in (second, rival):
        assert Actor(first.client, "", other.key).get(CUSTOMERS).status_code == 200


def test_callers_who_are_nobody_share_the_quota_of_their_address(acme, limit):
    client = limit(acme, anonymous=3).client
    assert client.get(CUSTOMERS).status_code == 401
    assert Actor(client, "", "garbage").get(CUSTOMERS).status_code == 401
    sign_up(client, "new")
    for refused in (
        client.get(CUSTOMERS),
        Actor(client, "", "other garbage").get(CUSTOMERS),
        client.post("/v1/accounts", json={"name": "New", "slug": "new"}),
    ):
        assert refused.status_code == 429
        assert told(refused.headers).policy == "address"


def test_address_that_sends_garbage_takes_nothing_from_who_signs_in_there(acme, limit):
    acme = limit(acme, signed_in=1, anonymous=1)
    assert statuses(lambda: acme.client.get(CUSTOMERS), 2) == [401, 429]
    assert acme.get(CUSTOMERS).status_code == 200


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "X-Real-IP", "X-Client-IP", "Forwarded"]
)
def test_address_is_not_what_a_header_says(acme, limit, header):
    client = limit(acme, anonymous=2).client
    sent = [{header: f"198.51.100.{number}"} for number in range(3)]
    answers = [client.get(CUSTOMERS, headers=headers) for headers in sent]
    assert [answer.status_code for answer in answers] == [401, 401, 429]


def second_from(client, first, second):
    """Return the status of the second request, at a quota of one."""
    client.get(CUSTOMERS, environ_base={"REMOTE_ADDR": first})
    answer = client.get(CUSTOMERS, environ_base={"REMOTE_ADDR": second})
    return answer.status_code


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param("192.0.2.1", "192.0.2.1", id="ipv4"),
        pytest.param("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", id="ipv6_64"),
        pytest.param("2001:db8::1", "2001:DB8:0:0::1", id="spelling"),
        pytest.param("fe80::1%eth0", "fe80::2%eth0", id="zone"),
        pytest.param("::ffff:192.0.2.1", "192.0.2.1", id="ipv4_in_ipv6"),
        pytest.param("", "", id="unknown"),
    ],
)
def test_addresses_of_one_network_share_a_quota(acme, limit, first, second):
    assert second_from(limit(acme, anonymous=1).client, first, second) == 429


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param("192.0.2.1", "192.0.2.2", id="ipv4"),
        pytest.param("2001:db8:1:2::1", "2001:db8:1:3::1", id="ipv6_64"),
        pytest.param("::ffff:192.0.2.1", "::ffff:192.0.2.2", id="ipv4_in_ipv6"),
    ],
)
def test_addresses_of_different_networks_do_not(acme, limit, first, second):
    assert second_from(limit(acme, anonymous=1).client, first, second) == 401


# who is not


@pytest.mark.parametrize("operation", named(PROBES))
def test_health_checks_are_not_counted(acme, limit, operation):
    client = limit(acme, anonymous=1).client
    for _ in range(3):
        answer = client.get(operation.url)
        assert answer.status_code == 200
        assert "RateLimit" not in answer.headers
    assert "429" not in openapi.responses(operation)


def test_limit_of_0_is_none(acme, limit):
    acme = limit(acme)
    for answer in (acme.get(CUSTOMERS), acme.client.get(CUSTOMERS)):
        assert answer.status_code in (200, 401)
        assert "RateLimit" not in answer.headers


def test_caller_who_cannot_be_looked_up_is_not_taken_for_nobody(acme, start_app):
    nowhere = "sqlite:////nowhere/my.sqlite"
    app = start_app(DATABASE_URL=nowhere, RATE_LIMIT_ANONYMOUS=1)
    acme = Actor(app.test_client(), acme.account_id, acme.key)
    assert statuses(lambda: acme.get(CUSTOMERS), 3) == [503, 503, 503]


# the workers of uWSGI


@contextmanager
def limited(
    folder: Path, settings: Any, workers: int, ini: str, quota: int = 100
) -> Iterator[Any]:
    """Serve for a block, at so many requests a minute."""
    both = ("MYAPP_RATE_LIMIT", "MYAPP_RATE_LIMIT_ANONYMOUS")
    own = environment_of(settings, **dict.fromkeys(both, str(quota)))
    with serving(folder, own, workers, ini) as server:
        yield server


@pytest.fixture(scope="module")
def server(settings, tmp_path_factory):
    """Four workers, as myapp.ini has them."""
    folder = tmp_path_factory.mktemp("uwsgi")
    with limited(folder, settings, WORKERS, INI) as server:
        yield server


@pytest.fixture
def caller(server, client):
    """The headers of a caller with most of the window, and all but 1 request, left."""
    return caller_of(server, client)


def caller_of(server, client):
    while True:
        headers = sign_up(client, "acme").headers
        answer = server.get(CUSTOMERS, headers)
        assert answer.status == 200
        if told(answer.headers).seconds > 20:
            return headers


@pytest.fixture
def address(server):
    """An address with most of the window, and all but 1 request, left."""
    for number in count(2):
        answer = server.get(CUSTOMERS, {}, address := f"127.0.0.{number}")
        if told(answer.headers).seconds > 20:
            return address


def flood(server, times, headers, address="127.0.0.1", quota=100):
    """Send requests in parallel; return the statuses, counted."""
    with ThreadPoolExecutor(16) as pool:
        answers = [
            *pool.map(
                lambda n: server.get(CUSTOMERS, headers(n), address), range(times)
            )
        ]
    for answer in answers:
        found = told(answer.headers)
        assert found.quota == quota
        if answer.status == 429:
            assert found.left == 0
            assert int(answer.headers["Retry-After"]) == found.seconds
    return Counter(answer.status for answer in answers)


@pytest.mark.slow
def test_workers_count_together_and_exactly(server, caller):
    assert flood(server, 60, lambda _: caller) == {200: 60}
    assert told(server.get(CUSTOMERS, caller).headers).left == 100 - 62


@pytest.mark.slow
def test_workers_let_a_caller_pass_no_more_often_than_the_quota(server, caller):
    found = flood(server, 149, lambda _: caller)
    assert 100 - WORKERS < 1 + found[200] <= 100
    assert found[200] + found[429] == 149


@pytest.mark.slow
def test_workers_let_a_caller_pass_no_more_often_than_a_large_quota(
    tmp_path, settings, client
):
    with limited(tmp_path, settings, WORKERS, INI, quota=800) as server:
        caller = caller_of(server, client)
        found = flood(server, 1000, lambda _: caller, quota=800)
    assert 800 - WORKERS * LARGEST < 1 + found[200] <= 800
    assert found[200] + found[429] == 1000


@pytest.mark.slow
def test_workers_let_an_address_pass_no_more_often_whatever_it_says_it_is(
    server, address
):
    def spoofed(number):
        return {"X-Forwarded-For": f"198.51.100.{number}", "Authorization": "Bearer no"}

    found = flood(server, 149, spoofed, address)
    assert 100 - WORKERS < 1 + found[401] <= 100
    assert found[401] + found[429] == 149


@pytest.mark.slow
def test_worker_without_the_cache_counts_for_itself_and_says_what_is_missing(
    tmp_path, settings
):
    lines = INI.splitlines()
    ini = "\n".join(line for line in lines if not line.startswith("cache2"))
    with limited(tmp_path, settings, 1, ini) as server:
        seen = [told(server.get(CUSTOMERS, {}).headers).left for _ in range(2)]
    assert seen == [99, 98]
    assert "uWSGI has no cache named counters" in server.output
