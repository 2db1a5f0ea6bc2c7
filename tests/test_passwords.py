"""Passwords: what a hash costs, which ones are refused, and what a flood may take."""

import re
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Lock
from uuid import UUID, uuid4

import pytest

from default_config import ProductionConfig
from myapp import db, passwords
from myapp.errors import InvalidBody
from myapp.throttle import MOST_FOR_ONE
from myapp.tokens import new_token
from myapp.users.models import ONCE_PREFIX, users
from tests.actors import OWNER, PASSWORD, Actor, add_user, log_in, sign_in, sign_up
from tests.mailbox import mailed_token
from tests.tables import rows_of

INI = Path(__file__).parents[1] / "myapp.ini"
REAL = {
    "ARGON2_TIME": ProductionConfig.ARGON2_TIME,
    "ARGON2_MEMORY": ProductionConfig.ARGON2_MEMORY,
}
ANOTHER = "another password of some length"
WRONG = "a wrong password of some length"
PATIENCE = 30  # seconds until a test gives up waiting


@pytest.fixture
def dear(start_app):
    """The application as in production: its hashes cost what they should."""
    return start_app(**REAL)


@pytest.fixture
def cheap_hasher(app):
    """The hasher of the tests, for the length of a test of what is around it."""
    with db.use(app.extensions["myapp"]):
        yield passwords.hasher()


def hash_of(app, actor):
    """Return what is stored of the password of the one who opened an account."""
    [user] = rows_of(app, actor.account_id)["users"]
    return user["password_hash"]


def at(app, actor):
    """Return an actor who calls another application."""
    return Actor(app.test_client(), actor.account_id, actor.key)


# what is stored


def test_hash_is_argon2id_at_the_cost_of_the_settings(dear):
    acme = sign_up(dear.test_client(), "acme")
    assert hash_of(dear, acme).startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert log_in(acme).status_code == 200
    assert log_in(acme, password=WRONG).status_code == 401


def test_hash_of_one_password_is_another_each_time(at_work, engine):
    first, second = passwords.hashed(PASSWORD), passwords.hashed(PASSWORD)
    assert first != second
    assert passwords.matches(first, PASSWORD) and passwords.matches(second, PASSWORD)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(PASSWORD.upper(), id="upper_case"),
        pytest.param(PASSWORD + " ", id="space"),
        pytest.param(PASSWORD[:-1], id="cut"),
        pytest.param("", id="empty"),
        pytest.param("x" * 128, id="long"),
        pytest.param("pässwörd – 密码 🔑", id="not_ascii"),
    ],
)
def test_no_other_password_matches(at_work, engine, given):
    assert not passwords.matches(passwords.hashed(PASSWORD), given)
    assert passwords.matches(passwords.hashed(given), given)


@pytest.mark.parametrize(
    ("chosen", "typed"),
    [
        pytest.param("pa\u0308sswo\u0308rter", "p\u00e4ssw\u00f6rter", id="composed"),
        pytest.param("\uff50assword of mine", "password of mine", id="full_width"),
        pytest.param("password\u00a0of\u00a0mine", "password of mine", id="space"),
    ],
)
def test_password_matches_however_a_keyboard_writes_it(at_work, engine, chosen, typed):
    assert passwords.matches(passwords.hashed(chosen), typed)
    assert passwords.matches(passwords.hashed(typed), chosen)


@pytest.mark.parametrize("stored", [None, "", "no hash"])
def test_nothing_matches_where_there_is_no_hash(at_work, engine, stored):
    for given in ("", "no password", PASSWORD, str(stored)):
        assert not passwords.matches(stored, given)


def test_user_who_is_not_there_costs_as_much(dear):
    with db.use(dear.extensions["myapp"]):
        nobodys = passwords._nobodys(passwords.hasher())
        assert passwords.hasher().check_needs_rehash(nobodys) is False


# settings that grow


def test_login_hashes_again_where_the_settings_ask_for_more(app, acme, dear):
    before = hash_of(app, acme)
    assert "m=8,t=1" in before
    assert log_in(at(dear, acme)).status_code == 200
    after = hash_of(app, acme)
    assert after.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert log_in(at(dear, acme)).status_code == 200
    assert hash_of(app, acme) == after, "once is enough"
    assert log_in(at(dear, acme), password=WRONG).status_code == 401


def test_login_that_hashes_again_changes_nothing_else(app, acme, dear, pass_time):
    user = sign_in(acme)
    before = user.get("/v1/users/me")
    sign_in(at(dear, acme))
    pass_time(seconds=1)
    after = user.get("/v1/users/me")
    assert after.json == before.json
    assert after.headers["ETag"] == before.headers["ETag"]


def test_wrong_password_is_not_hashed_again(app, acme, dear):
    before = hash_of(app, acme)
    assert log_in(at(dear, acme), password=WRONG).status_code == 401
    assert hash_of(app, acme) == before


# common ones


@pytest.mark.parametrize("common", ["1234567890", "qwertyuiop", "QwertyUiop"])
def test_common_password_is_refused(common):
    with pytest.raises(InvalidBody) as refusal:
        passwords.refuse_common(common, OWNER)
    [rule] = refusal.value.errors
    assert (rule.at, rule.rule) == ("/password", "common")
    assert common not in str(refusal.value) + rule.detail


@pytest.mark.parametrize(
    "address_like",
    [
        pytest.param("ada.lovelace@example.com", id="address"),
        pytest.param("Ada.Lovelace@Example.com", id="another_case"),
        pytest.param("ada.lovelace", id="local_part"),
        pytest.param("ａｄａ.lovelace", id="full_width"),
    ],
)
def test_address_of_the_user_is_refused_like_a_common_password(address_like):
    with pytest.raises(InvalidBody) as refusal:
        passwords.refuse_common(address_like, "ada.lovelace@example.com")
    [rule] = refusal.value.errors
    assert (rule.at, rule.rule) == ("/password", "common")
    passwords.refuse_common(address_like, OWNER)


def test_sign_up_with_the_address_for_a_password_answers_400(client):
    body = {"name": "Acme", "slug": "address-password", "email": OWNER}
    refused = client.post("/v1/accounts", json=body | {"password": OWNER})
    assert refused.status_code == 400


def test_uncommon_password_is_not_refused():
    passwords.refuse_common(PASSWORD, OWNER)


def test_sign_up_with_a_common_password_answers_400_and_opens_nothing(client):
    body = {"name": "Acme", "slug": "common-password", "email": OWNER}
    refused = client.post("/v1/accounts", json=body | {"password": "1234567890"})
    assert refused.status_code == 400
    assert "1234567890" not in refused.text
    made = client.post("/v1/accounts", json=body | {"password": PASSWORD})
    assert made.status_code in (201, 409)  # the other engine may have been first


# a flood


class Gate:
    """A hasher that waits until it is opened, and counts who hashes at once."""

    def __init__(self, hasher):
        self._hasher, self._lock = hasher, Lock()
        self.entered, self.opened = Event(), Event()
        self.running = self.peak = 0

    def verify(self, stored, password):
        self._wait()
        return self._hasher.verify(stored, password)

    def hash(self, password):
        self._wait()
        return self._hasher.hash(password)

    def check_needs_rehash(self, stored):
        return False

    def _wait(self):
        with self._lock:
            self.running += 1
            self.peak = max(self.peak, self.running)
        self.entered.set()
        assert self.opened.wait(PATIENCE)
        with self._lock:
            self.running -= 1


@pytest.fixture
def gate(cheap_hasher, monkeypatch):
    """A closed gate that every password has to pass."""
    gate = Gate(cheap_hasher)
    monkeypatch.setattr(passwords, "hasher", lambda: gate)
    yield gate
    gate.opened.set()


@contextmanager
def flood(app, actor, times):
    """Send wrong logins, each by a thread of its own; the block gets their answers."""

    def send(number):
        return log_in(at(app, actor), f"user-{number}@example.com").status_code

    with ThreadPoolExecutor(times) as pool:
        yield [pool.submit(send, number) for number in range(times)]


def test_flood_of_logins_hashes_two_at_once_and_keeps_six_waiting(app, acme, gate):
    refused = 4
    with flood(app, acme, passwords.MOST_IN_LINE + refused) as logins:
        answers = as_completed(logins, PATIENCE)
        # All others are hashing, or waiting for a turn: none of them holds a thread.
        assert [next(answers).result() for _ in range(refused)] == [503] * refused
        assert sum(not login.done() for login in logins) == passwords.MOST_IN_LINE
        assert acme.get("/v1/sample_customers").status_code == 200
        gate.opened.set()
        assert {answer.result() for answer in answers} == {401}
    assert gate.peak == passwords.HASHES_AT_ONCE == 2
    assert log_in(acme).status_code == 200


def test_flood_of_logins_leaves_threads_of_a_worker_to_others():
    found = re.search(r"^threads = (\d+)$", INI.read_text(), re.MULTILINE)
    assert found and passwords.MOST_IN_LINE < int(found[1])


def test_hash_that_fails_gives_its_turn_back(app, at_work, monkeypatch):
    def fail():
        raise RuntimeError("no memory")

    with monkeypatch.context() as patch:
        patch.setattr(passwords, "hasher", fail)
        for _ in range(2 * passwords.MOST_IN_LINE):
            with pytest.raises(RuntimeError):
                passwords.hashed(PASSWORD)
    assert passwords.matches(passwords.hashed(PASSWORD), PASSWORD)


def test_sign_up_holds_no_transaction_while_it_hashes(app, acme, gate):
    """A writer of SQLite would keep all others waiting."""
    body = {"name": "New", "slug": f"new-{uuid4().hex}"}
    body |= {"email": OWNER, "password": PASSWORD}
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(app.test_client().post, "/v1/accounts", json=body)
        assert gate.entered.wait(PATIENCE)
        customer = {"name": "Ada", "email": "ada@example.com"}
        made = acme.post("/v1/sample_customers", json=customer)
        gate.opened.set()
        assert waiting.result(PATIENCE).status_code == 201
    assert made.status_code == 201


def test_new_password_holds_no_transaction_while_it_hashes(app, acme, gate):
    address = f"{uuid4().hex}@example.com"
    invited = {"name": "Ada", "email": address, "role": "member"}
    acme.post("/v1/users", json=invited)
    body = {"token": mailed_token(acme.client, address), "password": PASSWORD}
    url = "/v1/users/invitations/accept"
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(app.test_client().post, url, json=body)
        assert gate.entered.wait(PATIENCE)
        made = acme.post("/v1/users", json=invited | {"email": f"b{address}"})
        gate.opened.set()
        assert waiting.result(PATIENCE).status_code == 200
    assert made.status_code == 201


@contextmanager
def full_line():
    """Let as many wait for a turn as may wait."""
    with ExitStack() as stack:
        for _ in range(passwords.MOST_IN_LINE):
            assert passwords._line.acquire(blocking=False)
            stack.callback(passwords._line.release)
        yield


@pytest.mark.parametrize("way", ["invitation", "reset"])
def test_token_is_not_spent_where_too_many_wait(acme, way):
    address = f"{uuid4().hex}@example.com"
    if way == "invitation":
        acme.post("/v1/users", json={"name": "Ada", "email": address, "role": "member"})
        url = "/v1/users/invitations/accept"
    else:
        add_user(acme, "member", address)
        slug = acme.get(f"/v1/accounts/{acme.account_id}").json["slug"]
        url = "/v1/auth/password-reset"
        acme.client.post(url, json={"account": slug, "username": address})
        url = f"{url}/confirm"
    body = {"token": mailed_token(acme.client, address), "password": ANOTHER}
    with full_line():
        assert acme.client.post(url, json=body).status_code == 503
    assert acme.client.post(url, json=body).status_code in (200, 204)
    assert log_in(acme, address, ANOTHER).status_code == 200


def test_login_that_could_not_be_looked_at_is_not_counted(acme):
    with full_line():
        for _ in range(2 * MOST_FOR_ONE):
            assert log_in(acme).status_code == 503
    assert log_in(acme).status_code == 200


def test_login_under_way_does_not_outlive_the_password(app, acme, gate):
    [user] = rows_of(app, acme.account_id)["users"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(log_in, at(app, acme))
        assert gate.entered.wait(PATIENCE)  # it has read the hash
        with db.use(app.extensions["myapp"]):
            changed = {"password_hash": "of another password"}
            users.replace(UUID(acme.account_id), UUID(str(user["id"])), changed)
        gate.opened.set()
        assert waiting.result(PATIENCE).status_code == 401
    assert rows_of(app, acme.account_id)["sessions"] == []


def test_token_that_opens_nothing_is_not_worth_a_hash(app, acme, gate):
    token = new_token(ONCE_PREFIX, UUID(acme.account_id))
    body = {"token": token, "password": PASSWORD}
    for url in ("/v1/users/invitations/accept", "/v1/auth/password-reset/confirm"):
        assert acme.client.post(url, json=body).status_code == 422
    assert not gate.entered.is_set()
