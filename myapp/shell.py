"""What `flask shell` has at hand: tables, repositories and contracts by their names.

On a server too: that is where somebody has to see what is there. Imports no feature.
"""

from collections.abc import Iterable
from types import ModuleType
from typing import Any

import click

from myapp import audit, db
from myapp.contract import Contract
from myapp.pagination import Slice
from myapp.repository import Repository
from myapp.tenants import tenant_named

BANNER = """\
By name: tables ({table}, …), repositories ({repository}, …), contracts ({contract}, …).
Also sql, db, redis and tenant: {repository}.list(tenant("demo"), Slice(limit=5)).items\
"""


def names(stores: db.Stores, features: Iterable[ModuleType]) -> dict[str, Any]:
    """Return the names, and work on the stores until the shell ends; say what is there.

    What the shell changes is put down to it in the audit.
    """
    context = click.get_current_context()
    context.with_resource(db.use(stores))
    context.with_resource(audit.caused_by("command:shell"))
    known = {
        name: value
        for feature in features
        for name, value in vars(getattr(feature, "models", feature)).items()
        if _kind(value)
    }
    kinds = {_kind(value): name for name, value in reversed(known.items())}
    click.echo(BANNER.format(**kinds), err=True)
    given = {"sql": db.sql, "db": db, "redis": stores.redis}
    return known | given | {"tenant": tenant_named, "Slice": Slice}


def _kind(value: Any) -> str:
    """Tell what a feature's models define by a name: nothing, or what is at hand."""
    if isinstance(value, Repository):
        return "repository"
    if isinstance(value, Contract):
        return "contract"
    return "table" if hasattr(value, "__table__") else ""
