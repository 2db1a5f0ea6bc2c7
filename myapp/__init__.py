"""myapp: a multi-tenant REST backend; `create_app` wires everything together.

Under this folder, a folder is a feature and a file is shared.
"""

from collections.abc import Iterable
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType

from flask import Flask
from flask_cors import CORS
from flask_migrate import Migrate
from flask_redis import FlaskRedis

from myapp import (
    cli,
    db,
    dev_mail,
    docs,
    http_errors,
    log,
    plain_features,
    rate_limits,
    settings,
    shell,
)
from myapp.change_feed import ChangeFeed
from myapp.enabled import enabled
from myapp.lane import Lane
from myapp.pipelines import Pipelines
from myapp.redis_client import RedisClient
from myapp.request_log import RequestLog

FEATURES = tuple(
    import_module(f"myapp.{name}")
    for name in (
        "accounts",
        "users",
        "teams",
        "auth",
        "sessions",
        "clients",
        "api_keys",
        "customers",
        "checkout_sessions",
        "audit_entries",
        "keys",
        "well_known",
        "health",
    )
)
EXPOSED_HEADERS = (
    "ETag",
    "Location",
    "Link",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-Id",
    "X-Total-Count",
)


def create_app(
    test_config: settings.Settings | None = None,
    features: Iterable[ModuleType] = FEATURES,
) -> Flask:
    """Return the application, with its stores, features, pages and commands.

    `test_config` replaces `instance/config.py` and the environment. Raises
    SettingsError, naming each setting that is unfit to start with.
    """
    app = Flask(__name__, instance_relative_config=True, static_folder=None)
    settings.load(app.config, Path(app.instance_path), test_config)
    Path(app.instance_path).mkdir(exist_ok=True)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    log.to_stderr()

    stores = _connect_stores(app)
    operations = app.extensions["operations"] = []
    features = tuple(enabled(features, app.config["ENABLED_FEATURES"]))
    for feature in features:
        app.register_blueprint(feature.blueprint)
    with db.use(stores):
        app.register_blueprint(docs.blueprint(operations))
    if app.config["MAIL_URL"].startswith("file:"):  # production refuses such a URL
        app.register_blueprint(dev_mail.blueprint(app.config["MAIL_URL"]))
    http_errors.install(app)
    plain_features.install(app)
    CORS(
        app,
        origins=app.config["CORS_ORIGINS"],
        expose_headers=EXPOSED_HEADERS,
        always_send=False,
        intercept_exceptions=False,
        max_age=600,
    )
    lane = app.extensions["lane"] = Lane(app)
    app.wsgi_app = RequestLog(lane, stores)  # type: ignore[method-assign]
    _observe(app, stores)
    app.shell_context_processor(partial(shell.names, stores, features))
    cli.register(app)
    return app


def _observe(app: Flask, stores: db.Stores) -> None:
    """Count and trace requests where the settings say so; else load nothing for it."""
    if app.config["METRICS"]:
        from myapp.metrics import FOLDER, Metrics

        folder = Path(app.instance_path, FOLDER)
        app.wsgi_app = Metrics(  # type: ignore[method-assign]
            app.wsgi_app, stores, folder
        )
    if app.config["TRACES"]:
        try:
            from myapp.tracing import Traces, sending_to
        except ImportError as error:
            raise settings.SettingsError(
                f"TRACES is set, and {error.name} is not installed:"
                " pip install --require-hashes -r requirements-tracing.txt"
            ) from error
        app.wsgi_app = Traces(  # type: ignore[method-assign]
            app.wsgi_app, sending_to(app.config["TRACES"])
        )


def _connect_stores(app: Flask) -> db.Stores:
    db.sql.init_app(app)
    options = {"decode_responses": True, **settings.redis_options(app.config)}
    redis = FlaskRedis.from_custom_provider(RedisClient, app, **options)
    Migrate(app, db.sql, render_as_batch=True, compare_type=True)
    with app.app_context():
        limits = rate_limits.limits_of(app.config)
        engine = db.sql.engine
        on_postgresql = engine.dialect.name == "postgresql"
        pipelines = Pipelines(engine, app.config) if on_postgresql else None
        # Behind a pooler the connection that listens would be somebody else's.
        own_connections = on_postgresql and app.config["PREPARED_STATEMENTS"]
        feed = ChangeFeed(engine) if own_connections else None
        stores = db.Stores(engine, redis, app.config, limits, pipelines, feed)
    app.extensions["myapp"] = stores
    return stores
