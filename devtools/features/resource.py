"""What a new feature is called, holds and refers to: all that its files tell."""

import keyword
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import inflection
from sqlalchemy.dialects.postgresql.base import RESERVED_WORDS

from devtools import feature_list
from devtools.features.fields import (
    Field,
    NotationError,
    refuse_constraint,
    refuse_in_redis,
)
from devtools.features.staging import ROOT
from myapp import access, components, openapi
from myapp.contract_rules import FIELD_NAME, types_of
from myapp.kinds import CREATE
from myapp.operations import Operation
from myapp.tables import Base

STORES = ("sql", "redis")
LONGEST = 24
"""Characters of a name: it stands in sentences that are lines of source."""


@dataclass(frozen=True)
class Parent:
    """A feature that a field refers to, and how a test makes a record of it."""

    feature: str
    url: str
    body: Mapping[str, Any]
    references: Mapping[str, str]
    """What its own fields refer to: field → feature."""

    @property
    def id(self) -> str:
        """What its id is called in a test: `customer_id`."""
        return f"{inflection.singularize(self.feature)}_id"


@dataclass(frozen=True)
class Resource:
    """A feature to be written, as its templates see it."""

    name: str
    store: str
    fields: tuple[Field, ...]
    parents: tuple[Parent, ...] = ()
    """What its fields refer to; each comes after what it refers to itself."""

    @property
    def singular(self) -> str:
        """The name of one: `invoice`; in the URL it is `invoice_id`."""
        return inflection.singularize(self.name)

    @property
    def table(self) -> str:
        """The class of the table, and the name of the contract: `Invoice`."""
        return inflection.camelize(self.singular)

    @property
    def contract(self) -> str:
        """The contract's variable: `INVOICE`; endpoints import rules beside it."""
        name = self.singular.upper()
        return f"{name}_CONTRACT" if hasattr(access, name) else name

    @property
    def words(self) -> str:
        """Many of them in a sentence: `order lines`."""
        return self.name.replace("_", " ")

    @property
    def one(self) -> str:
        """One of them in a sentence: `an order line`."""
        return a(self.name)

    @property
    def unique(self) -> list[Field]:
        """The fields that no two records of an account share."""
        return [field for field in self.fields if field.is_unique]

    @property
    def references(self) -> list[Field]:
        """The fields that refer to another feature's records."""
        return [field for field in self.fields if field.refers_to]

    @property
    def filters(self) -> tuple[str, ...]:
        """The fields that a list can be filtered by: each has its index."""
        found = [field.name for field in (*self.unique, *self.references)]
        return (*found, "created_at")

    @property
    def imports(self) -> list[str]:
        """What the fields import."""
        return sorted({line for field in self.fields for line in field.kind.imports})


def a(feature: str) -> str:
    """Return what one record of a feature is in a sentence: `an order line`."""
    word = inflection.singularize(feature).replace("_", " ")
    return f"{'an' if word[0] in 'aeio' else 'a'} {word}"


def declare(
    name: str,
    store: str,
    fields: Iterable[Field],
    operations: Iterable[Operation],
    planned: Mapping[str, Resource],
) -> Resource:
    """Return the resource; raise NotationError where it does not fit what is there."""
    operations = list(operations)
    _refuse_name(name, {*feature_list.folders(ROOT), *planned})
    made = Resource(name, store, tuple(fields))
    for field in made.fields:
        refuse_constraint(name, field)
        if store == "redis":
            refuse_in_redis(field)
    _refuse_namesakes(made, operations)
    parents = _parents(made, operations, planned)
    return Resource(name, store, made.fields, tuple(parents.values()))


def _refuse_name(name: str, taken: Iterable[str]) -> None:
    if not FIELD_NAME.fullmatch(name) or len(name) > LONGEST:
        raise NotationError(
            f"'{name}' is no name of a feature: a plural in snake_case, as order_lines,"
            f" at most {LONGEST} characters"
        )
    singular = inflection.singularize(name)
    if keyword.iskeyword(name) or keyword.iskeyword(singular):
        raise NotationError(f"{name} is a word of Python's: choose another name")
    if name in RESERVED_WORDS:
        raise NotationError(f"{name} is a word of SQL's: choose another name")
    if (ROOT / "myapp" / f"{name}.py").exists():
        raise NotationError(f"there is a module myapp/{name}.py: choose another name")
    if name in taken or name in Base.metadata.tables:
        raise NotationError(f"there is a feature or a table {name}: choose another")
    if inflection.pluralize(name) != name:
        raise NotationError(
            f"a feature is named in the plural: {inflection.pluralize(name)}"
        )


def _refuse_namesakes(made: Resource, operations: list[Operation]) -> None:
    """Refuse a name whose contract or whose parameter has another meaning."""
    if made.table in components.schemas(operations):
        raise NotationError(
            f"{made.name}: there is a contract {made.table}: choose another"
        )
    for operation in operations:
        if f":{made.singular}_id>" in operation.url:
            raise NotationError(
                f"{made.name}: {made.singular}_id has a meaning in {operation.url}:"
                " choose another name"
            )


def refuse_reference(field: Field, operations: Iterable[Operation]) -> None:
    """Raise NotationError where a field refers to what is no table."""
    _parents(Resource("", "sql", (field,)), list(operations), {})


def _parents(
    made: Resource, operations: list[Operation], planned: Mapping[str, Resource]
) -> dict[str, Parent]:
    """Return by feature what a resource refers to, and what that refers to."""
    found: dict[str, Parent] = {}

    def add(field: str, feature: str) -> None:
        if feature in found:
            return
        parent = _parent(field, feature, operations, planned)
        for each, other in parent.references.items():
            add(each, other)
        found[feature] = parent

    for field in made.references:
        add(field.name, str(field.refers_to))
    return found


def _parent(
    field: str,
    feature: str,
    operations: list[Operation],
    planned: Mapping[str, Resource],
) -> Parent:
    if feature in planned and planned[feature].store == "sql":
        made = planned[feature]
        needed = [each for each in made.fields if not each.is_optional]
        body = {each.name: each.kind.values[0] for each in needed}
        references = {e.name: str(e.refers_to) for e in needed if e.refers_to}
        return Parent(feature, f"/v1/{feature}", body, references)
    creation = _targets(operations).get(feature)
    if creation is None or creation.accepts is None:
        known = ", ".join(sorted(_targets(operations)))
        raise NotationError(
            f"{field}: there is no table {feature} to refer to: use one of {known}, or"
            f" write {feature} first"
        )
    contract = creation.accepts
    optional = {
        field
        for field in contract.references
        if "null" in types_of(contract.properties[field])
    }
    example = openapi.example(contract)
    body = {field: example[field] for field in example if field not in optional}
    references = {
        field: other for field, other in contract.references.items() if field in body
    }
    return Parent(feature, creation.url, body, references)


def _targets(operations: Iterable[Operation]) -> dict[str, Operation]:
    """Return how a record is made of each feature that can be referred to."""
    return {
        operation.feature: operation
        for operation in operations
        if operation.kind is CREATE
        and operation.url == operation.home
        and (table := Base.metadata.tables.get(operation.feature)) is not None
        and "account_id" in table.primary_key.columns
    }
