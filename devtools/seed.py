"""`./run flask seed`: makes up records of any feature that one can create.

Each is the contract's example, varied, and goes the whole way of a create behind its
rule: contract, handler, repository, audit.
"""

from collections.abc import Mapping, Sequence
from random import choice
from secrets import token_hex
from typing import Any
from uuid import UUID

import click
from flask import current_app
from flask.cli import with_appcontext
from werkzeug.test import EnvironBuilder

from devtools.examples import marked
from myapp.access import EVERY_SCOPE, Principal, Role
from myapp.cli import at_work
from myapp.contract_rules import types_of
from myapp.kinds import CREATE, LIST
from myapp.operations import Operation
from myapp.request import Request
from myapp.tenants import tenant_named


@click.command("seed")
@click.argument("feature")
@click.option("--count", type=click.IntRange(1), default=100, show_default=True)
@click.option("--account", default="demo", show_default=True, help="Its slug.")
@with_appcontext
@at_work
def seed_command(feature: str, count: int, account: str) -> None:
    """Make records of FEATURE up, in an account of a developer's machine."""
    if not current_app.config["DEVELOPMENT_SECRET"]:  # production refuses to have one
        raise click.ClickException(
            "seed makes records up, and this is no developer's machine: there, ./run"
            " writes a DEVELOPMENT_SECRET into instance/config.py. Start it once."
        )
    creation, owner = _creation_of(feature), _owner_of(tenant_named(account))
    others = _others(creation, owner)
    run = token_hex(3)  # so that the next run makes others
    with click.progressbar(range(count), label=f"{account} {feature}") as numbers:
        for number in numbers:
            chosen = {field: choice(ids) for field, ids in others.items()}
            _create(creation, owner, f"seed-{run}-{number}", chosen)


def _creation_of(feature: str) -> Operation:
    """Return how records of a feature are created, below no other record."""
    creations: dict[str, Operation] = {
        operation.feature: operation
        for operation in current_app.extensions["operations"]
        if operation.kind is CREATE and "<" not in operation.url
    }
    if feature not in creations:
        listed = ", ".join(creations)
        raise click.BadParameter(f"take one of {listed}", param_hint="FEATURE")
    return creations[feature]


def _owner_of(tenant: UUID) -> Principal:
    return Principal(tenant, "command:seed", Role.OWNER, frozenset({EVERY_SCOPE}))


def _others(creation: Operation, owner: Principal) -> dict[str, Sequence[str | None]]:
    """Return the fields that refer to other records, with the ids that there are."""
    contract = creation.accepted
    found: dict[str, Sequence[str | None]] = {}
    for field, feature in contract.references.items():
        if field not in contract.writable:
            continue
        found[field] = _ids(feature, owner)
        if not found[field] and "null" in types_of(contract.properties[field]):
            found[field] = [None]
        if not found[field]:
            raise click.ClickException(
                f"{creation.feature} refers to {feature}, and there are none:"
                f" seed {feature} first"
            )
    return found


def _ids(other: str, owner: Principal) -> list[str]:
    [listing] = [
        operation
        for operation in current_app.extensions["operations"]
        if operation.kind is LIST
        and operation.feature == other
        and operation.url == operation.home
    ]
    records = _call(listing, owner).items
    return [str(listing.answered.value(record, "id")) for record in records]


def _create(
    creation: Operation, owner: Principal, mark: str, chosen: Mapping[str, str | None]
) -> None:
    _call(creation, owner, {**marked(creation.accepted, mark), **chosen})


def _call(operation: Operation, owner: Principal, body: Any = None) -> Any:
    """Call the handler of an operation as the owner of an account."""
    built = EnvironBuilder(path=operation.url, method=operation.method, json=body)
    request = Request(operation, built.get_environ(), {})
    request.signed_in = owner
    return operation.handler(request)
