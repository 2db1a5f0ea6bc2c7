"""Where a contract and its table must agree, checked once, at import.

A field is named in two places, the contract and the table: name, type, length and
nullability are the same in both, and what is sorted by has its index.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Date,
    Float,
    Integer,
    String,
    Table,
    Uuid,
)

from myapp.contract import Contract
from myapp.contract_rules import Schema, error_in, types_of
from myapp.tables import UtcDateTime

LIMITS = {"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"}


def check_table(contract: Contract, table: Table, tenant: str) -> None:
    """Raise ContractError where a shown field and its column disagree."""
    for field in contract.shown:
        complaint = _disagreement(contract.properties[field], table, field)
        if complaint:
            raise error_in(contract, field, complaint)
    indexes = [
        tuple(column.name for column in index.columns) for index in table.indexes
    ]
    for field in contract.filters:
        if isinstance(table.c[field].type, JSON):
            raise error_in(contract, field, "is JSON, which has no order: unlist it")
    for field in contract.sorts:
        if table.c[field].nullable:
            raise error_in(contract, field, "is sorted by and may be NULL: forbid it")
        if (tenant, field, "id") not in indexes:
            wanted = f'Index(None, "{tenant}", "{field}", "id")'
            raise error_in(contract, field, f"is sorted by without an index: {wanted}")


def references(contract: Contract, table: Table) -> dict[str, str]:
    """Return which shown fields hold the id of a row of which table."""
    # By name: the other table may not have been declared yet.
    keys = {key.parent.name: key.target_fullname for key in table.foreign_keys}
    found = {field: keys[field].rpartition(".") for field in sorted(keys)}
    return {
        field: other
        for field, (other, _, column) in found.items()
        if field in contract.shown and column == "id"
    }


def _disagreement(schema: Schema, table: Table, field: str) -> str | None:
    column = table.c.get(field)
    if column is None:
        return f"has no column in {table.name}: add one, or rename the field"
    nullable = "null" in types_of(schema) or None in schema.get("enum", ())
    if bool(column.nullable) != nullable:
        remedy = "add 'null' to its type" if column.nullable else "make it nullable"
        return f"and {table.name}.{field} differ in nullability: {remedy}"
    expected = _column_type(schema)
    if not _fits(column.type, expected):
        return f"needs {expected!r}, but {table.name}.{field} is {column.type!r}"
    return None


def _column_type(schema: Schema) -> Any:
    """Return the column type that holds a field's values and no others."""
    formats = {"uuid": Uuid(), "date-time": UtcDateTime(), "date": Date()}
    if schema.get("format") in formats:
        return formats[schema["format"]]
    choices = [value for value in schema.get("enum", ()) if value is not None]
    if choices and all(isinstance(value, str) for value in choices):
        return String(max(map(len, choices)))
    kinds = types_of(schema) - {"null"}
    if kinds == {"integer"}:
        limits = [*choices, *(schema[keyword] for keyword in LIMITS & schema.keys())]
        fits = all(-(2**31) <= limit < 2**31 for limit in limits)
        return Integer() if fits else BigInteger()
    if kinds == {"string"}:
        return String(schema.get("maxLength"))
    simple = {"boolean": Boolean(), "number": Float()}
    return simple.get("".join(kinds), JSON())


def _fits(actual: Any, expected: Any) -> bool:
    if isinstance(expected, String):
        return isinstance(actual, String) and actual.length == expected.length
    if type(expected) is Integer:
        return isinstance(actual, Integer)
    return isinstance(actual, type(expected))
