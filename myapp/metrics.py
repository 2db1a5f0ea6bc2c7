"""Figures for Prometheus: how many requests, how long, what failed, what is in use.

Imported only where METRICS is set. Every worker adds up in files of its own, in
`instance/metrics`; deploy/metrics.py adds the files together, in a process of its own
and on an address of its own. So the API has no path that leads here, and the figures
are there while every worker is stuck. A request pays 6 µs, half of it to the library.
"""

import logging
import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from platform import python_version
from threading import Lock
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values

from myapp import db, openapi

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

    from myapp.operations import Operation
    from myapp.request import Environ, Request

logger = logging.getLogger(__name__)

FOLDER = "metrics"
"""Below the instance folder."""
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Seconds."""
SAMPLED = 1.0
"""Seconds between two looks at what is in use."""


class Metrics:
    """Wraps a WSGI application, and counts what it answers."""

    def __init__(
        self, application: "WSGIApplication", stores: db.Stores, folder: Path
    ) -> None:
        self._application = application
        self._stores = stores
        self._folder = folder
        self._sampled_at = 0.0
        self._known: dict[tuple[int, int], Histogram] = {}
        self._made: Series | None = None
        self._making = Lock()
        self._complained = False

    @property
    def _series(self) -> "Series":
        # With the first request: a `flask` command, which has none, leaves no files.
        with self._making:
            if self._made is None:
                _write_into(self._folder)
                self._made = Series(CollectorRegistry())
            return self._made

    def __call__(
        self, environ: "Environ", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer one request, and count it (PEP 3333)."""
        started = perf_counter()
        try:
            return self._application(environ, start_response)
        finally:
            try:
                self._count(environ, started)
            except OSError as error:  # that is no reason to fail a request
                self._complain(error)

    def _count(self, environ: "Environ", started: float) -> None:
        request: Request | None = environ.get("myapp.request")
        status = environ["myapp.status"]
        operation = request.operation if request else None
        # By identity: to hash an operation costs more than all the rest.
        key = (id(operation), status // 100)
        known = self._known.get(key) or self._add(key, operation)
        known.observe(perf_counter() - started)
        if status >= 400:
            self._series.problems.labels(_name(operation), status).inc()
        if monotonic() - self._sampled_at > SAMPLED:
            self._sample()

    def _complain(self, error: OSError) -> None:
        if not self._complained:
            self._complained = True
            logger.warning("The figures cannot be written: %s", error)

    def _add(self, key: tuple[int, int], operation: "Operation | None") -> Histogram:
        made = self._series.requests.labels(_name(operation), f"{key[1]}xx")
        self._known[key] = made
        return made

    def _sample(self) -> None:
        self._sampled_at = monotonic()
        stores, series = self._stores, self._series
        pool: Any = stores.engine.pool
        series.connections.set(pool.checkedout())
        series.most_connections.set(stores.settings["SQL_CONNECTIONS"])
        series.redis_away.set(stores.redis.is_away)


class Series:
    """What is counted."""

    def __init__(self, registry: CollectorRegistry) -> None:
        by = ("operation", "status")
        text = "Requests, by how long they took."
        self.requests = Histogram(
            "myapp_request_seconds", text, by, buckets=BUCKETS, registry=registry
        )
        text = "Requests that were answered with a problem."
        self.problems = Counter("myapp_problems", text, by, registry=registry)
        gauge = partial(Gauge, registry=registry, multiprocess_mode="livesum")
        self.connections = gauge("myapp_sql_connections", "Taken from the pool.")
        text = "Connections that there may be."
        self.most_connections = gauge("myapp_sql_connections_most", text)
        text = "Workers that leave Redis alone for now."
        self.redis_away = gauge("myapp_redis_away", text)


def _name(operation: "Operation | None") -> str:
    """Return what a series calls an operation; what is none is `other`."""
    return openapi.operation_id(operation) if operation else "other"


def _write_into(folder: Path) -> None:
    """Let this process add up in a folder, in files that its successor goes on with."""
    folder.mkdir(parents=True, exist_ok=True)
    build = {"version": openapi.VERSION, "python": python_version()}
    written = folder / f"build.{os.getpid()}"
    written.write_bytes(msgspec.json.encode(build))
    written.replace(folder / "build.json")  # whoever reads it finds it whole
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    worker = _worker()
    of_worker = values.MultiProcessValue(  # type: ignore[no-untyped-call]
        lambda: worker
    )
    values.ValueClass = of_worker


def _worker() -> int:
    """Return the number of this worker of uWSGI; elsewhere of the process."""
    try:
        import uwsgi
    except ImportError:  # there is no such module outside of uWSGI
        return os.getpid()
    return int(uwsgi.worker_id())
