"""The commands of OAuth clients: `flask clients create`."""

import click

from myapp.access import ROLES
from myapp.cli import at_work
from myapp.clients.endpoints import blueprint
from myapp.clients.models import GRANTS, NEW_CLIENT, register
from myapp.tenants import tenant_named


@blueprint.cli.command("create")
@click.argument("account")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="member", show_default=True)
@click.option("--scope", "scopes", multiple=True, default=["*"], show_default=True)
@click.option(
    "--grant", "grants", type=click.Choice(GRANTS), multiple=True, required=True
)
@click.option("--redirect-uri", "uris", multiple=True, help="Where codes are sent.")
@click.option("--public", is_flag=True, help="It keeps no secret: an app, a page.")
@click.option(
    "--first-party",
    is_flag=True,
    help="May send passwords, where PASSWORD_GRANT is on.",
)
@at_work
def create_command(
    account: str,
    name: str,
    role: str,
    scopes: tuple[str, ...],
    grants: tuple[str, ...],
    uris: tuple[str, ...],
    public: bool,
    first_party: bool,
) -> None:
    """Register a client of ACCOUNT (its slug), and show its secret this once."""
    body = {
        "name": name,
        "role": role,
        "scopes": list(scopes),
        "grant_types": list(grants),
        "redirect_uris": list(uris),
        "confidential": not public,
    }
    values = NEW_CLIENT.validate(body)
    record = register(tenant_named(account), values, first_party=first_party)
    shown = NEW_CLIENT.document(record)
    click.echo(f"client_id: {shown['client_id']}")
    if not public:
        click.echo(f"client_secret: {shown['client_secret']}")
