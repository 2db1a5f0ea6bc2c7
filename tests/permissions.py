"""The matrix of permissions: every operation × credential × record, and what is due.

What is due follows from the declarations alone: what the rule grants (`grant`), the
scope, and whose the record is. A new feature needs nothing here, unless a cell of it
cannot be called as the others are: then SKIPPED names it, with the reason.
"""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from myapp import openapi
from myapp.access import SAFE
from myapp.kinds import RETRIEVE
from myapp.operations import Operation
from myapp.permissions import NO, OWN, grant
from tests.actors import Actor, sign_up
from tests.answers import told
from tests.credentials import ACME, CREDENTIALS, RIVAL
from tests.resources import (
    OPERATIONS,
    PARAMETER,
    Path,
    call,
    make_everything,
    make_named,
)

MISSING = "missing"
NOWHERE = {
    parameter: str(uuid4())
    for operation in OPERATIONS
    for parameter in PARAMETER.findall(operation.url)
}


# cells


class Cell(NamedTuple):
    """A call: an operation, a credential, and whose record the URL names, if any."""

    operation: Operation
    credential: str
    record: str = ""

    @property
    def name(self) -> str:
        """The name that a test shows, and SKIPPED knows."""
        parts = (openapi.operation_id(self.operation), self.credential, self.record)
        return "-".join(filter(None, parts))


CELLS = [
    Cell(operation, credential, record)
    for operation in OPERATIONS
    for credential in CREDENTIALS
    for record in ((ACME, RIVAL, MISSING) if "<" in operation.url else ("",))
]

PROVED_IN_BODY = "what admits the caller is in the body: see myapp/auth"
NO_USER = "only a person is somebody: see test_users.py"
BEYOND_ITSELF = "it would reach further than the caller: see test_api_keys.py"
BEYOND_SCOPES = "it would reach further than the caller: see test_users.py"
OF_AN_OWNER = "the session is an owner's: see test_sessions.py"
SKIPPED = {
    "auth_*": PROVED_IN_BODY,
    "users_invitations_accept-*": PROVED_IN_BODY,
    "users_me_retrieve-viewer": NO_USER,
    "users_me_retrieve-member": NO_USER,
    "users_me_retrieve-admin": NO_USER,
    "users_me_retrieve-owner": NO_USER,
    "users_me_retrieve-viewer_with_scope": NO_USER,
    "users_me_retrieve-owner_with_scope": NO_USER,
    "users_me_retrieve-client": NO_USER,
    "users_me_retrieve-rival": NO_USER,
    "users_create-owner_with_scope": BEYOND_SCOPES,
    "users_invitation-owner_with_scope-of_acme": BEYOND_SCOPES,
    "sessions_delete-admin-of_acme": OF_AN_OWNER,
    "api_keys_create-owner_with_scope": BEYOND_ITSELF,
    "api_keys_replace-owner_with_scope-of_acme": BEYOND_ITSELF,
    "api_keys_update-owner_with_scope-of_acme": BEYOND_ITSELF,
    "api_keys_delete-owner_with_scope-of_acme": BEYOND_ITSELF,
    "clients_create-owner_with_scope": BEYOND_ITSELF,
    "clients_replace-owner_with_scope-of_acme": BEYOND_ITSELF,
    "clients_update-owner_with_scope-of_acme": BEYOND_ITSELF,
    "clients_delete-owner_with_scope-of_acme": BEYOND_ITSELF,
    "clients_secret-owner_with_scope-of_acme": BEYOND_ITSELF,
}
"""The cells that are not called, by name (`*` stands for anything), and why."""


def called(name: str, *values: Any) -> Any:
    """Return the parameters of a test, skipped where SKIPPED says so."""
    reasons = [SKIPPED[pattern] for pattern in SKIPPED if fnmatchcase(name, pattern)]
    marks = [pytest.mark.skip(reason=reason) for reason in reasons]
    return pytest.param(*values, id=name, marks=marks)


# what is due


def due(cell: Cell) -> int:
    """Return the status that the declaration of an operation promises in a cell."""
    operation, credential = cell.operation, CREDENTIALS[cell.credential]
    granted = grant(operation.rule, credential.role)
    if grant(operation.rule, None) != NO:
        return 404 if cell.record == MISSING else operation.status
    if credential.role is None:
        return 401
    if granted == NO or not credential.holds(operation.scope, operation.scope):
        return 403
    if cell.record not in ("", credential.account):
        return 404
    # No record of this matrix is the caller's own.
    return 403 if granted == OWN and cell.record else operation.status


def due_methods(
    operations: Iterable[Operation], name: str, scope: str
) -> set[str] | None:
    """Return the `Allow` that is due to a credential made for a scope; None for 401."""
    credential = CREDENTIALS[name]
    found = {
        operation.method
        for operation in operations
        if grant(operation.rule, None) != NO
        or grant(operation.rule, credential.role) != NO
        and credential.holds(scope, operation.scope)
    }
    # A credential that is sent to OPTIONS is looked at, also where none is needed.
    nobody = credential.role is None
    if nobody and (name != "nothing" or not found):
        return None
    return found | {"OPTIONS"} | ({"HEAD"} if "GET" in found else set())


def explained(cell: Cell, answer: TestResponse) -> bool:
    """Tell whether a refusal says what is missing (RFC 6750, section 3)."""
    operation, credential = cell.operation, CREDENTIALS[cell.credential]
    challenge = answer.headers.get("WWW-Authenticate", "")
    if cell.credential == "nothing":
        return challenge == 'Bearer realm="myapp"'
    if credential.role is None:
        return 'error="invalid_token"' in challenge
    if grant(operation.rule, credential.role) == NO:
        return operation.rule.text in str(answer.json)
    if not credential.holds(operation.scope, operation.scope):
        return f'error="insufficient_scope", scope="{operation.scope}"' in challenge
    return True


# who calls, and on what


class Tenant:
    """An account, its credentials, made when they are asked for, and its records."""

    def __init__(self, client: FlaskClient, name: str) -> None:
        self.owner = sign_up(client, name)
        self.mark = f"{name}-{uuid4().hex[:8]}"
        self._tokens: dict[tuple[str, ...], str] = {}

    def token(self, name: str, scope: str) -> str:
        """Return a credential that was made for a scope."""
        credential = CREDENTIALS[name]
        scopes = credential.scopes(scope)
        if (name, *scopes) not in self._tokens:
            self._tokens[name, *scopes] = credential.make(self.owner, scopes)
        return self._tokens[name, *scopes]


class World:
    """Acme and its rival; each has a record of every feature, which nobody changes."""

    def __init__(self, opening: FlaskClient, calling: FlaskClient) -> None:
        self._opening, self._calling = opening, calling
        self._tenants = {ACME: Tenant(opening, "acme"), RIVAL: Tenant(opening, "rival")}
        self._paths = {
            name: make_everything(tenant.owner, tenant.mark)
            for name, tenant in self._tenants.items()
        }

    def seen(self) -> Iterator[Any]:
        """Yield all that both owners can retrieve."""
        for name, tenant in self._tenants.items():
            for operation in OPERATIONS:
                if operation.kind is RETRIEVE:
                    yield told(call(tenant.owner, operation, self._paths[name]))

    def caller(self, name: str, scope: str, tenant: Tenant | None = None) -> Actor:
        """Return who calls with a credential."""
        tenant = tenant or self._tenants[CREDENTIALS[name].account or ACME]
        token = tenant.token(name, scope)
        return Actor(self._calling, tenant.owner.account_id, token)

    def cast(self, cell: Cell) -> tuple[Actor, Path]:
        """Return who calls in a cell, and on what."""
        operation = cell.operation
        if due(cell) != operation.status or operation.method in SAFE:
            path = self._paths.get(cell.record, NOWHERE)
            return self.caller(cell.credential, operation.scope), path
        # What succeeds may end the account itself: it gets one of its own.
        tenant = Tenant(self._opening, "fresh")
        path = make_named(tenant.owner, tenant.mark, operation)
        return self.caller(cell.credential, operation.scope, tenant), path
