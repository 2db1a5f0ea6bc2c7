"""What those who call a service see while its stores fail (devtools/faults.py).

Each fault lasts a while, and all the time every probe calls again and again. What they
saw is the table of docs/bad-days.md.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from threading import Event
from time import monotonic, sleep
from typing import NamedTuple

from devtools.faults import Fault, Stores
from devtools.pages import put
from tests.servers import Answer
from tests.uwsgi_server import UwsgiServer

PAGE = Path(__file__).parents[1] / "docs" / "bad-days.md"
COMMAND = "./run test tests/test_bad_days.py --all --write-table"
BETWEEN = 0.05
"""Seconds between two calls of a probe."""
IN_A_ROW = 20
"""Successes that say that all is well: more than one worker has answered."""
RECOVERS_WITHIN = 30
"""Seconds after which a test gives up; how long it takes is in the table."""


# --- the probes


class Call(NamedTuple):
    """A request, and the status of its success."""

    method: str
    url: str
    succeeds: int = 200
    headers: Mapping[str, str] = {}
    body: bytes | None = None

    def send(self, server: UwsgiServer) -> Answer:
        """Send it."""
        return server.ask(self.method, self.url, self.headers, self.body)


class Seen(NamedTuple):
    """One answer, and when, by the monotonic clock."""

    answer: Answer
    asked_at: float
    answered_at: float

    @property
    def seconds(self) -> float:
        """How long the answer took."""
        return self.answered_at - self.asked_at


class Report(NamedTuple):
    """What one probe saw of a fault, and after it until all was well."""

    during: list[Seen]
    after: list[Seen]
    recovery: float
    """Seconds from the end of the fault to the first of many successes in a row."""

    @property
    def statuses(self) -> list[int]:
        """The statuses seen while it lasted."""
        return sorted({seen.answer.status for seen in self.during})

    @property
    def times(self) -> tuple[float, float]:
        """Seconds that an answer took while it lasted: the median, and the most."""
        taken = [seen.seconds for seen in self.during]
        return median(taken), max(taken)


def watch(
    server: UwsgiServer, call: Call, over: Event, ended_at: list[float]
) -> Report:
    """Call again and again, until the fault is over and many calls succeed in a row."""
    during: list[Seen] = []
    after: list[Seen] = []
    well: list[Seen] = []
    while len(well) < IN_A_ROW:
        asked_at = monotonic()
        seen = Seen(call.send(server), asked_at, monotonic())
        if over.is_set() and asked_at > ended_at[0]:
            after.append(seen)
            succeeded = seen.answer.status == call.succeeds
            well = [*well, seen] if succeeded else []
            assert asked_at < ended_at[0] + RECOVERS_WITHIN, f"{call.url}: {seen}"
        else:
            during.append(seen)
        sleep(BETWEEN)
    return Report(during, after, well[0].answered_at - ended_at[0])


def live_through(
    server: UwsgiServer,
    calls: Mapping[str, Call],
    fault: Fault,
    stores: Stores,
    seconds: float,
) -> dict[str, Report]:
    """Let a fault last so long; return what each probe saw until all was well."""
    over, ended_at = Event(), [0.0]
    with ThreadPoolExecutor(len(calls)) as pool:
        with fault(stores):
            watches = {
                name: pool.submit(watch, server, call, over, ended_at)
                for name, call in calls.items()
            }
            sleep(seconds)
        ended_at[0] = monotonic()
        over.set()
    return {name: watched.result() for name, watched in watches.items()}


# --- the table


def row(name: str, reports: Mapping[str, Report]) -> str:
    """Return one line: what each probe saw, and how long until all was well."""
    cells = []
    for found in reports.values():
        usual, most = (f"{seconds * 1000:.0f}" for seconds in found.times)
        cells.append(f"{' '.join(map(str, found.statuses))} · {usual} · {most}")
    recovery = max(found.recovery for found in reports.values())
    return f"| {' | '.join([name, *cells, f'{recovery:.1f} s'])} |\n"


def write(rows: Mapping[str, str], probes: list[str]) -> None:
    """Write the table into the page."""
    head = ["fault", *probes, "all well again after"]
    rule = "---|" * len(head)
    put(PAGE, COMMAND, f"| {' | '.join(head)} |\n|{rule}\n{''.join(rows.values())}")
