"""Traces: a span a request, in the caller's trace; nothing at all where it is off."""

import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue
from threading import Thread

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from myapp import create_app
from myapp.settings import SettingsError
from myapp.tracing import Traces
from tests.actors import Actor
from tests.stores import on_sqlite

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CUSTOMERS = "/v1/sample_customers"


@pytest.fixture
def spans(start_app, acme):
    """Send a request of acme to an application that traces; return its spans."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    def send(url, headers=None, **own):
        app = start_app(**own)
        app.wsgi_app = Traces(app.wsgi_app, provider)
        Actor(app.test_client(), acme.account_id, acme.key).get(url, headers)
        return exporter.get_finished_spans()

    return send


@on_sqlite
def test_span_says_what_the_request_was_and_has_its_id(spans, acme):
    url = f"{CUSTOMERS}?limit=5"
    [span] = spans(url, {"X-Request-Id": "request-1"})
    assert span.name == f"GET {CUSTOMERS}"
    assert dict(span.attributes) == {
        "http.request.method": "GET",
        "http.route": CUSTOMERS,
        "http.response.status_code": 200,
        "url.path": CUSTOMERS,
        "myapp.request_id": "request-1",
        "myapp.account_id": acme.account_id,
    }
    assert span.parent is None


@on_sqlite
def test_span_is_in_the_trace_of_the_caller(spans):
    [span] = spans(CUSTOMERS, {"Traceparent": f"00-{TRACE}-{PARENT}-01"})
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == PARENT


@on_sqlite
@pytest.mark.parametrize("sent", ["", "nonsense", f"00-{TRACE}-{PARENT}"])
def test_span_of_a_malformed_traceparent_begins_a_trace(spans, sent):
    [span] = spans(CUSTOMERS, {"Traceparent": sent})
    assert span.parent is None


@on_sqlite
def test_request_that_the_caller_does_not_trace_makes_no_span(spans):
    assert not spans(CUSTOMERS, {"Traceparent": f"00-{TRACE}-{PARENT}-00"})


@on_sqlite
def test_span_of_an_unknown_path_is_named_by_its_method_alone(spans):
    [span] = spans("/nothing/secret")
    assert span.name == "GET"
    assert span.attributes["http.response.status_code"] == 404
    assert span.status.is_unset


@on_sqlite
def test_span_of_a_store_that_does_not_answer_is_an_error(spans):
    [span] = spans("/v1/sample_checkouts", REDIS_URL="redis://127.0.0.1:1/0")
    assert span.attributes["http.response.status_code"] == 503
    assert not span.status.is_ok and not span.status.is_unset


# --- to a collector


@pytest.fixture
def collector() -> Iterator[tuple[str, "Queue[tuple[str, bytes]]"]]:
    """A collector on loopback: its URL, and what it is sent."""
    sent: Queue[tuple[str, bytes]] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sent.put((self.path, body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", sent
    server.shutdown()
    thread.join()
    server.server_close()


@on_sqlite
def test_spans_are_sent_to_the_collector_of_the_settings(collector, settings):
    url, sent = collector
    script = (
        "import json, sys; from myapp import create_app;"
        "app = create_app(json.load(sys.stdin));"
        "app.test_client().get('/health/live', headers={'X-Request-Id': 'request-1'})"
    )
    given = json.dumps({**settings, "TRACES": url})
    subprocess.run([sys.executable, "-c", script], input=given, text=True, check=True)
    path, body = sent.get(timeout=30)
    assert path == "/v1/traces"
    assert b"request-1" in body and b"myapp" in body


# --- off


@on_sqlite
def test_nothing_of_it_is_loaded_where_it_is_off(settings):
    script = (
        "import json, sys; from myapp import create_app;"
        "create_app(json.load(sys.stdin)); print(*sys.modules)"
    )
    modules = subprocess.check_output(
        [sys.executable, "-c", script], input=json.dumps(settings), text=True
    ).split()
    assert "myapp.tracing" not in modules
    # The Redis client loads some of it where it is installed, as it is here.
    assert not [name for name in modules if name.startswith("opentelemetry.exporter")]


@on_sqlite
def test_traces_without_their_libraries_say_what_to_install(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "myapp.tracing", None)
    with pytest.raises(SettingsError, match="-r requirements-tracing.txt"):
        create_app({**settings, "TRACES": "http://127.0.0.1:4318"})
