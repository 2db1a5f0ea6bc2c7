"""The lock of a checkout: one `./run` serves from a folder. Standard library only."""

import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

NAME = "run.lock"


@contextmanager
def held(instance: Path) -> Iterator[IO[str]]:
    """Hold the lock of an instance folder, or end and say who holds it.

    uWSGI inherits it, so it lasts as long as any of the two; the kernel drops it with
    the last, so it is never stale.
    """
    with (instance / NAME).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            sys.exit(
                "myapp is already served from this folder (instance/run.lock):"
                f" {lock.read() or 'it is starting'}.\n"
                "Use that one, or stop it: Ctrl-C where it runs, or kill <process>."
            )
        lock.truncate(0)
        yield lock


def holder(instance: Path) -> str | None:
    """Return what the holder of the lock says of itself, None where there is none."""
    try:
        lock = (instance / NAME).open()
    except OSError:
        return None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return lock.read() or "it is starting"
    return None
