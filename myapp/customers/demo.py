"""What the demo of a developer's machine has of customers."""

from collections.abc import Mapping
from uuid import UUID

import click

from myapp.customers.models import customers

NAMES = {
    "Demo": """\
Ada Lovelace, Alan Turing, Annie Easley, Barbara Liskov, Betty Holberton,
Claude Shannon, Donald Knuth, Dorothy Vaughan, Edsger Dijkstra, Evelyn Boyd Granville,
Frances Allen, Grace Hopper, Hedy Lamarr, Jean Bartik, John Backus, Karen Spärck Jones,
Kathleen Booth, Katherine Johnson, Konrad Zuse, Lynn Conway, Margaret Hamilton,
Mary Kenneth Keller, Niklaus Wirth, Radia Perlman, Tony Hoare""",
    "Rival": "Charles Babbage, Herman Hollerith",
}
"""The customers of each account, by its name."""


def fill(tenant: UUID, account: str, people: Mapping[str, UUID]) -> None:
    """Add the customers of an account of the demo."""
    names = NAMES[account].replace("\n", " ").split(", ")
    with click.progressbar(names, label=f"{account} customers") as bar:
        for name in bar:
            address = name.lower().replace(" ", ".").replace("ä", "ae")
            values = {"name": name, "email": f"{address}@example.com"}
            customers.create(tenant, values)
