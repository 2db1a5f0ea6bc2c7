"""What each application has read from a store less than a second ago.

Who is behind a token and which keys sign are read at every request; a change of
either is seen by every worker within a second. The time counts from before the
reading, so that a slow store makes nothing live longer.
"""

from collections.abc import Callable, Hashable
from time import monotonic
from typing import Any, TypeVar

from myapp import db

SECONDS = 0.9
MOST = 10_000

Value = TypeVar("Value")


def recently(key: Hashable, read: Callable[[], Value | None]) -> Value | None:
    """Return what was read for a key, or read it now; None is not remembered."""
    remembered: dict[Hashable, tuple[float, Any]] = db.stores().recent
    asked_at = monotonic()
    seen = remembered.get(key)
    if seen is not None and asked_at < seen[0]:
        value: Value = seen[1]
        return value
    remembered.pop(key, None)
    found = read()
    if found is not None:
        if len(remembered) >= MOST:
            remembered.clear()
        remembered[key] = (asked_at + SECONDS, found)
    return found
