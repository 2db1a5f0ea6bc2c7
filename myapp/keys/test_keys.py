"""What signing keys do: they are published, sealed, rotated, and refused on time.

They belong to the whole service, so each test here has an application, and a
database, of its own.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest
from cryptography.fernet import Fernet, InvalidToken
from joserfc.jwk import KeySet, RSAKey
from joserfc.jwt import decode
from sqlalchemy import select

from myapp import db, throttle
from myapp.errors import Conflict
from myapp.keys.models import SigningKey, keys, rotate
from tests.actors import sign_in, sign_up
from tests.oauth import part_of, register
from tests.tables import statements

JWKS = "/.well-known/jwks.json"
URL = "/v1/sample_customers"
PUBLISHED = {"minutes": 10}
"""How long a next key is known before it may sign."""


@pytest.fixture
def app(start_app, databases):
    """An application whose signing keys are its own."""
    return start_app(**databases.clone())


@pytest.fixture
def user(client):
    """Somebody who is signed in."""
    return sign_in(sign_up(client, "acme"))


@pytest.fixture
def flask_keys(app):
    """Run `flask keys …`."""
    run = app.test_cli_runner()
    return lambda *arguments: run.invoke(args=["keys", *arguments])


def stored(app):
    """Return the rows of the keys, the oldest first."""
    with db.use(app.extensions["myapp"]), db.transaction(None) as connection:
        chosen = select(SigningKey).order_by(SigningKey.id)
        return connection.execute(chosen).all()


def states(app):
    """Return how the keys follow one another."""
    return [row.state for row in stored(app)]


def published(client):
    """Return the `kid` of each key that is published."""
    return [key["kid"] for key in client.get(JWKS).json["keys"]]


def signer_of(actor):
    """Return the `kid` of the key that has signed an actor's token."""
    return part_of(actor.key, 0)["kid"]


# --- the published set (RFC 7517)


def test_set_holds_the_key_that_signs_and_the_next_one(app, client, user):
    rows = stored(app)
    assert [row.state for row in rows] == ["active", "next"]
    assert published(client) == [row.kid for row in rows]
    assert signer_of(user) == rows[0].kid


def test_set_shows_public_parts_alone(client):
    for key in client.get(JWKS).json["keys"]:
        assert key.keys() == {"kty", "kid", "alg", "use", "n", "e"}
        assert (key["kty"], key["alg"], key["use"]) == ("RSA", "RS256", "sig")


def test_set_verifies_a_token_in_any_library(client, user):
    known = KeySet.import_key_set(client.get(JWKS).json)
    token = decode(user.key, known, algorithms=["RS256"])
    assert token.claims["account_id"] == user.account_id


def test_set_may_be_kept_for_five_minutes(client):
    shown = client.get(JWKS)
    assert shown.headers["Cache-Control"] == "public, max-age=300"


def test_set_names_each_key_by_its_thumbprint(client):
    for key in KeySet.import_key_set(client.get(JWKS).json).keys:
        assert key.kid == key.thumbprint()  # RFC 7638


def test_set_with_a_query_answers_400(client):
    assert client.get(JWKS, query_string={"x": "1"}).status_code == 400


def test_set_for_a_caller_who_takes_no_json_answers_406(client):
    assert client.get(JWKS, headers={"Accept": "text/html"}).status_code == 406


def test_first_keys_are_made_once_by_many_workers(app):
    def ask(_):
        return published(app.test_client())

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(ask, range(4)))
    assert states(app) == ["active", "next"]
    assert {tuple(kids) for kids in found} == {tuple(row.kid for row in stored(app))}


@pytest.mark.parametrize("make", [keys, rotate, partial(rotate, compromised=True)])
def test_keys_are_made_while_others_may_write(
    start_app, databases, monkeypatch, pass_time, make
):
    app = start_app(**databases.clone(), SQL_TIMEOUT=0.5)
    stores, generate = app.extensions["myapp"], RSAKey.generate_key

    def write():
        with db.use(stores):
            throttle.begin(throttle.Limit("somebody else"))

    def generate_beside_a_writer(bits):
        with ThreadPoolExecutor(1) as pool:
            pool.submit(write).result(30)
        return generate(bits)

    with db.use(stores):
        if make is not keys:
            keys()
            pass_time(**PUBLISHED)
        monkeypatch.setattr(RSAKey, "generate_key", generate_beside_a_writer)
        make()
    assert states(app)[-2:] == ["active", "next"]


# --- the private parts


def test_private_parts_are_sealed(app, user):
    for row in stored(app):
        assert "PRIVATE" not in row.private
        assert row.public.keys() == {"kty", "kid", "alg", "use", "n", "e"}
        with pytest.raises(InvalidToken):
            Fernet(Fernet.generate_key()).decrypt(row.private)


def test_another_secret_key_answers_503_and_says_what_to_do(
    app, start_app, user, caplog
):
    names = ("DATABASE_URL", "MIGRATION_DATABASE_URL")
    same = {name: app.config[name] for name in names}
    other = start_app(**same, SECRET_KEY="another one, of 32 characters or more")
    assert replace(user, client=other.test_client()).get(URL).status_code == 503
    assert other.test_client().get(JWKS).status_code == 503
    assert "sealed under another SECRET_KEY" in caplog.text
    run = other.test_cli_runner()
    failed = run.invoke(args=["keys", "rotate"])
    assert failed.exit_code == 1
    assert "flask keys rotate --compromised" in failed.output
    assert run.invoke(args=["keys", "rotate", "--compromised"]).exit_code == 0


# --- rotation


def test_rotate_lets_the_next_key_sign(app, client, user, flask_keys, pass_time):
    _, following = published(client)
    pass_time(**PUBLISHED)
    done = flask_keys("rotate")
    assert done.exit_code == 0
    assert following in done.output
    pass_time(seconds=1)
    assert states(app) == ["retired", "active", "next"]
    assert signer_of(sign_in(sign_up(client, "acme"))) == following
    assert published(client) == [row.kid for row in stored(app)]


def test_rotate_too_early_says_when(app, client, flask_keys):
    before = published(client)
    refused = flask_keys("rotate")
    assert refused.exit_code == 1
    assert "rotate after" in refused.output and "--compromised" in refused.output
    assert published(client) == before


def test_rotate_by_two_at_once_happens_once(app, client, pass_time):
    published(client)
    pass_time(**PUBLISHED)

    def turn(_):
        with db.use(app.extensions["myapp"]):
            try:
                return rotate()
            except Conflict:
                return None

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(turn, range(2)))
    assert done.count(None) == 1
    assert states(app) == ["retired", "active", "next"]


def test_rotate_often_refuses_no_good_token(app, client, flask_keys, pass_time):
    actor = sign_up(client, "acme")
    published(client)
    for _ in range(5):
        pass_time(**PUBLISHED)
        before = sign_in(actor)
        assert flask_keys("rotate").exit_code == 0
        after = sign_in(actor)
        for seconds in (0, 1, 500):
            pass_time(seconds=seconds)
            assert before.get(URL).status_code == 200
            assert after.get(URL).status_code == 200


def test_retired_key_is_refused_when_its_last_token_has_expired(
    app, client, user, flask_keys, pass_time
):
    old = signer_of(user)
    pass_time(**PUBLISHED)
    flask_keys("rotate")
    pass_time(seconds=app.config["ACCESS_TOKEN_SECONDS"] + 55)
    assert old in published(client)
    pass_time(seconds=6)
    assert old not in published(client)


def test_retired_key_keeps_no_private_part(app, client, flask_keys, pass_time):
    published(client)
    pass_time(**PUBLISHED)
    flask_keys("rotate")
    assert [bool(row.private) for row in stored(app)] == [False, True, True]


def test_rotate_removes_keys_that_are_of_no_use(app, client, flask_keys, pass_time):
    published(client)
    for _ in range(4):
        pass_time(minutes=12)
        assert flask_keys("rotate").exit_code == 0
    assert states(app) == ["retired", "active", "next"]


def test_rotate_compromised_ends_all_tokens_within_a_second(
    app, client, user, flask_keys, pass_time
):
    pass_time(**PUBLISHED)
    flask_keys("rotate")
    pass_time(seconds=1)
    before = published(client)
    fresh = sign_in(sign_up(client, "acme"))
    assert fresh.get(URL).status_code == 200
    assert flask_keys("rotate", "--compromised").exit_code == 0
    pass_time(seconds=1)
    assert fresh.get(URL).status_code == 401
    assert not {*before} & {*published(client)}
    assert states(app) == ["active", "next"]
    again = sign_in(sign_up(client, "acme"))
    assert again.get(URL).status_code == 200


def test_rotate_compromised_leaves_refresh_tokens_alive(user, flask_keys):
    reports = register(user)
    token = reports.tokens()["refresh_token"]
    assert flask_keys("rotate", "--compromised").exit_code == 0
    assert reports.refresh(token).status_code == 200


# --- what a token costs


def test_keys_are_read_once_in_a_while(app, user, pass_time):
    def reads():
        with statements(app) as executed:
            user.get(URL)
        return sum("signing_keys" in statement for statement in executed)

    pass_time(seconds=1)
    assert reads() == 1
    assert reads() == 0
    pass_time(seconds=1)
    assert reads() == 1


def test_private_key_is_imported_once(app):
    with db.use(app.extensions["myapp"]):
        first = keys().signer
        app.extensions["myapp"].recent.clear()
        assert keys().signer is first
