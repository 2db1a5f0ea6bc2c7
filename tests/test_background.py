"""Jobs run after the answer, on the right stores, and none is lost in silence."""

import subprocess
import sys
from contextvars import ContextVar
from pathlib import Path
from threading import Event, current_thread

import pytest

from myapp import background, create_app, db

ROOT = Path(__file__).parents[1]
NOWHERE = {"DATABASE_URL": "sqlite:///none", "REDIS_URL": "redis://127.0.0.1:1/0"}


@pytest.fixture
def stores():
    """Stores that are at work for the test, of an application of its own."""
    stores = create_app(NOWHERE).extensions["myapp"]
    with db.use(stores):
        yield stores


@pytest.fixture
def busy(stores):
    """Let what is run now wait for `busy.set()`."""
    busy = Event()
    background.run(busy.wait, 30)
    yield busy
    busy.set()
    background.drain()


def test_jobs_run_in_order_on_one_thread(stores):
    done = []
    for number in range(20):
        background.run(lambda n: done.append((n, current_thread().name)), number)
    background.drain()
    assert [number for number, _ in done] == list(range(20))
    assert len({thread for _, thread in done}) == 1
    assert current_thread().name not in dict(done).values()


def test_caller_does_not_wait_for_a_job(busy):
    done: list[object] = []
    background.run(done.append, "job")
    assert done == []  # run has returned, and the job waits for another
    busy.set()
    background.drain()
    assert done == ["job"]


def test_job_runs_on_the_stores_of_the_application_that_asked_for_it():
    asked, found = [], []
    for _ in range(2):
        asked.append(create_app(NOWHERE).extensions["myapp"])
        with db.use(asked[-1]):
            background.run(lambda: found.append(db.stores()))
    background.drain()
    assert found[0] is asked[0]
    assert found[1] is asked[1]


def test_job_outside_an_application_is_refused():
    with pytest.raises(RuntimeError, match="no application is at work"):
        background.run(print)


def test_job_runs_in_a_context_of_its_own(stores):
    whose, found = ContextVar("whose", default="nobody"), []
    whose.set("the caller")

    def look():
        found.append(whose.get())
        whose.set("the job")

    background.run(look)
    background.run(look)
    background.drain()
    assert found == ["nobody", "nobody"]


def test_job_that_fails_is_logged_without_its_message_and_the_next_runs(stores, caplog):
    done: list[object] = []

    def send_invitation(token):
        raise ValueError(f"no address for {token}")

    background.run(send_invitation, "s3cret")
    background.run(done.append, "next")
    background.drain()
    assert done == ["next"]
    [line] = caplog.messages
    assert "send_invitation failed: ValueError" in line
    assert "test_background.py" in line
    assert "s3cret" not in line


def test_job_that_finds_the_queue_full_is_dropped_and_logged(busy, monkeypatch, caplog):
    monkeypatch.setattr(background, "MOST_WAITING", 3)
    done: list[object] = []
    for number in range(4):
        background.run(done.append, number)
    assert caplog.messages == ["list.append was dropped: 3 jobs wait"] * 2
    busy.set()
    background.drain()
    assert done == [0, 1]
    background.run(done.append, "after")
    background.drain()
    assert done == [0, 1, "after"]


def test_drain_waits_for_jobs_that_jobs_have_asked_for(stores):
    done: list[object] = []

    def ask(left):
        done.append(left)
        if left:
            background.run(ask, left - 1)

    background.run(ask, 3)
    background.drain()
    assert done == [3, 2, 1, 0]


AT_EXIT = f"""
import atexit, threading
from myapp import background, create_app, db

def ask(left):
    print("job", left, flush=True)
    if left:
        background.run(ask, left - 1)

ended = threading.Event()
stores = create_app({NOWHERE!r}).extensions["myapp"]

def at_last():
    with db.use(stores):
        background.run(print, "from atexit")

atexit.register(at_last)
with db.use(stores):
    background.run(ended.wait)
    background.run(ask, 2)
print("the program ends", flush=True)
ended.set()
"""


def test_jobs_that_wait_when_the_process_ends_run_first():
    ended = subprocess.run(
        [sys.executable, "-c", AT_EXIT],
        cwd=ROOT,
        env={"MYAPP_CONFIG": "development"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.stderr == ""
    told = "the program ends\njob 2\njob 1\njob 0\nfrom atexit\n"
    assert ended.stdout == told
