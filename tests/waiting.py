"""Wait for what comes about."""

from collections.abc import Callable
from contextlib import suppress
from time import sleep

import pytest

PATIENCE = 20  # seconds until a test gives up waiting


def until(is_so: Callable[[], bool], *ignored: type[Exception]) -> None:
    """Wait until something is so; fail if it does not come about."""
    for _ in range(PATIENCE * 100):
        with suppress(*ignored):
            if is_so():
                return
        sleep(0.01)
    pytest.fail("it has not come about")
