"""What teams do: the six operations, their members, and who leads."""

from uuid import UUID, uuid4

import pytest

from myapp.teams import demo
from tests.actors import add_user, id_of
from tests.answers import broken

URL = "/v1/teams"
PAYMENTS = {"name": "Payments", "description": "Whoever is on call."}
SUPPORT = {"name": "Support", "description": None}


@pytest.fixture
def ada(acme):
    """A member of the account, who makes teams."""
    return add_user(acme, "member", "ada@example.com")


@pytest.fixture
def bob(acme):
    """Another member of the account."""
    return add_user(acme, "member", "bob@example.com")


@pytest.fixture
def eve(acme):
    """A viewer of the account."""
    return add_user(acme, "viewer", "eve@example.com")


@pytest.fixture
def team(ada):
    """The address of the team that ada leads."""
    return ada.post(URL, json=PAYMENTS).location


def join(leader, team, user, **fields):
    """Add a user to a team; return the address of the membership."""
    made = leader.post(f"{team}/members", json={"user_id": id_of(user), **fields})
    assert made.status_code == 201, made.json
    return made.location


def membership(team, user):
    """Return the address of a user's membership."""
    found = user.get(f"{team}/members", query_string={"user_id": id_of(user)})
    [item] = found.json["items"]
    return f"{team}/members/{item['id']}"


def leaders(caller, team):
    """Return the ids of the users who lead a team."""
    items = caller.get(f"{team}/members").json["items"]
    return {item["user_id"] for item in items if item["is_leader"]}


def people(caller, team):
    """Return the ids of the users in a team."""
    return {item["user_id"] for item in caller.get(f"{team}/members").json["items"]}


# list


def test_list_shows_the_teams_of_the_account_and_no_others(ada, eve, rival):
    made = [ada.post(URL, json=body).json for body in (PAYMENTS, SUPPORT)]
    assert eve.get(URL).json["items"] == made[::-1]
    assert rival.get(URL).json["items"] == []


def test_list_sorts_and_filters_by_name(ada):
    payments, support = (ada.post(URL, json=body).json for body in (PAYMENTS, SUPPORT))
    assert ada.get(f"{URL}?sort=name").json["items"] == [payments, support]
    assert ada.get(f"{URL}?name=Support").json["items"] == [support]


# create


def test_create_by_a_user_makes_them_its_first_member_and_leader(ada):
    made = ada.post(URL, json=PAYMENTS)
    assert made.status_code == 201
    assert PAYMENTS.items() <= made.json.items()
    assert ada.get(made.location).json == made.json
    [member] = ada.get(f"{made.location}/members").json["items"]
    assert (member["user_id"], member["is_leader"]) == (id_of(ada), True)


def test_create_by_a_key_makes_a_team_without_members(acme):
    made = acme.post(URL, json=PAYMENTS)
    assert made.status_code == 201
    assert acme.get(f"{made.location}/members").json["items"] == []


def test_create_without_a_description_has_none(ada):
    assert ada.post(URL, json={"name": "Payments"}).json["description"] is None


@pytest.mark.parametrize(
    ("body", "rules"),
    [
        pytest.param({}, {("/name", "required")}, id="empty"),
        pytest.param({"name": "HR"}, {("/name", "minLength")}, id="short-name"),
        pytest.param({"name": "x" * 121}, {("/name", "maxLength")}, id="long-name"),
        pytest.param(
            PAYMENTS | {"description": "x" * 501},
            {("/description", "maxLength")},
            id="long-description",
        ),
    ],
)
def test_create_with_an_invalid_body_answers_400(ada, body, rules):
    refused = ada.post(URL, json=body)
    assert (refused.status_code, broken(refused)) == (400, rules)
    assert ada.get(URL).json["items"] == []


def test_create_with_a_name_that_is_taken_answers_409(ada, team, rival):
    refused = ada.post(URL, json=PAYMENTS)
    assert refused.status_code == 409
    assert broken(refused) == {("/name", "unique")}
    assert rival.post(URL, json=PAYMENTS).status_code == 201


def test_create_by_a_viewer_answers_403(eve):
    assert eve.post(URL, json=PAYMENTS).status_code == 403


# replace and update


def test_replace_by_the_leader_changes_all_but_the_members(ada, team):
    before = ada.get(f"{team}/members").json
    assert SUPPORT.items() <= ada.put(team, json=SUPPORT).json.items()
    assert SUPPORT.items() <= ada.get(team).json.items()
    assert ada.get(f"{team}/members").json == before


def test_update_by_the_leader_changes_what_is_named(ada, team):
    assert ada.merge(team, {"description": None}).status_code == 200
    shown = ada.get(team).json
    assert (shown["name"], shown["description"]) == ("Payments", None)


def test_write_of_a_name_that_is_taken_answers_409_and_changes_nothing(ada, team):
    other = ada.post(URL, json=SUPPORT).location
    for refused in (ada.put(other, json=PAYMENTS), ada.merge(other, PAYMENTS)):
        assert refused.status_code == 409
        assert broken(refused) == {("/name", "unique")}
    assert SUPPORT.items() <= ada.get(other).json.items()


# delete


def test_delete_by_the_leader_removes_team_and_members_and_no_user(ada, bob, team):
    bobs = join(ada, team, bob)
    assert ada.delete(team).status_code == 204
    for gone in (team, f"{team}/members", bobs):
        assert ada.get(gone).status_code == 404
    assert bob.get("/v1/users/me").status_code == 200


# who may change a team


def writes(caller, team):
    """Try all that changes a team, the end of it last; return the statuses."""
    yield caller.put(team, json=SUPPORT).status_code
    yield caller.merge(team, {"name": "Billing"}).status_code
    yield caller.delete(team).status_code


@pytest.mark.parametrize("role", ["admin", "owner"])
def test_admin_and_owner_change_a_team_that_they_are_not_in(acme, role, team):
    assert list(writes(add_user(acme, role, "boss@example.com"), team)) == [
        200,
        200,
        204,
    ]


def test_key_of_an_admin_changes_a_team(acme, team):
    assert list(writes(acme.with_key("admin", ["*"]), team)) == [200, 200, 204]


def test_key_of_a_member_leads_no_team(acme, team):
    key = acme.with_key("member", ["*"])
    assert list(writes(key, team)) == [403, 403, 403]
    assert list(writes(key, key.post(URL, json=SUPPORT).location)) == [403, 403, 403]


def test_member_of_a_team_who_does_not_lead_it_answers_403(ada, bob, team):
    join(ada, team, bob)
    assert list(writes(bob, team)) == [403, 403, 403]


def test_leader_of_another_team_answers_403(bob, team):
    bob.post(URL, json=SUPPORT)
    assert list(writes(bob, team)) == [403, 403, 403]


def test_leader_who_may_only_view_answers_403(ada, eve, team):
    join(ada, team, eve, is_leader=True)
    assert list(writes(eve, team)) == [403, 403, 403]


def test_leader_who_is_demoted_answers_403_at_once(ada, bob, team):
    join(ada, team, bob, is_leader=True)
    ada.merge(membership(team, ada), {"is_leader": False})
    assert list(writes(ada, team)) == [403, 403, 403]


def test_leader_of_another_account_answers_404(rival, team):
    owner = add_user(rival, "owner", "mallory@example.com")
    owner.post(URL, json=PAYMENTS)
    assert list(writes(owner, team)) == [404, 404, 404]


# members: list and retrieve


def test_list_members_shows_those_of_the_team_alone(ada, bob, eve, team):
    join(ada, team, bob)
    other = bob.post(URL, json=SUPPORT).location
    assert people(eve, team) == {id_of(ada), id_of(bob)}
    assert people(eve, other) == {id_of(bob)}


def test_list_members_filters_by_user_and_leadership(ada, bob, team):
    join(ada, team, bob)
    shown = ada.get(f"{team}/members", query_string={"user_id": id_of(bob)})
    assert [item["user_id"] for item in shown.json["items"]] == [id_of(bob)]
    shown = ada.get(f"{team}/members?is_leader=true")
    assert [item["user_id"] for item in shown.json["items"]] == [id_of(ada)]
    assert ada.get(f"{team}/members?name=Payments").status_code == 400


def test_list_members_of_an_unknown_team_or_of_another_account_answers_404(
    ada, rival, team
):
    assert ada.get(f"{URL}/{uuid4()}/members").status_code == 404
    assert rival.get(f"{team}/members").status_code == 404


def test_member_of_another_team_is_absent(ada, bob, team):
    bobs = join(ada, team, bob)
    other = ada.post(URL, json=SUPPORT).location
    elsewhere = bobs.replace(team, other)
    assert ada.get(bobs).status_code == 200
    assert ada.get(elsewhere).status_code == 404
    assert ada.merge(elsewhere, {"is_leader": True}).status_code == 404
    assert ada.delete(elsewhere).status_code == 404
    assert ada.get(bobs).json["is_leader"] is False


# members: create


def test_create_member_by_the_leader_answers_201_and_where_it_is(ada, bob, team):
    made = ada.post(f"{team}/members", json={"user_id": id_of(bob)})
    assert made.status_code == 201
    assert (made.json["user_id"], made.json["is_leader"]) == (id_of(bob), False)
    assert made.location == f"{team}/members/{made.json['id']}"
    assert ada.get(made.location).json == made.json


def test_create_member_who_leads_lets_them_change_the_team(ada, bob, team):
    join(ada, team, bob, is_leader=True)
    assert list(writes(bob, team)) == [200, 200, 204]


def test_create_first_member_makes_them_lead_and_the_next_one_not(acme, ada, bob):
    team = acme.post(URL, json=PAYMENTS).location
    join(acme, team, ada, is_leader=False)
    join(acme, team, bob)
    assert leaders(ada, team) == {id_of(ada)}


def test_create_member_twice_answers_409(ada, bob, team):
    join(ada, team, bob)
    again = ada.post(f"{team}/members", json={"user_id": id_of(bob), "is_leader": True})
    assert again.status_code == 409
    assert ("/user_id", "unique") in broken(again)
    assert leaders(ada, team) == {id_of(ada)}


def test_create_member_of_no_user_or_of_another_account_answers_404(ada, rival, team):
    for user_id in (str(uuid4()), id_of(add_user(rival, "member"))):
        refused = ada.post(f"{team}/members", json={"user_id": user_id})
        assert refused.status_code == 404
        assert broken(refused) == {("/user_id", "exists")}


def test_create_member_by_who_does_not_lead_answers_403(ada, bob, eve, team):
    join(ada, team, bob)
    for caller in (bob, eve):
        refused = caller.post(f"{team}/members", json={"user_id": id_of(eve)})
        assert refused.status_code == 403
    assert people(ada, team) == {id_of(ada), id_of(bob)}


# members: update


def test_update_member_hands_the_lead_over(ada, bob, team):
    bobs = join(ada, team, bob)
    assert ada.merge(bobs, {"is_leader": True}).json["is_leader"] is True
    step = {"op": "replace", "path": "/is_leader", "value": False}
    assert bob.json_patch(membership(team, ada), [step]).status_code == 200
    assert leaders(ada, team) == {id_of(bob)}


def test_update_member_into_another_user_answers_422(ada, bob, eve, team):
    bobs = join(ada, team, bob)
    refused = ada.merge(bobs, {"user_id": id_of(eve)})
    assert refused.status_code == 422
    assert broken(refused) == {("/user_id", "readOnly")}


def test_update_member_by_themselves_answers_403(ada, bob, team):
    bobs = join(ada, team, bob)
    assert bob.merge(bobs, {"is_leader": True}).status_code == 403
    assert leaders(ada, team) == {id_of(ada)}


def test_update_member_with_an_old_etag_answers_412(ada, bob, team):
    bobs = join(ada, team, bob)
    old = {"If-Match": ada.get(bobs).headers["ETag"]}
    assert ada.merge(bobs, {"is_leader": True}, old).status_code == 200
    assert ada.merge(bobs, {"is_leader": False}, old).status_code == 412
    assert ada.delete(bobs, old).status_code == 412


# members: delete


def test_delete_member_by_the_leader_answers_204(ada, bob, team):
    bobs = join(ada, team, bob)
    assert ada.delete(bobs).status_code == 204
    assert ada.get(bobs).status_code == 404
    assert people(ada, team) == {id_of(ada)}


def test_delete_member_by_themselves_lets_anybody_leave(ada, bob, eve, team):
    for member in (bob, eve):
        assert member.delete(join(ada, team, member)).status_code == 204
    assert people(ada, team) == {id_of(ada)}


def test_delete_member_by_another_one_answers_403(ada, bob, eve, team):
    bobs = join(ada, team, bob)
    eves = join(ada, team, eve, is_leader=True)
    assert bob.delete(eves).status_code == 403
    assert eve.delete(bobs).status_code == 403  # she leads, and may only view
    assert people(ada, team) == {id_of(ada), id_of(bob), id_of(eve)}


# the last leader


def test_last_leader_who_steps_down_or_leaves_answers_409(acme, ada, bob, team):
    join(ada, team, bob)
    adas = membership(team, ada)
    for caller in (ada, acme):
        assert caller.merge(adas, {"is_leader": False}).status_code == 409
        assert caller.delete(adas).status_code == 409
    assert leaders(ada, team) == {id_of(ada)}


def test_last_leader_who_is_alone_may_leave_and_not_step_down(acme, ada, team):
    adas = membership(team, ada)
    assert ada.merge(adas, {"is_leader": False}).status_code == 409
    assert ada.delete(adas).status_code == 204
    assert people(acme, team) == set()


def test_leader_who_is_not_the_last_may_leave(ada, bob, team):
    join(ada, team, bob, is_leader=True)
    assert ada.delete(membership(team, ada)).status_code == 204
    assert leaders(bob, team) == {id_of(bob)}


# a user who leaves the account


def test_user_who_is_removed_leaves_their_teams(acme, ada, bob, team):
    bobs = join(ada, team, bob)
    assert acme.delete(f"/v1/users/{id_of(bob)}").status_code == 204
    assert ada.get(bobs).status_code == 404


def test_last_leader_who_is_removed_leaves_the_team_to_the_admins(acme, ada, bob, team):
    bobs = join(ada, team, bob)
    assert acme.delete(f"/v1/users/{id_of(ada)}").status_code == 204
    assert people(bob, team) == {id_of(bob)}
    assert leaders(bob, team) == set()
    assert bob.merge(team, {"name": "Billing"}).status_code == 403
    assert acme.merge(bobs, {"is_leader": True}).status_code == 200
    assert bob.merge(team, {"name": "Billing"}).status_code == 200


def test_member_of_a_team_without_leader_may_leave(acme, ada, bob, eve, team):
    bobs = join(ada, team, bob)
    join(ada, team, eve)
    acme.delete(f"/v1/users/{id_of(ada)}")
    assert bob.delete(bobs).status_code == 204
    assert people(eve, team) == {id_of(eve)}


# the demo


@pytest.mark.usefixtures("at_work")
def test_demo_has_a_team_that_the_member_leads(acme, ada, eve, tenant):
    roles = {"member": UUID(id_of(ada)), "viewer": UUID(id_of(eve))}
    demo.fill(tenant, "Demo", roles)
    [team] = acme.get(URL).json["items"]
    url = f"{URL}/{team['id']}"
    assert people(acme, url) == {id_of(ada), id_of(eve)}
    assert leaders(acme, url) == {id_of(ada)}


@pytest.mark.usefixtures("at_work")
def test_demo_without_a_member_has_no_team(rival, stranger):
    demo.fill(stranger, "Rival", {"owner": uuid4()})
    assert rival.get(URL).json["items"] == []
