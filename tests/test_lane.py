"""The lane is on as shipped, and stands aside for whatever hooks into Flask."""

import json
import logging
import re
from dataclasses import replace
from functools import wraps
from types import ModuleType, SimpleNamespace
from typing import cast
from uuid import UUID, uuid4

import msgspec
import pytest
from flask import Blueprint, Flask, signals
from flask.sessions import SecureCookieSessionInterface
from hypothesis import given, strategies as st
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import UUIDConverter

from myapp import create_app, flask_hooks, lane
from tests.bodies import url_of
from tests.resources import OPERATIONS, PARAMETER, named
from tests.sample_customers import CustomerList
from tests.samples import FEATURES
from tests.wsgi_calls import Call, is_in_lane, send

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

ID = "01890a5d-ac96-774b-bcce-b302099a8057"
CUSTOMERS = Call("GET", "/v1/sample_customers")
LIVE = Call("GET", "/health/live", {"X-Request-Id": "request-1"})
CUSTOMER = f"/v1/sample_customers/{ID}"


class Anywhere(dict[str, str]):
    """Every path parameter leads to nothing."""

    def __missing__(self, name: str) -> str:
        return ID


def call_of(operation):
    return Call(operation.method, url_of(operation, Anywhere()))


@pytest.fixture
def start(start_app):
    """Start an application with the lane, whatever the other tests do without it."""

    def begin(**own):
        return start_app(LANE=True, **own)

    return begin


@pytest.fixture
def opened(start):
    """An application with the lane that has answered its first request."""
    app = start()
    send(app, LIVE)
    return app


def lane_of(app):
    return app.extensions["lane"]


def warnings(caplog):
    return [
        record.getMessage() for record in caplog.records if record.name == "myapp.lane"
    ]


# as shipped


def test_as_shipped_it_is_on(settings, caplog):
    shipped = {name: settings[name] for name in settings if name != "LANE"}
    app = create_app(shipped, FEATURES)
    assert lane_of(app).is_on
    assert lane_of(app).reasons == []
    assert warnings(caplog) == []


def test_in_production_it_is_on(start_production):
    assert lane_of(start_production(LANE=True)).is_on


def test_switched_off_every_request_goes_through_flask(start_app, caplog):
    app = start_app(LANE=False)
    assert lane_of(app).reasons == ["LANE is False"]
    assert not any(is_in_lane(app, LIVE) for _ in range(3))
    assert warnings(caplog) == []


def test_hook_that_is_ignored_is_there(app):
    hooks = [
        *app.teardown_appcontext_funcs,
        *(
            hook
            for kind in flask_hooks.HOOKS
            for hook in getattr(app, kind).get(None, [])
        ),
    ]
    found = {(hook.__module__, hook.__name__) for hook in hooks}
    assert {(hook.module, hook.name) for hook in flask_hooks.IGNORED} == found


# what it serves


@pytest.mark.parametrize("operation", named(OPERATIONS))
def test_operation_is_served_unless_an_id_is_in_the_middle_of_its_url(
    opened, operation
):
    inner = operation.url.rpartition("/")[0]
    assert is_in_lane(opened, call_of(operation)) == (not PARAMETER.search(inner))


@pytest.mark.parametrize(
    "url", ["/v1/sample_customers/", f"{CUSTOMER}/", CUSTOMER.upper()]
)
def test_url_is_served_as_flask_reads_it(opened, url):
    url = url.replace("/V1/SAMPLE_CUSTOMERS", "/v1/sample_customers")
    assert is_in_lane(opened, Call("GET", url))


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(LIVE._replace(method="HEAD"), id="head"),
        pytest.param(LIVE._replace(method="OPTIONS"), id="options"),
        pytest.param(LIVE._replace(method="DELETE"), id="not_allowed"),
        pytest.param(LIVE._replace(method="get"), id="method_in_small_letters"),
        pytest.param(LIVE._replace(headers={"Origin": "https://a.example"}), id="cors"),
        pytest.param(LIVE._replace(headers={"Cookie": "session=1"}), id="cookie"),
        pytest.param(
            LIVE._replace(headers={"Upgrade": "websocket", "Connection": "upgrade"}),
            id="websocket",
        ),
        pytest.param(Call("GET", "/nope"), id="unknown"),
        pytest.param(Call("GET", "/"), id="root"),
        pytest.param(Call("GET", "/docs"), id="page"),
        pytest.param(Call("GET", "/openapi.json"), id="document"),
        pytest.param(Call("GET", "/v1/sample_customers//"), id="two_slashes_behind"),
        pytest.param(Call("GET", f"{CUSTOMER}//"), id="two_slashes_behind_an_id"),
        pytest.param(Call("GET", f"/v1//sample_customers/{ID}"), id="two_slashes"),
        pytest.param(Call("GET", f"{CUSTOMER}/{ID}"), id="two_ids"),
        pytest.param(Call("GET", f"/v1/sample_customers/{{{ID[1:-1]}}}"), id="braces"),
        pytest.param(Call("GET", CUSTOMER.replace("-", "")), id="no_hyphens"),
        pytest.param(Call("GET", CUSTOMER.replace("-", "_")), id="underscores"),
        pytest.param(Call("GET", f"{CUSTOMER[:-1]}%EF%BC%91"), id="wide_digit"),
        pytest.param(Call("GET", f"{CUSTOMER}%0A"), id="line_end"),
        pytest.param(Call("GET", f"/v1/sample_customers/%22{ID[:-2]}%22"), id="quotes"),
    ],
)
def test_what_it_does_not_know_goes_through_flask(opened, call):
    assert not is_in_lane(opened, call)


@given(
    st.from_regex(UUIDConverter.regex, fullmatch=True)
    | st.text('0aF-"\\u{}\u0661 ', min_size=36, max_size=36)
)
def test_id_is_read_from_what_flask_reads_it_from(engine, text):
    try:
        read = lane.read_uuid(f'"{text}"')
    except msgspec.DecodeError:
        read = None
    admitted = re.fullmatch(UUIDConverter.regex, text)
    assert read == (UUID(text) if admitted else None)


def test_first_request_goes_through_flask_which_then_admits_no_hook(start):
    app = start()
    assert not is_in_lane(app, LIVE)
    assert is_in_lane(app, LIVE)
    with pytest.raises(AssertionError, match="before_request"):
        app.before_request(print)


def test_url_that_another_view_has_first_stays_with_that_view(settings, acme):
    shop = Blueprint("shop", "shop")
    shop.add_url_rule("/v1/sample_customers", view_func=lambda: "the shop")
    feature = cast(ModuleType, SimpleNamespace(blueprint=shop))
    app = create_app({**settings, "LANE": True}, (feature, *FEATURES))
    call = CUSTOMERS._replace(headers=acme.headers)
    assert [send(app, call)[0].body for _ in range(2)] == [b"the shop"] * 2
    assert is_in_lane(app, LIVE)


# what makes it stand aside


def put(hooks, scope, hook):
    """Add a hook to one of Flask's registries: {None or a blueprint: [hook]}."""
    hooks.setdefault(scope, []).append(hook)


def passing(ran):
    """Return a hook that hands on what it is given, if anything."""

    def hook(*given, **_):
        ran.append(1)
        return given[0] if given else None

    return hook


def around(ran, function):
    """Return a function that does what another does, and notes it."""

    @wraps(function)
    def noting(*args, **kwargs):
        ran.append(1)
        return function(*args, **kwargs)

    return noting


def nothing(ran):
    """Return a hook that notes that it ran."""

    def hook(*_, **__):
        ran.append(1)

    return hook


def replace_view(app, ran):
    name = "sample_customers.sample_customers_customer_list"
    app.view_functions[name] = around(ran, app.view_functions[name])


def replace_step(app: Flask, ran):
    step = around(ran, app.full_dispatch_request)
    vars(app)["full_dispatch_request"] = step


class OtherSessions(SecureCookieSessionInterface):
    def __init__(self, ran):
        self._ran = ran

    def open_session(self, app, request):
        self._ran.append(1)
        return super().open_session(app, request)


HOOKS = {
    "before_request": lambda app, ran: app.before_request(nothing(ran)),
    "after_request": lambda app, ran: app.after_request(passing(ran)),
    "teardown_request": lambda app, ran: app.teardown_request(nothing(ran)),
    "teardown_appcontext": lambda app, ran: app.teardown_appcontext(nothing(ran)),
    "url_value_preprocessors": (
        lambda app, ran: app.url_value_preprocessor(nothing(ran))
    ),
    "before_request of a blueprint": (
        lambda app, ran: put(app.before_request_funcs, "sample_customers", nothing(ran))
    ),
    "after_request of a blueprint": (
        lambda app, ran: put(app.after_request_funcs, "sample_customers", passing(ran))
    ),
    "teardown_request of a blueprint": (
        lambda app, ran: put(
            app.teardown_request_funcs, "sample_customers", nothing(ran)
        )
    ),
    "the view sample_customers.": replace_view,
    "Flask.full_dispatch_request": replace_step,
    "sessions": lambda app, ran: setattr(app, "session_interface", OtherSessions(ran)),
}


def assert_stands_aside(app, caplog, ran, named):
    """It says so once, every request goes through Flask, and the hook ran."""
    expected, _ = send(app, CUSTOMERS)
    assert expected.status == "401 Unauthorized"
    for _ in range(2):
        answer, in_lane = send(app, CUSTOMERS)
        assert not in_lane
        assert answer.status == expected.status
    assert len(ran) >= 3
    assert not lane_of(app).is_on
    [line] = warnings(caplog)
    assert line.startswith("The lane stands aside: ")
    assert named in line
    assert "\n" not in line
    assert "LANE = False" in line


@pytest.mark.parametrize("name", HOOKS)
def test_hook_makes_it_stand_aside_and_runs(start, caplog, name):
    app = start()
    ran: list[int] = []
    HOOKS[name](app, ran)
    assert_stands_aside(app, caplog, ran, name.partition(" of")[0])


def test_hook_is_named_by_its_module(start, caplog):
    app = start()
    app.before_request(nothing([]))
    send(app, LIVE)
    assert f"before_request calls {__name__}.hook" in warnings(caplog)[0]


@pytest.mark.parametrize("signal", flask_hooks.SIGNALS, ids=lambda signal: signal.name)
def test_receiver_of_a_signal_makes_it_stand_aside(start, caplog, signal):
    app = start()
    ran: list[int] = []
    receiver = nothing(ran)
    with signal.connected_to(receiver, app):
        send(app, LIVE)
    assert lane_of(app).reasons == [f"the signal {signal.name} has a receiver"]
    assert len(warnings(caplog)) == 1
    assert ran or signal is signals.got_request_exception


def test_receiver_that_connects_later_makes_it_stand_aside(opened, caplog):
    ran: list[int] = []
    assert is_in_lane(opened, LIVE)
    with signals.request_started.connected_to(nothing(ran), opened):
        assert not is_in_lane(opened, LIVE)
    assert ran == [1]
    assert len(warnings(caplog)) == 1


def test_receiver_of_another_application_leaves_it_on(opened):
    with signals.request_started.connected_to(nothing([]), Flask("another")):
        assert is_in_lane(opened, LIVE)


def test_hook_of_a_blueprint_without_operations_leaves_it_on(start):
    app = start()
    ran: list[int] = []
    put(app.before_request_funcs, "docs", nothing(ran))
    send(app, Call("GET", "/docs"))
    assert ran == [1]
    assert is_in_lane(app, LIVE)


def test_middleware_runs_before_it_and_leaves_it_on(start):
    app = start()
    ran: list[int] = []
    app.wsgi_app = around(ran, app.wsgi_app)
    send(app, LIVE)
    assert is_in_lane(app, LIVE)
    assert ran == [1, 1]


def test_flask_that_is_patched_makes_it_stand_aside(start, caplog, monkeypatch):
    ran: list[int] = []
    monkeypatch.setattr(Flask, "__call__", around(ran, Flask.__call__))
    assert_stands_aside(start(), caplog, ran, "Flask.__call__ is replaced")


def test_method_decorators_run_and_make_it_stand_aside(start, caplog, monkeypatch):
    ran: list[int] = []
    decorator = [lambda method: around(ran, method)]
    monkeypatch.setattr(CustomerList, "method_decorators", decorator)
    assert_stands_aside(start(), caplog, ran, "CustomerList has decorators")


def test_method_decorator_may_answer_itself(start, monkeypatch):
    closed = [lambda method: lambda **path: ("closed", 418)]
    monkeypatch.setattr(CustomerList, "method_decorators", closed)
    assert send(start(), CUSTOMERS)[0].body == b'"closed"\n'


def test_resource_that_dispatches_by_itself_makes_it_stand_aside(
    start, caplog, monkeypatch
):
    ran: list[int] = []
    dispatch = around(ran, CustomerList.dispatch_request)
    monkeypatch.setattr(CustomerList, "dispatch_request", dispatch)
    assert_stands_aside(start(), caplog, ran, "CustomerList dispatches by itself")


def test_decorated_handler_makes_it_stand_aside(start, monkeypatch):
    operation = CustomerList.operations["GET"]
    decorated = replace(operation, handler=around([], operation.handler))
    monkeypatch.setitem(CustomerList.operations, "GET", decorated)
    assert lane_of(start()).reasons == [
        "the handler of sample_customers_list is decorated"
    ]


def test_trusted_hosts_make_it_stand_aside(start):
    app = start(TRUSTED_HOSTS=["shop.example"])
    assert send(app, CUSTOMERS)[0].status == "400 Bad Request"
    assert not lane_of(app).is_on


# behind a proxy


def test_address_that_a_proxy_passes_on_is_counted_and_logged(start, caplog):
    app = start(RATE_LIMIT_ANONYMOUS=2)
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1)
    caplog.set_level(logging.INFO, "myapp.requests")
    address = f"fd00::{uuid4().hex[:4]}"
    call = CUSTOMERS._replace(headers={"X-Forwarded-For": address})
    assert not is_in_lane(app, LIVE)
    answers = [send(app, call) for _ in range(3)]
    assert [in_lane for _, in_lane in answers] == [True] * 3
    assert [answer.status[:3] for answer, _ in answers] == ["401", "401", "429"]
    lines = [json.loads(record.getMessage()) for record in caplog.records]
    assert [line["peer"] for line in lines[-3:]] == [address] * 3
    elsewhere = call._replace(headers={"X-Forwarded-For": "fd01::1"})
    assert send(app, elsewhere)[0].status[:3] == "401"
