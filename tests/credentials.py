"""The kinds of credentials that a caller may present, and what each stands for."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple
from uuid import UUID

from myapp import db
from myapp.access import Role
from myapp.sessions.models import Origin, begin, issue
from myapp.users.models import find
from tests.actors import OWNER, Actor, add_user, sign_up
from tests.resources import OPERATIONS

ACME, RIVAL = "of_acme", "of_rival"
"""Whose a credential, or a record, is."""

OPERATOR_KEY = "the key of the operator"
SCOPES = {operation.scope for operation in OPERATIONS}


def every(scope: str) -> list[str]:
    """Choose all scopes."""
    return ["*"]


def only(scope: str) -> list[str]:
    """Choose the scope that the operation asks for."""
    return [scope]


def others(scope: str) -> list[str]:
    """Choose all scopes but the one that the operation asks for."""
    return sorted(SCOPES - {scope})


def of_operator(scope: str) -> list[str]:
    """Choose what the operator may do, whoever asks."""
    return ["accounts:write"]


class Credential(NamedTuple):
    """A kind of credential: how acme gets one, and what it stands for."""

    make: Callable[[Actor, list[str]], str]
    """Given an owner and scopes, return the bearer token."""

    role: Role | None = None
    """What it makes the caller; None where it is nobody's."""

    scopes: Callable[[str], list[str]] = every
    account: str | None = None
    """The account that it belongs to, ACME or RIVAL."""

    def holds(self, scope: str, asked: str) -> bool:
        """Tell whether one that was made for a scope covers the scope asked for."""
        held = self.scopes(scope)
        return "*" in held or asked in held


def key_of(
    role: Role,
    scopes: Callable[[str], list[str]] = every,
    account: str = ACME,
) -> Credential:
    """Return the kind of an API key of a role."""

    def make(owner: Actor, chosen: list[str]) -> str:
        return owner.with_key(role.name.lower(), chosen).key

    return Credential(make, role, scopes, account)


def revoked_key(owner: Actor, scopes: list[str]) -> str:
    """Make an owner's key and revoke it."""
    body = {"name": "revoked", "role": "owner", "scopes": scopes}
    made = owner.post("/v1/api_keys", json=body)
    assert owner.delete(f"/v1/api_keys/{made.json['id']}").status_code == 204
    return str(made.json["key"])


def key_of_closed_account(owner: Actor, scopes: list[str]) -> str:
    """Open an account and close it; return its first key."""
    gone = sign_up(owner.client, "gone")
    assert gone.delete(f"/v1/accounts/{gone.account_id}").status_code == 204
    return gone.key


def expired_token(owner: Actor, scopes: list[str]) -> str:
    """Return an access token that ended a minute ago; its session lives on."""
    stores = owner.client.application.extensions["myapp"]
    past = {**stores.settings, "ACCESS_TOKEN_SECONDS": -60}
    tenant = UUID(owner.account_id)
    with db.use(replace(stores, settings=past)):
        user = find(tenant, OWNER)
        assert user is not None
        lasting = begin(tenant, scopes, Origin(), user_id=user.id, renewable=True)
        return issue(lasting).access_token


def token_of_user(owner: Actor, scopes: list[str]) -> str:
    """Sign in a person who is a member."""
    return add_user(owner, "member").key


def token_of_client(owner: Actor, scopes: list[str]) -> str:
    """Register a client that is a member; exchange its credentials for a token."""
    grant_types = ["client_credentials"]
    body = {"name": "client", "role": "member", "scopes": scopes}
    made = owner.post("/v1/auth/clients", json={**body, "grant_types": grant_types})
    assert made.status_code == 201, made.json
    proof = (made.json["client_id"], made.json["client_secret"])
    asked = {"grant_type": "client_credentials"}
    tokens = owner.client.post("/v1/auth/token", data=asked, auth=proof)
    assert tokens.json is not None and tokens.status_code == 200, tokens.get_data()
    return str(tokens.json["access_token"])


CREDENTIALS = {
    "nothing": Credential(lambda owner, scopes: ""),
    "garbage": Credential(lambda owner, scopes: "garbage"),
    "revoked": Credential(revoked_key),
    "expired": Credential(expired_token),
    "closed_account": Credential(key_of_closed_account),
    "viewer": key_of(Role.VIEWER),
    "member": key_of(Role.MEMBER),
    "admin": key_of(Role.ADMIN),
    "owner": key_of(Role.OWNER),
    "viewer_with_scope": key_of(Role.VIEWER, only),
    "owner_with_scope": key_of(Role.OWNER, only),
    "owner_without_scope": key_of(Role.OWNER, others),
    "user": Credential(token_of_user, Role.MEMBER, every, ACME),
    "client": Credential(token_of_client, Role.MEMBER, every, ACME),
    "rival": key_of(Role.OWNER, account=RIVAL),
    "operator": Credential(
        lambda owner, scopes: OPERATOR_KEY, Role.OPERATOR, of_operator
    ),
}
