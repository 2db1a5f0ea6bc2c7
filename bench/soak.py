"""Half an hour of mixed load while one thing after another fails: what is held then.

    ./run bench soak [--minutes 30] [--write]

Two workers as shipped, on a PostgreSQL and a Redis of their own. In the first minutes
they are replaced, and one is killed; after that the same workers live on, and each
minute one of the stores fails in one of nine ways. What is held is counted at the end
of each minute, when all is well again. --write puts it into docs/bad-days.md.
"""

import argparse
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import NamedTuple

from bench import machine, ours, report
from bench.callers import AS_WANTED, CUT_OFF, Callers
from bench.database import migrated
from bench.ours import ROOT, Variant
from bench.processes import free_port, resident_bytes, tree
from bench.stage import perform, say
from devtools import faults, pages
from devtools.redis_server import RedisServer

COMMAND = "./run bench soak"
PAGE = ROOT / "docs/bad-days.md"
WORKERS = 2
LASTS = 8.0
"""Seconds that a fault lasts."""
MEGABYTE = 2**20
SERVED = Variant(
    "myapp",
    {
        "MYAPP_OPEN_SIGN_UP": "true",
        "MYAPP_RATE_LIMIT_ANONYMOUS": "0",
        "WEB_CONCURRENCY": str(WORKERS),
        "MALLOC_MMAP_THRESHOLD_": "1048576",  # as deploy/myapp.service has it
    },
)
FAULTS: dict[str, faults.Fault] = {
    "PostgreSQL restarted": faults.restarted,
    "Redis refused": faults.refused,
    "PostgreSQL stopped": faults.stopped,
    "Redis hung": faults.hung,
    "PostgreSQL killed": faults.killed,
    "Redis flushed": faults.flushed,
    "PostgreSQL read-only": faults.read_only,
    "Redis full": faults.full,
    "PostgreSQL out of connections": faults.out_of_connections,
}


class Held(NamedTuple):
    """What the service holds at one moment."""

    minute: int
    befell: str
    megabytes: list[float]
    """Of each worker."""
    descriptors: int
    """Of all its processes."""
    sql: int
    redis: int
    """Connections that the stores see."""


class Service:
    """The service that is under load, and its stores."""

    def __init__(self, master: int, folder: Path, stores: faults.Stores) -> None:
        self._master, self._folder, self._stores = master, folder, stores

    @property
    def workers(self) -> list[int]:
        """The processes that answer."""
        return tree(self._master)[1:]

    def held(self, minute: int, befell: str) -> Held:
        """Count what it holds."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE usename ="
        [(sql,)] = self._stores.sql(f"{query} '{self._stores.role}'")
        with closing(self._stores.redis_client) as client:
            redis = len(client.client_list()) - 1  # and not this one
        processes = [self._master, *self.workers]
        opened = [len(os.listdir(f"/proc/{pid}/fd")) for pid in processes]
        sizes = [resident_bytes(pid) / MEGABYTE for pid in self.workers]
        return Held(minute, befell, sizes, sum(opened), sql, redis)

    def befall(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """Yield what is done to it, minute by minute, and for ever."""
        yield "nothing", lambda: None
        yield "all workers replaced", self._replace
        yield "a worker killed", self._kill
        for name, fault in cycle(FAULTS.items()):
            yield name, partial(self._live_through, fault)

    def _replace(self) -> None:
        (self._folder / "instance/uwsgi.fifo").write_text("c")

    def _kill(self) -> None:
        os.kill(self.workers[0], signal.SIGKILL)

    def _live_through(self, fault: faults.Fault) -> None:
        with fault(self._stores):
            sleep(LASTS)


def main() -> None:
    """Let it run, print the table, and end with 1 where an answer was not foreseen."""
    parser = argparse.ArgumentParser(prog=COMMAND)
    parser.add_argument("--minutes", type=int, default=30)
    parser.add_argument("--write", action="store_true", help="into docs/bad-days.md")
    chosen = parser.parse_args()
    perform(lambda: run(chosen.minutes, chosen.write))


def run(minutes: int, write: bool) -> None:
    """Let it run, and show what was found."""
    with serving() as (service, port):
        with Callers(port) as callers:
            found = list(live(service, callers, minutes))
    text = f"{machine.where()}, {minutes} minutes.\n\n" + table(found, callers.answers)
    print(text)
    if write:
        pages.put(PAGE, COMMAND, text)
    wrong = callers.answers.keys() - {AS_WANTED, "503", CUT_OFF}
    if wrong:
        raise RuntimeError(f"what was answered besides: {sorted(wrong)}")


@contextmanager
def serving() -> Iterator[tuple[Service, int]]:
    """Serve for a block; yield the service and its port."""
    with (
        TemporaryDirectory(prefix="myapp-bench-") as name,
        migrated(Path(name, "postgres")) as database,
        RedisServer(Path(name, "redis")) as redis,
    ):
        folder, port = Path(name, "myapp"), free_port()
        on = ours.Stores(database, redis.url)
        with ours.serving(folder, on, port, SERVED) as process:
            stores = faults.Stores(database.server, redis, "application")
            yield Service(process.pid, folder, stores), port


def live(service: Service, callers: Callers, minutes: int) -> Iterator[Held]:
    """Let something befall it each minute; yield what it holds at the minute's end."""
    began = monotonic()
    for minute, (name, befall) in zip(range(1, minutes + 1), service.befall()):
        befall()
        sleep(max(0, began + 60 * minute - monotonic()))
        found = service.held(minute, name)
        say(f"[{minute}/{minutes}] {name}: {dict(callers.answers)}")
        yield found


def table(found: list[Held], answers: Counter[str]) -> str:
    """Return what was held, and how requests were answered."""
    heads = ("minute", "what befell it", "MiB of each worker", "descriptors")
    rows = [
        report.row(
            str(held.minute),
            held.befell,
            " ".join(f"{size:.1f}" for size in held.megabytes),
            str(held.descriptors),
            str(held.sql),
            str(held.redis),
        )
        for held in found
    ]
    said = ", ".join(f"{number:,} {name}" for name, number in answers.most_common())
    return (
        report.head(*heads, "PostgreSQL connections", "Redis connections")
        + "".join(rows)
        + f"\nRequests: {said}."
    )


if __name__ == "__main__":
    main()
