"""What each application has read from a store a short while ago.

Who is behind a token and which keys sign are read at every request; a change of
either is seen by every worker within a second. The time counts from before the
reading, so that a slow store makes nothing live longer. Where PostgreSQL announces the
changes of what was read (`change_feed.py`), it is good for as long as there are none.
"""

from collections.abc import Callable, Hashable
from time import monotonic
from typing import Any, TypeVar

from myapp import db
from myapp.change_feed import Period

SECONDS = 0.9
MOST_SECONDS = 30.0
"""… where no change is announced: the use of a key is noted from time to time."""
MOST = 10_000

Value = TypeVar("Value")
Remembered = tuple[float, float, Period | None, Any]
"""Until when a value is good; and until when, while its period lasts; the value."""


def recently(
    key: Hashable,
    read: Callable[[], Value | None],
    is_announced: Callable[[Value], bool] | None = None,
) -> Value | None:
    """Return what was read for a key, or read it now; None is not remembered.

    `is_announced` tells whether PostgreSQL announces every change of a value.
    """
    stores = db.stores()
    remembered: dict[Hashable, Any] = stores.recent
    asked_at = monotonic()
    seen = remembered.get(key)
    if seen is not None and (
        asked_at < seen[0] or (asked_at < seen[1] and asked_at < seen[2].until)
    ):
        value: Value = seen[3]
        return value
    remembered.pop(key, None)
    # The period of before the reading: what changes meanwhile ends it, too.
    period = stores.feed.period() if stores.feed and is_announced else None
    found = read()
    if found is not None:
        lasts = period is not None and is_announced is not None and is_announced(found)
        if len(remembered) >= MOST:
            remembered.clear()
        until = asked_at + SECONDS
        most = asked_at + MOST_SECONDS if lasts else until
        remembered[key] = (until, most, period, found)
    return found
