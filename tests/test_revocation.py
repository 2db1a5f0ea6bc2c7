"""What has ended is refused by every worker within a second.

Four workers of a real uWSGI, each of which remembers who calls; the end is made in
another process, the one of the tests. Each answer says which worker gave it.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import NamedTuple

import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from tests.actors import PASSWORD, Actor, add_user, log_in, sign_in, tokens_of
from tests.mailbox import mailed_token
from tests.oauth import holder, register
from tests.servers import Answer, environment_of
from tests.uwsgi_server import PATIENCE, UwsgiServer, serving

WORKERS = 4
AT_ONCE = 16
SOON = 1.0  # second
ANOTHER = "another password of some length"
CUSTOMERS, USERS, ME = "/v1/sample_customers", "/v1/users", "/v1/users/me"
SESSIONS, CLIENTS, KEYS = "/v1/auth/sessions", "/v1/auth/clients", "/v1/api_keys"


class End(NamedTuple):
    """Whose access ends, how, and what the workers answer from then on."""

    caller: Actor
    make: Callable[[], TestResponse]
    url: str = CUSTOMERS
    status: int = 401
    made: tuple[int, ...] = (200, 204)
    """What the request that makes the end is answered with."""


def newest(actor, url):
    """Return the URL of what was made last."""
    return f"{url}/{actor.get(url).json['items'][0]['id']}"


def url_of(user):
    return f"{USERS}/{user.get(ME).json['id']}"


def session_revoked(acme):
    member = add_user(acme, "member")
    session = newest(member, SESSIONS)
    return End(member, lambda: member.delete(session))


def session_revoked_by_an_admin(acme):
    member = add_user(acme, "member")
    session = newest(acme, SESSIONS)
    return End(member, lambda: acme.delete(session))


def signed_out_everywhere(acme):
    member = add_user(acme, "member")
    elsewhere = sign_in(acme, "member@example.com")
    return End(member, lambda: elsewhere.delete(SESSIONS))


def user_deactivated(acme):
    member = add_user(acme, "member")
    url = url_of(member)
    return End(member, lambda: acme.merge(url, {"is_active": False}))


def user_removed(acme):
    member = add_user(acme, "member")
    url = url_of(member)
    return End(member, lambda: acme.delete(url))


def user_demoted(acme):
    admin = add_user(acme, "admin")
    url = url_of(admin)
    return End(admin, lambda: acme.merge(url, {"role": "member"}), USERS, 403)


def password_changed(acme):
    member = add_user(acme, "member")
    elsewhere = sign_in(acme, "member@example.com")
    url = url_of(member)
    change = {"password": ANOTHER, "current_password": PASSWORD}
    return End(member, lambda: elsewhere.merge(url, change))


def password_reset(acme):
    username = f"{acme.account_id}@example.com"
    member = add_user(acme, "member", username)
    slug = acme.get(f"/v1/accounts/{acme.account_id}").json["slug"]
    asked = {"account": slug, "username": username}
    acme.client.post("/v1/auth/password-reset", json=asked)
    chosen = {"token": mailed_token(acme.client, username), "password": ANOTHER}
    url = "/v1/auth/password-reset/confirm"
    return End(member, lambda: acme.client.post(url, json=chosen))


def refresh_token_used_twice(acme):
    tokens = tokens_of(log_in(acme))
    first = tokens["refresh_token"]
    second = refresh(acme, first).json["refresh_token"]
    assert refresh(acme, second).status_code == 200
    user = holder(acme, tokens["access_token"])
    return End(user, lambda: refresh(acme, first), made=(400,))


def refresh(acme, token):
    asked = {"grant_type": "refresh_token", "refresh_token": token}
    return acme.client.post("/v1/auth/token", data=asked)


def machine_of(acme):
    """Return a client, and the holder of its own token."""
    app = register(acme)
    return app, holder(acme, tokens_of(app.credentials_token())["access_token"])


def client_switched_off(acme):
    _, machine = machine_of(acme)
    client = newest(acme, CLIENTS)
    return End(machine, lambda: acme.merge(client, {"is_active": False}))


def client_removed(acme):
    _, machine = machine_of(acme)
    client = newest(acme, CLIENTS)
    return End(machine, lambda: acme.delete(client))


def client_of_a_user_switched_off(acme):
    user = holder(acme, register(acme).tokens()["access_token"])
    client = newest(acme, CLIENTS)
    return End(user, lambda: acme.merge(client, {"is_active": False}))


def client_demoted(acme):
    app = register(acme, role="admin", scopes=["*"])
    machine = holder(acme, tokens_of(app.credentials_token())["access_token"])
    client = newest(acme, CLIENTS)
    return End(machine, lambda: acme.merge(client, {"role": "member"}), USERS, 403)


def token_revoked(acme):
    app, machine = machine_of(acme)
    return End(machine, lambda: app.send("/v1/auth/revoke", token=machine.key))


def key_revoked(acme):
    machine = acme.with_key("member", ["*"])
    key = newest(acme, KEYS)
    return End(machine, lambda: acme.delete(key))


def account_closed(acme):
    member = add_user(acme, "member")
    return End(member, lambda: acme.delete(f"/v1/accounts/{acme.account_id}"))


def account_of_a_client_closed(acme):
    _, machine = machine_of(acme)
    return End(machine, lambda: acme.delete(f"/v1/accounts/{acme.account_id}"))


ENDS = [
    session_revoked,
    session_revoked_by_an_admin,
    signed_out_everywhere,
    user_deactivated,
    user_removed,
    user_demoted,
    password_changed,
    password_reset,
    refresh_token_used_twice,
    client_switched_off,
    client_removed,
    client_of_a_user_switched_off,
    client_demoted,
    token_revoked,
    key_revoked,
    account_closed,
    account_of_a_client_closed,
]


@pytest.fixture(scope="module")
def server(settings, app, tmp_path_factory):
    """Four workers on the stores of the application of the tests."""
    own = environment_of(
        settings,
        MYAPP_SQL_CONNECTIONS="4",
        PUBLIC_URL=app.config["PUBLIC_URL"],
        PGAPPNAME="workers",
    )
    with serving(tmp_path_factory.mktemp("uwsgi"), own, WORKERS) as server:
        yield server


@pytest.fixture
def all_listen(app: Flask) -> Callable[[], bool]:
    """Tell whether each worker listens for changes, and remembers keys for long."""
    listening = text(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'workers'"
        " AND query LIKE '%pg_listening_channels%'"
    )

    def tell() -> bool:
        with app.extensions["myapp"].engine.connect() as connection:
            found: int = connection.scalar(listening)
            return found == WORKERS

    on_sqlite = app.extensions["myapp"].feed is None
    return (lambda: True) if on_sqlite else tell


@pytest.fixture(scope="module")
def send_many(server: UwsgiServer):
    """Send requests of one kind at once; return when each was sent, and its answer."""
    with ThreadPoolExecutor(AT_ONCE) as pool:

        def send(end: End) -> list[tuple[float, Answer]]:
            def one(_: int) -> tuple[float, Answer]:
                return monotonic(), server.get(end.url, end.caller.headers)

            return [*pool.map(one, range(2 * AT_ONCE))]

        yield send


@pytest.mark.slow
@pytest.mark.parametrize("prepare", ENDS)
def test_end_is_known_to_every_worker_within_a_second(
    acme, send_many, all_listen, prepare
):
    end = prepare(acme)

    began_at = monotonic()
    give_up = began_at + PATIENCE
    known: set[str] = set()
    while (
        len(known) < WORKERS
        or not all_listen()
        or monotonic()
        < began_at + SOON  # a key is known for as long as nothing changes
    ):
        answers = [answer for _, answer in send_many(end)]
        assert {answer.status for answer in answers} == {200}
        known |= {answer.worker for answer in answers}
        assert monotonic() < give_up, f"only {known} answer"

    assert end.make().status_code in end.made
    ended_at = monotonic()

    refusing: set[str] = set()
    while len(refusing) < WORKERS:
        for sent_at, answer in send_many(end):
            if answer.status == end.status:
                refusing.add(answer.worker)
            else:
                assert answer.status == 200
                assert sent_at < ended_at + SOON, f"worker {answer.worker} is late"
        assert monotonic() < give_up, f"only {refusing} answer"
