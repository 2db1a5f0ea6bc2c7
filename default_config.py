"""The settings and their defaults.

Later wins: a class of this file (`MYAPP_CONFIG=development|production`; production
unless Flask runs with --debug), `instance/config.py`, the environment (`MYAPP_*`,
DATABASE_URL, MIGRATION_DATABASE_URL, REDIS_URL, also from `.env`).
"""


class Config:
    """What holds everywhere."""

    DATABASE_URL = ""
    MIGRATION_DATABASE_URL = ""
    """The owner of the tables; the application's own URL where it is empty."""

    REDIS_URL = ""
    REDIS_TIMEOUT = 0.5
    """Seconds a call to Redis may take."""

    SQL_TIMEOUT = 5.0
    """Seconds a statement, or the wait for a connection, may take."""

    SQL_CONNECTIONS = 16
    """How many connections a process keeps open at most."""

    MAX_CONTENT_LENGTH = 1024 * 1024
    """Bytes of the largest body."""

    CORS_ORIGINS: list[str] = []
    """The origins whose pages may call the API."""

    OPEN_SIGN_UP = False
    """Whether anyone may open an account; otherwise only the operator."""

    OPERATOR_KEY_SHA256 = ""
    """The SHA-256 of the operator's key, in hex: `printf %s KEY | sha256sum`."""

    DEVELOPMENT_SECRET = ""
    """What the demo key is derived from; `./run` writes it, production refuses it."""

    RESTX_ERROR_404_HELP = False
    RESTX_MASK_SWAGGER = False


class DevelopmentConfig(Config):
    """A developer's machine: embedded stores, open to every origin."""

    DEBUG = True
    DATABASE_URL = "sqlite:///myapp.sqlite"
    REDIS_TIMEOUT = 2.0
    CORS_ORIGINS = ["*"]
    OPEN_SIGN_UP = True


class ProductionConfig(Config):
    """A server: every store and secret is given, none is assumed."""

    DEBUG = False
