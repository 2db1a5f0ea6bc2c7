"""Leaves a store alone that has just not answered, so that nobody waits for it twice.

Each process finds out for itself: what it costs is a few failures, and no store that
they would have to share is needed to know that one is away. Imports nothing of the
package.
"""

import logging
from collections.abc import Callable
from math import inf
from threading import Condition
from time import monotonic
from typing import ParamSpec, TypeVar

logger = logging.getLogger("myapp.breaker")

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


class Breaker:
    """Makes calls until `most` in a row have failed; then one each `pause` seconds.

    Whatever is raised of `failures` counts as one; `refusal` makes what is raised
    where a call is not made. While one call is tried, others wait for its outcome for
    `patience` seconds from its beginning.
    """

    def __init__(
        self,
        store: str,
        failures: tuple[type[Exception], ...],
        refusal: Callable[[str], Exception],
        most: int,
        pause: float,
        patience: float = 0,
    ) -> None:
        self._store = store
        self._failures = failures
        self._refusal = refusal
        self._most = most
        self._pause = pause
        self._patience = patience
        self._failed = 0
        self._tried_at = self._asked_again_at = -inf
        self._told = False
        self._changed = Condition()

    def call(
        self, make: Callable[Given, Answer], *args: Given.args, **kwargs: Given.kwargs
    ) -> Answer:
        """Make a call, or refuse to; return its answer, raise what it raises."""
        if self.is_open:
            self._wait_for_turn()
        try:
            answer = make(*args, **kwargs)
        except self._failures:
            self._note_failure()
            raise
        except Exception:
            self._note_answer()  # it has been refused, by a store that is there
            raise
        self._note_answer()
        return answer

    @property
    def is_open(self) -> bool:
        """Whether the store is left alone for now."""
        return self._failed >= self._most

    def doubt(self) -> None:
        """Let one call find out whether the store is there, before others are made."""
        with self._changed:
            self._failed = max(self._failed, self._most)

    def _wait_for_turn(self) -> None:
        """Let one caller try each pause; refuse the others, unless it soon succeeds."""
        with self._changed:
            now = monotonic()
            if not self.is_open:  # since we looked
                return
            if now >= self._asked_again_at:
                self._tried_at, self._asked_again_at = now, now + self._pause
                return
            left = self._tried_at + self._patience - now
            if left <= 0 or not self._changed.wait_for(lambda: not self.is_open, left):
                raise self._refusal(f"{self._store} has just not answered: not asked")

    def _note_failure(self) -> None:
        with self._changed:
            self._failed += 1
            self._asked_again_at = monotonic() + self._pause
            if self.is_open and not self._told:
                self._told = True
                again = f"it is asked again every {self._pause:g} s"
                logger.warning("%s does not answer: %s", self._store, again)

    def _note_answer(self) -> None:
        if not self._failed:
            return
        with self._changed:
            if self._told:
                logger.warning("%s answers again", self._store)
            self._failed, self._told = 0, False
            self._changed.notify_all()
