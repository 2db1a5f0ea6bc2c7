"""The counters of one process; those of uWSGI's workers are in test_rate_limits.py."""

from concurrent.futures import ThreadPoolExecutor

from myapp import counters
from myapp.counters import LocalCounters


def test_counter_is_exact_under_threads():
    add = LocalCounters().add
    with ThreadPoolExecutor(8) as pool:
        sums = [*pool.map(lambda _: add("one", 1), range(2000))]
    assert sorted(sums) == [*range(1, 2001)]


def test_oldest_counter_is_forgotten_when_there_are_too_many(monkeypatch):
    monkeypatch.setattr(counters, "MOST", 2)
    add = LocalCounters().add
    assert [add(name, 1) for name in ("old", "old", "new", "newer")] == [1, 2, 1, 1]
    assert [add(name, 1) for name in ("newer", "new", "old")] == [2, 2, 1]
