"""No request takes more calls than its budget: speed that is held without a clock."""

import sys
from collections import Counter

import pytest

from myapp import create_app
from tests import budgets
from tests.budgets import COMMAND, WAYS, announced, budget_of, complaint, table
from tests.function_calls import REQUESTS, Call, Server
from tests.samples import FEATURES

WRITTEN_ON = (
    3,
    11,
)  # CI's oldest, which calls most: a newer one might budget too little


@pytest.fixture(scope="module")
def writes(pytestconfig):
    """Whether the budgets are written anew, not held."""
    writes = pytestconfig.getoption("write_budgets", False)
    if writes and sys.version_info[:2] != WRITTEN_ON:
        pytest.fail("write the budgets on Python {}.{}".format(*WRITTEN_ON))
    return writes


@pytest.fixture(scope="module")
def budget(writes):
    """The budgets by name; those of the requests that were counted, if so asked."""
    found = budgets.read()
    yield found
    if writes:
        budgets.write(found)


@pytest.fixture(scope="module", params=WAYS)
def way(request):
    """The way through the application."""
    return request.param


@pytest.fixture(scope="module")
def server(settings, way):
    """An application with everything on, and a quota that lasts."""
    own = {**settings, "LANE": WAYS[way], "RATE_LIMIT": 1_000_000}
    app = create_app(own, FEATURES)
    yield Server(app)
    app.extensions["myapp"].engine.dispose()


@pytest.mark.parametrize("asked", REQUESTS)
def test_request_stays_within_its_budget(server, asked, engine, way, budget, writes):
    name = f"{asked}, {engine} {way}"
    calls = server.count(REQUESTS[asked])
    if writes:
        budget[name] = budget_of(calls)
        pytest.skip("its budget is written")
    if wrong := complaint(name, calls, budget.get(name, {"total": 0})):
        pytest.fail(wrong, pytrace=False)


def test_changelog_names_the_budgets(writes):
    if writes:
        pytest.skip("it is written")
    named = budgets.newest_table(budgets.CHANGELOG.read_text())
    assert named == table(budgets.read()), f"Write both: {COMMAND}"


# what a failure says

BODY = Call("myapp/request.py", "Request.body", "loads")
READ = Call("myapp/recent.py", "recently", "dict.get")
BEFORE = budget_of(Counter({BODY: 30, READ: 70}))


def test_calls_beyond_the_budget_are_told_with_their_place_and_the_remedy():
    wrong = complaint("PUT", Counter({BODY: 31, READ: 70}), BEFORE) or ""
    assert wrong.startswith("PUT: 101 calls counted, 100 are the budget.\n")
    assert "myapp/request.py makes 31 calls, 1 more than it did:" in wrong
    assert "31 Request.body: 31 × loads" in wrong
    assert "recent.py" not in wrong
    assert "CHANGELOG.md" in wrong and COMMAND in wrong


@pytest.mark.parametrize(
    ("reads", "is_lowered"), [(70, False), (65, False), (64, True)]
)
def test_budget_far_above_the_calls_is_to_be_lowered(reads, is_lowered):
    wrong = complaint("PUT", Counter({BODY: 30, READ: reads}), BEFORE)
    assert bool(wrong) == is_lowered
    assert not wrong or "Lower it" in wrong


# the changelog

RELEASED = f"## [0.1.0]\n\n{budgets.HEADING}{table({})}"
OPEN = "# Changelog\n\n## [Unreleased]\n\nWords.\n\n"
NEW = {"PUT, sqlite lane": BEFORE}


@pytest.mark.parametrize(
    "section", ["", f"{budgets.HEADING}{table({})}\n"], ids=["first", "anew"]
)
def test_budgets_are_announced_among_what_is_unreleased(section):
    written = announced(f"{OPEN}{section}{RELEASED}", NEW)
    assert written == f"{OPEN}{budgets.HEADING}{table(NEW)}\n{RELEASED}"


def test_budgets_that_stay_are_not_announced_again():
    changelog = f"{OPEN}{RELEASED}"
    assert announced(changelog, {}) == changelog
