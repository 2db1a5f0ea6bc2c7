"""The demo account of a developer's machine: its customers and its API key.

The key comes from DEVELOPMENT_SECRET, which the first start writes down, so that it is
the same at every start and on no two machines.
"""

import hmac
import os
import secrets
from pathlib import Path
from uuid import UUID

import click
from flask import Flask

from myapp import db
from myapp.accounts.models import accounts, sign_up
from myapp.api_keys.models import issue, new_key, principal_of
from myapp.customers.models import customers
from myapp.errors import NotFound

ACCOUNT_ID = UUID("01900000-0000-7000-8000-00000000de30")
NAMES = """\
Ada Lovelace, Alan Turing, Annie Easley, Barbara Liskov, Betty Holberton,
Claude Shannon, Donald Knuth, Dorothy Vaughan, Edsger Dijkstra, Evelyn Boyd Granville,
Frances Allen, Grace Hopper, Hedy Lamarr, Jean Bartik, John Backus, Karen Spärck Jones,
Kathleen Booth, Katherine Johnson, Konrad Zuse, Lynn Conway, Margaret Hamilton,
Mary Kenneth Keller, Niklaus Wirth, Radia Perlman, Tony Hoare"""


def seed(app: Flask) -> None:
    """Make the demo account and its key work; fill a new account with customers."""
    secret = _secret(app)
    with db.use(app.extensions["myapp"]):
        if principal_of(api_key(app)) is not None:
            return
        # One transaction: a start that is cut short leaves nothing behind.
        with db.transaction(ACCOUNT_ID):
            try:
                accounts.retrieve(ACCOUNT_ID, ACCOUNT_ID)
            except NotFound:
                _open(secret)
            else:
                _open_again(secret)


def api_key(app: Flask) -> str:
    """Return the API key of the demo account."""
    return new_key(ACCOUNT_ID, _secret(app))


def _open(secret: bytes) -> None:
    sign_up({"name": "Demo", "slug": "demo"}, id=ACCOUNT_ID, secret=secret)
    names = NAMES.replace("\n", " ").split(", ")
    with click.progressbar(names, label="Demo customers") as bar:
        for name in bar:
            address = name.lower().replace(" ", ".").replace("ä", "ae")
            customers.create(
                ACCOUNT_ID, {"name": name, "email": f"{address}@example.com"}
            )


def _open_again(secret: bytes) -> None:
    """Give an account back that was closed, or whose key or secret is gone."""
    accounts.replace(ACCOUNT_ID, ACCOUNT_ID, {"closed_at": None})
    issue(ACCOUNT_ID, {"name": "demo", "role": "owner", "scopes": ["*"]}, secret)


def _secret(app: Flask) -> bytes:
    """Return the secret part of the key, always the same on this machine."""
    if not app.config["DEVELOPMENT_SECRET"]:
        app.config["DEVELOPMENT_SECRET"] = secrets.token_urlsafe(32)
        _write_down(Path(app.instance_path, "config.py"), app.config)
    key = app.config["DEVELOPMENT_SECRET"].encode()
    return hmac.digest(key, b"demo API key", "sha256")


def _write_down(path: Path, config: dict[str, str]) -> None:
    """Add the secret to a settings file that only its owner may read."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    with path.open("a") as file:
        if os.fstat(file.fileno()).st_size:
            file.write("\n")
        file.write("# Made on the first start; the demo API key comes from it.\n")
        file.write(f'DEVELOPMENT_SECRET = "{config["DEVELOPMENT_SECRET"]}"\n')
