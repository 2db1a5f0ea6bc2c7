"""What is measured of a server, and what becomes of several such samples."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

WRITES = ("post", "put")
"""The operations that change the table."""


class Sample(NamedTuple):
    """What one run showed: requests a second, then µs a request.

    `pg_us` is the processor time of the store, PostgreSQL unless another one is named.
    """

    rps: float
    cpu_us: float
    pg_us: float
    p50_us: float | None = None
    p99_us: float | None = None


class Figures(NamedTuple):
    """Medians of samples; the spread is that of cpu_us: (max - min) / median."""

    rps: float
    cpu_us: float
    pg_us: float
    p50_us: float | None
    p99_us: float | None
    spread: float


Results = dict[str, dict[str, Figures]]
"""By operation, then by the server's name."""


def figures_of(samples: Sequence[Sample]) -> Figures:
    """Return the medians of one server's samples."""
    used = [sample.cpu_us for sample in samples]
    middle = median(used)
    return Figures(
        median(sample.rps for sample in samples),
        middle,
        median(sample.pg_us for sample in samples),
        _median([sample.p50_us for sample in samples]),
        _median([sample.p99_us for sample in samples]),
        (max(used) - min(used)) / middle if middle else 0.0,
    )


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
