"""`flask doctor`: the same without ./run, in whatever environment runs flask."""

import click

from devtools.doctor import examination


@click.command("doctor")
@click.pass_context
def doctor_command(context: click.Context) -> None:
    """Tell what is wrong with the set-up, and the remedy of each."""
    if not examination.told(examination.of_environment()):
        context.exit(1)
