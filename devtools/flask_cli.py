"""The `flask` command as `./run flask` calls it: with our `routes` for Flask's.

Flask looks among its own commands before it asks the application for one. Imports
nothing of the application: where that does not start, Flask says so.
"""

import sys
from contextlib import nullcontext

import click
from flask import current_app
from flask.cli import cli, with_appcontext

from devtools.contracts.stand_ins import instead_of_shapes


@click.command("routes")
@with_appcontext
def routes_command() -> None:
    """Show what is served, by feature: method, URL, who may call it, what it does."""
    from devtools import routes

    routes.show(current_app)


def main() -> None:
    """Run a flask command."""
    cli.add_command(routes_command)
    # `contracts types` writes what the application imports: it may not be there yet.
    is_about_types = sys.argv[1:3] == ["contracts", "types"]
    with instead_of_shapes() if is_about_types else nullcontext():
        cli.main(prog_name="flask")


if __name__ == "__main__":
    main()
