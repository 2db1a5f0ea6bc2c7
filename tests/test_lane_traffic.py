"""The lane and Flask's way send the same bytes: status line, headers in order, body.

Every call goes to two applications on one database, one with the lane and one without.
What is refused or only read is answered twice from scratch. What is carried out is
carried out once, on the lane; its reply goes out on Flask's way, too, if that leads to
the same operation with the same parameters: so new ids, secrets and versions are equal.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any, NamedTuple, cast
from uuid import uuid4

import msgspec
import pytest
from flask import Flask
from hypothesis import given, settings as examples, strategies as st

from myapp import create_app, rate_limits, recent
from myapp.access import PUBLIC
from myapp.errors import Reply
from myapp.kinds import ACTION
from myapp.negotiation import JSON_API
from myapp.operations import Operation
from tests import sample_customers
from tests.actors import Actor, sign_up
from tests.declared import DeclaredClient
from tests.resources import OPERATIONS, PARAMETER, Path, call, make_everything, named
from tests.sample_customers import CustomerList
from tests.samples import FEATURES
from tests.wsgi_calls import Answer, Call, send

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "get"]
SERVED = [
    operation
    for operation in OPERATIONS
    if not PARAMETER.search(operation.url.rpartition("/")[0])
]
"""What the lane serves: where no id is in the middle of the URL."""
ID = "01890a5d-ac96-774b-bcce-b302099a8057"
ADDRESSES = map("fd00:0:0:{:x}::1".format, count(1))
"""Each call comes from a network of its own: none has too many failed logins."""


class Done(NamedTuple):
    """What the lane carried out: by which operation, on what, and its reply."""

    operation: Operation
    path: dict[str, Any]
    reply: Reply


class Pair:
    """The two applications; `compare` sends a call to both."""

    def __init__(self, lane: Flask, flask: Flask) -> None:
        self.lane, self.flask = lane, flask
        self.done: Done | None = None
        self.operated = self.replays = False

    def compare(self, call: Call) -> tuple[Answer, bool]:
        """Return the answer that both give, and whether the lane gave it."""
        call = call._replace(environ={"REMOTE_ADDR": next(ADDRESSES), **call.environ})
        call = call._replace(headers={"X-Request-Id": "request-1", **call.headers})
        self.done, self.operated = None, False
        answer, without_flask = send(self.lane, call)
        in_lane = self.operated and without_flask
        self.replays = True
        try:
            assert send(self.flask, call)[0] == answer, call
        finally:
            self.replays = False
        return answer, in_lane

    def answer(
        self, operation: Operation, environ: dict[str, Any], path: dict[str, Any]
    ) -> Reply:
        """Stand in for `Operation.answer`: do nothing twice."""
        if self.replays and self.done:
            assert self.done[:2] == (operation, path)
            return self.done.reply
        self.operated = True
        reply = ANSWER(operation, environ, path)
        if reply.status < 400 and (
            operation.method != "GET" or operation.kind is ACTION
        ):
            self.done = Done(operation, dict(path), reply)
        return reply


ANSWER = Operation.answer


@pytest.fixture(scope="module")
def pair(settings: dict[str, Any]) -> Iterator[Pair]:
    lane, flask = (
        create_app({**settings, "LANE": on}, FEATURES) for on in (True, False)
    )
    lane.test_client_class = DeclaredClient
    pair, seconds = Pair(lane, flask), count()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Operation, "answer", lambda *given: pair.answer(*given))
        # Neither remembers a token that the other may have revoked.
        patch.setattr(recent, "monotonic", lambda: next(seconds))
        patch.setattr(recent, "MOST_SECONDS", 0)
        send(lane, Call("GET", "/health/live"))
        yield pair
    for app in (lane, flask):
        app.extensions["myapp"].engine.dispose()


class Recorder:
    """Stands in for an actor, and records the call instead of sending it."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor

    def open(self, method: str, url: str, headers: dict[str, str], **sent: Any) -> Call:
        """Return what the actor would send."""
        body = b"" if sent["json"] is None else msgspec.json.encode(sent["json"])
        return Call(method, url, {**self._actor.headers, **headers}, body)


def good(actor: Actor, operation: Operation, path: Path) -> Call:
    """Return a call that succeeds, unless it takes a secret."""
    recorded: Any = call(cast(Any, Recorder(actor)), operation, path)
    return cast(Call, recorded)


# one call and what may be wrong, or odd, about it


def headed(**headers: str | None) -> Callable[[Call], Call]:
    """Return a change of headers, named as in Python; None leaves one out."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}

    def change(call: Call) -> Call:
        merged = {**call.headers, **given}
        return call._replace(
            headers={name: value for name, value in merged.items() if value is not None}
        )

    return change


def placed(rewrite: Callable[[str], str]) -> Callable[[Call], Call]:
    return lambda call: call._replace(url=rewrite(call.url))


def bodied(body: bytes) -> Callable[[Call], Call]:
    return lambda call: call._replace(body=body)


def surrounded(**environ: str) -> Callable[[Call], Call]:
    return lambda call: call._replace(environ=environ)


REFUSED = {
    "without a token": headed(Authorization=None),
    "an unknown token": headed(Authorization="Bearer nobody"),
    "another scheme": headed(Authorization="Basic bm9ib2R5Og=="),
    "an empty token": headed(Authorization=""),
    "a token that is no text": headed(Authorization="Bearer \xff\x00"),
    "accepts html": headed(Accept="text/html"),
    "accepts nothing": headed(Accept=",;,"),
    "an unknown parameter": placed("{}?nope=1".format),
    "a parameter twice": placed("{}?limit=1&limit=2".format),
    "a bad limit": placed("{}?limit=-1".format),
    "a bad cursor": placed("{}?cursor=nope".format),
    "a broken query": placed("{}?%ff=%zz&&=".format),
    "a host in front": placed("//evil.example{}".format),
    "two slashes in front": placed("/{}".format),
    "two slashes behind": placed("{}//".format),
    "two slashes inside": placed(lambda url: url.replace("/", "//").lstrip("/")),
    "a point behind": placed("{}/.".format),
    "a parent inside": placed("/v1/..{}".format),
    "a line end behind": placed("{}%0A".format),
    "an encoded slash": placed(lambda url: url.replace("/v1/", "/v1%2F")),
    "letters of no ASCII": placed("{}%C3%A4".format),
    "bytes of no UTF-8": placed("{}%FF".format),
    "a blank behind": placed("{}%20".format),
    "an id that is none": placed("{}/nope".format),
    "an id too many": placed(lambda url: f"{url}/{ID}"),
    "two ids too many": placed(lambda url: f"{url}/{ID}/{ID}"),
    "no hyphens": placed(lambda url: url.replace("-", "")),
    "braces": placed(lambda url: f"{url[:-36]}{{{url[-35:-1]}}}"),
    "an upgrade": headed(Connection="Upgrade", Upgrade="websocket"),
}
"""What changes nothing, whatever the operation."""
BROKEN = {
    "no body": bodied(b""),
    "half a body": bodied(b'{"name": "A'),
    "an array": bodied(b"[]"),
    "an unknown field": bodied(b'{"nope": 1}'),
    "a field twice": bodied(b'{"name": "A", "name": "B"}'),
    "no UTF-8": bodied(b'{"name": "\xff"}'),
    "too deep": bodied(b"[" * 9999),
    "too large": bodied(b" " * (1024 * 1024 + 1)),
    "another media type": headed(Content_Type="text/plain"),
    "no media type": headed(Content_Type=None),
    "JSON:API": headed(Content_Type=JSON_API),
    "another encoding": headed(Content_Encoding="gzip"),
    "another charset": headed(Content_Type="application/json; charset=latin-1"),
    "a length that is none": surrounded(CONTENT_LENGTH="ten"),
    "a longer length": surrounded(CONTENT_LENGTH="999999"),
    "chunks": surrounded(CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked"),
    "an old entity tag": headed(If_Match='"99-00000000"'),
    "no entity tag": headed(If_Match="nope"),
    "If-None-Match": headed(If_None_Match="*"),
}
"""What keeps a write from being carried out, where it matters to the operation."""
ODD = {
    "as it is": lambda call: call,
    "a slash behind": placed("{}/".format),
    "large letters in the id": placed(lambda url: url[:-36] + url[-36:].upper()),
    "accepts anything": headed(Accept="*/*"),
    "accepts JSON in UTF-8": headed(Accept="application/json; charset=utf-8"),
    "an empty accept": headed(Accept=""),
    "accepts JSON:API": headed(Accept=JSON_API),
    "accepts JSON:API, modified": headed(Accept=f"{JSON_API}; a=b"),
    "has it already": headed(If_None_Match="*"),
    "has another": headed(If_None_Match='W/"1-00000000", "x"'),
    "a range": headed(Range="bytes=0-3"),
    "a method in a header": headed(X_HTTP_Method_Override="DELETE"),
    "another host": headed(Host="evil.example:99"),
    "no host": surrounded(HTTP_HOST=""),
    "a mount": surrounded(SCRIPT_NAME="/api"),
    "an odd mount": surrounded(SCRIPT_NAME="/\xc3\xa4 b"),
    "a forwarded address": headed(X_Forwarded_For="1.2.3.4"),
    "another origin": headed(Origin="https://shop.example"),
    "a cookie": headed(Cookie="session=eyJfIjoxfQ.x; consent=1"),
    "an empty header": headed(X_Nothing=""),
}
"""What is answered as well as the plain call, or nearly."""
READ = {"GET", "HEAD", "OPTIONS"}


@pytest.mark.parametrize("operation", named(OPERATIONS))
def test_operation_answers_alike_both_ways(pair: Pair, operation: Operation) -> None:
    actor = sign_up(pair.lane.test_client(), "acme")
    path = make_everything(actor, f"mark-{uuid4().hex[:8]}")
    plain = good(actor, operation, path)
    calls = [change(plain) for change in REFUSED.values()]
    calls += [plain._replace(method=method) for method in METHODS if method in READ]
    calls += [
        plain._replace(method=method, headers={}) for method in METHODS
    ]  # nobody may, or the URL has it not
    if operation.method != "GET":
        calls += [change(plain) for change in BROKEN.values()]
    calls += [change(plain) for change in ODD.values()]
    answers = [pair.compare(each) for each in calls]
    in_lane = [in_lane for _, in_lane in answers]
    if operation in SERVED:
        assert sum(in_lane) > len(in_lane) / 4
    else:
        assert not any(in_lane)


def test_writes_that_succeed_are_among_them(pair: Pair) -> None:
    actor = sign_up(pair.lane.test_client(), "acme")
    path = make_everything(actor, f"mark-{uuid4().hex[:8]}")
    seen = {}
    for operation in sample_customers.api.operations:
        plain = good(actor, operation, path)
        answer, in_lane = pair.compare(headed(If_Match="*")(plain))
        assert in_lane
        seen[operation.id] = answer.status
    assert seen == {
        "sample_customers_list": "200 OK",
        "sample_customers_create": "201 Created",
        "sample_customers_retrieve": "200 OK",
        "sample_customers_replace": "200 OK",
        "sample_customers_update": "200 OK",
        "sample_customers_delete": "204 No Content",
    }


# what a handler may reply

REPLIES = {
    "status without a body": Reply(202),
    "no content": Reply(204, headers={"Content-Type": "text/plain", "ETag": '"1"'}),
    "redirection": Reply(303, headers={"Location": "https://a.example/?q=1&r=%20"}),
    "address of no ASCII": Reply(303, headers={"Location": "https://ä.example/ö ?q=ü"}),
    "status of nobody": Reply(599, b"x", {"Content-Type": "text/plain"}),
    "teapot": Reply(418, b"x", {"Set-Cookie": "a=b; Path=/", "X-A": "1"}),
    "length of its own": Reply(200, b"abc", {"Content-Type": "a/b", "Allow": "GET"}),
}


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_reply_of_a_handler_is_sent_alike_both_ways(
    pair: Pair, reply: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = replace(
        CustomerList.operations["GET"], rule=PUBLIC, handler=lambda _: reply
    )
    monkeypatch.setitem(CustomerList.operations, "GET", operation)
    answer, in_lane = pair.compare(Call("GET", "/v1/sample_customers"))
    assert in_lane
    assert answer.status.startswith(f"{reply.status} ")


def test_exception_in_a_handler_is_answered_alike_both_ways(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Any) -> None:
        raise ZeroDivisionError

    operation = replace(CustomerList.operations["GET"], rule=PUBLIC, handler=fail)
    monkeypatch.setitem(CustomerList.operations, "GET", operation)
    answer, in_lane = pair.compare(Call("GET", "/v1/sample_customers"))
    assert in_lane
    assert answer.status == "500 Internal Server Error"


def test_limits_are_told_alike_both_ways(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "monotonic", lambda: 1_000_000.0)
    limits = {"RATE_LIMIT": 3, "RATE_LIMIT_ANONYMOUS": 3}
    lane, flask = (
        create_app({**settings, **limits, "LANE": on}, FEATURES) for on in (True, False)
    )
    call = Call("GET", "/v1/sample_customers", {"X-Request-Id": "request-1"})
    for status in ("401", "401", "401", "429"):
        (answer, _), (other, _) = send(lane, call), send(flask, call)
        assert answer == other
        assert answer.status[:3] == status
        assert "RateLimit" in dict(answer.headers)
    for app in (lane, flask):
        app.extensions["myapp"].engine.dispose()


# anything at all

HEADERS = {
    "Accept": ["*/*", "application/json", "text/html", "application/problem+json", ""],
    "Authorization": ["Bearer x", "bearer x", "Basic eDp4", ""],
    "Content-Type": ["application/json", "application/merge-patch+json"],
    "If-Match": ["*", '"1-00000000"', 'W/"1-00000000"', "x"],
    "If-None-Match": ["*", '"1-00000000"', "x"],
    "Connection": ["Upgrade", "close"],
    "Transfer-Encoding": ["chunked"],
    "Content-Length": ["0", "-1", "99", "x"],
}
FOR_FLASK = {
    "Origin": ["https://a.example", "null", ""],
    "Cookie": ["session=x", ""],
    "Upgrade": ["websocket", "h2c"],
}
CHANGES = ["", "/", "%2F", "A", "%C3%A4", "-", "0", "%00"]
QUERIES = ["", "", "?", "?limit=1", "?x", "?cursor=x", "?limit=1&limit=2", "?%ff"]
BODIES = [b"", b"{}", b"[]", b'{"name": "A"}', b'{"name": "A", "email": "a@a.example"}']


def some(known: dict[str, list[str]]) -> st.SearchStrategy[dict[str, str]]:
    """Make up some of these headers, with the values given or with others."""
    other = st.text(st.characters(codec="latin-1"), max_size=20)
    values = {name: st.sampled_from(known[name]) | other for name in known}
    return st.fixed_dictionaries({}, optional=values)


@st.composite
def known_calls(draw: st.DrawFn) -> Call:
    """Make up a call to the very URL of an operation that the lane serves."""
    operation = draw(st.sampled_from(SERVED))
    url = PARAMETER.sub(ID, operation.url) + draw(st.sampled_from(["", "/"]))
    url += draw(st.sampled_from(QUERIES))
    body = draw(st.sampled_from(BODIES) | st.binary(max_size=40))
    return Call(operation.method, url, draw(some(HEADERS)), body)


@st.composite
def unknown_calls(draw: st.DrawFn) -> Call:
    """Make up a call to a URL that is nearly one of ours."""
    url = list(PARAMETER.sub(ID, draw(st.sampled_from(OPERATIONS)).url))
    for _ in range(draw(st.integers(0, 2))):
        at, kept = draw(st.integers(1, len(url))), draw(st.integers(0, 1))
        url[at : at + kept] = draw(st.sampled_from(CHANGES))
    end = draw(st.sampled_from(["", "/", "//"])) + draw(st.sampled_from(QUERIES))
    method = draw(st.sampled_from(METHODS) | st.text("GETPOS -x", max_size=5))
    headers = draw(some({**HEADERS, **FOR_FLASK}))
    return Call(method, "".join(url) + end, headers, draw(st.sampled_from(BODIES)))


def compared(pair: Pair, calls: st.SearchStrategy[Call], actor: Actor) -> list[bool]:
    """Compare calls of nobody, and the same signed in; return which the lane took."""
    in_lane: list[bool] = []

    @given(call=calls)
    @examples(
        max_examples=10 * examples().max_examples, database=None, derandomize=True
    )
    def compare(call: Call) -> None:
        signed_in = call._replace(headers={**call.headers, **actor.headers})
        in_lane.extend(pair.compare(each)[1] for each in (call, signed_in))

    compare()
    return in_lane


def test_anything_about_a_known_call_is_answered_alike_both_ways(pair: Pair) -> None:
    actor = sign_up(pair.lane.test_client(), "acme")
    assert all(compared(pair, known_calls(), actor))


def test_anything_that_is_nearly_known_is_answered_alike_both_ways(pair: Pair) -> None:
    actor = sign_up(pair.lane.test_client(), "acme")
    in_lane = compared(pair, unknown_calls(), actor)
    assert 0 < sum(in_lane) < len(in_lane)
