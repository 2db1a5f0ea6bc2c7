"""The two OpenAPI documents that are compared: the released one and today's.

Both show production, where only the operator opens accounts.
"""

from pathlib import Path
from typing import Any

import click
import msgspec
from flask import Flask

from myapp import create_app, db, openapi

ROOT = Path(__file__).resolve().parents[2]
RELEASED = "docs/openapi.json"
RELEASE = "./run flask contracts release"

Document = dict[str, Any]


def application() -> Flask:
    """Return the application as production has it."""
    return create_app({"OPEN_SIGN_UP": False})


def current() -> Document:
    """Return the document of the source as it is."""
    app = application()
    with db.use(app.extensions["myapp"]):
        return openapi.document(app.extensions["operations"], "myapp")


def released() -> Document:
    """Return the document that clients were last given; say so if there is none."""
    file = ROOT / RELEASED
    if not file.exists():
        raise click.ClickException(f"{RELEASED} is not there; write it: {RELEASE}")
    try:
        document: Document = msgspec.json.decode(file.read_bytes())
    except msgspec.DecodeError as error:
        raise click.ClickException(
            f"{RELEASED} is no JSON ({error}): take it back from git"
        ) from error
    return document


def release(document: Document) -> None:
    """Make a document the one that clients are given."""
    text = msgspec.json.format(msgspec.json.encode(document)).decode()
    (ROOT / RELEASED).write_text(f"{text}\n")


def major(document: Document) -> int:
    """Return the first number of a document's version."""
    return int(document["info"]["version"].partition(".")[0])
