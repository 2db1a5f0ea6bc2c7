"""What sessions do: they show who is signed in, and end it."""

from uuid import uuid4

import pytest

from myapp.sessions import models
from tests.actors import Actor, add_user, home_of, log_in, sign_in, tokens_of
from tests.answers import told
from tests.oauth import holder, register
from tests.tables import rows_of, statements

URL = "/v1/auth/sessions"
ME = "/v1/users/me"
MISSING = f"{URL}/{uuid4()}"
MEMBER = "member@example.com"


@pytest.fixture
def member(acme):
    return add_user(acme, "member")


def listed(actor, **query):
    """Return the sessions that somebody sees."""
    shown = actor.get(URL, query_string=query)
    assert shown.status_code == 200
    return shown.json["items"]


def url_of(session):
    return f"{URL}/{session['id']}"


def own_id(user):
    return user.get(ME).json["id"]


def refresh(actor, token):
    """Exchange the refresh token of a login."""
    asked = {"grant_type": "refresh_token", "refresh_token": token}
    return actor.client.post("/v1/auth/token", data=asked)


# --- list


def test_list_shows_where_somebody_signed_in_from(app, acme):
    client = app.test_client()
    client.environ_base["HTTP_USER_AGENT"] = "Browser/1.0"
    user = sign_in(Actor(client, acme.account_id, acme.key))
    [session] = listed(user)
    assert session["user_id"] == own_id(user)
    assert session["client_id"] is None
    assert session["scopes"] == ["*"]
    assert session["address"] == home_of(acme)
    assert session["user_agent"] == "Browser/1.0"
    assert session["created_at"] < session["expires_at"]


def test_list_shows_a_member_their_own_newest_first(acme, member):
    sign_in(acme)
    other = sign_in(acme, MEMBER)
    assert {session["user_id"] for session in listed(member)} == {own_id(member)}
    assert listed(member) == listed(other)
    made = [session["created_at"] for session in listed(member)]
    assert made == sorted(made, reverse=True) and len(made) == 2


def test_list_shows_an_admin_those_of_the_account(acme, rival, member):
    admin = add_user(acme, "admin")
    sign_in(rival)
    both = {own_id(member), own_id(admin)}
    for caller in (admin, acme, acme.with_key("admin", ["*"])):
        assert {session["user_id"] for session in listed(caller)} == both
        chosen = listed(caller, user_id=own_id(member))
        assert [session["user_id"] for session in chosen] == [own_id(member)]


def test_list_shows_no_other_ones_to_a_member_who_asks_for_them(acme, member):
    owner = sign_in(acme)
    assert listed(member, user_id=own_id(owner)) == []
    assert len(listed(member, user_id=own_id(member))) == 1


@pytest.mark.parametrize("role", ["viewer", "member"])
def test_list_shows_nothing_to_a_key_of_no_user(acme, member, role):
    assert listed(acme.with_key(role, ["*"])) == []


def test_list_shows_through_which_client(acme):
    app = register(acme)
    granted = tokens_of(app.credentials_token())
    [own] = [session for session in listed(acme) if session["client_id"]]
    assert own["user_id"] is None
    assert own["scopes"] == granted["scope"].split()


def test_no_answer_shows_a_token_and_no_row_stores_one(app, acme):
    tokens = tokens_of(log_in(acme))
    user = holder(acme, tokens["access_token"])
    stored = repr(rows_of(app, acme.account_id))
    for token in (tokens["access_token"], tokens["refresh_token"]):
        assert token not in stored
        assert token not in user.get(URL).text


def test_expired_session_is_dead_and_goes_with_the_next_login(acme, pass_time):
    tokens = tokens_of(log_in(acme))
    pass_time(days=31)
    assert refresh(acme, tokens["refresh_token"]).status_code == 400
    sign_in(acme)
    assert len(listed(acme)) == 1


def test_expired_access_token_is_refused_and_its_session_lives_on(acme, pass_time):
    tokens = tokens_of(log_in(acme))
    user = holder(acme, tokens["access_token"])
    pass_time(seconds=tokens["expires_in"] - 5)
    assert user.get(URL).status_code == 200
    pass_time(seconds=40)  # clocks may differ by 30 seconds
    assert user.get(URL).status_code == 401
    assert refresh(acme, tokens["refresh_token"]).status_code == 200


# --- delete one


def test_delete_ends_access_and_refresh_token_within_a_second(acme, member, pass_time):
    tokens = tokens_of(log_in(acme, MEMBER))
    stolen = holder(acme, tokens["access_token"])
    assert stolen.get(ME).status_code == 200
    [newest, _] = listed(member)
    assert member.delete(url_of(newest)).status_code == 204
    pass_time(seconds=1)
    assert stolen.get(ME).status_code == 401
    assert refresh(acme, tokens["refresh_token"]).status_code == 400
    assert member.get(ME).status_code == 200
    assert len(listed(member)) == 1


def test_delete_leaves_the_refresh_tokens_of_other_sessions(acme, member):
    kept, ended = (tokens_of(log_in(acme, MEMBER)) for _ in range(2))
    [newest, *_] = listed(member)
    assert member.delete(url_of(newest)).status_code == 204
    assert refresh(acme, ended["refresh_token"]).status_code == 400
    assert refresh(acme, kept["refresh_token"]).status_code == 200


def test_delete_twice_answers_404(member):
    [session] = listed(member)
    assert member.delete(url_of(session)).status_code == 204
    # Until the second is over, this worker still knows the token.
    assert member.delete(url_of(session)).status_code == 404


def test_delete_of_anothers_by_a_member_answers_403_and_ends_nothing(
    acme, member, pass_time
):
    owner = sign_in(acme)
    [session] = listed(owner, user_id=own_id(owner))
    for caller in (member, acme.with_key("member", ["*"])):
        assert caller.delete(url_of(session)).status_code == 403
    pass_time(seconds=1)
    assert owner.get(ME).status_code == 200


def test_delete_of_anothers_by_an_admin_ends_it(acme, member, pass_time):
    admin = add_user(acme, "admin")
    [session] = listed(member)
    assert admin.delete(url_of(session)).status_code == 204
    pass_time(seconds=1)
    assert member.get(ME).status_code == 401


@pytest.mark.parametrize("role", ["viewer", "member"])
def test_delete_of_a_clients_by_a_key_of_no_user_answers_403(acme, role):
    app = register(acme)
    token = tokens_of(app.credentials_token())["access_token"]
    [session] = listed(acme)
    assert session["user_id"] is None
    assert acme.with_key(role, ["*"]).delete(url_of(session)).status_code == 403
    assert app.is_active(token)


def test_delete_of_an_owners_by_an_admin_answers_403_and_ends_nothing(acme, pass_time):
    owner = sign_in(acme)
    [session] = listed(owner)
    for caller in (add_user(acme, "admin"), acme.with_key("admin", ["*"])):
        assert caller.delete(url_of(session)).status_code == 403
    pass_time(seconds=1)
    assert owner.get(ME).status_code == 200
    assert acme.delete(url_of(session)).status_code == 204


@pytest.mark.parametrize(
    ("role", "status"), [("member", 204), ("admin", 204), ("owner", 403)]
)
def test_delete_of_a_clients_by_an_admin_reaches_up_to_the_own_role(acme, role, status):
    app = register(acme, role=role, scopes=["*"])
    token = tokens_of(app.credentials_token())["access_token"]
    [session] = listed(acme)
    admin = acme.with_key("admin", ["*"])
    assert admin.delete(url_of(session)).status_code == status
    assert app.is_active(token) == (status == 403)


def test_delete_of_ones_own_by_an_owner_through_a_lesser_client_ends_it(acme):
    owner = sign_in(acme)
    [session] = listed(owner)
    app = register(acme, role="member", scopes=["*"])
    lesser = holder(acme, app.tokens()["access_token"])
    assert lesser.delete(url_of(session)).status_code == 204


def test_delete_of_another_accounts_answers_404_and_ends_nothing(
    acme, rival, pass_time
):
    theirs = sign_in(rival)
    [session] = listed(theirs)
    owner = sign_in(acme)
    found, missing = owner.delete(url_of(session)), owner.delete(MISSING)
    assert found.status_code == 404
    assert told(found) == told(missing)
    pass_time(seconds=1)
    assert theirs.get(ME).status_code == 200


def test_delete_with_another_version_answers_412_and_ends_nothing(member, pass_time):
    [session] = listed(member)
    other = {"If-Match": '"2-00000000"'}
    assert member.delete(url_of(session), other).status_code == 412
    pass_time(seconds=1)
    assert member.get(ME).status_code == 200


def test_delete_without_the_scope_answers_403(acme, member):
    [session] = listed(member)
    reader = acme.with_key("owner", ["sessions:read"])
    assert reader.delete(url_of(session)).status_code == 403
    assert reader.delete(URL).status_code == 403


def test_delete_is_audited_with_who_did_it(acme, member):
    [session] = listed(member)
    subject = f"user:{own_id(member)}"
    member.delete(url_of(session))
    entries = acme.get("/v1/audit_entries").json["items"]
    [entry] = [entry for entry in entries if entry["object_id"] == session["id"]][:1]
    assert entry["resource"] == "sessions"
    assert entry["operation"] == "sessions_delete"
    assert subject in entry.values()


# --- delete all


def test_sign_out_everywhere_ends_all_sessions_of_the_caller_alone(
    acme, member, pass_time
):
    owner, elsewhere = sign_in(acme), sign_in(acme, MEMBER)
    tokens = tokens_of(log_in(acme, MEMBER))
    assert member.delete(URL).status_code == 204
    pass_time(seconds=1)
    for ended in (member, elsewhere, holder(acme, tokens["access_token"])):
        assert ended.get(ME).status_code == 401
    assert refresh(acme, tokens["refresh_token"]).status_code == 400
    assert owner.get(ME).status_code == 200
    assert sign_in(acme, MEMBER).get(ME).status_code == 200


def test_sign_out_everywhere_ends_what_clients_hold_for_the_user(acme, pass_time):
    app = register(acme)
    tokens = app.tokens()
    assert app.is_active(tokens["access_token"])
    assert sign_in(acme).delete(URL).status_code == 204
    pass_time(seconds=1)
    assert not app.is_active(tokens["access_token"])
    assert app.refresh(tokens["refresh_token"]).status_code == 400


def test_sign_out_everywhere_by_an_admin_ends_the_admins_own_alone(
    acme, member, pass_time
):
    admin = add_user(acme, "admin")
    assert admin.delete(URL).status_code == 204
    pass_time(seconds=1)
    assert admin.get(ME).status_code == 401
    assert member.get(ME).status_code == 200


def test_sign_out_everywhere_by_a_key_ends_nothing(acme, member, pass_time):
    assert acme.delete(URL).status_code == 204
    pass_time(seconds=1)
    assert member.get(ME).status_code == 200
    assert acme.get(URL).status_code == 200


def test_sign_out_everywhere_takes_as_many_statements_however_many_sessions(
    app, acme, member
):
    few = statements_of_signing_out(app, member)
    users = [sign_in(acme, MEMBER) for _ in range(5)]
    assert statements_of_signing_out(app, users[0]) == few


def statements_of_signing_out(app, user):
    assert user.get(ME).status_code == 200  # who calls is known from here on
    with statements(app) as asked:
        assert user.delete(URL).status_code == 204
    return len(asked)


def test_sign_out_everywhere_is_audited_session_by_session(acme, member):
    sign_in(acme, MEMBER)
    ended = {session["id"] for session in listed(member)}
    subject = f"user:{own_id(member)}"
    assert member.delete(URL).status_code == 204
    query = {"operation": "sessions_delete_all", "resource": "sessions"}
    entries = acme.get("/v1/audit_entries", query_string=query).json["items"]
    assert {entry["object_id"] for entry in entries} == ended and len(ended) == 2
    said = {(e["principal"], e["version"], *e["fields"]) for e in entries}
    assert said == {(subject, 1)}
    assert all(entry["request_id"] for entry in entries)


# --- too many


@pytest.fixture
def three_at_most(monkeypatch):
    monkeypatch.setattr(models, "MOST_SESSIONS", 3)


@pytest.mark.usefixtures("three_at_most")
def test_login_beyond_the_most_ends_the_oldest_session(acme, member, pass_time):
    owner = sign_in(acme)
    later = [sign_in(acme, MEMBER) for _ in range(2)]
    [*_, oldest] = listed(member)
    newest = sign_in(acme, MEMBER)
    pass_time(seconds=1)
    assert member.get(ME).status_code == 401
    assert len(listed(newest)) == 3
    for kept in (owner, *later, newest):
        assert kept.get(ME).status_code == 200
    query = {"object_id": oldest["id"]}
    ended, _made = acme.get("/v1/audit_entries", query_string=query).json["items"]
    assert ended["operation"] == "auth_login" and ended["fields"] == []


@pytest.mark.usefixtures("three_at_most")
def test_client_of_its_own_begins_as_many_sessions_as_it_likes(acme):
    app = register(acme)
    tokens = [tokens_of(app.credentials_token())["access_token"] for _ in range(5)]
    assert all(map(app.is_active, tokens))
