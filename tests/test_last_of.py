"""The last owner of an account and the last leader of a team stay, whoever tries.

Twenty try at the same moment, each with a client and a thread of their own; nineteen
succeed, and the last one is refused: the rule is asked with the parent's row locked.
"""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier, BoundedSemaphore

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from myapp import passwords
from tests.actors import PASSWORD, Actor, add_user, sign_in

TRIES = 20

Try = Callable[[Actor, str], TestResponse]
"""What a caller does to the record at a URL."""


@pytest.fixture
def owners(acme: Actor, monkeypatch: pytest.MonkeyPatch) -> list[Actor]:
    """All owners of acme's account, signed in; each may have their password checked.

    The threads of one worker are fewer, and so is who may wait for that.
    """
    monkeypatch.setattr(passwords, "_line", BoundedSemaphore(TRIES))
    added = [add_user(acme, "owner", f"owner-{n}@example.com") for n in range(1, TRIES)]
    return [sign_in(acme), *added]


@pytest.fixture
def leaders(acme: Actor) -> list[Actor]:
    """Members of acme's account, to lead a team together."""
    return [add_user(acme, "member", f"leader-{n}@example.com") for n in range(TRIES)]


@pytest.fixture
def team(acme: Actor, leaders: list[Actor]) -> str:
    """The address of a team that all of them lead, and one more is in."""
    team: str = leaders[0].post("/v1/teams", json={"name": "Payments"}).location
    for leader in leaders[1:]:
        join(acme, team, leader, is_leader=True)
    join(acme, team, add_user(acme, "member"), is_leader=False)
    return team


def join(admin: Actor, team: str, user: Actor, is_leader: bool) -> None:
    """Add a user to a team."""
    body = {"user_id": id_of(user), "is_leader": is_leader}
    assert admin.post(f"{team}/members", json=body).status_code == 201


def id_of(user: Actor) -> str:
    """Return the id of a user."""
    return str(user.get("/v1/users/me").json["id"])


def membership(team: str, user: Actor) -> str:
    """Return the address of a user's membership in a team."""
    query = {"user_id": id_of(user)}
    [found] = user.get(f"{team}/members", query_string=query).json["items"]
    return f"{team}/members/{found['id']}"


def leading(acme: Actor, team: str) -> list[str]:
    """Return the addresses of the members who lead a team."""
    query = {"is_leader": "true", "limit": "100"}
    found = acme.get(f"{team}/members", query_string=query).json["items"]
    return [f"{team}/members/{item['id']}" for item in found]


def owning(acme: Actor) -> list[str]:
    """Return the addresses of the owners of an account who can act as such."""
    query = {"role": "owner", "is_active": "true", "limit": "100"}
    found = acme.get("/v1/users", query_string=query).json["items"]
    return [f"/v1/users/{item['id']}" for item in found]


def together(
    app: Flask, action: Try, callers: list[Actor], urls: list[str]
) -> dict[int, int]:
    """Let each caller do something to the URL in their place; count the statuses."""
    barrier = Barrier(len(callers))

    def one(caller: Actor, url: str) -> int:
        mine = replace(caller, client=app.test_client())
        barrier.wait()
        return action(mine, url).status_code

    with ThreadPoolExecutor(len(callers)) as pool:
        return dict(Counter(pool.map(one, callers, urls)))


# what they try


def step_down(caller: Actor, url: str) -> TestResponse:
    """Let a member lead no more."""
    return caller.merge(url, {"is_leader": False})


def demote(caller: Actor, url: str) -> TestResponse:
    """Make a user a member."""
    return caller.merge(url, {"role": "member", "current_password": PASSWORD})


def deactivate(caller: Actor, url: str) -> TestResponse:
    """Switch a user off."""
    return caller.merge(url, {"is_active": False, "current_password": PASSWORD})


def remove(caller: Actor, url: str) -> TestResponse:
    """Remove a record."""
    answer: TestResponse = caller.delete(url)
    return answer


# leaders


@pytest.mark.parametrize(("action", "done"), [(step_down, 200), (remove, 204)])
def test_leaders_who_go_all_at_once_leave_one(app, acme, leaders, team, action, done):
    urls = [membership(team, leader) for leader in leaders]
    answers = together(app, action, leaders, urls)
    assert answers == {done: TRIES - 1, 409: 1}
    assert len(leading(acme, team)) == 1


def test_leaders_who_turn_on_each_other_leave_one_at_least(app, acme, leaders, team):
    urls = [membership(team, leader) for leader in leaders]
    answers = together(app, step_down, leaders, urls[1:] + urls[:1])
    # Whoever has been demoted a moment before is refused.
    assert answers.keys() <= {200, 403, 409}
    assert len(leading(acme, team)) == TRIES - answers[200] >= 1


# owners


@pytest.mark.parametrize(
    ("action", "done"), [(demote, 200), (deactivate, 200), (remove, 204)]
)
def test_owners_who_turn_on_each_other_leave_one(
    app, acme, owners, pass_time, action, done
):
    # All are remembered as owners while the clock of the tokens stands still.
    urls = [f"/v1/users/{id_of(owner)}" for owner in owners]
    answers = together(app, action, owners, urls[1:] + urls[:1])
    assert answers == {done: TRIES - 1, 409: 1}
    [last] = owning(acme)
    assert last in urls
