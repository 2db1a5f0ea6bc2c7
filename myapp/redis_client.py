"""The Redis client: it waits for no server that has just not answered.

A URL may name one server, or Sentinels, who know which server is the master now.
"""

from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from redis import Redis, exceptions as redis
from redis.client import Pipeline
from redis.sentinel import Sentinel

from myapp.breaker import Breaker

SENTINEL = ("redis+sentinel", "rediss+sentinel")
FORM = "redis+sentinel://user:password@host:26379,host:26379/name/0"
SENTINEL_PORT = 26379
AWAY = (redis.ConnectionError, redis.TimeoutError)
MOST_FAILURES, PAUSE = 3, 2.0
"""One call that is late says nothing yet; three in a row do. Seconds."""


class RedisClient(Redis):
    """What FlaskRedis makes of a URL; raises ConnectionError where it does not ask."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._breaker = Breaker(
            "Redis", AWAY, redis.ConnectionError, MOST_FAILURES, PAUSE
        )

    @classmethod
    def from_url(cls, url: str, **options: Any) -> Self:
        """Return the client of a server, or of the master that Sentinels name."""
        if urlsplit(url).scheme not in SENTINEL:
            client: Self = super().from_url(url, **options)  # type: ignore[assignment]
            return client
        return cls._of_sentinels(url, options)

    @classmethod
    def _of_sentinels(cls, url: str, options: dict[str, Any]) -> Self:
        sentinels, name, of_server = read_sentinel_url(url)
        # Sentinels have a password of their own, or none, and are asked as hastily.
        hasty = {**options, "ssl": of_server.get("ssl", False)}
        watching: Any = Sentinel  # which has no types
        known = watching(sentinels, sentinel_kwargs=hasty)
        client: Self = known.master_for(name, cls, **{**options, **of_server})
        return client

    @property
    def is_away(self) -> bool:
        """Whether it has just not answered, and is not asked for now."""
        return self._breaker.is_open

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send one command."""
        return self._breaker.call(super().execute_command, *args, **options)

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Pipeline:
        """Return what sends several commands at once."""
        made = _Pipeline(
            self.connection_pool, self.response_callbacks, transaction, shard_hint
        )
        made.breaker = self._breaker
        return made


class _Pipeline(Pipeline):
    breaker: Breaker

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        return self.breaker.call(super().execute, raise_on_error)


def read_sentinel_url(url: str) -> tuple[list[tuple[str, int]], str, dict[str, Any]]:
    """Return the Sentinels, the name of what they watch, and the server's options.

    Raises ValueError for a URL that is not of the FORM.
    """
    parts = urlsplit(url)
    account, _, hosts = parts.netloc.rpartition("@")
    user, _, password = account.partition(":")
    name, _, database = parts.path.strip("/").partition("/")
    sentinels = [_address(host) for host in hosts.split(",")]
    if not name or not all(host for host, _ in sentinels):
        raise ValueError(f"it is not of the form {FORM}")
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    options["db"] = int(database or 0)
    if parts.scheme.startswith("rediss"):
        options["ssl"] = True
    if password:
        options |= {"username": unquote(user) or None, "password": unquote(password)}
    return sentinels, name, options


def _address(host: str) -> tuple[str, int]:
    found = urlsplit(f"//{host}")  # it knows the brackets of IPv6
    return found.hostname or "", found.port or SENTINEL_PORT
