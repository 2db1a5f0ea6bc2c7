"""How this client signs in, tries again and turns pages; the rest is generated."""

from collections.abc import Callable, Iterator, Sequence
from typing import ParamSpec, Protocol, TypeVar, cast

import httpx
from httpx_auth import OAuth2ClientCredentials
from httpx_retries import Retry, RetryTransport

from .client import AuthenticatedClient
from .models.problem import Problem

Answer = TypeVar("Answer")
Item = TypeVar("Item", covariant=True)
Query = ParamSpec("Query")

TRIES_AGAIN = 5
TIMEOUT = httpx.Timeout(30)
"""Seconds to connect, to send, and to wait for each part of an answer."""
FOR_NOW = (429, 503)
"""The statuses of a refusal that passes."""


class ProblemError(Exception):
    """The server refused; `problem` says what is wrong, and where."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.status} {problem.title}: {problem.detail}")
        self.problem = problem


class _RefusedForNowError(httpx.HTTPError):
    """The server did nothing, and said when to ask again."""


class _Careful(Retry):
    """Tries again only where nothing can have been done."""

    def is_retryable_status_code(self, status_code: int) -> bool:
        """Leave it to `_refuse`, which also sees the headers."""
        return False


def _refuse(response: httpx.Response) -> None:
    if response.status_code in FOR_NOW and "Retry-After" in response.headers:
        raise _RefusedForNowError(f"{response.status_code}, for now")


IDEMPOTENT = Retry(
    total=TRIES_AGAIN, backoff_factor=0.5, max_backoff_wait=60, status_forcelist=FOR_NOW
)
OTHERS = _Careful(
    total=TRIES_AGAIN,
    backoff_factor=0.5,
    max_backoff_wait=60,
    allowed_methods=("POST", "PATCH"),
    retry_on_exceptions=(
        httpx.ConnectError,
        httpx.ConnectTimeout,
        _RefusedForNowError,
    ),
    validate_response=_refuse,
)


class Patient(RetryTransport):
    """Sends a request again as its method allows; waits as `Retry-After` says."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request."""
        request.extensions.setdefault("retry", _retry_of(request))
        return super().handle_request(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request."""
        request.extensions.setdefault("retry", _retry_of(request))
        return await super().handle_async_request(request)


def _retry_of(request: httpx.Request) -> Retry:
    return OTHERS if request.method in OTHERS.allowed_methods else IDEMPOTENT


def connect(base_url: str, token: str) -> AuthenticatedClient:
    """Return a client that signs in with an API key or an access token."""
    return _client(base_url, token)


def connect_by_secret(
    base_url: str, client_id: str, client_secret: str
) -> AuthenticatedClient:
    """Return a client that fetches its access tokens, and renews what expires.

    They come by OAuth's client credentials (RFC 6749 section 4.4).
    """
    credentials = OAuth2ClientCredentials(
        f"{base_url}/v1/auth/token",
        client_id,
        client_secret,
        client=httpx.Client(transport=Patient(), timeout=TIMEOUT),
    )
    return _client(base_url, "", auth=credentials)


def _client(base_url: str, token: str, **httpx_args: httpx.Auth) -> AuthenticatedClient:
    return AuthenticatedClient(
        base_url,
        token=token,
        timeout=TIMEOUT,
        raise_on_unexpected_status=True,
        httpx_args={"transport": Patient(), **httpx_args},
    )


def checked(answer: Answer | Problem | None) -> Answer:
    """Return what was asked for; ProblemError where the server refused."""
    if isinstance(answer, Problem):
        raise ProblemError(answer)
    return cast(Answer, answer)  # None is the answer of what was deleted


class Page(Protocol[Item]):
    """A page of a list."""

    next_: str | None

    @property
    def items(self) -> Sequence[Item]: ...  # noqa: D102


def every(
    list_: Callable[Query, Page[Answer] | Problem | None],
    *args: Query.args,
    **query: Query.kwargs,
) -> Iterator[Answer]:
    """Yield the items of all pages: `every(customers_list.sync, client=client)`."""
    page = checked(list_(*args, **query))
    yield from page.items
    while page.next_ is not None:
        query["cursor"] = page.next_
        page = checked(list_(*args, **query))
        yield from page.items
