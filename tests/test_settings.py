"""Where settings come from, which of them production refuses, and that all are told."""

import os
import re
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
from flask import Config
from sqlalchemy import make_url

import default_config
from myapp import create_app
from myapp.redis_client import read_sentinel_url
from myapp.settings import SettingsError, engine_options, load, mail_url, sql_url

SITE = "https://a.example"
README = Path(__file__).parents[1] / "README.md"
STORES = {
    "DATABASE_URL": "postgresql://app@db.example/myapp",
    "REDIS_URL": "redis://redis.example:6379/0",
}
PRODUCTION = STORES | {
    "MAIL_URL": "smtps://myapp:s3cret@mail.example",
    "MYAPP_MAIL_FROM": "no-reply@example.com",
    "PUBLIC_URL": "https://api.example.com/",
    "MYAPP_SECRET_KEY": "s3cret" * 6,
}
SETTINGS = [name for name in vars(default_config.Config) if name.isupper()]


@pytest.fixture(autouse=True)
def environ():
    """An environment without a setting of this machine, put back at the end."""
    with patch.dict(os.environ, clear=True) as environ:
        yield environ


@pytest.fixture
def instance(tmp_path):
    """An instance folder of this test's own, in a checkout of its own."""
    folder = tmp_path / "instance"
    folder.mkdir()
    return folder


def loaded(instance, test_config=None):
    """Return the configuration of an application that is starting."""
    config = Config(str(instance))
    load(config, instance, test_config)
    return config


# the order of the sources


def test_development_starts_with_nothing_given(instance, environ):
    environ["MYAPP_CONFIG"] = "development"
    config = loaded(instance)
    assert config["DATABASE_URL"] == f"sqlite:///{instance}/myapp.sqlite"
    assert config["REDIS_URL"] == f"unix://{instance}/redis/redis.sock"
    assert config["OPEN_SIGN_UP"] is True
    assert config["CORS_ORIGINS"] == ["*"]


def test_production_is_the_default_and_closed(instance, environ):
    environ.update(PRODUCTION)
    config = loaded(instance)
    assert config["DEBUG"] is False
    assert config["OPEN_SIGN_UP"] is False
    assert config["CORS_ORIGINS"] == []


def test_flask_debug_picks_development(instance, environ):
    environ.update(FLASK_DEBUG="1", FLASK_RUN_FROM_CLI="true")
    assert loaded(instance)["DEBUG"] is True


def test_flask_debug_outside_of_the_command_leaves_production(instance, environ):
    environ.update(PRODUCTION, FLASK_DEBUG="1")
    assert loaded(instance)["DEBUG"] is False


def test_myapp_config_wins_over_flask_debug(instance, environ):
    environ.update(PRODUCTION, FLASK_DEBUG="1", MYAPP_CONFIG="production")
    assert loaded(instance)["DEBUG"] is False


def test_later_sources_win_over_earlier_ones(instance, environ):
    environ["MYAPP_CONFIG"] = "development"
    assert loaded(instance)["SQL_TIMEOUT"] == 4.0
    (instance / "config.py").write_text("SQL_TIMEOUT = 6.0\nSQL_CONNECTIONS = 3")
    assert loaded(instance)["SQL_TIMEOUT"] == 6.0
    (instance.parent / ".env").write_text("MYAPP_SQL_TIMEOUT=7.0")
    assert loaded(instance)["SQL_TIMEOUT"] == 7.0
    environ["MYAPP_SQL_TIMEOUT"] = "8.0"
    assert loaded(instance)["SQL_TIMEOUT"] == 8.0
    assert loaded(instance)["SQL_CONNECTIONS"] == 3


def test_test_config_replaces_the_instance_folder_and_the_environment(
    instance, environ
):
    (instance / "config.py").write_text("SQL_TIMEOUT = 6.0")
    environ.update(MYAPP_CONFIG="development", MYAPP_SQL_CONNECTIONS="3")
    config = loaded(instance, {"REDIS_TIMEOUT": 9.0})
    assert config["SQL_TIMEOUT"] == 4.0
    assert config["SQL_CONNECTIONS"] == 16
    assert config["REDIS_TIMEOUT"] == 9.0


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        pytest.param("SQL_CONNECTIONS", "7", 7, id="integer"),
        pytest.param("SQL_TIMEOUT", "0.5", 0.5, id="number"),
        pytest.param("SQL_TIMEOUT", "2", 2, id="integer_for_number"),
        pytest.param("OPEN_SIGN_UP", "false", False, id="boolean"),
        pytest.param("CORS_ORIGINS", '["https://a.example"]', [SITE], id="list"),
        pytest.param("OPERATOR_KEY_SHA256", "ab" * 32, "ab" * 32, id="string"),
    ],
)
def test_environment_is_read_as_json_or_as_text(instance, environ, name, text, value):
    environ.update({"MYAPP_CONFIG": "development", f"MYAPP_{name}": text})
    assert loaded(instance)[name] == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("OPEN_SIGN_UP", "False", id="boolean_of_python"),
        pytest.param("OPEN_SIGN_UP", "no", id="word"),
        pytest.param("MAX_CONTENT_LENGTH", "1MB", id="unit"),
        pytest.param("MAX_CONTENT_LENGTH", "1.5", id="fraction"),
        pytest.param("RATE_LIMIT", "600/minute", id="rate"),
        pytest.param("CORS_ORIGINS", SITE, id="one_for_a_list"),
        pytest.param("ARGON2_TIME", "two", id="text_for_a_number"),
        pytest.param("DATABASE_URL", "5", id="number_for_a_string"),
    ],
)
def test_setting_of_another_type_is_refused_by_name(instance, environ, name, text):
    environ.update(PRODUCTION, MYAPP_CONFIG="production")
    del environ["DATABASE_URL"]
    environ[f"MYAPP_{name}"] = text
    with pytest.raises(SettingsError, match=f"{name} is .*, not "):
        loaded(instance)


def test_production_refuses_an_operator_digest_that_is_none(instance, environ):
    environ.update(
        PRODUCTION, MYAPP_CONFIG="production", MYAPP_OPERATOR_KEY_SHA256="key"
    )
    with pytest.raises(SettingsError, match="OPERATOR_KEY_SHA256 is no SHA-256"):
        loaded(instance)


def test_production_refuses_debug(instance, environ):
    environ.update(PRODUCTION, MYAPP_CONFIG="production", MYAPP_DEBUG="true")
    with pytest.raises(SettingsError, match="DEBUG is on"):
        loaded(instance)


@pytest.mark.parametrize("name", [name for name in PRODUCTION if "MYAPP" not in name])
def test_urls_are_read_without_a_prefix(instance, environ, name):
    environ.update(PRODUCTION, MYAPP_CONFIG="development")
    given = PRODUCTION[name].rstrip("/")
    assert loaded(instance)[name].endswith(given.partition("://")[2])


# what is refused


@pytest.mark.parametrize("name", ["testing", "Production", "prod", "../production"])
def test_an_unknown_configuration_is_refused_by_name(instance, environ, name):
    environ["MYAPP_CONFIG"] = name
    with pytest.raises(SettingsError) as refused:
        loaded(instance)
    assert str(refused.value) == (f"MYAPP_CONFIG={name}: use development or production")


@pytest.mark.parametrize("chosen", ["development", "production"])
@pytest.mark.parametrize(
    ("name", "unfit", "remedy"),
    [
        ("ACCESS_TOKEN_SECONDS", ("59", "86401"), "60 to 86400"),
        ("SESSION_DAYS", ("0", "-1", "366"), "1 to 365"),
        ("ARGON2_TIME", ("0",), "1 or more"),
        ("ARGON2_MEMORY", ("7",), "8 or more"),
        ("RATE_LIMIT", ("-1",), "0 or more"),
        ("RATE_LIMIT_ANONYMOUS", ("-1",), "0 or more"),
    ],
)
def test_number_out_of_its_range_is_refused_by_name(
    instance, environ, chosen, name, unfit, remedy
):
    environ.update(PRODUCTION, MYAPP_CONFIG=chosen)
    for text in unfit:
        environ[f"MYAPP_{name}"] = text
        with pytest.raises(SettingsError, match=f"{name} is {text}: make it {remedy}"):
            loaded(instance)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("ACCESS_TOKEN_SECONDS", (60, 86_400)),
        ("SESSION_DAYS", (1, 365)),
        ("ARGON2_TIME", (1,)),
        ("ARGON2_MEMORY", (8,)),
        ("RATE_LIMIT", (0,)),
        ("RATE_LIMIT_ANONYMOUS", (0,)),
    ],
)
def test_number_at_the_end_of_its_range_is_taken(instance, environ, name, values):
    environ["MYAPP_CONFIG"] = "development"
    for value in values:
        environ[f"MYAPP_{name}"] = str(value)
        assert loaded(instance)[name] == value


def test_production_names_every_unfit_setting_and_what_to_do(instance, environ):
    environ["MYAPP_DEVELOPMENT_SECRET"] = "s3cret"
    with pytest.raises(SettingsError) as refused:
        loaded(instance)
    assert str(refused.value) == (
        "These settings are unfit for production;"
        " set them in instance/config.py, .env or the environment:\n"
        "  DATABASE_URL is not set: give the URL of the production store\n"
        "  REDIS_URL is not set: give the URL of the production store\n"
        "  SECRET_KEY has fewer than 32 characters: make one with"
        ' `python3 -c "import secrets; print(secrets.token_urlsafe(32))"`\n'
        "  DEVELOPMENT_SECRET is set, a secret of a developer's machine:"
        " remove it from instance/config.py and the environment\n"
        "  MAIL_URL is no mail server's URL: give it as in"
        " smtp://user:password@mail.example:587, special characters in % and hex\n"
        "  MAIL_FROM is no sender: give it as in myapp <no-reply@example.com>\n"
        "  PUBLIC_URL is no https:// address: give the one that people open,"
        " as in https://api.example.com\n"
        "On your own machine: ./run, or flask --debug"
    )


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
@pytest.mark.parametrize("given", [{}, {"empty": ""}], ids=["missing", "empty"])
def test_production_refuses_one_missing_store_and_names_no_other(
    instance, environ, name, given
):
    environ.update(PRODUCTION)
    del environ[name]
    environ.update({name: text for text in given.values()})
    with pytest.raises(SettingsError) as refused:
        loaded(instance)
    [other] = STORES.keys() - {name}
    assert f"{name} is not set" in str(refused.value)
    assert f"{other} is not set" not in str(refused.value)


def test_production_refuses_a_development_secret_left_in_the_instance_folder(
    instance, environ
):
    environ.update(PRODUCTION)
    (instance / "config.py").write_text("DEVELOPMENT_SECRET = 's3cret'")
    with pytest.raises(SettingsError) as refused:
        loaded(instance)
    assert "DEVELOPMENT_SECRET" in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_create_app_refuses_what_load_refuses(environ):
    with pytest.raises(SettingsError, match="DATABASE_URL is not set"):
        create_app({})


def test_command_with_unfit_settings_says_what_to_do_without_a_traceback():
    command = [sys.executable, "-m", "flask", "--app", "myapp", "openapi"]
    kept = {"MYAPP_CONFIG": "production"}
    done = subprocess.run(
        command, cwd=README.parent, env=kept, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: These settings are unfit for production;")


# the stores


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres://u:p@h:5432/d", "postgresql+psycopg://u:p@h:5432/d"),
        ("postgresql://u:p@h/d?a=b", "postgresql+psycopg://u:p@h/d?a=b"),
        ("postgresql+psycopg://u@h/d", "postgresql+psycopg://u@h/d"),
        ("postgresql:///d?host=/run/pg", "postgresql+psycopg:///d?host=/run/pg"),
        (
            "postgres://u:p%40@h1,h2:5433/d",
            "postgresql+psycopg://u:p%40@/d?host=h1&host=h2:5433"
            "&target_session_attrs=read-write",
        ),
        (
            "postgresql://h1,h2/d?target_session_attrs=any",
            "postgresql+psycopg:///d?target_session_attrs=any&host=h1&host=h2",
        ),
        (
            "postgresql:///d?host=/run/a&host=/run/b",
            "postgresql+psycopg:///d?host=/run/a&host=/run/b"
            "&target_session_attrs=read-write",
        ),
        ("sqlite:////srv/myapp.sqlite", "sqlite:////srv/myapp.sqlite"),
        ("sqlite:///myapp.sqlite", "sqlite:////srv/instance/myapp.sqlite"),
        ("", ""),
    ],
    ids=[
        "short",
        "plain",
        "with_driver",
        "socket",
        "hosts",
        "hosts_of_any_kind",
        "sockets",
        "file",
        "relative_file",
        "empty",
    ],
)
def test_sql_url_names_the_driver(url, expected):
    assert sql_url(url, Path("/srv/instance")) == expected
    assert not expected or make_url(expected).drivername


def test_migrations_use_the_application_url_unless_the_owner_has_one(instance, environ):
    environ.update(PRODUCTION)
    config = loaded(instance)
    assert config["MIGRATION_DATABASE_URL"] == config["DATABASE_URL"]
    environ["MIGRATION_DATABASE_URL"] = "postgres://owner@db.example/myapp"
    owner = loaded(instance)["MIGRATION_DATABASE_URL"]
    assert owner == "postgresql+psycopg://owner@db.example/myapp"


@pytest.mark.parametrize(
    "url", ["sqlite://", "postgresql+psycopg://h/d"], ids=["file", "server"]
)
def test_engine_is_bounded_in_connections_and_in_time(url):
    options = engine_options(
        {
            "DATABASE_URL": url,
            "SQL_TIMEOUT": 2.5,
            "SQL_CONNECTIONS": 4,
            "PREPARED_STATEMENTS": True,
            "DEBUG": False,
        }
    )
    assert options["pool_size"] == 4
    assert options["max_overflow"] == 0
    assert options["pool_timeout"] == 2.5
    arguments = str(options["connect_args"])
    assert "2.5" in arguments or "statement_timeout=2500" in arguments


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://sentinel.example",
        "redis+sentinel://sentinel.example:26379/",
        "redis+sentinel:///mymaster/0",
        "redis+sentinel://a.example,/mymaster",
        "redis+sentinel://a.example:port/mymaster",
        "redis+sentinel://user:s3cret@a.example/mymaster/zero",
    ],
)
def test_url_of_no_sentinels_is_refused(instance, environ, url):
    environ.update(PRODUCTION, REDIS_URL=url)
    with pytest.raises(SettingsError, match="REDIS_URL names no Sentinels") as refused:
        loaded(instance)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "redis+sentinel://a.example,[::1]:26380/mymaster",
            ([("a.example", 26379), ("::1", 26380)], "mymaster", {"db": 0}),
        ),
        (
            "rediss+sentinel://me:p%40ss@a.example/mymaster/2?ssl_cert_reqs=none",
            (
                [("a.example", 26379)],
                "mymaster",
                {
                    "ssl_cert_reqs": "none",
                    "db": 2,
                    "ssl": True,
                    "username": "me",
                    "password": "p@ss",
                },
            ),
        ),
    ],
    ids=["two", "with_password_and_tls"],
)
def test_url_of_sentinels_is_read(instance, environ, url, expected):
    environ.update(PRODUCTION, REDIS_URL=url)
    assert read_sentinel_url(loaded(instance)["REDIS_URL"]) == expected


# mail


def test_development_keeps_mail_in_the_instance_folder(instance, environ):
    environ["MYAPP_CONFIG"] = "development"
    assert loaded(instance)["MAIL_URL"] == f"file://{instance}/mail"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example:587", "smtp://mail.example:587"),
        ("file:mail", "file:///srv/in%20stance/mail"),
        ("file:///tmp/mail%20box", "file:///tmp/mail%20box"),
    ],
    ids=["server", "relative_folder", "folder"],
)
def test_mail_url_names_the_whole_folder(url, expected):
    assert mail_url(url, Path("/srv/in stance")) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "file:mail",
        "mail.example",
        "http://mail.example",
        "smtp://",
        "smtp://user:pass word@mail.example",
        "smtp://user:p@ss@mail.example",
        "smtp://user:p/ss@mail.example",
        "smtp://user@mail.example",
        "smtp://mail.example:65536",
        "smtp://mail.example:smtp",
        "smtp://mail.example/path",
        "smtp://mail.example\n",
    ],
)
def test_production_refuses_what_is_no_mail_server(instance, environ, url):
    environ.update(PRODUCTION, MAIL_URL=url)
    with pytest.raises(SettingsError) as refused:
        loaded(instance)
    assert "MAIL_URL is no mail server's URL" in str(refused.value)
    assert "ss@" not in str(refused.value)


def test_development_refuses_a_misspelt_mail_server(instance, environ):
    environ.update(MYAPP_CONFIG="development", MAIL_URL="smpt://mail.example")
    with pytest.raises(SettingsError, match="MAIL_URL is no mail server's URL"):
        loaded(instance)


@pytest.mark.parametrize(
    "url",
    [
        "smtp://mail.example",
        "smtp://user:p%40ss@mail.example:587/",
        "smtps://[2001:db8::1]:465",
    ],
)
def test_mail_server_is_taken_as_given(instance, environ, url):
    environ.update(PRODUCTION, MAIL_URL=url)
    assert loaded(instance)["MAIL_URL"] == url


@pytest.mark.parametrize(
    "sender",
    ["", "myapp", "a@b.example, c@d.example", "a@b.example\nBcc: c@d.example", "<a@b"],
)
def test_sender_that_is_not_one_address_is_refused(instance, environ, sender):
    environ.update(PRODUCTION, MYAPP_MAIL_FROM=sender)
    with pytest.raises(SettingsError, match="MAIL_FROM is no sender"):
        loaded(instance)


@pytest.mark.parametrize("name", ["MAIL_URL", "PUBLIC_URL", "OPERATOR_KEY_SHA256"])
def test_number_where_production_reads_a_text_is_refused_by_name(
    instance, environ, name
):
    environ.update(PRODUCTION, **{f"MYAPP_{name}": "5"})
    environ.pop(name, None)
    with pytest.raises(SettingsError, match=f"{name} is int, not str"):
        loaded(instance)


def test_public_url_is_this_machine_in_development(instance, environ):
    environ.update(MYAPP_CONFIG="development", PORT="5001")
    assert loaded(instance)["PUBLIC_URL"] == "http://127.0.0.1:5001"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example.com",
        "http://api.example.com",
        "https://",
        "https://api.example.com/v1",
        "https://api.example.com?a=b",
        "https://user@api.example.com",
    ],
)
def test_production_refuses_a_public_url_that_is_no_https_address(
    instance, environ, url
):
    environ.update(PRODUCTION, PUBLIC_URL=url)
    with pytest.raises(SettingsError, match="PUBLIC_URL (is no https|has a path)"):
        loaded(instance)


def test_public_url_ends_without_a_slash(instance, environ):
    environ.update(PRODUCTION)
    assert loaded(instance)["PUBLIC_URL"] == "https://api.example.com"


# what the README tells


def rows():
    """Return the README's table of settings: name → default and meaning."""
    found = {}
    for line in README.read_text().splitlines():
        if re.match(r"\| `[A-Z]", line):
            names, default, meaning = line.strip("| ").split("|")
            for name in re.findall(r"`([A-Z0-9_]+)`", names):
                found[name] = (default.strip(), meaning.strip())
    return found


@pytest.mark.parametrize("name", SETTINGS)
def test_setting_is_in_the_readme_with_its_default(name):
    default, meaning = rows()[name]
    assert meaning
    value = getattr(default_config.Config, name)
    if isinstance(value, int | float):
        assert default.startswith(str(value).lower())


def test_readme_tells_of_no_setting_that_is_gone():
    assert rows().keys() <= set(SETTINGS)
