"""Brings up what the application needs in development: Redis, tables, demo data.

`./run` and `flask run --debug` call it; no server has this folder.
"""

import atexit
from pathlib import Path
from urllib.parse import quote

import flask_migrate
from flask import Flask
from sqlalchemy.exc import OperationalError

from devtools import demo, secret
from devtools.redis_server import RedisServer

MIGRATIONS = Path(__file__).resolve().parents[1] / "migrations"


def prepare(app: Flask) -> None:
    """Start Redis, bring the tables up to date, and make the demo work."""
    if not app.debug:
        raise RuntimeError(
            "./run and flask run are for development: unset MYAPP_CONFIG."
            " A server runs uwsgi --ini myapp.ini"
        )
    _provide_secret(app)
    _start_redis(app)
    _migrate(app)
    demo.seed(app)


def _provide_secret(app: Flask) -> None:
    """Give the application its secret; `flask run` has loaded it without, once."""
    if not app.config["DEVELOPMENT_SECRET"]:
        made = secret.kept_in(Path(app.instance_path))
        app.config["DEVELOPMENT_SECRET"] = made
        app.config["SECRET_KEY"] = app.config["SECRET_KEY"] or made


def _start_redis(app: Flask) -> None:
    """Start Redis in the instance folder, unless REDIS_URL names another."""
    server = RedisServer(Path(app.instance_path, "redis"))
    if app.config["REDIS_URL"] == f"unix://{quote(str(server.socket))}":
        atexit.register(server.stop)
        server.start()


def _migrate(app: Flask) -> None:
    try:
        with app.app_context():
            flask_migrate.upgrade(directory=str(MIGRATIONS))
    except OperationalError as error:
        raise RuntimeError(
            f"The database of DATABASE_URL does not answer: {error.orig}\n"
            "Start it, or unset DATABASE_URL to use SQLite."
        ) from error
