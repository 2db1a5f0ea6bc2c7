"""The commands of accounts: `flask accounts purge` and `export`."""

import click

from myapp.accounts import export
from myapp.accounts.endpoints import blueprint
from myapp.accounts.models import KEPT_DAYS, purge_closed
from myapp.cli import at_work


@blueprint.cli.command("purge")
@click.option(
    "--days", default=KEPT_DAYS, show_default=True, help="Closed at least so long ago."
)
@at_work
def purge_command(days: int) -> None:
    """Remove closed accounts with everything that they own; so does `flask purge`."""
    click.echo(f"Removed {purge_closed(days)} closed accounts.")


@blueprint.cli.command("export")
@click.argument("account")
@at_work
def export_command(account: str) -> None:
    """Print all that an account owns, as JSON Lines, without secrets.

    ACCOUNT is its slug or its id.
    """
    tenant = export.find(account)
    for line in export.lines(tenant):
        click.echo(line, nl=False)
