"""What each part of a request costs, in process: `./run bench layers [--write]`.

The CPU of one thread, system calls included; the median of five rounds. Under a server
each costs more: its threads take turns, and the caches are cold.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import thread_time
from typing import Any
from uuid import UUID

from bench.database import IDENTITY
from bench.machine import brief
from bench.options import options, show
from bench.population import BODY
from bench.stage import Stage, perform, stage
from myapp import create_app, db, log, rate_limits, recent
from myapp.access import admit, authenticate
from myapp.api_keys.models import principal_of
from myapp.request import Request
from myapp.request_log import _line, _request_id
from myapp.strict_json import loads
from tests.sample_customers import CUSTOMER, api, customers

COMMAND = "./run bench layers"
ROUNDS, CALLS = 5, 2000
Layer = Callable[[], object]


def main() -> None:
    """Measure, print and write."""
    chosen = options(COMMAND, __doc__ or "", 1)
    perform(lambda: run(chosen.write))


def run(write: bool) -> None:
    """Measure on stores of our own."""
    with stage(1, 1000) as found:
        text = f"{brief()}, µs of one thread.\n\n{table(measure(found))}"
    show(COMMAND, text, write)


def measure(found: Stage) -> dict[str, float]:
    """Return what each layer of an application on the stage costs, in µs."""
    app = create_app(
        {
            "DATABASE_URL": found.stores.database.url("application"),
            "REDIS_URL": found.stores.redis_url,
            **IDENTITY,
            "RATE_LIMIT": 1_000_000_000,
        }
    )
    with db.use(app.extensions["myapp"]), _log_to(found.folder / "log"):
        return {name: cost(call) for name, call in layers(found).items()}


@contextmanager
def _log_to(file: Path) -> Iterator[None]:
    """Send what goes to stderr to a file inside the block."""
    before = os.dup(log.STDERR)
    os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), log.STDERR)
    try:
        yield
    finally:
        os.dup2(before, log.STDERR)


def layers(found: Stage) -> dict[str, Layer]:
    """Return the parts of a request, each as a call."""
    tenant = found.tenants[0]
    header, id = f"Bearer {tenant.key}", UUID(tenant.customers[0])
    [operation] = [op for op in api.operations if op.id == "sample_customers_retrieve"]
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": f"/v1/sample_customers/{id}",
        "HTTP_AUTHORIZATION": header,
        "REMOTE_ADDR": "127.0.0.1",
        "myapp.request_id": "0" * 32,
    }
    request = environ["myapp.request"] = Request(operation, environ, {})
    request.signed_in = authenticate(header)
    environ["myapp.status"] = 200
    record, body = customers.retrieve(tenant.id, id), BODY.encode()
    recent.SECONDS = 3600  # so that the first row is what is remembered
    return {
        "who it is, remembered": lambda: authenticate(header),
        "who it is, looked up (a key once in 30 s)": lambda: principal_of(tenant.key),
        "scope and rule": lambda: admit(
            request.signed_in, operation.rule, operation.scope
        ),
        "rate limit": lambda: rate_limits.count(request),
        "request id": lambda: _request_id(environ),
        "log line": lambda: log.write_request(_line(environ, 0.001)),
        "entity tag": lambda: CUSTOMER.entity_tag(record),
        "the record as JSON": lambda: CUSTOMER.represent(record),
        "a body, read and checked": lambda: CUSTOMER.validate(loads(body)),
        "one row of PostgreSQL, fenced": lambda: customers.retrieve(tenant.id, id),
    }


def cost(call: Layer) -> float:
    """Return the median cost of a call, in µs of CPU."""
    call()
    rounds = []
    for _ in range(ROUNDS):
        started = thread_time()
        for _ in range(CALLS):
            call()
        rounds.append((thread_time() - started) / CALLS * 1e6)
    return median(rounds)


def table(costs: dict[str, float]) -> str:
    """Return the costs as a table."""
    rows = "\n".join(f"| {name} | {found:.1f} |" for name, found in costs.items())
    return f"| part of a request | CPU µs |\n|---|--:|\n{rows}\n"


if __name__ == "__main__":
    main()
