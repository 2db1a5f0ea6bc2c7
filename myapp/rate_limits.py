"""How often anyone may call: a request is counted once it is known who calls.

A signed-in caller is counted as itself; everyone else (at a PUBLIC operation, or with
a credential that names nobody) by the address that the server saw, for anyone can
write an X-Forwarded-For. The window is fixed and lasts a minute: that is one counter a
caller, and lets it use two quotas at once around the end. The headers are those of
draft-ietf-httpapi-ratelimit-headers-11.
"""

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from myapp import db
from myapp.counters import Counter, counter
from myapp.errors import Reply, TooManyRequests
from myapp.portions import Portions

if TYPE_CHECKING:
    from myapp.request import Request

WINDOW = 60
"""Seconds."""

DOCUMENTED = {
    "RateLimit": {
        "description": "What is left (`r`) until the window ends, in `t` seconds.",
        "schema": {"type": "string", "examples": ['"principal";r=599;t=42']},
    },
    "RateLimit-Policy": {
        "description": "How many requests (`q`) may come in `w` seconds.",
        "schema": {"type": "string", "examples": ['"principal";q=600;w=60']},
    },
}
"""The headers of every answer that was counted, in the words of OpenAPI."""


class Standing(NamedTuple):
    """What a caller has left (below 0 beyond the quota), and for how many seconds."""

    left: int
    seconds: int


class Quota:
    """How many requests one caller may send in a window."""

    def __init__(self, name: str, requests: int, count: Counter) -> None:
        self.name = name
        self.requests = requests
        self.policy = f'"{name}";q={requests};w={WINDOW}'
        self._places = Portions(requests, count)

    def use(self, caller: str) -> Standing:
        """Count one request of a caller."""
        # All workers of a machine have the same monotonic clock, and it stands when the
        # time of day is set. A window of each caller's own: those who wait for its end
        # do not come back all at once.
        window, passed = divmod(int(monotonic()) + crc32(caller.encode()), WINDOW)
        place = self._places.next_place(f"{self.name} {caller} {window}")
        return Standing(self.requests - place, WINDOW - passed)


class Limits(NamedTuple):
    """The quotas of one application; None where there is no limit."""

    principal: Quota | None
    address: Quota | None


def limits_of(settings: Mapping[str, int]) -> Limits:
    """Return the limits that the settings ask for; a quota of 0 is none."""
    count = counter()

    def quota(name: str, requests: int) -> Quota | None:
        return Quota(name, requests, count) if requests > 0 else None

    return Limits(
        quota("principal", settings["RATE_LIMIT"]),
        quota("address", settings["RATE_LIMIT_ANONYMOUS"]),
    )


def count(request: "Request") -> None:
    """Count a request of an operation, once it is known who calls, or that nobody does.

    Notes for `tell` how the caller stands; raises TooManyRequests beyond the quota.
    """
    limits, principal = db.stores().limits, request.signed_in
    quota = limits.principal if principal else limits.address
    if quota is None or not request.operation.rule.limited:
        return
    # A subject names an id, and no two accounts have the same.
    caller = principal.subject if principal else network_of(request.peer)
    left, seconds = quota.use(caller)
    request.standing = {
        "RateLimit": f'"{quota.name}";r={max(left, 0)};t={seconds}',
        "RateLimit-Policy": quota.policy,
    }
    if left < 0:
        raise TooManyRequests(seconds)


def tell(request: "Request", reply: Reply) -> Reply:
    """Return a reply that also says how its caller stands, where that was counted."""
    if not request.standing:
        return reply
    return Reply(reply.status, reply.body, {**reply.headers, **request.standing})


@lru_cache(4096)
def network_of(address: str) -> str:
    """Return what one caller has for certain: an IPv4 address, or an IPv6 /64."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address  # a server on a unix socket may know none
    if not isinstance(found, IPv6Address):
        return str(found)
    return str(found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64))
