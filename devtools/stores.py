"""Brings up what the application needs in development: Redis, tables, demo data.

`./run` and `flask run --debug` call it; no server has this folder.
"""

import atexit
from pathlib import Path

import flask_migrate
from flask import Flask

from devtools import demo
from devtools.redis_server import RedisServer

MIGRATIONS = Path(__file__).resolve().parents[1] / "migrations"


def prepare(app: Flask) -> None:
    """Start Redis, bring the tables up to date, and seed the demo account once."""
    if not app.debug:
        raise RuntimeError("only for development: set MYAPP_CONFIG=development")
    _start_redis(app)
    with app.app_context():
        flask_migrate.upgrade(directory=str(MIGRATIONS))
    demo.seed(app)


def _start_redis(app: Flask) -> None:
    """Start Redis in the instance folder, unless REDIS_URL names another."""
    server = RedisServer(Path(app.instance_path, "redis"))
    if app.config["REDIS_URL"] == f"unix://{server.socket}":
        server.start()
        atexit.register(server.stop)
