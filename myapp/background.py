"""Work that no caller waits for: it runs after the answer, on one thread a process.

The thread starts with the first job, so never before uWSGI forks. What is waiting when
the process ends runs first; what is waiting when it is killed is lost.
"""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from threading import Condition
from traceback import format_tb
from typing import Any

from myapp import db

logger = logging.getLogger("myapp.background")

MOST_WAITING = 1000
Job = Callable[..., object]

_executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="background")
_changed = Condition()
_waiting = 0


def run(job: Job, *args: Any) -> None:
    """Run a job later, on the stores of the application at work now.

    Never waits and never raises: a job that finds MOST_WAITING before it is dropped,
    and one that fails is logged.
    """
    stores = db.stores()
    if not _enter():
        logger.error("%s was dropped: %d jobs wait", _name(job), MOST_WAITING)
        return
    try:
        _executor.submit(_run, stores, job, args)
    except RuntimeError:  # the process is ending and starts nothing: there is only now
        _run(stores, job, args)


def drain() -> None:
    """Wait until every job has run, and every job that those have asked for."""
    with _changed:
        _changed.wait_for(lambda: not _waiting)


def _enter() -> bool:
    global _waiting
    with _changed:
        if _waiting >= MOST_WAITING:
            return False
        _waiting += 1
        return True


def _leave() -> None:
    global _waiting
    with _changed:
        _waiting -= 1
        _changed.notify_all()


def _run(stores: db.Stores, job: Job, args: tuple[Any, ...]) -> None:
    """Run a job in a context of its own, where no transaction is open."""
    try:
        Context().run(_run_on, stores, job, args)
    except Exception as error:
        # Its message may hold what the job was given; the lines of code do not.
        lines = "".join(format_tb(error.__traceback__))
        logger.error("%s failed: %s\n%s", _name(job), type(error).__name__, lines)
    finally:
        _leave()


def _run_on(stores: db.Stores, job: Job, args: tuple[Any, ...]) -> None:
    with db.use(stores):
        job(*args)


def _name(job: Job) -> str:
    """Return the name of a job, never its arguments."""
    return getattr(job, "__qualname__", type(job).__name__)
