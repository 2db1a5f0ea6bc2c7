"""What the resource on Redis costs: checkout sessions, on ours.

    ./run bench redis [--seconds 3] [--repeats 3] [--write]

The sessions that are made stay, so POST comes last.
"""

import json
from pathlib import Path

from bench import machine, report, servers
from bench.answers import Caller
from bench.compare import FIRST_WARM_UP
from bench.load import Load
from bench.options import options, show
from bench.population import Tenant, write_targets
from bench.samples import Figures, figures_of
from bench.served import Served
from bench.servers import Server
from bench.stage import Stage, perform, say, stage

COMMAND = "./run bench redis"
URL = "/v1/sample_checkouts"
TENANTS, SESSIONS = 50, 60
OPERATIONS = ("get", "page", "put", "post")
BODY = (
    '{"amount": 4200, "currency": "EUR", "description": "Ticket %06d",'
    ' "success_url": "https://shop.example/orders/%06d"}'
)


def main() -> None:
    """Measure each operation, and print the table."""
    chosen = options(COMMAND, __doc__ or "", 3)
    perform(lambda: run(chosen.seconds, chosen.repeats, chosen.write))


def run(seconds: int, repeats: int, write: bool) -> None:
    """Measure, print and write."""
    with (
        stage(TENANTS, TENANTS) as ready,
        servers.serving(["myapp"], ready.folder, ready.stores) as running,
    ):
        served = _under_load(running["myapp"], ready)
        served.warm_up("get", FIRST_WARM_UP)
        figures = {}
        for operation in OPERATIONS:
            seeds = range(1, repeats + 1)
            samples = [served.sample(operation, seconds, seed) for seed in seeds]
            figures[operation] = figures_of(samples)
            say(f"{operation}: {figures[operation].cpu_us:.0f} µs")
    show(COMMAND, f"{machine.brief()}:\n\n{_table(figures)}", write)


def _under_load(server: Server, ready: Stage) -> Served:
    """Open sessions; return a server that is asked for them."""
    tenants = [_with_sessions(server, tenant) for tenant in ready.tenants]
    targets = write_targets(tenants, ready.folder / "targets")
    redis = int(Path(ready.folder, "redis/redis.pid").read_text())
    return Served(server, Load(URL, targets, BODY), redis, lambda: None)


def _with_sessions(server: Server, tenant: Tenant) -> Tenant:
    """Open a tenant's sessions; return it with their ids."""
    caller = Caller(server.port, tenant)
    made = [caller.ask("POST", URL, _session(number)) for number in range(SESSIONS)]
    return tenant._replace(customers=[answer.document["id"] for answer in made])


def _session(number: int) -> object:
    return json.loads(BODY % (number, number))


def _table(figures: dict[str, Figures]) -> str:
    columns = ("server CPU µs", "Redis CPU µs", "requests/s", "p50 µs", "p99 µs")
    return report.head("", *columns, "spread") + "".join(
        report.row(report.HEADS[operation], *report.cells(found))
        for operation, found in figures.items()
    )


if __name__ == "__main__":
    main()
