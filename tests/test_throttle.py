"""Guessing is slowed down: by user and address, by address, and by secret."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from myapp import db, throttle
from myapp.errors import TooManyRequests
from myapp.tokens import digest
from tests.actors import OWNER, PASSWORD, add_user, home_of, log_in, sign_in
from tests.mailbox import mails_to

WRONG = "a wrong password of some length"
MOST_FOR_USER = throttle.MOST_FOR_USER
MOST, MOST_FROM_ADDRESS = throttle.MOST_FOR_ONE, throttle.MOST_FROM_ADDRESS


@pytest.fixture
def address():
    """An address that nobody else has."""
    return f"fd01:{uuid4().hex[:4]}:{uuid4().hex[:4]}:{uuid4().hex[:4]}::1"


def guess(actor, address, username=OWNER, password=WRONG):
    return log_in(actor, username, password, address).status_code


def url_of(user):
    return f"/v1/users/{user.get('/v1/users/me').json['id']}"


def guesses(actor, address, times, username=OWNER):
    return [guess(actor, address, username) for _ in range(times)]


# a user from an address


def test_guesses_on_one_user_are_refused_after_ten(acme, address):
    assert guesses(acme, address, MOST) == [401] * MOST
    refused = log_in(acme, OWNER, WRONG, address)
    assert refused.status_code == 429
    assert "/problems/too-many-requests" in refused.text
    assert 14 * 60 < int(refused.headers["Retry-After"]) <= 15 * 60
    assert guess(acme, address, password=PASSWORD) == 429, "the right one, too"


def test_guesses_count_though_each_of_them_fails(app, acme, address):
    guess(acme, address)
    assert count_of(app, f"{acme.account_id}/{OWNER}", address) == 1


def count_of(app, user, address):
    """Return what is counted for a user from an address."""
    [limit, _] = throttle.limits_of(user, address)
    chosen = throttle.Attempt.__table__.select().where(
        throttle.Attempt.key_sha256 == digest(limit.counted_for)
    )
    with db.use(app.extensions["myapp"]), db.transaction(None) as connection:
        row = connection.execute(chosen).one_or_none()
    return row and row.number


def test_guesses_on_one_user_leave_who_signs_in_elsewhere_alone(acme, address):
    guesses(acme, address, MOST + 1)
    assert guess(acme, home_of(acme), password=PASSWORD) == 200


def test_guesses_on_one_user_leave_other_users_there_alone(acme, rival, address):
    add_user(acme, "member")
    guesses(acme, address, MOST + 1)
    assert guess(acme, address, "member@example.com", PASSWORD) == 200
    assert guess(rival, address, password=PASSWORD) == 200


def test_guesses_on_one_user_are_the_same_in_any_case(acme, address):
    names = [OWNER.upper(), OWNER.title(), OWNER]
    statuses = [guess(acme, address, names[n % 3]) for n in range(MOST + 1)]
    assert statuses == [401] * MOST + [429]


@pytest.mark.parametrize("who", ["unknown", "inactive"])
def test_guesses_on_nobody_are_counted_alike(acme, address, who):
    if who == "inactive":
        user = add_user(acme, "member", "nobody@example.com")
        url = url_of(user)
        assert acme.merge(url, {"is_active": False}).status_code == 200
    statuses = guesses(acme, address, MOST + 1, "nobody@example.com")
    assert statuses == [401] * MOST + [429]


def test_guesses_on_a_user_of_no_account_are_counted_alike(client, address):
    body = {"account": f"no-{uuid4().hex[:8]}", "username": OWNER, "password": WRONG}
    peer = {"REMOTE_ADDR": address}
    statuses = [
        client.post("/v1/auth/login", json=body, environ_base=peer).status_code
        for _ in range(MOST + 1)
    ]
    assert statuses == [401] * MOST + [429]


def test_guesses_that_come_together_are_all_counted(app, acme, address):
    with ThreadPoolExecutor(5) as pool:
        statuses = list(
            pool.map(lambda _: guess(acme, address), range(2 * MOST), timeout=60)
        )
    assert sorted(statuses) == [401] * MOST + [429] * MOST
    assert count_of(app, f"{acme.account_id}/{OWNER}", address) == 2 * MOST


def test_success_takes_its_own_count_away_and_no_other(acme, address):
    guesses(acme, address, MOST - 1)
    for _ in range(3):
        assert guess(acme, address, password=PASSWORD) == 200
    assert guesses(acme, address, 2) == [401, 429]


def test_success_is_never_refused_however_often(acme, address):
    statuses = [guess(acme, address, password=PASSWORD) for _ in range(MOST + 2)]
    assert statuses == [200] * (MOST + 2)


def test_guesses_are_admitted_again_when_the_time_is_over(acme, address, pass_time):
    guesses(acme, address, MOST)
    pass_time(minutes=14)
    refused = log_in(acme, OWNER, WRONG, address)
    assert refused.status_code == 429
    pass_time(seconds=int(refused.headers["Retry-After"]))
    assert guesses(acme, address, MOST + 1) == [401] * MOST + [429]


def test_guesses_beyond_the_limit_do_not_make_it_last_longer(acme, address, pass_time):
    guesses(acme, address, MOST)
    pass_time(minutes=10)
    guesses(acme, address, 3)
    pass_time(minutes=5)
    assert guess(acme, address, password=PASSWORD) == 200


def test_counts_that_are_over_are_forgotten(app, acme, address, pass_time):
    guess(acme, address)
    user = f"{acme.account_id}/{OWNER}"
    assert count_of(app, user, address) == 1
    pass_time(minutes=31)
    guess(acme, home_of(acme), password=PASSWORD)
    assert count_of(app, user, address) is None


def test_count_that_ends_after_its_window_is_over(acme, address, pass_time):
    pass_time(days=400)
    guesses(acme, address, MOST + 1)
    pass_time(days=-400)
    assert guesses(acme, address, MOST + 1) == [401] * MOST + [429]


# a user, from everywhere


@pytest.fixture
def networks():
    """Addresses in networks that nobody else has."""
    start = f"fd02:{uuid4().hex[:4]}:{uuid4().hex[:4]}"
    return [f"{start}:{number:x}::1" for number in range(MOST_FOR_USER + 2)]


def test_guesses_on_one_user_from_everywhere_are_refused_after_a_hundred(
    acme, networks, pass_time
):
    add_user(acme, "member")
    *guessing, last, another = networks
    assert {guess(acme, each) for each in guessing} == {401}
    assert guess(acme, last) == 429
    assert guess(acme, another, password=PASSWORD) == 429, "the right one, too"
    assert guess(acme, another, "member@example.com", PASSWORD) == 200
    pass_time(minutes=15)
    assert guess(acme, last, password=PASSWORD) == 200


def test_guesses_from_everywhere_keep_no_user_out_of_a_network_of_theirs(
    acme, networks, pass_time
):
    *guessing, _, office = networks
    assert guess(acme, office, password=PASSWORD) == 200
    pass_time(days=29)
    assert {guess(acme, each) for each in guessing} == {401}
    assert guess(acme, guessing[0]) == 429
    assert guess(acme, office, password=PASSWORD) == 200
    assert guesses(acme, office, MOST + 1) == [401] * MOST + [429]


def test_network_is_forgotten_after_thirty_days(acme, networks, pass_time):
    *guessing, _, office = networks
    assert guess(acme, office, password=PASSWORD) == 200
    pass_time(days=30, seconds=1)
    assert {guess(acme, each) for each in guessing} == {401}
    assert guess(acme, office, password=PASSWORD) == 429


def test_network_of_one_user_is_no_network_of_another(acme, networks):
    add_user(acme, "member")
    *guessing, _, office = networks
    assert guess(acme, office, password=PASSWORD) == 200
    assert {guess(acme, each, "member@example.com") for each in guessing} == {401}
    assert guess(acme, office, "member@example.com", PASSWORD) == 429


# the mails that anyone can ask for


def test_resets_of_one_user_are_mailed_three_times_an_hour(
    acme, client, networks, pass_time
):
    email = f"{uuid4().hex}@example.com"
    add_user(acme, "member", email)
    slug = acme.get(f"/v1/accounts/{acme.account_id}").json["slug"]

    def ask(address, username=email):
        body, peer = {"account": slug, "username": username}, {"REMOTE_ADDR": address}
        url = "/v1/auth/password-reset"
        return client.post(url, json=body, environ_base=peer).status_code

    assert {ask(each) for each in networks[:3]} == {202}
    assert {ask(each, email.upper()) for each in networks[3:6]} == {202}
    assert len(mails_to(client, email)) == 3
    pass_time(minutes=59)
    assert ask(networks[6]) == 202
    assert len(mails_to(client, email)) == 3
    pass_time(minutes=2)
    assert ask(networks[7]) == 202
    assert len(mails_to(client, email)) == 4


# an address


def test_address_that_guesses_on_many_users_is_refused_after_a_hundred(
    acme, rival, address
):
    users = [f"user-{number}@example.com" for number in range(MOST_FROM_ADDRESS)]
    assert {guess(acme, address, user) for user in users} == {401}
    assert guess(acme, address, "another@example.com") == 429
    assert guess(rival, address, password=PASSWORD) == 429
    assert guess(acme, home_of(acme), password=PASSWORD) == 200


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        pytest.param("{0}::1", "{0}:ffff::9", 429, id="ipv6_64"),
        pytest.param("{0}::1", "{1}::1", 401, id="ipv6_other"),
        pytest.param("192.0.2.1", "192.0.2.1", 429, id="ipv4"),
        pytest.param("192.0.2.1", "192.0.2.2", 401, id="ipv4_other"),
        pytest.param("::ffff:192.0.2.1", "192.0.2.1", 429, id="ipv4_in_ipv6"),
        pytest.param("::ffff:192.0.2.1", "::ffff:192.0.2.2", 401, id="mapped_other"),
        pytest.param("fe80::1%eth0", "fe80::2%eth0", 429, id="zone"),
    ],
)
def test_addresses_of_one_network_are_one(acme, address, first, second, status):
    network = address.removesuffix("::1")
    networks = (network, other_network(network))
    guesses(acme, first.format(*networks), MOST)
    assert guess(acme, second.format(*networks)) == status


def other_network(network):
    """Return another /64, with as many groups."""
    *groups, last = network.split(":")
    return ":".join([*groups, f"{int(last, 16) ^ 1:x}"])


def test_what_is_stored_names_neither_user_nor_address(app, acme, address):
    guess(acme, address)
    with db.use(app.extensions["myapp"]), db.transaction(None) as connection:
        rows = connection.execute(throttle.Attempt.__table__.select()).all()
    for known in (OWNER, address, acme.account_id):
        assert known not in repr(rows)


# a secret


def test_guesses_of_the_current_password_are_refused_after_ten(acme, pass_time):
    user = sign_in(acme)
    url = url_of(user)

    def change(password):
        return user.merge(
            url, {"email": "other@example.com", "current_password": password}
        )

    assert {change(WRONG).status_code for _ in range(MOST)} == {403}
    refused = change(PASSWORD)
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert guess(acme, home_of(acme), password=PASSWORD) == 200, "that is another count"
    pass_time(minutes=15)
    user = sign_in(acme)
    assert change(PASSWORD).status_code == 200


def test_current_password_that_is_right_takes_its_count_away(acme):
    user = sign_in(acme)
    url = url_of(user)
    for number in range(MOST + 2):
        change = {"email": f"a{number}@example.com", "current_password": PASSWORD}
        assert user.merge(url, change).status_code == 200


def test_current_password_that_is_missing_counts_nothing(acme):
    user = sign_in(acme)
    url = url_of(user)
    change = {"email": "other@example.com"}
    statuses = {user.merge(url, change).status_code for _ in range(MOST + 2)}
    assert statuses == {403}


# both engines keep a count in one statement


def test_limit_is_exact_at_its_edge(at_work, engine):
    limit = throttle.Limit(f"edge of {uuid4()}", 2)
    throttle.begin(limit)
    throttle.begin(limit)
    with pytest.raises(TooManyRequests):
        throttle.begin(limit)
    throttle.succeed(limit)
    throttle.succeed(limit)
    throttle.begin(limit)


def test_success_never_counts_below_nothing(at_work, engine):
    limit = throttle.Limit(f"nothing of {uuid4()}", 1)
    throttle.succeed(limit)
    throttle.begin(limit)
    for _ in range(3):
        throttle.succeed(limit)
    throttle.begin(limit)
    with pytest.raises(TooManyRequests):
        throttle.begin(limit)
