"""Who may do what: principals, roles, scopes and rules.

A feature that knows a kind of credential appends its authenticator when it is
imported; the answer is kept for less than a second, or until PostgreSQL announces a
change, so that a revoked credential ends on every worker within one.
"""

from collections.abc import Callable, Mapping
from enum import IntEnum
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

from myapp.contract_rules import Schema
from myapp.errors import Forbidden, Unauthorized
from myapp.recent import recently
from myapp.repository import Condition

EVERY_SCOPE = "*"
SAFE = ("GET", "HEAD")
NOBODY = UUID(int=0)
"""The id that no user has."""


class Role(IntEnum):
    """What a principal is in its account; each includes the ones before it."""

    OPERATOR = 0  # runs the service, and is in no account
    VIEWER = 1
    MEMBER = 2
    ADMIN = 3
    OWNER = 4


ROLES = tuple(role.name.lower() for role in Role if role)
"""The roles in an account, as contracts and tables name them."""

SCOPE: Schema = {
    "type": "string",
    "pattern": r"^(\*|[a-z_]+:(read|write))$",
    "maxLength": 64,
}
"""The contract of a scope: `feature:read`, `feature:write`, or `*` for every one."""


class Principal(NamedTuple):
    """Who is calling, for which account, and how far they reach."""

    account_id: UUID | None
    subject: str
    role: Role
    scopes: frozenset[str]
    user_id: UUID | None = None
    session_id: UUID | None = None
    is_announced: bool = False
    """Whether PostgreSQL announces all that may end it (`change_triggers.py`)."""

    def has_scope(self, scope: str) -> bool:
        """Tell whether one of the scopes covers this one."""
        return scope in self.scopes or EVERY_SCOPE in self.scopes


class Rule(NamedTuple):
    """Who may call an operation, in two faces.

    `allows` is decided before the handler, also for nobody (None). `where` gives a
    condition on the record, which the repository makes part of its statement.
    """

    text: str
    allows: Callable[[Principal | None], bool]
    where: Callable[[Principal], Condition] | None = None
    limited: bool = True
    """Whether its requests are counted, and too many of them refused."""


def at_least(role: Role) -> Rule:
    """Return the rule that admits a role of an account and those above it."""
    return Rule(
        f"{role.name.lower()} or above",
        lambda principal: principal is not None and principal.role >= role,
    )


PUBLIC = Rule("anyone", lambda principal: True)
PROBE = PUBLIC._replace(limited=False)
"""Anyone, and as often as they like: for health checks."""

VIEWER = at_least(Role.VIEWER)
OPEN = (PUBLIC, PROBE)
"""The rules that no credential changes."""

MEMBER = at_least(Role.MEMBER)
ADMIN = at_least(Role.ADMIN)
OWNER = at_least(Role.OWNER)


def self_or_admin(field: str) -> Rule:
    """Return the rule of what belongs to one user, whose id is in a field of it."""

    def where(principal: Principal) -> Condition:
        # A key is nobody's: with None it would reach what belongs to no user.
        own = principal.user_id or NOBODY
        return {} if principal.role >= Role.ADMIN else {field: own}

    text = "viewer or above for oneself, admin or above for others"
    return Rule(text, VIEWER.allows, where)


scopes: set[str] = set()
"""Every scope that an operation asks for, filled in as they are declared."""


def scope_of(feature: str, method: str) -> str:
    """Return the scope that a method of a feature asks for: to read, or to write."""
    return f"{feature}:{'read' if method in SAFE else 'write'}"


def refuse_beyond(principal: Principal, values: Mapping[str, Any]) -> None:
    """Raise Forbidden for a role, or scopes, that the caller does not have."""
    beyond = Role[values["role"].upper()] > principal.role
    if beyond or not all(map(principal.has_scope, values.get("scopes", ()))):
        raise Forbidden("This reaches beyond your own role and scopes.")


Authenticator = Callable[[str], Principal | None]
authenticators: list[Authenticator] = []


def authenticate(header: str | None) -> Principal | None:
    """Return the principal of an Authorization header (RFC 6750), None without one.

    Raises Unauthorized for a header that names nobody.
    """
    if not header:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":  # no attempt at all, so no error (RFC 6750, 3.1)
        raise Unauthorized("Send `Authorization: Bearer <key>`.")
    if not token.strip():
        raise Unauthorized("Send `Authorization: Bearer <key>`.", "invalid_request")
    token = token.strip()
    return recently(("bearer", token), lambda: _bearer_of(token), _is_announced)


_is_announced: Callable[[Principal], bool] = attrgetter("is_announced")


def _bearer_of(token: str) -> Principal:
    for principal_of in authenticators:
        if found := principal_of(token):
            return found
    raise Unauthorized("The bearer token is unknown or revoked.", "invalid_token")


def admit(principal: Principal | None, rule: Rule, scope: str) -> None:
    """Raise Unauthorized or Forbidden where a rule or a missing scope says no."""
    if not rule.allows(principal):
        if principal is None:
            raise Unauthorized("This needs a bearer token: `Authorization: Bearer …`.")
        raise Forbidden(f"This needs the role {rule.text}.")
    if principal is not None and not principal.has_scope(scope):
        problem = Forbidden(f"This needs the scope {scope}.")
        challenge = f'Bearer realm="myapp", error="insufficient_scope", scope="{scope}"'
        problem.headers = {"WWW-Authenticate": challenge}
        raise problem
