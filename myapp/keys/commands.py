"""The commands of the signing keys: `flask keys rotate`."""

import click

from myapp.cli import at_work
from myapp.keys.endpoints import blueprint
from myapp.keys.models import rotate


@blueprint.cli.command("rotate")
@click.option(
    "--compromised",
    is_flag=True,
    help="Make all keys anew at once: every access token ends.",
)
@at_work
def rotate_command(compromised: bool) -> None:
    """Let the next signing key sign, and make another next one."""
    click.echo(f"Signing with the key {rotate(compromised=compromised)} from now.")
