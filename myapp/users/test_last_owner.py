"""The last owner of an account stays, whoever tries.

Twenty try at the same moment; nineteen succeed, and the last one is refused: the rule
is asked with the row of the account locked.
"""

from threading import BoundedSemaphore

import pytest
from werkzeug.test import TestResponse

from myapp import passwords
from tests.actors import PASSWORD, Actor, add_user, id_of, sign_in
from tests.at_once import TRIES, remove, together


@pytest.fixture
def owners(acme: Actor, monkeypatch: pytest.MonkeyPatch) -> list[Actor]:
    """All owners of acme's account, signed in; each may have their password checked.

    The threads of one worker are fewer, and so is who may wait for that.
    """
    monkeypatch.setattr(passwords, "_line", BoundedSemaphore(TRIES))
    added = [add_user(acme, "owner", f"owner-{n}@example.com") for n in range(1, TRIES)]
    return [sign_in(acme), *added]


def owning(acme: Actor) -> list[str]:
    """Return the addresses of the owners of an account who can act as such."""
    query = {"role": "owner", "is_active": "true", "limit": "100"}
    found = acme.get("/v1/users", query_string=query).json["items"]
    return [f"/v1/users/{item['id']}" for item in found]


def demote(caller: Actor, url: str) -> TestResponse:
    """Make a user a member."""
    return caller.merge(url, {"role": "member", "current_password": PASSWORD})


def deactivate(caller: Actor, url: str) -> TestResponse:
    """Switch a user off."""
    return caller.merge(url, {"is_active": False, "current_password": PASSWORD})


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
