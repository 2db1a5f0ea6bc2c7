"""`flask feature`: a feature from one line, one more field, and away with it.

What they do is imported when it is done: every start of the application passes here.
"""

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext

from devtools.features.fields import NotationError


def explained(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command its steps; say in a sentence what it cannot do."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            steps = import_module("devtools.features.steps")
            command(steps, *args, **kwargs)
        except NotationError as error:
            raise click.ClickException(str(error)) from error
        except ModuleNotFoundError as error:
            raise click.ClickException(
                f"{error.name} is not installed: ./run flask feature installs it first"
            ) from error
        if not steps.bring_up_to_date(current_app.config["DATABASE_URL"]):
            click.echo(
                "The database is not up to date: ./run flask db upgrade says why."
            )

    return wrapped


@click.group("feature")
def feature_command() -> None:
    """Write a feature, add a field to it, or remove it."""


@feature_command.command("new")
@click.argument("name", required=False)
@click.option("--store", type=click.Choice(("sql", "redis")), default="sql")
@click.option("--fields", help="number:string(40) unique, payer:ref(users)")
@click.option("--from", "file", type=click.Path(exists=True, dir_okay=False))
@with_appcontext
@explained
def new_command(
    steps: Any, name: str | None, store: str, fields: str | None, file: str | None
) -> None:
    """Write the folder of a feature, its migration and its line in the factory.

    A field is name:type, then `unique` or `optional`. Types: string(120), integer or
    integer(0..100), number, boolean, date, datetime, email, uri, enum(draft|sent),
    ref(users). A YAML file (--from) says it for several: their names, each with its
    `store` and its `fields`.
    """
    wanted = steps.from_yaml(file) if file else steps.from_line(name, store, fields)
    for made in steps.create(wanted, current_app.extensions["operations"]):
        click.echo(f"myapp/{made} is there. Try it: ./run test {made}")


@feature_command.command("field")
@click.argument("feature")
@click.argument("field")
@with_appcontext
@explained
def field_command(steps: Any, feature: str, field: str) -> None:
    """Add a field to a feature that is in use, as in invoices +paid_on:date.

    Records that are there have none, and clients do not send it yet: it is optional.
    """
    operations = current_app.extensions["operations"]
    added = steps.add_field(feature, field.removeprefix("+"), operations)
    click.echo(f"{added} is in myapp/{feature}/models.py.")


@feature_command.command("remove")
@click.argument("feature")
@with_appcontext
@explained
def remove_command(steps: Any, feature: str) -> None:
    """Take a feature out: its folder, its line, its tables.

    The newest migrations, if they are about this feature alone and not committed yet,
    are undone; a new one drops the tables that are left.
    """
    steps.remove(feature)
    click.echo(f"myapp/{feature} is gone.")
