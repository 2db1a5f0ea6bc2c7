"""The `flask` command as `./run flask` calls it: with our `routes` for Flask's.

Flask looks among its own commands before it asks the application for one. Imports
nothing of the application: where that does not start, Flask says so.
"""

import click
from flask import current_app
from flask.cli import cli, with_appcontext


@click.command("routes")
@with_appcontext
def routes_command() -> None:
    """Show what is served, by feature: method, URL, who may call it, what it does."""
    from devtools import routes

    routes.show(current_app)


def main() -> None:
    """Run a flask command."""
    cli.add_command(routes_command)
    cli.main(prog_name="flask")


if __name__ == "__main__":
    main()
