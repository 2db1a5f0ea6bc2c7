"""The last leader of a team stays, whoever tries.

Twenty try at the same moment; nineteen succeed, and the last one is refused: the rule
is asked with the row of the team locked.
"""

import pytest
from werkzeug.test import TestResponse

from tests.actors import Actor, add_user, id_of
from tests.at_once import TRIES, remove, together


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


def step_down(caller: Actor, url: str) -> TestResponse:
    """Let a member lead no more."""
    return caller.merge(url, {"is_leader": False})


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
