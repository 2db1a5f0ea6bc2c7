"""The commands of accounts: `flask accounts purge`."""

from datetime import timedelta

import click

from myapp import tables
from myapp.accounts.endpoints import blueprint
from myapp.accounts.models import closed_before, purge
from myapp.cli import at_work


@blueprint.cli.command("purge")
@click.option(
    "--days", default=30, show_default=True, help="Closed at least this long ago."
)
@at_work
def purge_command(days: int) -> None:
    """Remove closed accounts with everything that they own."""
    found = closed_before(tables.now() - timedelta(days=days))
    with click.progressbar(found, label="Purging accounts") as accounts:
        for account_id in accounts:
            purge(account_id)
    click.echo(f"Removed {len(found)} closed accounts.")
