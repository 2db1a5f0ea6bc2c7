"""What every measurement of a server begins with: the stores, filled, and the load."""

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bench import population, programs
from bench.database import migrated
from bench.load import Load
from bench.ours import Stores
from bench.population import Tenant
from bench.processes import OTHER_CORE
from bench.served import Served
from bench.servers import Server
from devtools.redis_server import RedisServer

URL = "/v1/sample_customers"
ALONE = "\0myapp-bench"
"""A name that only one process of the machine can have, until it ends (unix(7))."""


class Stage(NamedTuple):
    """The stores that servers work on, in a folder for whatever is written."""

    folder: Path
    stores: Stores
    tenants: list[Tenant]

    def under_load(self, server: Server, tenants: list[Tenant] | None = None) -> Served:
        """Return a server that is asked for customers: by all tenants, or some."""
        database = self.stores.database
        put_back = partial(population.put_back, database)
        return Served(server, self.load(tenants), database.server.pid, put_back)

    def load(self, tenants: list[Tenant] | None = None) -> Load:
        """Return the load on customers: of all tenants, or of some."""
        drawn = self.tenants if tenants is None else tenants
        targets = self.folder / f"targets-{len(drawn)}"
        population.write_targets(drawn, targets)
        return Load(URL, targets, population.BODY)


@contextmanager
def stage(
    tenants: int, customers: int, *, synchronous_commit: bool = True
) -> Iterator[Stage]:
    """Bring the stores up for a block; nothing is left of them."""
    with (
        TemporaryDirectory(prefix="myapp-bench-") as name,
        migrated(
            Path(name, "postgres"), synchronous_commit=synchronous_commit
        ) as database,
        RedisServer(Path(name, "redis")) as redis,
    ):
        found = population.populate(database, tenants, customers)
        yield Stage(Path(name), Stores(database, redis.url), found)


def perform(measure: Callable[[], None], *needed: str) -> None:
    """Run a command that measures; whatever ends it, its processes end, too."""
    programs.require("taskset", "wrk", *needed)
    alone = socket.socket(socket.AF_UNIX)
    try:
        alone.bind(ALONE)
    except OSError:
        sys.exit("./run bench: another one is measuring on this machine; wait for it")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    os.sched_setaffinity(0, {OTHER_CORE})  # with all that is not put elsewhere
    try:
        measure()
    except RuntimeError as error:
        sys.exit(f"./run bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def say(line: str) -> None:
    """Print a line of progress, apart from the figures."""
    print(line, file=sys.stderr, flush=True)
