"""The commands of users: `flask users create`."""

import click

from myapp.access import ROLES
from myapp.cli import at_work
from myapp.tenants import tenant_named
from myapp.users.endpoints import blueprint
from myapp.users.models import READY_USER, create


@blueprint.cli.command("create")
@click.argument("account")
@click.argument("email")
@click.option("--name", help="Shown to others; the address where it is left out.")
@click.option("--role", type=click.Choice(ROLES), default="member", show_default=True)
@click.password_option(help="Asked for where it is left out.")
@at_work
def create_command(
    account: str, email: str, name: str | None, role: str, password: str
) -> None:
    """Make a user of ACCOUNT (its slug) who signs in with EMAIL."""
    body = {"email": email, "password": password, "name": name, "role": role}
    create(tenant_named(account), **READY_USER.validate(body))
    click.echo(f"{email} can sign in to {account} as {role}.")
