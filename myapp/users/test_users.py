"""What users do: they are invited, change and go; an account keeps an owner."""

from base64 import urlsafe_b64decode
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from uuid import UUID, uuid4

import pytest

from myapp import background, db
from myapp.tokens import SECRET_BYTES, new_token
from myapp.users.models import ONCE_PREFIX, mail_reset, users
from tests.actors import (
    OWNER,
    PASSWORD,
    add_user,
    home_of,
    log_in,
    sign_in,
    sign_up,
    tokens_of,
)
from tests.answers import broken, told
from tests.mailbox import mailed_token, mails_to
from tests.oauth import register
from tests.tables import rows_of, statements

URL = "/v1/users"
ME = f"{URL}/me"
ACCEPT = f"{URL}/invitations/accept"
RESET = "/v1/auth/password-reset"
CONFIRM = f"{RESET}/confirm"
MISSING = f"{URL}/{uuid4()}"
ANOTHER = "another password of some length"
WRONG = "a wrong password of some length"
ROLES = ["viewer", "member", "admin", "owner"]

GIVEN = {"current_password": PASSWORD}
SENSITIVE = [
    pytest.param({"email": "other@example.com"}, id="email"),
    pytest.param({"password": ANOTHER}, id="password"),
    pytest.param({"role": "viewer"}, id="role"),
    pytest.param({"is_active": False}, id="is_active"),
]


@pytest.fixture
def owner(acme):
    """The person who opened acme's account."""
    return sign_in(acme)


@pytest.fixture
def admin(acme):
    return add_user(acme, "admin")


@pytest.fixture
def member(acme):
    return add_user(acme, "member")


@pytest.fixture
def person():
    """The address of somebody whom nobody knows yet."""
    return f"{uuid4().hex}@example.com"


def me(user):
    """Return what a signed-in user is."""
    return user.get(ME).json


def url_of(user):
    return f"{URL}/{me(user)['id']}"


def invitation(email, role="member"):
    return {"name": "Ada Lovelace", "email": email, "role": role}


def accept(client, token, password=ANOTHER):
    return client.post(ACCEPT, json={"token": token, "password": password})


def confirm(client, token, password=ANOTHER):
    return client.post(CONFIRM, json={"token": token, "password": password})


def slug_of(actor):
    return actor.get(f"/v1/accounts/{actor.account_id}").json["slug"]


def ask_for_reset(actor, username, account=None):
    body = {"account": account or slug_of(actor), "username": username}
    peer = {"REMOTE_ADDR": home_of(actor)}
    return actor.client.post(RESET, json=body, environ_base=peer)


def steps(change, *, given=None):
    """Return a change as a JSON Patch, with a test of the current password ahead."""
    tests = [{"op": "test", "path": "/current_password", "value": given}]
    adds = [{"op": "add", "path": f"/{f}", "value": v} for f, v in change.items()]
    return adds if given is None else tests + adds


# --- list


def test_list_shows_the_users_of_the_account_and_no_other(acme, rival, member):
    shown = acme.get(URL)
    assert shown.status_code == 200
    assert [user["email"] for user in shown.json["items"]] == [
        "member@example.com",
        OWNER,
    ]
    assert me(member) in shown.json["items"]
    assert [user["email"] for user in rival.get(URL).json["items"]] == [OWNER]


def test_list_by_a_member_answers_403(member):
    assert member.get(URL).status_code == 403


@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param({"role": "member"}, ["member@example.com"], id="role"),
        pytest.param({"is_active": "false"}, [], id="is_active"),
        pytest.param({"email": OWNER}, [OWNER], id="email"),
        pytest.param({"email": OWNER.upper()}, [OWNER], id="upper_case"),
    ],
)
def test_list_filters(acme, member, query, found):
    shown = acme.get(URL, query_string=query).json["items"]
    assert [user["email"] for user in shown] == found


# --- create: an invitation


def test_create_answers_201_and_a_user_who_is_nobody_yet(acme, person):
    made = acme.post(URL, json=invitation(person))
    assert made.status_code == 201
    assert invitation(person).items() <= made.json.items()
    assert made.json["is_active"] is True
    assert made.location == f"{URL}/{made.json['id']}"
    assert acme.get(made.location).json == made.json
    for password in ("", PASSWORD, "None"):
        assert log_in(acme, person, password).status_code == 401


def test_create_mails_a_token_and_where_to_send_it(app, acme, person):
    made = acme.post(URL, json=invitation(person))
    [text] = mails_to(acme.client, person)
    assert f"{app.config['PUBLIC_URL']}{ACCEPT}" in text
    assert mailed_token(acme.client, person) not in made.text


def test_create_stores_the_sha256_of_the_token_and_nothing_else_of_it(
    app, acme, person
):
    acme.post(URL, json=invitation(person))
    token = mailed_token(acme.client, person)
    stored = repr(rows_of(app, acme.account_id))
    assert token not in stored
    assert token.removeprefix(ONCE_PREFIX)[22:60] not in stored


def test_create_with_an_address_of_the_account_in_any_case_answers_409(acme, person):
    acme.post(URL, json=invitation(person))
    before = len(mails_to(acme.client, person))
    refused = acme.post(URL, json=invitation(person.upper()))
    assert refused.status_code == 409
    assert broken(refused) == {("/email", "unique")}
    assert len(mails_to(acme.client, person)) == before
    assert mails_to(acme.client, person.upper()) == []


def test_create_with_an_address_of_another_account_answers_201(acme, rival, person):
    for account in (acme, rival):
        made = account.post(URL, json=invitation(person))
        assert made.status_code == 201
        token = mailed_token(account.client, person)
        assert accept(account.client, token, f"{account.account_id}").status_code == 200
    assert log_in(acme, person, acme.account_id).status_code == 200
    assert log_in(acme, person, rival.account_id).status_code == 401


def test_create_writes_the_address_in_lower_case(acme, person):
    made = acme.post(URL, json=invitation(person.upper()))
    assert made.json["email"] == person


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("by", ["admin", "owner"])
def test_create_reaches_up_to_the_callers_own_role(acme, by, role):
    caller = sign_in(acme) if by == "owner" else add_user(acme, by)
    made = caller.post(URL, json=invitation("new@example.com", role))
    beyond = ROLES.index(role) > ROLES.index(by)
    assert made.status_code == (403 if beyond else 201)
    invited = [user["email"] for user in acme.get(URL).json["items"]]
    assert ("new@example.com" in invited) != beyond


@pytest.mark.parametrize("role", ROLES)
def test_create_by_a_key_without_every_scope_answers_403_and_mails_nothing(
    acme, person, role
):
    key = acme.with_key("owner", ["users:read", "users:write"])
    assert key.post(URL, json=invitation(person, role)).status_code == 403
    assert mails_to(acme.client, person) == []


def test_create_mails_what_to_sign_in_with(acme, person):
    acme.post(URL, json=invitation(person))
    [text] = mails_to(acme.client, person)
    assert names_the_login(text, acme, person)


def names_the_login(text, actor, address):
    """Tell whether a mail has what its reader sends to the login."""
    account = actor.get(f"/v1/accounts/{actor.account_id}").json
    return (
        f"/v1/auth/login with\n\n    account: {account['slug']}\n"
        f"    username: {address}\n" in text
        and f" {account['name']}. Choose" in " ".join(text.split())
    )


def test_create_by_a_member_answers_403(member, person):
    assert member.post(URL, json=invitation(person)).status_code == 403


@pytest.mark.parametrize(
    ("own", "rules"),
    [
        pytest.param({"name": ""}, {("/name", "minLength")}, id="no_name"),
        pytest.param({"email": "ada"}, {("/email", "format")}, id="no_address"),
        pytest.param({"email": "ä@example.com"}, {("/email", "format")}, id="umlaut"),
        pytest.param(
            {"email": f"{'a' * 64}@{'.'.join(['b' * 63] * 3)}"},
            {("/email", "maxLength")},
            id="long_address",
        ),
        pytest.param({"role": "operator"}, {("/role", "enum")}, id="operator"),
        pytest.param(
            {"password": ANOTHER},
            {("/password", "additionalProperties")},
            id="password",
        ),
        pytest.param(
            {"is_active": True}, {("/is_active", "additionalProperties")}, id="active"
        ),
    ],
)
def test_create_with_an_invalid_body_answers_400(acme, own, rules):
    refused = acme.post(URL, json=invitation("new@example.com") | own)
    assert refused.status_code == 400
    assert broken(refused) >= rules
    assert len(acme.get(URL).json["items"]) == 1


# --- another invitation


def test_invitation_again_mails_a_token_and_ends_the_last(acme, person):
    made = acme.post(URL, json=invitation(person))
    first = mailed_token(acme.client, person)
    assert acme.post(f"{made.location}/invitation").status_code == 204
    second = mailed_token(acme.client, person)
    assert accept(acme.client, first).status_code == 422
    assert accept(acme.client, second).status_code == 200
    assert log_in(acme, person, ANOTHER).status_code == 200


def test_invitation_again_after_a_day_admits(acme, person, pass_time):
    made = acme.post(URL, json=invitation(person))
    pass_time(hours=25)
    assert acme.post(f"{made.location}/invitation").status_code == 204
    assert accept(acme.client, mailed_token(acme.client, person)).status_code == 200


@pytest.mark.parametrize("change", ["accepted", "deactivated"])
def test_invitation_again_of_who_cannot_accept_answers_409(acme, person, change):
    made = acme.post(URL, json=invitation(person))
    if change == "accepted":
        accept(acme.client, mailed_token(acme.client, person))
    else:
        acme.merge(made.location, {"is_active": False})
    assert acme.post(f"{made.location}/invitation").status_code == 409
    assert len(mails_to(acme.client, person)) == 1


def test_invitation_again_reaches_no_further_than_the_caller(
    acme, rival, admin, person
):
    made = acme.post(URL, json=invitation(person, "owner"))
    for caller in (admin, acme.with_key("owner", ["users:write"])):
        assert caller.post(f"{made.location}/invitation").status_code == 403
    assert rival.post(f"{made.location}/invitation").status_code == 404
    assert acme.post(f"{MISSING}/invitation").status_code == 404
    assert len(mails_to(acme.client, person)) == 1


# --- accept


def test_accept_sets_the_password_and_the_user_can_sign_in(acme, person):
    made = acme.post(URL, json=invitation(person))
    accepted = accept(acme.client, mailed_token(acme.client, person))
    assert accepted.status_code == 200
    assert accepted.json["id"] == made.json["id"]
    assert log_in(acme, person, ANOTHER).status_code == 200
    assert me(sign_in(acme, person.upper(), ANOTHER))["email"] == person


def test_accept_is_good_once(acme, person):
    acme.post(URL, json=invitation(person))
    token = mailed_token(acme.client, person)
    assert accept(acme.client, token).status_code == 200
    refused = accept(acme.client, token, PASSWORD)
    assert refused.status_code == 422
    assert broken(refused) == {("/token", "token")}
    assert log_in(acme, person, PASSWORD).status_code == 401
    assert log_in(acme, person, ANOTHER).status_code == 200


def test_accept_by_five_at_once_admits_one(acme, person):
    acme.post(URL, json=invitation(person))
    token = mailed_token(acme.client, person)
    clients = [acme.client.application.test_client() for _ in range(5)]
    passwords = [f"{ANOTHER} {number}" for number in range(5)]
    with ThreadPoolExecutor(5) as pool:
        answers = pool.map(
            lambda number: accept(clients[number], token, passwords[number]), range(5)
        )
        statuses = [answer.status_code for answer in answers]
    assert sorted(statuses) == [200, 422, 422, 422, 422]
    chosen = passwords[statuses.index(200)]
    assert log_in(acme, person, chosen).status_code == 200


@pytest.mark.parametrize(("hours", "status"), [(23.9, 200), (24.1, 422)])
def test_accept_is_good_for_a_day(acme, person, pass_time, hours, status):
    acme.post(URL, json=invitation(person))
    token = mailed_token(acme.client, person)
    pass_time(hours=hours)
    assert accept(acme.client, token).status_code == status


def test_accept_with_a_common_password_answers_400_and_spends_nothing(acme, person):
    acme.post(URL, json=invitation(person))
    token = mailed_token(acme.client, person)
    refused = accept(acme.client, token, "1234567890")
    assert refused.status_code == 400
    assert broken(refused) == {("/password", "common")}
    assert accept(acme.client, token).status_code == 200


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda token, other: "", id="empty"),
        pytest.param(lambda token, other: "garbage", id="garbage"),
        pytest.param(lambda token, other: ONCE_PREFIX, id="prefix"),
        pytest.param(lambda token, other: token[:-1], id="cut"),
        pytest.param(lambda token, other: token[11:], id="without_prefix"),
        pytest.param(
            lambda token, other: new_token(ONCE_PREFIX, other, bytes(SECRET_BYTES)),
            id="guess",
        ),
    ],
)
def test_accept_with_another_token_answers_422(acme, person, forge):
    acme.post(URL, json=invitation(person))
    token = mailed_token(acme.client, person)
    forged = forge(token, UUID(acme.account_id))
    assert accept(acme.client, forged).status_code == 422
    assert accept(acme.client, token).status_code == 200


def test_accept_with_the_token_moved_to_another_account_answers_422(
    acme, rival, person
):
    acme.post(URL, json=invitation(person))
    rival.post(URL, json=invitation(person))
    theirs = mailed_token(rival.client, person)
    moved = new_token(ONCE_PREFIX, UUID(acme.account_id), secret_of(theirs))
    assert accept(acme.client, moved).status_code == 422
    assert accept(acme.client, theirs).status_code == 200
    assert log_in(acme, person, ANOTHER).status_code == 401


def secret_of(token):
    """Return the secret bytes of a token."""
    return urlsafe_b64decode(token.removeprefix(ONCE_PREFIX) + "==")[16:48]


def test_accept_with_the_token_of_a_reset_answers_422(acme, person):
    add_user(acme, "member", person)
    ask_for_reset(acme, person)
    token = mailed_token(acme.client, person)
    assert accept(acme.client, token).status_code == 422
    assert confirm(acme.client, token).status_code == 204


def test_accept_after_the_account_was_closed_answers_422(app, acme, person):
    acme.post(URL, json=invitation(person))
    token = mailed_token(acme.client, person)
    close(acme)
    refused = accept(acme.client, token)
    assert refused.status_code == 422
    assert broken(refused) == {("/token", "token")}
    hashes = {row["email"]: row["password_hash"] for row in users_in(app, acme)}
    assert hashes[person] is None


def close(actor):
    closed = actor.delete(f"/v1/accounts/{actor.account_id}")
    assert closed.status_code == 204


def users_in(app, actor):
    return rows_of(app, actor.account_id)["users"]


def test_accept_with_the_address_for_a_password_answers_400(acme, person):
    acme.post(URL, json=invitation(person))
    token = mailed_token(acme.client, person)
    for guess in (person, person.upper(), person.partition("@")[0]):
        refused = accept(acme.client, token, guess)
        assert refused.status_code == 400
        assert broken(refused) == {("/password", "common")}
    assert accept(acme.client, token).status_code == 200


@pytest.mark.parametrize("end", ["deactivated", "removed"])
def test_accept_after_the_user_was_switched_off_answers_422(acme, person, end):
    made = acme.post(URL, json=invitation(person))
    token = mailed_token(acme.client, person)
    if end == "removed":
        assert acme.delete(made.location).status_code == 204
    else:
        assert acme.merge(made.location, {"is_active": False}).status_code == 200
    assert accept(acme.client, token).status_code == 422
    assert log_in(acme, person, ANOTHER).status_code == 401


# --- retrieve


def test_me_answers_who_is_signed_in(acme, member):
    shown = member.get(ME)
    assert shown.status_code == 200
    assert shown.json["email"] == "member@example.com"
    assert shown.json["role"] == "member"
    tag = {"If-None-Match": shown.headers["ETag"]}
    assert member.get(ME, tag).status_code == 304


def test_me_for_a_key_answers_404_and_says_why(acme):
    refused = acme.get(ME)
    assert refused.status_code == 404
    assert "no user" in refused.json["detail"]


def test_retrieve_answers_oneself(member):
    shown = member.get(url_of(member))
    assert shown.status_code == 200
    assert shown.json == me(member)


@pytest.mark.parametrize(("by", "status"), [("viewer", 403), ("admin", 200)])
def test_retrieve_of_another_needs_an_admin(acme, member, by, status):
    caller = add_user(acme, by)
    assert caller.get(url_of(member)).status_code == status
    assert acme.with_key(by, ["*"]).get(url_of(member)).status_code == status


def test_retrieve_of_another_accounts_user_answers_404(acme, rival, owner):
    theirs = url_of(sign_in(rival))
    for method in ("GET", "DELETE"):
        found, missing = owner.open(method, theirs), owner.open(method, MISSING)
        assert told(found) == told(missing)
        assert found.status_code == 404
    assert owner.merge(theirs, {"name": "Mine"} | GIVEN).status_code == 404
    assert sign_in(rival).get(theirs).json["name"] == OWNER


def test_no_answer_shows_a_password_or_its_hash(app, acme, owner, member):
    [row, _] = rows_of(app, acme.account_id)["users"]
    url = url_of(member)
    answers = [
        acme.get(URL),
        owner.get(ME),
        member.get(url),
        member.merge(url, {"password": ANOTHER} | GIVEN),
        member.merge(url, {"password": ANOTHER, "current_password": WRONG}),
        member.merge(url, {"password": "short", "current_password": 1}),
    ]
    for answer in answers:
        for secret in (PASSWORD, ANOTHER, WRONG, "argon2", row["password_hash"]):
            assert secret not in answer.text
        assert "password" not in answer.json


# --- update


def test_update_of_oneself_needs_no_password_for_a_name(member):
    changed = member.merge(url_of(member), {"name": "Ada Byron"})
    assert changed.status_code == 200
    assert me(member) == changed.json
    assert changed.json["name"] == "Ada Byron"


@pytest.mark.parametrize("change", SENSITIVE)
@pytest.mark.parametrize("form", ["merge", "json_patch"])
@pytest.mark.parametrize(
    ("given", "status", "rules"),
    [
        pytest.param(PASSWORD, 200, set(), id="right"),
        pytest.param(WRONG, 403, {("/current_password", "match")}, id="wrong"),
        pytest.param("", 403, {("/current_password", "match")}, id="empty"),
        pytest.param(None, 403, {("/current_password", "required")}, id="missing"),
    ],
)
def test_update_of_what_is_sensitive_asks_for_the_current_password(
    acme, owner, change, form, given, status, rules
):
    add_user(acme, "owner", "second@example.com")
    url, before = url_of(owner), me(owner)
    if form == "merge":
        extra = {} if given is None else {"current_password": given}
        answer = owner.merge(url, change | extra)
    else:
        answer = owner.json_patch(url, steps(change, given=given))
    assert answer.status_code == status
    if status == 403:
        assert broken(answer) == rules
        assert acme.get(url).json == before
        assert log_in(acme).status_code == 200
    else:
        assert change.items() - {("password", ANOTHER)} <= answer.json.items()
        assert acme.get(url).json == answer.json


def test_update_in_a_json_patch_wants_the_test_before_the_change(owner):
    url, before = url_of(owner), me(owner)
    change = steps({"email": "other@example.com"})
    test = {"op": "test", "path": "/current_password", "value": PASSWORD}
    refused = owner.json_patch(url, [*change, test])
    assert refused.status_code == 400
    assert broken(refused) == {("/1", "order")}
    assert me(owner) == before


def test_update_in_a_json_patch_sets_no_password_by_a_test(owner):
    given = {"op": "test", "path": "/current_password", "value": PASSWORD}
    other = {"op": "test", "path": "/password", "value": ANOTHER}
    assert owner.json_patch(url_of(owner), [given, other]).status_code == 409
    assert log_in(owner, password=ANOTHER).status_code == 401


def test_update_with_a_wrong_password_is_refused_whatever_it_changes(member):
    url, before = url_of(member), me(member)
    wrong = {"current_password": WRONG}
    assert member.merge(url, {"name": "Mallory"} | wrong).status_code == 403
    patch = steps({"name": "Mallory"}, given=WRONG)
    assert member.json_patch(url, patch).status_code == 403
    assert me(member) == before


def test_update_to_the_same_values_asks_for_no_password(owner):
    same = {"email": OWNER.upper(), "role": "owner", "is_active": True}
    assert owner.merge(url_of(owner), same).status_code == 200


def test_update_keeps_the_current_password_nowhere(app, acme, member):
    change = {"email": "other@example.com", "current_password": PASSWORD}
    assert member.merge(url_of(member), change).status_code == 200
    rows = rows_of(app, acme.account_id)
    assert PASSWORD not in repr(rows)
    [entry] = [row for row in rows["audit_entries"] if row["version"] == 2]
    assert "email" in entry["fields"]
    assert "password" not in repr(entry)


def test_update_to_a_taken_address_in_any_case_answers_409(acme, member):
    taken = {"email": OWNER.upper()} | GIVEN
    refused = member.merge(url_of(member), taken)
    assert refused.status_code == 409
    assert broken(refused) == {("/email", "unique")}


def test_update_of_the_address_moves_the_login(acme, member):
    change = {"email": "Other@Example.com"} | GIVEN
    changed = member.merge(url_of(member), change)
    assert changed.json["email"] == "other@example.com"
    assert log_in(acme, "OTHER@example.com").status_code == 200
    assert log_in(acme, "member@example.com").status_code == 401


@pytest.mark.parametrize(
    ("password", "rule"), [("1234567890", "common"), ("short", "minLength")]
)
def test_update_to_a_weak_password_answers_400(acme, member, password, rule):
    refused = member.merge(url_of(member), {"password": password} | GIVEN)
    assert refused.status_code == 400
    assert broken(refused) == {("/password", rule)}
    assert log_in(acme, "member@example.com").status_code == 200


def test_update_of_the_password_ends_every_session_of_the_user(
    acme, owner, member, pass_time
):
    elsewhere = sign_in(acme, "member@example.com")
    tokens = tokens_of(log_in(acme, "member@example.com"))
    changed = member.merge(url_of(member), {"password": ANOTHER} | GIVEN)
    assert changed.status_code == 200
    pass_time(seconds=1)
    # The one that made the change, too: whoever has the tokens signs in anew.
    for ended in (member, elsewhere):
        assert ended.get(ME).status_code == 401
    asked = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert acme.client.post("/v1/auth/token", data=asked).status_code == 400
    assert owner.get(ME).status_code == 200
    assert log_in(acme, "member@example.com").status_code == 401
    assert log_in(acme, "member@example.com", ANOTHER).status_code == 200


def test_update_of_the_password_ends_codes_that_are_under_way(acme, owner):
    app = register(acme)
    code = app.code()
    changed = owner.merge(url_of(owner), {"password": ANOTHER} | GIVEN)
    assert changed.status_code == 200
    assert app.redeem(code).status_code == 400


def test_update_of_a_name_ends_no_session(acme, member, pass_time):
    elsewhere = sign_in(acme, "member@example.com")
    member.merge(url_of(member), {"name": "Ada Byron"} | GIVEN)
    pass_time(seconds=1)
    assert elsewhere.get(ME).status_code == 200


def test_update_to_inactive_ends_sessions_and_logins_until_active_again(
    acme, member, pass_time
):
    url = url_of(member)
    assert acme.merge(url, {"is_active": False}).status_code == 200
    pass_time(seconds=1)
    assert member.get(ME).status_code == 401
    assert log_in(acme, "member@example.com").status_code == 401
    assert acme.merge(url, {"is_active": True}).status_code == 200
    assert log_in(acme, "member@example.com").status_code == 200
    assert member.get(ME).status_code == 401, "an ended session has come back"


def test_update_of_the_role_holds_within_a_second(acme, admin, pass_time):
    assert admin.get(URL).status_code == 200
    acme.merge(url_of(admin), {"role": "member"})
    pass_time(seconds=1)
    assert admin.get(URL).status_code == 403
    assert admin.get(ME).json["role"] == "member"


@pytest.mark.parametrize("change", [{"role": "admin"}, {"is_active": False}])
def test_update_of_role_or_activity_by_a_member_answers_403(member, change):
    before = me(member)
    assert member.merge(url_of(member), change | GIVEN).status_code == 403
    assert me(member) == before


def test_update_of_another_by_a_member_answers_403(acme, owner, member):
    viewer = add_user(acme, "viewer")
    for other in (viewer, owner):
        refused = member.merge(url_of(other), {"name": "Mallory"} | GIVEN)
        assert refused.status_code == 403
        assert me(other)["name"] != "Mallory"


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Ada Byron"},
        {"role": "viewer"},
        {"role": "admin"},
        {"is_active": False},
    ],
)
def test_update_of_a_member_by_an_admin_answers_200(admin, member, change):
    url = url_of(member)
    changed = admin.merge(url, change | GIVEN)
    assert changed.status_code == 200
    assert change.items() <= admin.get(url).json.items()


def test_update_of_another_asks_for_the_password_of_who_makes_it(acme, admin, member):
    with_own_password(acme, "member@example.com", ANOTHER)
    url = f"{URL}/{user_id(acme, 'member@example.com')}"
    theirs = {"role": "viewer", "current_password": ANOTHER}
    assert admin.merge(url, theirs).status_code == 403
    assert admin.merge(url, {"role": "viewer"} | GIVEN).status_code == 200


def with_own_password(actor, email, password):
    """Give a user another password."""
    user = sign_in(actor, email)
    change = {"password": password} | GIVEN
    assert user.merge(url_of(user), change).status_code == 200


def user_id(actor, email):
    [found] = actor.get(URL, query_string={"email": email}).json["items"]
    return found["id"]


@pytest.mark.parametrize(
    "change", [{"email": "mine@example.com"}, {"password": ANOTHER}, {"role": "owner"}]
)
def test_update_beyond_an_admins_reach_answers_403(acme, admin, member, change):
    url, before = url_of(member), me(member)
    assert admin.merge(url, change | GIVEN).status_code == 403
    assert me(member) == before
    assert log_in(acme, "member@example.com").status_code == 200


@pytest.mark.parametrize(
    "change", [{"name": "Mallory"}, {"role": "member"}, {"is_active": False}]
)
def test_update_of_an_owner_by_an_admin_answers_403(acme, owner, admin, change):
    add_user(acme, "owner", "second@example.com")
    url, before = url_of(owner), me(owner)
    assert admin.merge(url, change | GIVEN).status_code == 403
    key = acme.with_key("admin", ["*"])
    assert key.merge(url, change).status_code == 403
    assert admin.delete(url).status_code == 403
    assert key.delete(url).status_code == 403
    assert me(owner) == before


def test_update_of_oneself_to_a_higher_role_answers_403(admin):
    own = url_of(admin)
    assert admin.merge(own, {"role": "owner"} | GIVEN).status_code == 403
    assert me(admin)["role"] == "admin"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        pytest.param({"role": "viewer"}, 200, id="role"),
        pytest.param({"is_active": False}, 200, id="is_active"),
        pytest.param({"email": "mine@example.com"}, 403, id="email"),
        pytest.param({"password": ANOTHER}, 403, id="password"),
    ],
)
def test_update_by_a_key_which_has_no_password(acme, member, change, status):
    assert acme.merge(url_of(member), change).status_code == status


@pytest.mark.parametrize("change", [{"role": "admin"}, {"is_active": False}])
def test_update_by_a_key_without_every_scope_answers_403(acme, member, change):
    key = acme.with_key("owner", ["users:read", "users:write"])
    before = me(member)
    assert key.merge(url_of(member), change).status_code == 403
    assert me(member) == before
    assert key.merge(url_of(member), {"name": "Ada"}).status_code == 200


def test_update_of_the_password_to_the_address_answers_400(acme, person):
    user = add_user(acme, "member", person)
    refused = user.merge(url_of(user), GIVEN | {"password": person})
    assert refused.status_code == 400
    assert broken(refused) == {("/password", "common")}


def test_update_with_an_old_etag_answers_412_and_looks_at_no_password(member):
    url = url_of(member)
    old = {"If-Match": member.get(url).headers["ETag"]}
    member.merge(url, {"name": "Ada Byron"})
    wrong = {"password": ANOTHER, "current_password": WRONG}
    assert member.merge(url, wrong, old).status_code == 412


@pytest.mark.parametrize("field", ["id", "created_at", "updated_at"])
def test_update_of_what_the_server_assigns_answers_422(member, field):
    patch = [{"op": "replace", "path": f"/{field}", "value": str(uuid4())}]
    refused = member.json_patch(url_of(member), patch)
    assert refused.status_code == 422
    assert broken(refused) == {(f"/{field}", "readOnly")}


@pytest.mark.parametrize("field", ["account_id", "password_hash", "version"])
def test_update_of_what_is_not_in_the_contract_answers_400(member, field):
    refused = member.merge(url_of(member), {field: "x"} | GIVEN)
    assert refused.status_code == 400
    assert broken(refused) == {(f"/{field}", "additionalProperties")}


# --- the last owner


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"role": "admin"}, id="demoted"),
        pytest.param({"is_active": False}, id="deactivated"),
        pytest.param(None, id="removed"),
    ],
)
@pytest.mark.parametrize("by", ["oneself", "a_key"])
def test_last_owner_stays(acme, owner, change, by):
    url, before = url_of(owner), me(owner)
    # Who has not accepted yet, and who is switched off, is no owner to rely on.
    acme.post(URL, json=invitation("new@example.com", "owner"))
    add_user(acme, "owner", "off@example.com")
    off = f"{URL}/{user_id(acme, 'off@example.com')}"
    assert acme.merge(off, {"is_active": False}).status_code == 200
    caller = owner if by == "oneself" else acme
    if change is None:
        refused = caller.delete(url)
    else:
        refused = caller.merge(url, change | GIVEN)
    assert refused.status_code == 409
    assert "owner" in refused.json["detail"]
    assert owner.get(url).json == before
    assert log_in(acme).status_code == 200


def test_owner_may_go_once_there_is_another(acme, owner):
    add_user(acme, "owner", "second@example.com")
    assert owner.merge(url_of(owner), {"role": "member"} | GIVEN).status_code == 200
    assert sign_in(acme).get(URL).status_code == 403


@pytest.mark.parametrize("change", [{"role": "admin"}, {"is_active": False}, None])
def test_two_owners_who_end_each_other_at_once_leave_one(acme, owner, change):
    second = add_user(acme, "owner", "second@example.com")
    pairs = [(owner, url_of(second)), (second, url_of(owner))]
    barrier = Barrier(2)

    def end(pair):
        by, url = pair
        barrier.wait()
        return by.delete(url) if change is None else by.merge(url, change | GIVEN)

    with ThreadPoolExecutor(2) as pool:
        statuses = sorted(answer.status_code for answer in pool.map(end, pairs))
    assert statuses[0] in (200, 204)
    assert statuses[1] in (401, 403, 409)
    left = acme.get(URL, query_string={"role": "owner", "is_active": "true"}).json
    assert len(left["items"]) == 1


# --- delete


def test_delete_removes_the_user_with_all_access(acme, member, pass_time):
    url = url_of(member)
    tokens = tokens_of(log_in(acme, "member@example.com"))
    assert acme.delete(url).status_code == 204
    assert acme.get(url).status_code == 404
    pass_time(seconds=1)
    assert member.get(ME).status_code == 401
    asked = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert acme.client.post("/v1/auth/token", data=asked).status_code == 400
    assert log_in(acme, "member@example.com").status_code == 401


def test_delete_frees_the_address(acme, member):
    acme.delete(url_of(member))
    assert add_user(acme, "viewer", "member@example.com").get(ME).status_code == 200


def test_delete_by_a_member_answers_403_even_of_oneself(member):
    assert member.delete(url_of(member)).status_code == 403
    assert member.get(ME).status_code == 200


def test_delete_with_an_old_etag_answers_412_and_removes_nobody(acme, member):
    url = url_of(member)
    old = {"If-Match": member.get(url).headers["ETag"]}
    member.merge(url, {"name": "Ada Byron"})
    assert acme.delete(url, old).status_code == 412
    assert member.get(ME).status_code == 200


# --- a new password


def test_reset_mails_a_token_that_sets_another_password(acme, person, pass_time):
    user = add_user(acme, "member", person)
    assert ask_for_reset(acme, person.upper()).status_code == 202
    token = mailed_token(acme.client, person)
    assert user.get(ME).status_code == 200, "asking alone ends nothing"
    assert confirm(acme.client, token).status_code == 204
    pass_time(seconds=1)
    assert user.get(ME).status_code == 401
    assert log_in(acme, person).status_code == 401
    assert log_in(acme, person, ANOTHER).status_code == 200


@pytest.mark.parametrize("who", ["unknown", "inactive", "invited", "elsewhere"])
def test_reset_answers_202_whoever_asks_and_mails_only_to_an_active_user(
    acme, rival, person, who
):
    username, known = f"known-{person}", f"of-{person}"
    add_user(acme, "member", username)
    if who == "inactive":
        url = url_of(add_user(acme, "member", known))
        acme.merge(url, {"is_active": False})
    elif who == "invited":
        acme.post(URL, json=invitation(known))
    elif who == "elsewhere":
        add_user(rival, "member", known)
    before = len(mails_to(acme.client, known))
    answers = [ask_for_reset(acme, name) for name in (username, known)]
    assert told(answers[0]) == told(answers[1])
    assert answers[1].status_code == 202
    assert answers[1].get_data() == b""
    assert len(mails_to(acme.client, username)) == 1
    assert len(mails_to(acme.client, known)) == before


def test_reset_of_an_unknown_account_answers_202_too(acme):
    answers = [ask_for_reset(acme, OWNER, slug) for slug in (None, "nobody")]
    assert told(answers[0]) == told(answers[1])


def test_reset_does_the_same_work_before_the_answer_whoever_asks(app, acme, person):
    add_user(acme, "member", person)
    background.drain()
    done, seen = Event(), []
    asked = [(person, None), ("nobody@example.com", None), (person, "nobody")]
    with db.use(app.extensions["myapp"]):
        background.run(done.wait)  # what is mailed waits behind this
    try:
        slug = slug_of(acme)
        for username, account in asked:
            with statements(app) as executed:
                ask_for_reset(acme, username, account or slug)
            seen.append(executed)
    finally:
        done.set()
    assert seen[0] == seen[1] == seen[2]
    assert len(mails_to(acme.client, person)) == 1


def test_reset_token_is_good_once(acme, person):
    add_user(acme, "member", person)
    ask_for_reset(acme, person)
    token = mailed_token(acme.client, person)
    assert confirm(acme.client, token).status_code == 204
    refused = confirm(acme.client, token, PASSWORD)
    assert refused.status_code == 422
    assert broken(refused) == {("/token", "token")}
    assert log_in(acme, person, ANOTHER).status_code == 200


@pytest.mark.parametrize(("minutes", "status"), [(59, 204), (61, 422)])
def test_reset_token_is_good_for_an_hour(acme, person, pass_time, minutes, status):
    add_user(acme, "member", person)
    ask_for_reset(acme, person)
    token = mailed_token(acme.client, person)
    pass_time(minutes=minutes)
    assert confirm(acme.client, token).status_code == status


def test_reset_token_is_good_until_the_next_is_asked_for(acme, person):
    add_user(acme, "member", person)
    ask_for_reset(acme, person)
    first = mailed_token(acme.client, person)
    ask_for_reset(acme, person)
    second = mailed_token(acme.client, person)
    assert confirm(acme.client, first).status_code == 422
    assert confirm(acme.client, second).status_code == 204


def test_reset_token_dies_with_a_change_of_the_password(acme, person):
    user = add_user(acme, "member", person)
    ask_for_reset(acme, person)
    token = mailed_token(acme.client, person)
    change = {"password": ANOTHER} | GIVEN
    assert user.merge(url_of(user), change).status_code == 200
    assert confirm(acme.client, token, PASSWORD).status_code == 422
    assert log_in(acme, person, ANOTHER).status_code == 200


def test_reset_token_dies_with_a_change_of_the_address(acme, person):
    user = add_user(acme, "member", person)
    ask_for_reset(acme, person)
    token = mailed_token(acme.client, person)
    changed = user.merge(url_of(user), GIVEN | {"email": f"new-{person}"})
    assert changed.status_code == 200
    assert confirm(acme.client, token).status_code == 422
    assert log_in(acme, f"new-{person}", PASSWORD).status_code == 200


def test_reset_token_lives_on_after_a_change_of_the_name(acme, person):
    user = add_user(acme, "member", person)
    ask_for_reset(acme, person)
    token = mailed_token(acme.client, person)
    user.merge(url_of(user), {"name": "Ada"})
    assert confirm(acme.client, token).status_code == 204


def test_reset_during_a_change_of_the_address_mails_nothing_to_the_old_one(
    app, acme, person
):
    user = add_user(acme, "member", person)
    tenant, id = UUID(acme.account_id), UUID(me(user)["id"])
    with statements(app) as asked, ThreadPoolExecutor(1) as pool:
        with db.use(app.extensions["myapp"]), db.transaction(tenant):
            users.replace(tenant, id, {"email": f"new-{person}"})
            begun = len(asked)
            reset = pool.submit(reset_of, app, tenant, person)
            while not any(starts_reset(each) for each in asked[begun:]):
                assert not reset.done(), reset.result()
        reset.result()
    assert mails_to(acme.client, person) == []


def reset_of(app, tenant, address):
    with db.use(app.extensions["myapp"]):
        mail_reset(tenant, address)


def starts_reset(statement):
    """Tell whether a reset waits for who writes, or looks for its user."""
    return statement.startswith("BEGIN IMMEDIATE") or "FROM users" in statement


def test_reset_after_the_account_was_closed_answers_422(app, acme, person):
    add_user(acme, "member", person)
    ask_for_reset(acme, person)
    token = mailed_token(acme.client, person)
    before = users_in(app, acme)
    close(acme)
    refused = confirm(acme.client, token)
    assert refused.status_code == 422
    assert broken(refused) == {("/token", "token")}
    assert users_in(app, acme) == before


def test_reset_mails_what_to_sign_in_with(acme, person):
    add_user(acme, "member", person)
    ask_for_reset(acme, person)
    [text] = mails_to(acme.client, person)
    assert names_the_login(text, acme, person)


def test_reset_by_the_token_of_an_invitation_answers_422(acme, person):
    acme.post(URL, json=invitation(person))
    token = mailed_token(acme.client, person)
    assert confirm(acme.client, token).status_code == 422
    assert accept(acme.client, token).status_code == 200


def test_reset_to_a_common_password_answers_400_and_spends_nothing(acme, person):
    add_user(acme, "member", person)
    ask_for_reset(acme, person)
    token = mailed_token(acme.client, person)
    assert broken(confirm(acme.client, token, "1234567890")) == {
        ("/password", "common")
    }
    assert confirm(acme.client, token).status_code == 204


def test_reset_that_is_asked_for_too_often_answers_429(acme, person):
    names = [person, person.upper()] * 6
    statuses = [ask_for_reset(acme, name).status_code for name in names]
    assert statuses == [202] * 10 + [429] * 2


# --- flask users create


@pytest.fixture
def create(app):
    """Run `flask users create`; return its status and what it says."""

    def run(*arguments, password=ANOTHER):
        runner = app.test_cli_runner()
        given = ["users", "create", *arguments, "--password", password]
        done = runner.invoke(args=given)
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return done.exit_code, done.output

    return run


def test_command_creates_a_user_who_can_sign_in(acme, create, person):
    status, said = create(slug_of(acme), person.upper(), "--role", "admin")
    assert status == 0, said
    assert "can sign in" in said
    user = sign_in(acme, person, ANOTHER)
    assert me(user)["role"] == "admin"
    assert me(user)["name"] == person.upper()
    assert ANOTHER not in said


def test_command_takes_an_address_of_any_length_for_a_name(acme, create):
    address = f"{'a' * 64}@{'.'.join(['b' * 60] * 3)}"
    status, said = create(slug_of(acme), address)
    assert status == 0, said
    assert me(sign_in(acme, address, ANOTHER))["name"] == address[:120]


@pytest.mark.parametrize(
    ("arguments", "password", "said"),
    [
        pytest.param(["nobody"], ANOTHER, "nobody: give the slug", id="account"),
        pytest.param(["{slug}", OWNER], ANOTHER, "choose another", id="taken"),
        pytest.param(["{slug}", "ada"], ANOTHER, "email must be", id="address"),
        pytest.param(["{slug}"], "short", "at least 10", id="short"),
        pytest.param(["{slug}"], "1234567890", "first that are guessed", id="common"),
        pytest.param(["{slug}", "", "--role", "king"], ANOTHER, "'owner'", id="role"),
        pytest.param(["{slug}", "", "--name", ""], ANOTHER, "email must be", id="none"),
    ],
)
def test_command_that_fails_says_what_to_do(acme, create, arguments, password, said):
    slug, *rest = arguments
    email, *options = rest or ["new@example.com"]
    status, output = create(
        slug.format(slug=slug_of(acme)), email, *options, password=password
    )
    assert status != 0
    assert said in output
    assert "Traceback" not in output
    assert len(acme.get(URL).json["items"]) == 1


# --- sign-up


def test_first_user_may_have_an_address_of_any_length(client):
    address = f"{'a' * 64}@{'.'.join(['b' * 60] * 3)}"
    body = {"name": "Acme", "slug": uuid4().hex, "email": address}
    made = client.post("/v1/accounts", json=body | {"password": PASSWORD})
    assert made.status_code == 201


def test_account_that_cannot_be_opened_leaves_no_user(app, client):
    taken = slug_of(sign_up(client, "acme"))
    body = {"name": "Acme", "slug": taken, "email": OWNER, "password": PASSWORD}
    assert client.post("/v1/accounts", json=body).status_code == 409
