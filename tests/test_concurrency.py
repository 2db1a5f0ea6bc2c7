"""Many callers at once: no write is lost, none is done twice, and nothing is a 5xx.

Each caller has a client and a thread of its own; a barrier lets them go together.
"""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, BoundedSemaphore
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from myapp import openapi, passwords
from myapp.contract import Contract
from tests.actors import OWNER, PASSWORD, Actor
from tests.sample_checkouts import CHECKOUT
from tests.sample_customers import CUSTOMER

CALLERS = 50

Call = Callable[[Actor, int], TestResponse]

on_each_store = pytest.mark.parametrize(
    ("url", "contract", "text"),
    [
        pytest.param("/v1/sample_customers", CUSTOMER, "name", id="sample_customers"),
        pytest.param(
            "/v1/sample_checkouts",
            CHECKOUT,
            "description",
            id="sample_checkouts",
        ),
    ],
)


@pytest.fixture
def together(app: Flask, acme: Actor) -> Callable[[Call], list[TestResponse]]:
    """Let fifty callers of acme's do something at the same moment."""

    def run(call: Call) -> list[TestResponse]:
        barrier = Barrier(CALLERS)

        def one(number: int) -> TestResponse:
            caller = Actor(app.test_client(), acme.account_id, acme.key)
            barrier.wait()
            return call(caller, number)

        with ThreadPoolExecutor(CALLERS) as pool:
            return list(pool.map(one, range(CALLERS)))

    return run


def statuses(responses: list[TestResponse]) -> dict[int, int]:
    """Count the answers by status."""
    return dict(Counter(response.status_code for response in responses))


def body(contract: Contract, text: str, value: str) -> dict[str, Any]:
    """Return a body that says in one field whose it is."""
    return openapi.example(contract) | {text: value}


def version(response: TestResponse) -> int:
    """Return the version in an entity tag."""
    return int(response.headers["ETag"].strip('"').partition("-")[0])


@on_each_store
def test_create_by_many_makes_one_each(acme, together, url, contract, text):
    made = together(
        lambda caller, number: caller.post(url, json=body(contract, text, f"{number}"))
    )
    assert statuses(made) == {201: CALLERS}
    listed = acme.get(f"{url}?limit=100").json["items"]
    assert sorted(item["id"] for item in listed) == sorted(
        response.json["id"] for response in made
    )
    assert {item[text] for item in listed} == set(map(str, range(CALLERS)))


OWN = {"email": OWNER, "password": PASSWORD}


def test_create_by_many_with_one_unique_value_makes_one(client, together, monkeypatch):
    # The line for hashing a password is made for the threads of a real worker.
    monkeypatch.setattr(passwords, "_line", BoundedSemaphore(CALLERS))
    slug = f"wanted-{uuid4().hex[:12]}"
    made = together(
        lambda caller, number: caller.post(
            "/v1/accounts", json={**OWN, "name": f"{number}", "slug": slug}
        )
    )
    assert statuses(made) == {201: 1, 409: CALLERS - 1}
    [account] = [response.json for response in made if response.status_code == 201]
    owner = Actor(client, account["id"], account["api_key"])
    assert owner.get(f"/v1/accounts/{account['id']}").json["slug"] == slug
    told = {
        problem["at"]
        for response in made
        for problem in response.json.get("errors", [])
    }
    assert told == {"/slug"}


@on_each_store
def test_replace_by_many_with_one_etag_writes_once(acme, together, url, contract, text):
    made = acme.post(url, json=body(contract, text, "old"))
    if_match = {"If-Match": made.headers["ETag"]}
    replaced = together(
        lambda caller, number: caller.put(
            made.location, json=body(contract, text, f"{number}"), headers=if_match
        )
    )
    assert statuses(replaced) == {200: 1, 412: CALLERS - 1}
    [written] = [response for response in replaced if response.status_code == 200]
    shown = acme.get(made.location)
    assert (shown.json, version(shown)) == (written.json, 2)


@on_each_store
def test_replace_by_many_without_etag_counts_each(acme, together, url, contract, text):
    made = acme.post(url, json=body(contract, text, "old"))
    replaced = together(
        lambda caller, number: caller.put(
            made.location, json=body(contract, text, f"{number}")
        )
    )
    assert statuses(replaced) == {200: CALLERS}
    assert sorted(map(version, replaced)) == list(range(2, CALLERS + 2))
    [last] = [response for response in replaced if version(response) == CALLERS + 1]
    assert acme.get(made.location).json == last.json


@on_each_store
def test_update_by_many_writes_or_is_told_so(acme, together, url, contract, text):
    made = acme.post(url, json=body(contract, text, "old"))
    changed = together(
        lambda caller, number: caller.merge(made.location, {text: f"{number}"})
    )
    found = statuses(changed)
    assert found.keys() <= {200, 409}
    assert version(acme.get(made.location)) == 1 + found[200]
    versions = [
        version(response) for response in changed if response.status_code == 200
    ]
    assert sorted(versions) == list(range(2, 2 + found[200]))


@on_each_store
def test_update_by_many_with_one_etag_writes_once(acme, together, url, contract, text):
    made = acme.post(url, json=body(contract, text, "old"))
    if_match = {"If-Match": made.headers["ETag"]}
    changed = together(
        lambda caller, number: caller.merge(
            made.location, {text: f"{number}"}, headers=if_match
        )
    )
    assert statuses(changed) == {200: 1, 412: CALLERS - 1}
    assert version(acme.get(made.location)) == 2


@on_each_store
def test_delete_by_many_removes_once(acme, together, url, contract, text):
    made = acme.post(url, json=body(contract, text, "old"))
    deleted = together(lambda caller, number: caller.delete(made.location))
    assert statuses(deleted) == {204: 1, 404: CALLERS - 1}
    assert acme.get(url).json["items"] == []


def test_complete_by_many_completes_once(acme, together):
    url = "/v1/sample_checkouts"
    made = acme.post(url, json=openapi.example(CHECKOUT))
    completed = together(
        lambda caller, number: caller.post(f"{made.location}/complete")
    )
    assert statuses(completed) == {200: 1, 409: CALLERS - 1}
    shown = acme.get(made.location)
    assert (shown.json["status"], version(shown)) == ("complete", 2)
