"""What hooks into Flask from outside: it runs, and every answer is as without it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import wrapt
from flask import Flask
from flask_limiter import Limiter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.wsgi_calls import Call, send

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

ROOT = Path(__file__).parents[1]
ID = "01890a5d-ac96-774b-bcce-b302099a8057"
REQUEST_ID = {"X-Request-Id": "request-1"}
ADA = b'{"name": "Ada"'
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def calls(acme):
    """Requests of each outcome, which change nothing."""
    signed_in = REQUEST_ID | acme.headers
    return [
        Call("GET", "/v1/sample_customers", signed_in),
        Call("GET", f"/v1/sample_customers/{ID}", signed_in),
        Call("POST", "/v1/sample_customers", signed_in | JSON, ADA),
        Call("GET", "/v1/sample_customers", REQUEST_ID),
        Call("HEAD", "/v1/sample_customers", signed_in),
        Call("GET", "/health/live", REQUEST_ID),
        Call("GET", "/nope", REQUEST_ID),
    ]


@pytest.fixture
def expected(start_app, calls):
    """What the lane answers."""
    app = start_app(LANE=True)
    return [send(app, call)[0] for call in calls]


def answers(app, calls):
    return [send(app, call)[0] for call in calls]


def test_sentry_sees_every_request_and_changes_no_answer(settings, calls, expected):
    given = {
        "settings": {**settings, "LANE": True},
        "calls": [call._asdict() for call in calls],
    }
    ran = subprocess.run(
        [sys.executable, "-m", "tests.sentry_traffic"],
        input=json.dumps(given, default=bytes.decode),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["reasons"] == [
        "the signal request-started has a receiver",
        "the signal got-request-exception has a receiver",
        "Flask.__call__ is replaced",
    ]
    shown = [
        [a.status, [list(h) for h in a.headers], a.body.decode()] for a in expected
    ]
    assert told["answers"] == shown
    assert len([name for name in told["seen"] if name]) >= len(calls) - 1


def test_opentelemetry_traces_every_request_and_changes_no_answer(
    start_app, calls, expected
):
    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    app = start_app(LANE=True)
    FlaskInstrumentor().instrument_app(app, tracer_provider=provider)
    assert answers(app, calls) == expected
    assert len(kept.get_finished_spans()) == len(calls)
    assert len(app.extensions["lane"].reasons) == 2
    assert kept.get_finished_spans()[0].name == "GET /v1/sample_customers"


def test_proxy_in_place_of_a_method_runs_and_changes_no_answer(
    start_app, calls, expected, monkeypatch
):
    ran: list[int] = []

    def trace(wrapped, _instance, given, named):
        ran.append(1)
        return wrapped(*given, **named)

    # So do the agents of Datadog and New Relic.
    proxy = wrapt.FunctionWrapper(Flask.full_dispatch_request, trace)
    monkeypatch.setattr(Flask, "full_dispatch_request", proxy)
    app = start_app(LANE=True)
    assert answers(app, calls) == expected
    assert len(ran) == len(calls)
    assert app.extensions["lane"].reasons == ["Flask.full_dispatch_request is replaced"]


def test_flask_limiter_counts_every_request_and_refuses(start_app, calls, expected):
    app = start_app(LANE=True)
    Limiter(
        lambda: "everyone",
        app=app,
        application_limits=[f"{len(calls) - 1} per hour"],
        storage_uri="memory://",
    )
    assert answers(app, calls) == expected  # it counts what has a view
    refused, _ = send(app, calls[0])
    assert refused.status == "429 Too Many Requests"
    assert json.loads(refused.body)["title"] == "Too many requests"
    assert not app.extensions["lane"].is_on
