"""What `flask feature` does, each step first in a copy of the project."""

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from flask import current_app

from devtools import feature_list
from devtools.features import removal, source
from devtools.features.fields import NotationError, read
from devtools.features.resource import STORES, Resource, declare, refuse_reference
from devtools.features.staging import ROOT, staged
from devtools.features.writing import write_feature
from myapp.operations import Operation

Wanted = Mapping[str, Any]
"""Name of a feature → its `store` and `fields`."""


def from_line(name: str | None, store: str, fields: str | None) -> Wanted:
    """Return what is asked for on the command line."""
    if not name or not fields:
        raise NotationError(
            "name the feature and its fields:"
            " flask feature new invoices --fields 'number:string(40) unique'"
        )
    return {name: {"store": store, "fields": fields}}


def from_yaml(file: str) -> Wanted:
    """Return what a file asks for."""
    try:
        wanted = yaml.safe_load(Path(file).read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise NotationError(f"{file} is no YAML: {error}") from error
    if not isinstance(wanted, dict) or not wanted:
        raise NotationError(f"{file}: write `invoices:`, and below it its `fields:`")
    for name, told in wanted.items():
        if not isinstance(told, dict) or not {*told} <= {"store", "fields"}:
            raise NotationError(f"{file}: {name} has `fields`, and may have a `store`")
        if told.get("store", "sql") not in STORES:
            raise NotationError(f"{file}: {name}: a store is {' or '.join(STORES)}")
        fields = told.get("fields")
        if not isinstance(fields, str | dict):
            raise NotationError(
                f"{file}: {name}: write its fields on a line, or as `total: integer`"
            )
        for field in fields:
            if not isinstance(field, str):
                raise NotationError(f"{file}: {name}: put the name {field} in quotes")
    return wanted


def create(wanted: Wanted, operations: Iterable[Operation]) -> list[str]:
    """Write the features that are wanted; return their names."""
    made = _declared(wanted, list(operations))
    names = [resource.name for resource in made]
    about = " and ".join(
        names if len(names) < 3 else (names[0], f"{len(names) - 1} more")
    )
    with staged() as copy:
        for resource in made:
            write_feature(copy / "myapp", resource)
            source.register(copy / feature_list.APPLICATION, resource.name)
        _follow(copy, about)
    return names


def add_field(feature: str, notation: str, operations: Iterable[Operation]) -> str:
    """Add a field to a living feature; return its name."""
    added, *more = read(f"{notation} optional")
    if more:
        raise NotationError(f"one field at a time: {notation} has more")
    models = Path("myapp", feature, "models.py")
    if not (ROOT / models).exists():
        raise NotationError(
            f"there is no {models}: name a feature that stores something"
        )
    if added.refers_to:
        refuse_reference(added, operations)
    with staged() as copy:
        source.add_field(copy / models, added)
        _follow(copy, f"{added.name} of {feature}")
    return added.name


def remove(feature: str) -> None:
    """Take a feature out; raise NotationError where others need it."""
    removal.refuse(feature)
    own = removal.own_tables(feature)
    undone = removal.uncommitted_migrations(own)
    url = current_app.config["DATABASE_URL"]
    with staged(last=lambda: removal.downgrade_below(undone, url)) as copy:
        for migration in undone:
            (copy / migration).unlink()
        if undone:
            removal.restore(copy, feature)
        if own:
            _follow(copy, f"no {feature}", *sorted(own))
        removal.remove_folder(copy, feature)
        source.unregister(copy / feature_list.APPLICATION, feature)
        _follow(copy, f"no {feature}")


def _declared(wanted: Wanted, operations: list[Operation]) -> list[Resource]:
    made: dict[str, Resource] = {}
    for name, told in wanted.items():
        fields = told["fields"]
        if isinstance(fields, dict):
            fields = ", ".join(f"{field}: {kind}" for field, kind in fields.items())
        store = told.get("store", "sql")
        made[name] = declare(str(name), store, read(str(fields)), operations, made)
    return list(made.values())


def _follow(copy: Path, *arguments: str) -> None:
    """Write in a copy of the project what is derived from its features."""
    done = subprocess.run(
        [sys.executable, "-m", "devtools.features.derived", *arguments],
        cwd=copy,
        env=os.environ | {"MYAPP_CONFIG": "development"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise NotationError(f"nothing has been written: {removal.reason(done)}")


def bring_up_to_date(url: str) -> bool:
    """Migrate the database of this folder, if there is one; tell whether it worked."""
    if not removal.has_database(url):
        return True
    try:
        removal.flask("db", "upgrade")
    except NotationError:
        return False
    return True
