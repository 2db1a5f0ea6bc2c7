"""The `flask` commands; a feature's own commands live with the feature.

`devtools` is not shipped to servers: what needs it is registered where it is.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import msgspec
from flask import Flask, current_app
from flask.cli import with_appcontext

from myapp import audit, db, housekeeping, openapi, permissions, store_errors
from myapp.errors import Problem

PURGED = "purged"
"""The file in the instance folder that says when `flask purge` last succeeded."""


def at_work(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command's body the stores of its application; its changes are its own."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        stores = current_app.extensions["myapp"]
        cause = audit.caused_by(f"command:{_command_name()}")
        with _explained(), db.use(stores), cause:
            return command(*args, **kwargs)

    return wrapped


@contextmanager
def _explained() -> Iterator[None]:
    """Say what is wrong, or what to do about it, where a command raises a problem."""
    try:
        yield
    except Exception as error:
        said = _explanation(error)
        if said is None:
            raise
        raise click.ClickException(said) from error


def _explanation(error: Exception) -> str | None:
    said = store_errors.remedy_of(error)
    if said is None and isinstance(error, Problem):
        return _described(error)
    return said


def _described(problem: Problem) -> str:
    broken = "".join(f"\n  {rule.at[1:]} {rule.detail}" for rule in problem.errors)
    return f"{problem.__cause__ or problem}{broken}"


def _command_name() -> str:
    """Return the name of the command that runs, as in `accounts purge`."""
    path = click.get_current_context().command_path
    return path.removeprefix(f"{click.get_current_context().find_root().info_name} ")


def register(app: Flask) -> None:
    """Add the commands, and bring up the development stores before `flask run`."""
    app.cli.add_command(openapi_command)
    app.cli.add_command(permissions_command)
    app.cli.add_command(purge_command)
    if find_spec("devtools"):
        _register_development(app)


def _register_development(app: Flask) -> None:
    for command in import_module("devtools.commands").COMMANDS:
        app.cli.add_command(command)
    if app.debug and _is_run():
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


@click.command("permissions")
@with_appcontext
@at_work
def permissions_command() -> None:
    """Print who may call what, as docs/permissions.md has it for production."""
    operations = current_app.extensions["operations"]
    click.echo(permissions.document(operations), nl=False)


@click.command("purge")
@with_appcontext
@at_work
def purge_command() -> None:
    """Remove what has expired, and the accounts that were closed 30 days ago."""
    failed = []
    for chore in housekeeping.chores:
        try:
            click.echo(f"{chore.name}: {chore.run()} removed")
        except Exception as error:  # the others are done all the same
            reason = _explanation(error) or error
            click.echo(f"{chore.name}: failed: {reason}", err=True)
            failed.append(error)
    if failed:
        raise failed[0]
    Path(current_app.instance_path, PURGED).touch()
