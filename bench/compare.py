"""The comparison: everybody on the same table, in turn, again and again.

A round has each contestant do each operation; a figure is the median of the rounds, so
what disturbs the machine for a moment disturbs one sample of a few.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from bench.samples import WRITES, Results, Sample, figures_of
from bench.stage import say

OPERATIONS = ("get", "page", "post", "put")
ONLY_WRITES = ("myapp_unaudited",)
"""Whoever reads exactly as another one does."""
FIRST_WARM_UP = 3
"""Seconds, for what is only slow the first time."""


class Contestant(Protocol):
    """Whoever can be measured at an operation."""

    def warm_up(self, operation: str, seconds: int) -> None:
        """Do it for some seconds that do not count."""

    def sample(self, operation: str, seconds: int, seed: int) -> Sample:
        """Do it for some seconds, warmed up; leave the table as it was found."""


class Plan(NamedTuple):
    """How much is measured."""

    operations: Sequence[str]
    seconds: int
    repeats: int


def compare(contestants: Mapping[str, Contestant], plan: Plan) -> Results:
    """Measure all; return the figures of each operation, in the order given."""
    for name, contestant in contestants.items():
        say(f"warming up {name}")
        contestant.warm_up(plan.operations[0], FIRST_WARM_UP)
    samples: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    runs = list(_runs(list(contestants), plan))
    for number, (round, operation, name) in enumerate(runs, 1):
        sample = contestants[name].sample(operation, plan.seconds, round)
        samples[operation, name].append(sample)
        say(f"[{number}/{len(runs)}] {operation} {name}: {sample.cpu_us:.0f} µs")
    return {
        operation: {
            name: figures_of(samples[operation, name])
            for name in contestants
            if (operation, name) in samples
        }
        for operation in plan.operations
    }


def _runs(names: Sequence[str], plan: Plan) -> Iterator[tuple[int, str, str]]:
    """Yield who does what, in which round."""
    for round in range(1, plan.repeats + 1):
        for operation in plan.operations:
            for name in names:
                if operation in WRITES or name not in ONLY_WRITES:
                    yield round, operation, name
