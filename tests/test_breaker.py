"""A store that has not answered is left alone for a while, and then asked again."""

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from myapp import breaker
from myapp.breaker import Breaker

PAUSE = 2.0


class Away(Exception):
    """The store does not answer."""


class Refused(Exception):
    """The store is not asked."""


class Clock:
    """A clock that stands until it is set forward."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(breaker, "monotonic", clock)
    return clock


@pytest.fixture
def store():
    return Breaker("the store", (Away,), Refused, 3, PAUSE)


def away() -> None:
    raise Away()


def fail(store: Breaker, times: int) -> None:
    for _ in range(times):
        with pytest.raises(Away):
            store.call(away)


def test_call_after_three_failures_is_not_made_until_the_pause_is_over(store, clock):
    fail(store, 3)
    with pytest.raises(Refused, match="the store has just not answered"):
        store.call(int)
    clock.now += PAUSE
    assert store.call(int) == 0
    assert store.call(int) == 0


def test_failures_with_an_answer_between_them_are_forgotten(store, clock):
    for _ in range(3):
        fail(store, 2)
        store.call(int)


def test_what_the_store_refuses_is_an_answer(store, clock):
    fail(store, 2)
    with pytest.raises(ValueError):
        store.call(int, "no number")
    fail(store, 2)


def test_failure_after_the_pause_begins_another(store, clock):
    fail(store, 3)
    clock.now += PAUSE
    fail(store, 1)
    with pytest.raises(Refused):
        store.call(int)


def test_after_the_pause_one_caller_asks_for_all(store, clock):
    fail(store, 3)
    clock.now += PAUSE
    together, asked = Barrier(8, timeout=10), list[bool]()

    def answer() -> None:
        asked.append(True)
        raise Away()

    def ask(_: int) -> None:
        together.wait()
        with pytest.raises((Away, Refused)):
            store.call(answer)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
    assert len(asked) == 1


def test_store_in_doubt_is_asked_by_one_at_once(store, clock):
    store.doubt()

    def answer() -> None:
        with pytest.raises(Refused):
            store.call(int)

    store.call(answer)
    assert store.call(int) == 0


def test_others_wait_a_while_for_the_one_who_asks(clock):
    store = Breaker("the store", (Away,), Refused, 1, PAUSE, patience=10)
    fail(store, 1)
    clock.now += PAUSE
    waiting = Event()

    def ask() -> int:
        waiting.set()
        return store.call(int)

    def answer() -> Future[int]:
        other = pool.submit(ask)
        assert waiting.wait(10)
        return other

    with ThreadPoolExecutor(1) as pool:
        assert store.call(answer).result() == 0


def test_operator_is_told_once_when_it_goes_and_when_it_comes(store, clock, caplog):
    fail(store, 3)
    clock.now += PAUSE
    fail(store, 1)
    clock.now += PAUSE
    store.call(int)
    assert [record.getMessage() for record in caplog.records] == [
        "the store does not answer: it is asked again every 2 s",
        "the store answers again",
    ]
