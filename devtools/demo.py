"""The demo of a developer's machine: two accounts, every role, a client.

What a feature shows in them is added by `fill` in a file `demo.py` of its folder.
Everything that signs in comes from DEVELOPMENT_SECRET (`devtools.secret`), so it is the
same at every start and on no two machines. A start mends what was closed or removed.
"""

import hmac
from base64 import b32encode
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any, NamedTuple
from uuid import UUID

from flask import Flask
from sqlalchemy import Row, select

from myapp import FEATURES, audit, db, docs
from myapp.access import EVERY_SCOPE, ROLES
from myapp.accounts.models import NEW_ACCOUNT, accounts, sign_up
from myapp.api_keys.models import PREFIX, issue, principal_of
from myapp.clients import models as clients
from myapp.clients.models import Client
from myapp.errors import Conflict, NotFound
from myapp.passwords import hashed, matches
from myapp.tenants import tenant_of
from myapp.tokens import new_token
from myapp.users import models as users

PAGE = "/docs/assets/oauth2-redirect.html"
"""Where Swagger UI takes a code, on whatever port of this machine (RFC 8252)."""


class Account(NamedTuple):
    """An account of the demo, and the roles of its users."""

    id: UUID
    name: str
    roles: tuple[str, ...]

    @property
    def slug(self) -> str:
        """Return the name that its users sign in with."""
        return self.name.lower()


DEMO = Account(UUID("01900000-0000-7000-8000-00000000de30"), "Demo", ROLES)
RIVAL = Account(UUID("01900000-0000-7000-8000-00000000de31"), "Rival", ("owner",))


def seed(app: Flask, features: Iterable[ModuleType] = FEATURES) -> None:
    """Make everything of the demo work, whatever has become of it since the last start.

    A new account gets what the features add to it. Raises RuntimeError where another
    account has taken a name.
    """
    word = password(app)
    with db.use(app.extensions["myapp"]), audit.caused_by("command:demo"):
        for account in (DEMO, RIVAL):
            secret = _key_secret(app, account)
            if tenant_of(account.slug) != account.id:
                _open(account, secret, word, features)
            _mend_account(account, secret, word)
        _mend_client()


def api_key(app: Flask, account: Account = DEMO) -> str:
    """Return the API key of an account of the demo."""
    return new_token(PREFIX, account.id, _key_secret(app, account))


def password(app: Flask) -> str:
    """Return the password of every user of the demo, in groups that one can type."""
    letters = b32encode(_derived(app, "demo password")).decode().lower()
    return "-".join(letters[start : start + 4] for start in range(0, 16, 4))


def email(role: str) -> str:
    """Return the address that the user of a role signs in with, in either account."""
    return f"{role}@example.com"


def _key_secret(app: Flask, account: Account) -> bytes:
    return _derived(app, f"{account.slug} API key")


def _derived(app: Flask, purpose: str) -> bytes:
    key = app.config["DEVELOPMENT_SECRET"].encode()
    return hmac.digest(key, purpose.encode(), "sha256")


def _mend_account(account: Account, secret: bytes, password: str) -> None:
    known = principal_of(new_token(PREFIX, account.id, secret)) is not None
    if not known:
        issue(account.id, {"name": "demo", "role": "owner", "scopes": ["*"]}, secret)
    for role in account.roles:
        found = users.find(account.id, email(role))
        # Checking a password takes a while: a row that nobody has changed has its own.
        if found is None or found.version > 1 or not known:
            _mend_user(account, role, password, found)


def _open(
    account: Account, secret: bytes, password: str, features: Iterable[ModuleType]
) -> None:
    """Open an account with all that it has, or give one back that was closed."""
    named = {"name": account.name, "slug": account.slug}
    owner = {"email": email("owner"), "password": password}
    try:
        # One transaction: a start that is cut short leaves nothing behind.
        with db.transaction(account.id):
            try:
                accounts.replace(account.id, account.id, named | {"closed_at": None})
            except NotFound:
                sign_up(NEW_ACCOUNT.validate(named | owner), account.id, secret)
                _fill(account, password, features)
    except Conflict as error:
        raise RuntimeError(
            f"Another account has the slug {account.slug}, as one of the demo's: change"
            " it, or remove instance/myapp.sqlite to begin anew."
        ) from error


def _fill(account: Account, password: str, features: Iterable[ModuleType]) -> None:
    """Give a new account, which has an owner, all else that it has at first."""
    for role in account.roles:
        if role != "owner":
            _add_user(account, role, password)
    people = _ids_of_users(account)
    for feature in features:
        if find_spec(f"{feature.__name__}.demo"):
            demo = import_module(f"{feature.__name__}.demo")
            demo.fill(account.id, account.name, people)


def _add_user(account: Account, role: str, password: str) -> None:
    name = f"{account.name} {role}"
    users.create(account.id, email(role), password, name, role)


def _ids_of_users(account: Account) -> dict[str, UUID]:
    """Return the id of the user of each role."""
    found = {role: users.find(account.id, email(role)) for role in account.roles}
    return {role: user.id for role, user in found.items() if user is not None}


def _mend_user(
    account: Account, role: str, password: str, found: Row[Any] | None
) -> None:
    if found is None:
        _add_user(account, role, password)
    elif not (
        (found.role, found.is_active) == (role, True)
        and matches(found.password_hash, password)
    ):
        renewed = {"role": role, "is_active": True, "password_hash": hashed(password)}
        users.users.replace(account.id, found.id, renewed)


def _mend_client() -> None:
    """Register the client of the documentation, unless it is there and active."""
    if clients.find(docs.CLIENT) is not None:
        return
    hosts = ("127.0.0.1", "localhost")
    values = clients.NEW_CLIENT.validate(
        {
            "name": "The documentation",
            "role": "owner",
            "scopes": [EVERY_SCOPE],
            "grant_types": ["authorization_code", "refresh_token"],
            "redirect_uris": [f"http://{host}{PAGE}" for host in hosts],
            "confidential": False,
        }
    )
    with db.transaction(DEMO.id) as connection:
        own = (Client.account_id == DEMO.id, Client.client_id == docs.CLIENT)
        for id in connection.scalars(select(Client.id).where(*own)).all():
            clients.clients.delete(DEMO.id, id)
        clients.register(DEMO.id, values, client_id=docs.CLIENT, first_party=True)
