"""The tree of problems is drawn and documented in full, and an answer is bounded."""

import json
import logging
import re
from pathlib import Path

import pytest
from werkzeug.exceptions import NotFound as WerkzeugNotFound

from myapp import errors
from myapp.errors import (
    BadRequest,
    BrokenRule,
    InternalError,
    InvalidBody,
    Problem,
    Unavailable,
)

DOCUMENT = Path(__file__).parents[1] / "docs" / "errors.md"
PROBLEMS = [pytest.param(problem, id=problem.__name__) for problem in errors.problems()]


def drawn():
    """Return the tree of the docstring: class → its parent and its status."""
    found, parents = {}, {0: "Problem"}
    for line in (errors.__doc__ or "").splitlines():
        if branch := re.search(r"[├└]── (\w+) +(\d{3})", line):
            name, depth = branch[1], branch.start() // 4
            parents[depth] = name
            found[name] = (parents.get(depth - 1, "Problem"), int(branch[2]))
    return found


def answered(problem):
    """Return the body of the answer to a problem."""
    return json.loads(errors.respond(problem, "request-1").body)


def test_tree_in_the_docstring_is_the_tree_of_the_classes():
    assert drawn() == {
        problem.__name__: (problem.__mro__[1].__name__, problem.status)
        for problem in errors.problems()
    }


def test_docs_errors_lists_every_problem_and_no_other():
    rows = re.findall(
        r"^\| (\d{3}) \| `/problems/(.*?)` \|", DOCUMENT.read_text(), re.M
    )
    assert sorted(rows) == sorted(
        (str(problem.status), errors.slug(problem.title))
        for problem in errors.problems()
    )


@pytest.mark.parametrize("problem", PROBLEMS)
def test_problem_says_in_one_paragraph_what_to_do(problem):
    assert problem.__doc__
    assert "\n\n" not in problem.__doc__
    assert problem.title != Problem.title or problem is InternalError


def test_problems_have_a_type_of_their_own():
    slugs = [errors.slug(problem.title) for problem in errors.problems()]
    assert len(set(slugs)) == len(slugs)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", slug) for slug in slugs)


def test_respond_names_type_title_status_detail_and_request():
    reply = errors.respond(BadRequest("Send less."), "request-1")
    assert reply.status == 400
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.headers["Cache-Control"] == "no-store"
    assert json.loads(reply.body) == {
        "type": "/problems/bad-request",
        "title": "Bad request",
        "status": 400,
        "detail": "Send less.",
        "request_id": "request-1",
    }


def test_respond_without_a_detail_explains_the_kind_of_problem():
    assert answered(BadRequest())["detail"] == BadRequest.__doc__


def test_respond_keeps_the_headers_of_a_problem():
    problem = BadRequest(headers={"X-Reason": "because"})
    assert errors.respond(problem, "request-1").headers["X-Reason"] == "because"


def test_respond_to_an_unforeseen_exception_says_nothing_of_it_and_logs_all(caplog):
    try:
        raise ZeroDivisionError("the secret of the division")
    except ZeroDivisionError as error:
        body = answered(error)
    assert (body["status"], body["title"]) == (500, "Internal error")
    assert "division" not in json.dumps(body)
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info and record.exc_info[0] is ZeroDivisionError


def test_respond_to_an_exception_of_a_library_asks_its_translator():
    assert answered(WerkzeugNotFound())["title"] == "Not found"


def test_respond_that_a_store_is_away_logs_the_cause(caplog):
    gone = Unavailable()
    gone.__cause__ = ConnectionError("refused")
    errors.respond(gone, "a-request")
    [record] = caplog.records
    assert record.exc_info and str(record.exc_info[1]) == "refused"


def broken(count, at="/name"):
    return InvalidBody("Mend it.", [BrokenRule(at, "type", "is wrong")] * count)


def test_respond_lists_20_errors_and_counts_the_others():
    entries = answered(broken(23))["errors"]
    assert len(entries) == 21
    assert entries[19] == {"at": "/name", "rule": "type", "detail": "is wrong"}
    assert entries[20] == {"at": "", "rule": "more", "detail": "3 more are not listed"}


def test_respond_with_20_errors_lists_all():
    assert [entry["rule"] for entry in answered(broken(20))["errors"]] == ["type"] * 20


def test_respond_cuts_a_long_pointer():
    [entry] = answered(broken(1, at="/" + "n" * 1000))["errors"]
    assert entry["at"] == "/" + "n" * 119


@pytest.mark.parametrize("sign", ["n", "😀", "\x01", '"'], ids=ascii)
def test_respond_with_many_long_pointers_stays_below_8_kib(sign):
    reply = errors.respond(broken(10_000, at="/" + sign * 1000), "r" * 64)
    assert len(reply.body) < 8192
    entries = json.loads(reply.body)["errors"]
    listed = len(entries) - 1
    assert listed > 5
    assert entries[-1]["detail"] == f"{10_000 - listed} more are not listed"
