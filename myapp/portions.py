"""Places of a quota that all workers share, taken some at a time.

To count with the other workers costs a sixth of a small request. So a worker takes a
hundredth of the quota at once and gives it out by itself. A worker that counts at the
same time as another may be told too high a sum, never one too low: so no more than the
quota pass. In the last quarter it takes one at a time, so that
hardly any is left with a worker that nobody asks.
"""

from collections import OrderedDict
from threading import Lock

from myapp.counters import Counter

LARGEST = 8
MOST = 20_000
"""Callers whose places are kept; the one that was not here for longest goes first."""


class Portions:
    """Gives out the places of a quota, from 1 on."""

    def __init__(self, quota: int, count: Counter) -> None:
        self._size = max(1, min(LARGEST, quota // 100))
        self._scarce = quota * 3 // 4
        self._count = count
        self._taken: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._lock = Lock()

    def next_place(self, name: str) -> int:
        """Return the next place of a name: no more than the quota lie within it."""
        with self._lock:
            place, last = self._taken.pop(name, (0, 0))
            if place == last:
                size = self._size if last < self._scarce else 1
                last = self._count(name, size)
                place = last - size
            self._taken[name] = place + 1, last
            if len(self._taken) > MOST:
                self._taken.popitem(last=False)
            return place + 1
