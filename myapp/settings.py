"""Where the settings come from, and what makes a set of them unfit to start with."""

import os
import re
from collections.abc import Iterator, Mapping
from math import inf
from pathlib import Path
from pkgutil import resolve_name
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import click
from dotenv import load_dotenv
from flask import Config
from flask.helpers import get_debug_flag
from redis.backoff import NoBackoff
from redis.retry import Retry

import default_config
from myapp import smtp
from myapp.postgres_connection import CONNECT, KEEPALIVE
from myapp.redis_client import FORM, SENTINEL, read_sentinel_url

Settings = Mapping[str, Any]
SHORTEST_SECRET = 32
OPERATOR_DIGEST = re.compile("([0-9a-fA-F]{64})?")
ADDRESS = r"[^\s<>@,;:\"]+@[^\s<>@,;:\"]+"
SENDER = re.compile(rf"{ADDRESS}|[^\r\n<>@,;:\"]*<{ADDRESS}>")
ORIGIN = re.compile(r"https?://[^\s/?#@]+/?")
ADMITTED: dict[type, tuple[type, ...]] = {
    bool: (bool,),
    int: (int,),
    float: (float, int),
    str: (str,),
    list: (list,),
}
"""What a setting may be, by the type of its default."""
RANGES: dict[str, tuple[int, float]] = {
    "ACCESS_TOKEN_SECONDS": (60, 86_400),
    "SESSION_DAYS": (1, 365),
    "ARGON2_TIME": (1, inf),
    "ARGON2_MEMORY": (8, inf),
    "RATE_LIMIT": (0, inf),
    "RATE_LIMIT_ANONYMOUS": (0, inf),
}
"""The least and the most that a setting may be, wherever it is."""
FROM_ENVIRONMENT = (
    "DATABASE_URL",
    "MIGRATION_DATABASE_URL",
    "REDIS_URL",
    "MAIL_URL",
    "PUBLIC_URL",
)


class SettingsError(click.ClickException, RuntimeError):
    """The settings are unfit; the message names each and its remedy."""


def load(config: Config, instance: Path, test_config: Settings | None) -> None:
    """Fill the configuration, later sources over earlier ones; raise SettingsError."""
    if test_config is None:
        load_dotenv(instance.parent / ".env")
    chosen = os.environ.get("MYAPP_CONFIG") or _default_name()
    if chosen not in ("development", "production"):
        raise SettingsError(f"MYAPP_CONFIG={chosen}: use development or production")
    config.from_object(f"default_config.{chosen.capitalize()}Config")
    defaults = dict(config)
    if test_config is None:
        config.from_pyfile(str(instance / "config.py"), silent=True)
        config.from_prefixed_env("MYAPP")
        config.from_mapping(
            {name: os.environ[name] for name in FROM_ENVIRONMENT if name in os.environ}
        )
    else:
        config.from_mapping(test_config)
    # Only where every type is right can the rest be looked at.
    unfit = list(_mistyped(config, defaults)) or list(_unfit(config, chosen))
    if unfit:
        place = "set them in instance/config.py, .env or the environment"
        head = f"These settings are unfit for {chosen}; {place}:"
        listed = "\n  ".join([head, *unfit])
        hint = "\nOn your own machine: ./run, or flask --debug"
        raise SettingsError(listed + hint * (chosen == "production"))
    if not config["REDIS_URL"]:
        config["REDIS_URL"] = f"unix://{quote(str(instance))}/redis/redis.sock"
    _derive(config, instance)


def _default_name() -> str:
    """Return development for `flask --debug`, and for nothing else."""
    from_cli = os.environ.get("FLASK_RUN_FROM_CLI") == "true"
    return "development" if from_cli and get_debug_flag() else "production"


def _mistyped(config: Settings, defaults: Settings) -> Iterator[str]:
    """Name each setting of another type: `MYAPP_OPEN_SIGN_UP=no` is a string."""
    for name in dir(default_config.Config):
        admitted = ADMITTED.get(type(defaults.get(name)))
        # Python's booleans are integers; a setting of `true` is none.
        if admitted and type(config[name]) not in admitted:
            listed = " or ".join(kind.__name__ for kind in admitted)
            yield (
                f"{name} is {type(config[name]).__name__}, not {listed}:"
                ' the environment is read as JSON, as in true, 5 or ["a"]'
            )


def _unfit(config: Settings, chosen: str) -> Iterator[str]:
    yield from _out_of_range(config)
    if chosen == "production":
        yield from _unfit_for_production(config)
    yield from _unfit_sentinels(config)
    yield from _unfit_for_mail(config, chosen)
    yield from _unfit_captcha(config)


def _out_of_range(config: Settings) -> Iterator[str]:
    for name, (least, most) in RANGES.items():
        if not least <= config[name] <= most:
            admitted = f"{least} or more" if most == inf else f"{least} to {most}"
            yield f"{name} is {config[name]}: make it {admitted}"


def _unfit_for_production(config: Settings) -> Iterator[str]:
    for name in ("DATABASE_URL", "REDIS_URL"):
        if not config[name]:
            yield f"{name} is not set: give the URL of the production store"
    if config["DEBUG"]:
        yield "DEBUG is on: it shows internals, so switch it off"
    if not OPERATOR_DIGEST.fullmatch(config["OPERATOR_KEY_SHA256"]):
        yield (
            "OPERATOR_KEY_SHA256 is no SHA-256 in hex:"
            " make it with `printf %s KEY | sha256sum`"
        )
    if len(config["SECRET_KEY"]) < SHORTEST_SECRET:
        yield (
            f"SECRET_KEY has fewer than {SHORTEST_SECRET} characters: make one with"
            ' `python3 -c "import secrets; print(secrets.token_urlsafe(32))"`'
        )
    if config["ARGON2_TIME"] < 2 or config["ARGON2_MEMORY"] < 19_456:
        yield "ARGON2_TIME or ARGON2_MEMORY is below 2 or 19456: leave them at that"
    if config["DEVELOPMENT_SECRET"]:
        yield (
            "DEVELOPMENT_SECRET is set, a secret of a developer's machine:"
            " remove it from instance/config.py and the environment"
        )


def _unfit_sentinels(config: Settings) -> Iterator[str]:
    if urlsplit(config["REDIS_URL"]).scheme in SENTINEL:
        try:
            read_sentinel_url(config["REDIS_URL"])
        except ValueError:
            yield f"REDIS_URL names no Sentinels: give it as in {FORM}"


def _unfit_for_mail(config: Settings, chosen: str) -> Iterator[str]:
    """Name what keeps invitations and new passwords from reaching anyone."""
    url, origin = config["MAIL_URL"], config["PUBLIC_URL"]
    in_folder = chosen == "development" and url.startswith("file:")
    if not in_folder and not smtp.is_server(url):
        yield (
            "MAIL_URL is no mail server's URL: give it as in"
            " smtp://user:password@mail.example:587, special characters in % and hex"
        )
    if not SENDER.fullmatch(config["MAIL_FROM"]):
        sender = "myapp <no-reply@example.com>"
        yield f"MAIL_FROM is no sender: give it as in {sender}"
    if chosen == "production" and not origin.startswith("https://"):
        yield (
            "PUBLIC_URL is no https:// address: give the one that people open,"
            " as in https://api.example.com"
        )
    elif origin and not ORIGIN.fullmatch(origin):
        yield "PUBLIC_URL has a path or a user: leave it at https://api.example.com"


def _unfit_captcha(config: Settings) -> Iterator[str]:
    named = config["CAPTCHA"]
    try:
        usable = not named or callable(resolve_name(named))
    except (ImportError, AttributeError, ValueError):
        usable = False
    if not usable:
        yield f"CAPTCHA={named}: name a function, as in `package.module:function`"


def _derive(config: Config, instance: Path) -> None:
    """Set what the extensions read, from our own settings, and what is left open."""
    config["DATABASE_URL"] = url = sql_url(config["DATABASE_URL"], instance)
    owner = sql_url(config["MIGRATION_DATABASE_URL"], instance)
    config["MIGRATION_DATABASE_URL"] = owner or url
    config["SQLALCHEMY_DATABASE_URI"] = url
    config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(config)
    config["SECRET_KEY"] = config["SECRET_KEY"] or config["DEVELOPMENT_SECRET"]
    config["MAIL_URL"] = mail_url(config["MAIL_URL"], instance)
    here = f"http://127.0.0.1:{os.environ.get('PORT', '5000')}"
    config["PUBLIC_URL"] = config["PUBLIC_URL"].rstrip("/") or here


def mail_url(url: str, instance: Path) -> str:
    """Return a URL whose folder, if it names one, is absolute (RFC 8089).

    A relative one lies in the instance folder: `file:mail`.
    """
    if not url.startswith("file:"):
        return url
    return (instance / unquote(urlsplit(url).path)).as_uri()


def sql_url(url: str, instance: Path) -> str:
    """Return a URL that names the driver and, for SQLite, the absolute path.

    `postgres://` is accepted, and so is libpq's list of hosts; a relative file lies
    in the instance folder.
    """
    scheme, separator, rest = url.partition("://")
    if scheme in ("postgres", "postgresql"):
        scheme = "postgresql+psycopg"
        rest = _with_hosts(rest)
    if scheme == "sqlite" and rest.startswith("/"):
        rest = f"/{instance / rest[1:]}"
    return scheme + separator + rest


def _with_hosts(rest: str) -> str:
    """Return what follows `postgresql://` with several hosts as SQLAlchemy has them.

    Of several, one is wanted that takes writes: the others are its standbys.
    """
    authority, _, path = rest.partition("/")
    user, at, listed = authority.rpartition("@")
    if "," in listed:
        path += "&" if "?" in path else "?"
        path += "&".join(f"host={host}" for host in listed.split(","))
        authority = user + at
    if path.count("host=") > 1 and "target_session_attrs=" not in path:
        path += "&target_session_attrs=read-write"
    return f"{authority}/{path}"


def engine_options(config: Settings) -> dict[str, Any]:
    """Return the options of the engine: bounded in connections and in time."""
    seconds = config["SQL_TIMEOUT"]
    options: dict[str, Any] = {
        "pool_size": config["SQL_CONNECTIONS"],
        "max_overflow": 0,
        "pool_timeout": seconds,
        "pool_use_lifo": True,  # few connections, with their statements prepared
        # What is in a statement is a customer's: on a server no log repeats it.
        "hide_parameters": not config["DEBUG"],
    }
    if config["DATABASE_URL"].startswith("sqlite"):
        # A writer waits its turn this long; see the BEGIN in db.py.
        return options | {"connect_args": {"timeout": seconds}}
    session = f"-c statement_timeout={int(seconds * 1000)} -c timezone=UTC"
    # What a transaction sends is not prepared by psycopg behind our back: it would not
    # notice that a table was altered, or that a pooler has changed the connection.
    unprepared = {"prepare_threshold": None}
    connection = {"connect_timeout": CONNECT, "options": session, **unprepared}
    connection["client_encoding"] = "utf8"
    return options | {"connect_args": connection | KEEPALIVE}


def redis_options(config: Settings) -> dict[str, Any]:
    """Return the options of the Redis client.

    The library's default retries keep a caller waiting for seconds when Redis is
    away; an API answers 503 at once, and its client tries again.
    """
    seconds = config["REDIS_TIMEOUT"]
    return {
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        "retry": Retry(NoBackoff(), 0),
    }
