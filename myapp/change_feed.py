"""Tells until when an answer that decides over access is known to hold.

PostgreSQL announces each change of what decides (`change_triggers.py`). One thread a
process listens, on a connection of its own, and asks for a sign of life every so
often: what was announced before the question comes ahead of the answer, so silence and
an answer mean that nothing had changed when it was asked. Whatever goes wrong, no more
answers come, and what was said to hold soon does not.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import inf
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

from psycopg import Connection, OperationalError
from sqlalchemy import Engine, event

logger = logging.getLogger("myapp.change_feed")

CHANNEL = "access_changes"
"""The name of the channel, and of each trigger that announces on it."""
DECIDING = ("accounts", "api_keys")
"""The tables whose changes are announced."""
BEAT = 0.4
"""Seconds from one answer to the next question."""
HOLDS = 0.9
"""Seconds that an answer holds, from when it was asked for."""
PAUSES = (1.0, 30.0)
"""Seconds until the next try to connect: at first, and at most."""

QUESTION = f"""
SELECT pg_backend_pid(), (
  '{CHANNEL}' IN (SELECT pg_listening_channels())
  AND NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'
  AND {len(DECIDING)} = (
    SELECT count(*) FROM pg_trigger WHERE tgname = '{CHANNEL}' AND tgenabled = 'A'
    AND tgrelid IN ({", ".join(f"to_regclass('{name}')" for name in DECIDING)})
  )
)"""


class Period:
    """A time in which nothing that decides over access has changed."""

    __slots__ = ("until",)

    def __init__(self) -> None:
        self.until = -inf
        """Until when it is known to last, by the monotonic clock."""


class Pooled(Exception):
    """A pooler stands between: it hands the connection that listens to others."""


class ChangeFeed:
    """Says which period it is; ends with its engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._period = Period()
        self._thread: Thread | None = None
        self._starting = Lock()
        self._ended = Event()
        self._is_off = False
        self._pause = 0.0
        event.listen(engine, "engine_disposed", self._end)

    def period(self) -> Period:
        """Return the period that it is now; the first call in a process starts it.

        What is read after this call holds for as long as the period lasts.
        """
        # A process that was forked has the thread's name, and not the thread.
        if not (self._is_off or self._thread and self._thread.is_alive()):
            self._start()
        return self._period

    def _start(self) -> None:
        if not self._starting.acquire(blocking=False):
            return  # another thread is at it
        try:
            is_alive = self._thread and self._thread.is_alive()
            if not is_alive and not self._is_off:  # it says so before it ends
                self._ended = ended = Event()
                self._thread = Thread(
                    target=self._run, args=(ended,), name="change feed", daemon=True
                )
                with suppress(RuntimeError):  # the process is ending
                    self._thread.start()
        finally:
            self._starting.release()

    def _end(self, _engine: Engine) -> None:
        self._ended.set()

    def _run(self, ended: Event) -> None:
        """Listen; where that fails, try again after a pause that grows."""
        while not ended.is_set():
            try:
                self._listen(ended)
            except Pooled:
                self._is_off = True
                logger.warning("The change feed is off: a pooler stands between.")
                return
            except Exception as error:  # without this thread all is looked up
                self._note_interruption(error)
                ended.wait(self._pause)

    def _listen(self, ended: Event) -> None:
        """Prolong the period for as long as the connection is good, or raise."""
        with self._connection() as connection:
            _ask(connection)
            connection.add_notify_handler(lambda _: self._begin_period())
            connection.execute(f"LISTEN {CHANNEL}")
            self._begin_period()  # what was read before may have changed unheard
            while not ended.is_set():
                asked_at = monotonic()
                if not _ask(connection):
                    raise OperationalError("nothing is announced: `flask db upgrade`")
                self._period.until = asked_at + HOLDS
                self._note_recovery()
                ended.wait(BEAT)

    def _begin_period(self) -> None:
        self._period.until = -inf
        self._period = Period()

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """Connect as the engine does, outside of its pool."""
        pooled = self._engine.pool.recreate().connect()
        connection: Any = pooled.driver_connection
        try:
            connection.autocommit = True
            yield connection
        finally:
            pooled.invalidate()  # closes it, whatever is under way

    def _note_interruption(self, error: Exception) -> None:
        if not self._pause:
            reason = str(getattr(error, "orig", error)).strip()
            logger.warning("The change feed is interrupted: %s", reason)
        first, most = PAUSES
        self._pause = min(2 * self._pause, most) or first

    def _note_recovery(self) -> None:
        if self._pause:
            logger.info("The change feed is back.")
        self._pause = 0.0


def _ask(connection: Connection) -> bool:
    """Tell whether this server hears of all changes; raise Pooled if it is another.

    One that takes no writes may have handed them over to another.
    """
    answer = connection.execute(QUESTION).fetchone()
    if not answer or answer[0] != connection.info.backend_pid:
        raise Pooled
    announces: bool = answer[1]
    return announces
