"""Counters that all of uWSGI's workers share; elsewhere each process has its own.

Both forget the oldest counter when there are too many, and nothing by the clock.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

logger = logging.getLogger("myapp.counters")

CACHE = "counters"
"""The cache of uWSGI that holds them, as myapp.ini names it."""
MOST = 20_000

Counter = Callable[[str, int], int]
"""Adds a number to the counter of a name, and returns its sum."""


def counter() -> Counter:
    """Return what counts for all workers of uWSGI, and for this process elsewhere."""
    local = LocalCounters().add
    try:
        import uwsgi
    except ImportError:  # there is no such module outside of uWSGI
        return local
    if not uwsgi.cache_inc("start", 1, 0, CACHE):
        logger.warning(
            "uWSGI has no cache named %s, so each worker counts for itself:"
            " take the line `cache2` over from myapp.ini",
            CACHE,
        )
    one_at_a_time = Lock()

    def shared(name: str, number: int) -> int:
        # uWSGI adds and reads in two calls. What other workers add in between makes the
        # sum too high, and never too low.
        with one_at_a_time:
            if uwsgi.cache_inc(name, number, 0, CACHE):
                return int(uwsgi.cache_num(name, CACHE))
        return local(name, number)

    return shared


class LocalCounters:
    """The counters of this process."""

    def __init__(self) -> None:
        self._sums: OrderedDict[str, int] = OrderedDict()
        self._lock = Lock()

    def add(self, name: str, number: int) -> int:
        """Add a number to a counter; return its sum."""
        with self._lock:
            self._sums[name] = found = self._sums.get(name, 0) + number
            if len(self._sums) > MOST:
                self._sums.popitem(last=False)
            return found
