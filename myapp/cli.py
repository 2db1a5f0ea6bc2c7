"""The `flask` commands; a feature's own commands live with the feature.

`devtools` is not shipped to servers: what needs it is registered where it is.
"""

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import click
import msgspec
from flask import Flask, current_app
from flask.cli import with_appcontext

from myapp import db, openapi


def at_work(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command's body the stores of its application."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with db.use(current_app.extensions["myapp"]):
            return command(*args, **kwargs)

    return wrapped


def register(app: Flask) -> None:
    """Add the commands, and bring up the development stores before `flask run`."""
    app.cli.add_command(openapi_command)
    if app.debug and _is_run() and find_spec("devtools"):
        import_module("devtools.stores").prepare(app)


def _is_run() -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and context.info_name == "run"


@click.command("openapi")
@click.option("--feature", help="Only the operations of one feature.")
@with_appcontext
@at_work
def openapi_command(feature: str | None) -> None:
    """Print the OpenAPI document."""
    operations = [
        operation
        for operation in current_app.extensions["operations"]
        if feature in (None, operation.feature)
    ]
    if not operations:
        raise click.BadParameter(f"there is no feature {feature}", param_hint="feature")
    document = openapi.document(operations, feature or "myapp")
    click.echo(msgspec.json.format(msgspec.json.encode(document)))
