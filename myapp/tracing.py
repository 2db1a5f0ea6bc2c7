"""Traces for OpenTelemetry: one span a request, in the trace of whoever calls.

Imported only where TRACES is set; its libraries are in requirements-tracing.txt. How
much is traced, and what else goes with it, say OpenTelemetry's own variables
(OTEL_TRACES_SAMPLER, OTEL_RESOURCE_ATTRIBUTES, OTEL_EXPORTER_OTLP_HEADERS).
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from myapp.openapi import VERSION

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

    from myapp.request import Environ, Request

PROPAGATOR = TraceContextTextMapPropagator()
"""Reads traceparent and tracestate (W3C Trace Context)."""


def sending_to(url: str) -> TracerProvider:
    """Return what sends spans to a collector, from a thread of its own (OTLP/HTTP)."""
    named = Resource.create({"service.name": "myapp", "service.version": VERSION})
    provider = TracerProvider(resource=named)
    exporter = OTLPSpanExporter(endpoint=f"{url.rstrip('/')}/v1/traces", timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


class Traces:
    """Wraps a WSGI application; each request is a span."""

    def __init__(
        self, application: "WSGIApplication", provider: TracerProvider
    ) -> None:
        self._application = application
        self._tracer = provider.get_tracer("myapp", VERSION)

    def __call__(
        self, environ: "Environ", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer one request in a span (PEP 3333)."""
        sent = {
            name: environ[f"HTTP_{name.upper()}"]
            for name in ("traceparent", "tracestate")
            if f"HTTP_{name.upper()}" in environ
        }
        method = environ.get("REQUEST_METHOD", "?")
        with self._tracer.start_as_current_span(
            method, PROPAGATOR.extract(sent), SpanKind.SERVER
        ) as span:
            try:
                return self._application(environ, start_response)
            finally:
                if span.is_recording():
                    _describe(span, environ)


def _describe(span: Span, environ: "Environ") -> None:
    """Say what a request was: as the log line, never a query, a header or a body.

    The names are those of OpenTelemetry's conventions for HTTP spans.
    """
    request: Request | None = environ.get("myapp.request")
    method, status = environ.get("REQUEST_METHOD", "?"), environ["myapp.status"]
    span.set_attribute("http.request.method", method)
    span.set_attribute("url.path", environ["PATH_INFO"][:1000])
    span.set_attribute("http.response.status_code", status)
    span.set_attribute("myapp.request_id", environ["myapp.request_id"])
    if request is not None:
        span.update_name(f"{method} {request.operation.url}")
        span.set_attribute("http.route", request.operation.url)
    if request is not None and request.signed_in:
        span.set_attribute("myapp.account_id", str(request.signed_in.account_id))
    if status >= 500:
        span.set_status(StatusCode.ERROR)
