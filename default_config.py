"""The settings and their defaults.

Later wins: a class of this file (`MYAPP_CONFIG=development|production`;
production unless Flask runs with --debug), `instance/config.py`, the environment,
also from `.env` (`MYAPP_*`, DATABASE_URL, MIGRATION_DATABASE_URL, REDIS_URL,
MAIL_URL, PUBLIC_URL).
"""


class Config:
    """What holds everywhere."""

    DATABASE_URL = ""
    MIGRATION_DATABASE_URL = ""
    """The owner of the tables; the application's own URL where it is empty."""

    REDIS_URL = ""
    REDIS_TIMEOUT = 0.1
    """Seconds a call to Redis may take."""

    SQL_TIMEOUT = 4.0
    """Seconds a statement, or the wait for a connection, may take."""

    PREPARED_STATEMENTS = True
    """Whether statements stay prepared on a connection; not where a pooler in front of
    PostgreSQL hands a connection to another at each transaction."""

    SQL_CONNECTIONS = 16
    """How many connections a process keeps open at most, and one that listens."""

    MAX_CONTENT_LENGTH = 1024 * 1024
    """Bytes of the largest body."""

    ENABLED_FEATURES: list[str] = ["*"]
    """The features that are served, by name; `*` is all of them."""

    RATE_LIMIT = 600
    """Requests a minute of one signed-in caller; 0 is no limit."""

    RATE_LIMIT_ANONYMOUS = 60
    """Requests a minute of one address without a valid credential; 0 is no limit."""

    LANE = True
    """Whether operations are served in front of Flask while nothing hooks into it."""

    CORS_ORIGINS: list[str] = []
    """The origins whose pages may call the API."""

    OPEN_SIGN_UP = False
    """Whether anyone may open an account; otherwise only the operator."""

    OPERATOR_KEY_SHA256 = ""
    """The SHA-256 of the operator's key, in hex: `printf %s KEY | sha256sum`."""

    SECRET_KEY = ""
    """What seals the signing keys and renews refresh tokens: 32 characters or more."""

    ARGON2_TIME = 2
    ARGON2_MEMORY = 19_456
    """The cost of hashing a password: rounds and KiB (RFC 9106; OWASP's least)."""

    ACCESS_TOKEN_SECONDS = 600
    """How long an access token lives; a revoked one ends within a second."""

    SESSION_DAYS = 30
    """How long refresh tokens can follow one another after a login."""

    PASSWORD_GRANT = False
    """Whether first-party clients may send a user's password to the token endpoint."""

    CAPTCHA = ""
    """The function that checks the captcha of a sign-up, as `package.module:name`."""

    DEVELOPMENT_SECRET = ""
    """The secret of the demo data, and the SECRET_KEY where there is none; `./run`
    writes it, production refuses it."""

    MAIL_URL = ""
    """Where mail goes: `smtp://user:password@host:587` (STARTTLS), `smtps://…`."""

    MAIL_FROM = ""
    """Who sends it: `myapp <no-reply@example.com>`."""

    PUBLIC_URL = ""
    """Where people reach this server, for links in mail: `https://api.example.com`."""

    METRICS = ""
    """Where deploy/metrics.py answers Prometheus: `127.0.0.1:9127`; nothing is counted
    where it is empty."""

    TRACES = ""
    """The OpenTelemetry collector that spans are sent to: `http://127.0.0.1:4318`;
    nothing is traced where it is empty."""

    RESTX_ERROR_404_HELP = False
    RESTX_MASK_SWAGGER = False


class DevelopmentConfig(Config):
    """A developer's machine: embedded stores, open to every origin."""

    DEBUG = True
    DATABASE_URL = "sqlite:///myapp.sqlite"
    REDIS_TIMEOUT = 2.0
    CORS_ORIGINS = ["*"]
    OPEN_SIGN_UP = True
    PASSWORD_GRANT = True
    MAIL_URL = "file:mail"  # kept in instance/mail, shown at /dev/mail
    MAIL_FROM = "myapp <myapp@localhost>"


class ProductionConfig(Config):
    """A server: every store and secret is given, none is assumed."""

    DEBUG = False
