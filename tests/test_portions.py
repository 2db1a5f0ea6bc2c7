"""The places of a quota, given out by several workers that count together."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, strategies as st

from myapp import portions
from myapp.counters import LocalCounters
from myapp.portions import LARGEST, Portions

WORKERS = 4
WHOEVER_IS_ASKED = st.lists(st.integers(0, WORKERS - 1), min_size=1, max_size=1500)


def workers(quota):
    """Return workers that count together."""
    count = LocalCounters().add
    return [Portions(quota, count) for _ in range(WORKERS)]


@pytest.mark.parametrize("quota", [1, 3, 99, 100, 600, 1_000_000])
def test_places_of_one_worker_follow_each_other(quota):
    next_place = workers(quota)[0].next_place
    assert [next_place("caller") for _ in range(40)] == [*range(1, 41)]


def test_every_caller_has_places_of_its_own():
    next_place = workers(600)[0].next_place
    asked = ("one", "one", "other", "one", "other")
    assert [next_place(name) for name in asked] == [1, 2, 1, 3, 2]


@given(asked=WHOEVER_IS_ASKED, quota=st.integers(1, 1200))
def test_workers_never_give_one_place_out_twice(asked, quota):
    together = workers(quota)
    places = [together[number].next_place("caller") for number in asked]
    assert len(places) == len({*places})
    assert sum(place <= quota for place in places) <= quota


@given(asked=WHOEVER_IS_ASKED)
def test_worker_that_is_not_asked_any_more_keeps_few_places_back(asked):
    first, *others = workers(800)
    passed = [others[number - 1].next_place("caller") <= 800 for number in asked]
    passed += [first.next_place("caller") <= 800 for _ in range(900)]
    assert 800 - (WORKERS - 1) * (LARGEST - 1) <= sum(passed) <= 800


def test_workers_that_are_asked_to_the_end_keep_none_back():
    in_turn = workers(600) * 300
    assert sum(worker.next_place("caller") <= 600 for worker in in_turn) == 600


def test_small_quota_is_counted_one_by_one():
    first, second, *_ = workers(199)
    assert [first.next_place("caller"), second.next_place("caller")] == [1, 2]


def test_places_are_exact_under_threads():
    next_place = workers(600)[0].next_place
    with ThreadPoolExecutor(8) as pool:
        places = [*pool.map(lambda _: next_place("caller"), range(2000))]
    assert sorted(places) == [*range(1, 2001)]


def test_caller_who_was_not_here_for_longest_is_forgotten(monkeypatch):
    monkeypatch.setattr(portions, "MOST", 2)
    together = Portions(600, LocalCounters().add)
    asked = ("old", "new", "old", "newer", "old", "new")
    assert [together.next_place(name) for name in asked] == [1, 1, 2, 1, 3, 7]
