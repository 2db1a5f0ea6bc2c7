"""Secrets stay secret: canaries go in by every door, and come out by none but theirs.

One story signs up, signs in, fails and refuses in every way that takes or makes a
secret, with the settings of production. Each canary may be in the one answer that shows
it once: in no other answer, no log line of any library, no row and no key of Redis.
"""

import logging
import re
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from io import StringIO
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import create_engine, make_url, text

from myapp import background, create_app, db, mail, smtp
from myapp.settings import SettingsError
from tests.actors import Actor
from tests.mail_server import MailServer, mail_server
from tests.oauth import REVOKE, TOKEN, answer_of, basic, challenge_of, register
from tests.samples import FEATURES
from tests.stores import on_sqlite
from tests.tables import NOBODYS, rows_of

CUSTOMERS = "/v1/sample_customers"
OWNER, MEMBER = "owner@example.com", "member@example.com"


class Watched(FlaskClient):
    """A client that keeps every answer, as it came over the wire."""

    def open(self, *args, **kwargs):
        response = super().open(*args, **kwargs)
        page = response.get_data(as_text=True)
        answers = self.application.extensions["answers"]
        answers.append(f"{response.status}\n{response.headers}\n{page}")
        return response


@dataclass
class Story:
    """What was planted, which answers there were, and where a canary may be."""

    app: Flask
    mails: MailServer
    slug: str = field(default_factory=lambda: f"acme-{uuid4().hex[:12]}")
    canaries: dict[str, str] = field(default_factory=dict)
    shown: dict[str, int] = field(default_factory=dict)
    account_id: str = ""
    log: str = ""

    def __post_init__(self):
        self.http = self.app.test_client()
        self.answers = self.app.extensions["answers"]

    def plant(self, name):
        """Return a value that nobody else has, to be sent as a secret."""
        return self._keep(name, f"canary-{uuid4().hex}")

    def learn(self, name, value):
        """Keep a secret that the last answer shows, and no other one may."""
        self.shown[name] = len(self.answers) - 1
        return self._keep(name, value)

    def learn_tokens(self, name, tokens):
        """Keep the tokens of the last answer."""
        self.learn(f"{name}: access token", tokens["access_token"])
        if "refresh_token" in tokens:
            self.learn(f"{name}: refresh token", tokens["refresh_token"])
        return tokens

    def learn_mailed(self, name):
        """Keep the token of the last mail, which no answer shows."""
        background.drain()
        [token] = re.findall(r"myapp_once_\S+", self.mails.received[-1].get_content())
        return self._keep(name, token)

    def _keep(self, name, value):
        assert name not in self.canaries and len(value) >= 16
        self.canaries[name] = value
        return value

    def run(self, *arguments, answer=""):
        """Run a flask command; what it prints is an answer like others."""
        done = self.app.test_cli_runner().invoke(args=arguments, input=answer)
        self.answers.append(done.output)
        return done

    def found(self, texts):
        """Return which canaries are in which of some texts."""
        return {
            (name, where)
            for name, value in self.canaries.items()
            for where, told in texts.items()
            if value in told
        }


# --- the story


def sign_up(story, operator_key):
    """The operator opens an account; its owner signs in, after mistakes."""
    operator, url = Actor(story.http, "", operator_key), "/v1/accounts"
    password = story.plant("password of the owner")
    owner = {"name": "Acme", "slug": story.slug, "email": OWNER, "password": password}
    story.http.post(url, json=owner)
    operator.post(url, json=owner | {"password": ["in a list", password]})
    operator.post(url, json=owner | {"passwort": story.plant("misspelt field")})
    made = operator.post(url, json=owner | {"captcha": story.plant("captcha")})
    assert made.status_code == 201
    key = story.learn("first API key", made.json["api_key"])
    operator.post(url, json=owner)  # the slug is taken
    story.account_id = made.json["id"]
    return Actor(story.http, made.json["id"], key), password


def sign_in(story, username, password):
    """Someone signs in; return the answer."""
    body = {"account": story.slug, "username": username, "password": password}
    return story.http.post("/v1/auth/login", json=body)


def mistake_passwords(story, password):
    """Logins that fail, each in its own way."""
    assert sign_in(story, OWNER, story.plant("wrong password")).status_code == 401
    assert sign_in(story, story.plant("password as name"), password).status_code == 401
    assert sign_in(story, OWNER, story.plant("long one") * 9).status_code == 400
    broken = f'{{"account": "acme", "password": "{story.plant("broken JSON")}'
    json = {"Content-Type": "application/json"}
    assert story.http.post("/v1/auth/login", data=broken, headers=json).status_code
    story.http.post("/v1/auth/login", data={"password": story.plant("in a form")})


def invite_a_user(story, owner):
    """A user is invited, chooses passwords, forgets them, and signs in."""
    invited = owner.post(
        "/v1/users", json={"name": "Mem", "email": MEMBER, "role": "member"}
    )
    token = story.learn_mailed("invitation")
    chosen = story.plant("password of the invited")
    url = "/v1/users/invitations/accept"
    assert story.http.post(url, json={"token": token, "password": "short"}).json
    accepted = story.http.post(url, json={"token": token, "password": chosen})
    assert accepted.status_code == 200
    assert (
        story.http.post(url, json={"token": token, "password": chosen}).status_code
        == 422
    )
    tokens = story.learn_tokens("login", sign_in(story, MEMBER, chosen).json)
    member = Actor(story.http, owner.account_id, tokens["access_token"])
    changed = change_password(story, member, invited.json["id"], chosen)
    return forget_password(story, changed)


def change_password(story, member, id, current):
    """A user changes the password, after guesses; return the new one."""
    url, wrong = f"/v1/users/{id}", story.plant("wrong current password")
    chosen = story.plant("changed password")
    assert (
        member.merge(url, {"password": chosen, "current_password": wrong}).status_code
        == 403
    )
    steps = [
        {"op": "test", "path": "/current_password", "value": wrong},
        {"op": "add", "path": "/password", "value": chosen},
    ]
    assert member.json_patch(url, steps).status_code in (403, 409)
    right = {"password": chosen, "current_password": current}
    assert member.merge(url, right).status_code == 200
    return chosen


def forget_password(story, old):
    """A user has another password mailed; return it."""
    asked = {"account": story.slug, "username": MEMBER}
    assert story.http.post("/v1/auth/password-reset", json=asked).status_code == 202
    token, chosen = story.learn_mailed("password reset"), story.plant(
        "password reset to"
    )
    url = "/v1/auth/password-reset/confirm"
    unknown = {"token": story.plant("unknown one-time token"), "password": chosen}
    assert story.http.post(url, json=unknown).status_code == 422
    body = {"token": token, "password": chosen}
    assert story.http.post(url, json=body).status_code == 204
    assert sign_in(story, MEMBER, old).status_code == 401
    return chosen


def use_a_client(story, owner, password):
    """A client authenticates in both ways, and fails to."""
    client = register(owner)
    story.learn("client secret", client.client_secret)
    tokens = story.learn_tokens("client", client.credentials_token().json)
    header = client.basic["Authorization"]
    story._keep("Basic header", header.removeprefix("Basic "))
    sent = {"grant_type": "client_credentials"}
    asked = story.http.post(TOKEN, data=sent, headers=client.basic)
    story.learn_tokens("client by Basic", asked.json)
    guess = replace(client, client_secret=story.plant("wrong client secret"))
    assert guess.credentials_token().status_code == 401
    assert story.http.post(TOKEN, data=sent, headers=guess.basic).status_code == 401
    odd = basic(story.plant("Basic without a colon"))
    story.http.post(TOKEN, data=sent, headers=odd)
    in_url = f"{TOKEN}?client_secret={story.plant('secret in the URL')}"
    assert story.http.post(in_url, data=sent).status_code == 400
    assert client.is_active(tokens["access_token"])
    by_password = client.send(
        TOKEN, grant_type="password", username=MEMBER, password=password
    )
    assert by_password.status_code == 400
    consent_to(story, client, password)


def consent_to(story, client, password):
    """A user consents; the client redeems the code, and does wrong with it."""
    verifier = story.plant("verifier") + "-of-forty-three-characters"
    page = client.ask(code_challenge=challenge_of(verifier))
    wrong = story.plant("wrong password of the page")
    assert client.decide(page, username=MEMBER, password=wrong).status_code == 401
    decided = client.decide(page, username=MEMBER, password=password)
    code = story.learn("code", answer_of(decided)["code"])
    off = story.plant("wrong verifier") + "-of-forty-three-characters"
    assert client.redeem(code, code_verifier=off).status_code == 400
    redeemed = client.redeem(code, code_verifier=verifier)
    first = story.learn_tokens("code", redeemed.json)
    following = client.refresh(first["refresh_token"])
    second = story.learn_tokens("refreshed", following.json)
    assert client.redeem(code, code_verifier=verifier).status_code == 400
    assert client.refresh(second["refresh_token"]).status_code == 400
    assert client.refresh(story.plant("unknown refresh token")).status_code == 400
    assert client.send(REVOKE, token=second["access_token"]).status_code == 200


def use_keys(story, owner):
    """Keys are made, used and mistaken; cards are sent to where none belongs."""
    scopes = {"name": "machine", "role": "member", "scopes": ["*"]}
    made = owner.post("/v1/api_keys", json=scopes)
    machine = replace(owner, key=story.learn("API key", made.json["key"]))
    stranger = replace(owner, key=f"myapp_{story.plant('unknown key')}")
    assert stranger.get(CUSTOMERS).status_code == 401
    header = {"Authorization": f"Token {story.plant('other scheme')}"}
    assert story.http.get(CUSTOMERS, headers=header).status_code == 401
    in_url = f"{CUSTOMERS}?access_token={story.plant('token in the URL')}"
    assert machine.get(in_url).status_code == 400

    card = story.plant("card")
    ada = {"name": "Ada", "email": "ada@example.com"}
    assert machine.post(CUSTOMERS, json=ada | {"card": card}).status_code == 400
    assert machine.post(CUSTOMERS, json=ada | {"email": card}).status_code == 400
    assert machine.post(CUSTOMERS, json=ada | {"name": [card]}).status_code == 400
    stored = machine.post(CUSTOMERS, json=ada).headers["Location"]
    steps = [{"op": "test", "path": "/name", "value": card}]
    assert machine.json_patch(stored, steps).status_code == 409
    assert machine.get(f"{CUSTOMERS}?limit={card}").status_code == 400
    assert machine.get(f"{CUSTOMERS}?cursor={card}").status_code == 400
    url = {"success_url": "https://acme.example/thanks"}
    paid = {"amount": 1, "currency": "EUR"} | url
    assert machine.post("/v1/sample_checkouts", json=paid).status_code == 201
    return machine


def look_at_everything(story, owner):
    """Every list and every document is read."""
    for url in (
        *("/v1/accounts", "/v1/users", "/v1/auth/clients", "/v1/auth/sessions"),
        *("/v1/api_keys", CUSTOMERS, "/v1/audit_entries?limit=100", "/openapi.json"),
        *("/.well-known/jwks.json", "/.well-known/oauth-authorization-server"),
    ):
        assert owner.get(url).status_code == 200, url


def run_commands(story):
    """The commands take and show secrets, too."""
    password = story.plant("password of the command")
    typed = f"{password}\n{password}\n"
    create = ("users", "create", story.slug, "admin@example.com", "--role", "admin")
    assert story.run(*create, answer=typed).exit_code == 0
    assert story.run(*create, answer=typed).exit_code == 1  # the address is taken
    grant = ("--grant", "client_credentials")
    done = story.run("clients", "create", story.slug, "nightly", *grant)
    [secret] = re.findall("client_secret: (.+)", done.output)
    story.learn("client secret of the command", secret)
    assert story.run("keys", "rotate", "--compromised").exit_code == 0


def lose_a_table(story, machine):
    """The server fails, with a card in its hands: 500, and a traceback in the log."""
    owner = create_engine(story.app.config["MIGRATION_DATABASE_URL"])
    with owner.begin() as connection:
        connection.execute(text("ALTER TABLE sample_customers RENAME TO gone"))
    owner.dispose()
    card = story.plant("card in a statement")
    body = {"name": card, "email": "ada@example.com"}
    assert machine.post(CUSTOMERS, json=body).status_code == 500


def live_through(story, operator_key):
    """Tell the whole story, in its order."""
    owner, password = sign_up(story, operator_key)
    mistake_passwords(story, password)
    story.learn_tokens("owner", sign_in(story, OWNER, password).json)
    chosen = invite_a_user(story, owner)
    use_a_client(story, owner, chosen)
    machine = use_keys(story, owner)
    run_commands(story)
    look_at_everything(story, owner)
    lose_a_table(story, machine)


@contextmanager
def everything_logged():
    """Collect what any library logs, at its most talkative."""
    handler = logging.StreamHandler(StringIO())
    loggers = [logging.getLogger(name) for name in ("", "myapp", "sqlalchemy")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    logging.getLogger().addHandler(handler)
    yield handler.stream
    logging.getLogger().removeHandler(handler)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture(scope="module")
def story(settings, databases):
    """The story, as it has been lived through."""
    keys = {name: f"canary-{uuid4().hex}" for name in ("SECRET_KEY", "operator's key")}
    operator = sha256(keys["operator's key"].encode()).hexdigest()
    own = settings | {"SECRET_KEY": keys["SECRET_KEY"]}
    own |= {"OPERATOR_KEY_SHA256": operator, "MIGRATION_DATABASE_URL": ""}
    own |= {"ARGON2_TIME": 2, "ARGON2_MEMORY": 19_456, "MAIL_FROM": "a@example.com"}
    own |= {"PUBLIC_URL": "https://api.example.com"}
    with (
        pytest.MonkeyPatch.context() as patch,
        everything_logged() as said,
        mail_server() as mails,
    ):
        patch.setenv("MYAPP_CONFIG", "production")
        own |= databases.clone() | {"MAIL_URL": mails.url}
        app = create_app(own, FEATURES)
        app.test_client_class, app.extensions["answers"] = Watched, []
        story = Story(app, mails, canaries=keys)
        live_through(story, keys["operator's key"])
        background.drain()
        story.log = said.getvalue()
        yield story
        app.extensions["myapp"].engine.dispose()


# --- where the canaries are looked for


@pytest.mark.usefixtures("engine")
def test_every_secret_that_is_shown_once_was_shown(story):
    shown = {name: story.answers[at] for name, at in story.shown.items()}
    assert len(story.canaries) > 40
    assert len(shown) > 12
    assert story.found(shown) >= {(name, name) for name in shown}


@pytest.mark.usefixtures("engine")
def test_no_other_answer_shows_a_secret(story):
    answers = dict(enumerate(story.answers))
    assert story.found(answers) == {*story.shown.items()}


@pytest.mark.usefixtures("engine")
def test_no_library_logs_a_secret(story):
    assert '"path":"/v1/auth/token"' in story.log
    assert "INSERT INTO sessions" in story.log  # the engine says what it executes
    assert "Traceback" in story.log
    assert story.found({"log": story.log}) == set()


@pytest.mark.usefixtures("engine")
def test_no_row_holds_a_secret(story):
    stored = {name: str(rows) for name, rows in tables(story).items()}
    assert len(stored["audit_entries"]) > 1000
    assert story.found(stored) == set()


@on_sqlite
def test_not_even_what_was_deleted_is_in_the_files_of_the_database(story):
    file = Path(str(make_url(story.app.config["DATABASE_URL"]).database))
    files = file.parent.glob(f"{file.name}*")
    raw = {file.name: file.read_bytes().decode("latin-1") for file in files}
    assert sum(map(len, raw.values())) > 100_000
    assert story.found(raw) == set()


@pytest.mark.usefixtures("engine")
def test_what_is_stored_of_secrets_is_hashed_or_sealed(story):
    stored = tables(story)
    hashes = [row["password_hash"] for row in stored["users"]]
    assert len(hashes) == 3
    assert all(hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$") for hash in hashes)
    digests = {
        value
        for rows in stored.values()
        for row in rows
        for name, value in row.items()
        if name.endswith("_sha256") and value
    }
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in digests)
    for name in ("API key", "client secret", "code", "code: refresh token"):
        known = sha256(story.canaries[name].encode()).hexdigest()
        assert (known in digests) == ("refresh" not in name), name
    assert all(row["private"].startswith("gAAAA") for row in stored["signing_keys"])


@pytest.mark.usefixtures("engine")
def test_no_key_of_redis_holds_a_secret(story, redis_url):
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        stored = {key: str(value_of(redis, key)) for key in redis.scan_iter(count=500)}
    assert any(story.account_id in key for key in stored)
    assert story.found({"keys": " ".join(stored), **stored}) == set()


def tables(story):
    """Return the rows of the story's account, and of the tables of nobody."""
    stored = rows_of(story.app, story.account_id)
    with db.use(story.app.extensions["myapp"]), db.transaction(None) as connection:
        for name in NOBODYS - {"alembic_version"}:
            rows = connection.execute(text(f"SELECT * FROM {name}")).mappings()
            stored[name] = [dict(row) for row in rows]
    return stored


def value_of(redis, key):
    """Return what Redis holds under a key, of whatever type."""
    readers = {
        "string": redis.get,
        "hash": redis.hgetall,
        "set": redis.smembers,
        "list": lambda key: redis.lrange(key, 0, -1),
        "zset": lambda key: redis.zrange(key, 0, -1, withscores=True),
    }
    return readers[redis.type(key)](key)


# --- the passwords of the stores


def test_stores_that_do_not_answer_keep_their_passwords(monkeypatch, capfd):
    monkeypatch.setenv("MYAPP_CONFIG", "production")
    monkeypatch.setattr(smtp, "PAUSES", ())
    canary = f"canary-{uuid4().hex}"
    away = f"user:{canary}@127.0.0.1:1"
    with everything_logged() as said:
        app = create_app(
            {
                "DATABASE_URL": f"postgresql://{away}/myapp",
                "REDIS_URL": f"redis://{away}/0",
                "MAIL_URL": f"smtp://{away}",
                "MAIL_FROM": "a@example.com",
                "PUBLIC_URL": "https://api.example.com",
                "SECRET_KEY": canary,
            }
        )
        app.test_client_class, app.extensions["answers"] = Watched, []
        http, answers = app.test_client(), app.extensions["answers"]
        body = {"account": "acme", "username": OWNER, "password": canary}
        assert http.post("/v1/auth/login", json=body).status_code == 503
        assert http.get("/health/ready").status_code == 503
        done = app.test_cli_runner().invoke(args=["keys", "rotate"])
        assert done.exit_code == 1
        with db.use(app.extensions["myapp"]):
            mail.send(mail.Message(OWNER, "You are invited", canary))
            background.drain()
    told = (said.getvalue(), done.output, *answers, *capfd.readouterr())
    assert "not sent" in said.getvalue() and "Traceback" in said.getvalue()
    assert [text for text in told if canary in text] == []


def test_settings_that_are_unfit_are_named_without_their_values(monkeypatch):
    monkeypatch.setenv("MYAPP_CONFIG", "production")
    short, long = "short-canary", f"canary {uuid4().hex}"
    names = ("DATABASE_URL", "MAIL_URL", "PUBLIC_URL", "OPERATOR_KEY_SHA256")
    unfit = dict.fromkeys((*names, "DEVELOPMENT_SECRET"), long)
    with pytest.raises(SettingsError) as refused:
        create_app(unfit | {"SECRET_KEY": short})
    assert "SECRET_KEY" in str(refused.value)
    assert "DEVELOPMENT_SECRET" in str(refused.value)
    assert short not in str(refused.value)
    assert long not in str(refused.value)
