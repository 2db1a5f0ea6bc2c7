"""What a contract must keep to be safe, checked once, when it is declared.

Every string, array and integer has a bound, every object is closed, every keyword
is one we know: so no body is unbounded and no misspelt rule is silently ignored.
The schemas themselves are checked by the reference validator, jsonschema.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

if TYPE_CHECKING:
    from myapp.contract import Contract

Schema = dict[str, Any]

FIELD_NAME = re.compile(r"[a-z][a-z0-9_]*")
ANNOTATIONS = {
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "$comment",
}
KEYWORDS = {
    "type",
    "enum",
    "const",
    "format",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "items",
    "minItems",
    "maxItems",
    "uniqueItems",
    "properties",
    "required",
    "additionalProperties",
    "minProperties",
    "maxProperties",
    "anyOf",
    "oneOf",
}
FORMATS = {"uuid", "date-time", "date", "email", "uri", "ipv4", "ipv6", "hostname"}
PARAMETERS = {"limit", "cursor", "count", "sort"}
BOUNDED_FORMATS = {"uuid", "date-time", "date", "ipv4", "ipv6"}


class DeclarationError(click.ClickException, TypeError):
    """What a feature declares breaks a rule; the message has file, rule and remedy."""


class ContractError(DeclarationError):
    """A contract, or the store behind it, breaks a rule; the message has the remedy."""


def where_declared() -> str:
    """Return `file:line` of the code outside these files that declares a contract."""
    frame = sys._getframe(1)
    ours = {"contract.py", "contract_rules.py", "typing.py"}  # of Contract[…](…)
    while frame.f_back and Path(frame.f_code.co_filename).name in ours:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def check_contract(contract: "Contract") -> None:
    """Raise ContractError, naming file, field and remedy, for an unsafe contract."""
    for field, schema in contract.properties.items():
        for complaint in (*_names(field), *_complaints(schema)):
            raise error_in(contract, field, complaint)
    for field in contract.filters:
        if field in PARAMETERS:
            raise error_in(contract, field, "is a parameter of lists: rename the field")
    for field in (*contract.filters, *contract.sorts):
        schema = contract.properties.get(field, {"writeOnly": True})
        if schema.get("writeOnly"):
            raise error_in(contract, field, "is no shown field: do not list it")


def error_in(contract: "Contract", field: str, complaint: str) -> ContractError:
    """Return the error that names file, contract, field, rule and remedy."""
    return ContractError(
        f"{contract.declared_in}: {contract.name}.{field}: {complaint}"
    )


def _names(field: str) -> Iterator[str]:
    if not FIELD_NAME.fullmatch(field):
        yield "a field is named in snake_case: rename it"


def _complaints(schema: Any) -> Iterator[str]:
    if not isinstance(schema, dict):
        yield "its schema is no object: write {'type': …}"
        return
    for keyword in schema:
        if keyword not in KEYWORDS | ANNOTATIONS:
            known = ", ".join(sorted(KEYWORDS))
            yield f"'{keyword}' is no keyword here: use one of {known}"
    yield from _malformed(schema)
    yield from _unbounded(schema)
    for part in _parts(schema):
        yield from _complaints(part)


def _malformed(schema: Schema) -> Iterator[str]:
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        yield f"is no valid JSON Schema: {error.message}"
        return
    keeps = Draft202012Validator(schema).is_valid
    if "default" in schema and not keeps(schema["default"]):
        yield "has a default that breaks its own rules: change one of the two"
    if not all(map(keeps, schema.get("examples", ()))):
        yield "has an example that breaks its own rules: change one of the two"
    if schema.get("readOnly") and schema.get("writeOnly"):
        yield "is readOnly and writeOnly at once: keep one"
    if schema.get("readOnly") and "default" in schema:
        yield "is assigned by the server and has a default: remove the default"


def _parts(schema: Schema) -> Iterator[Schema]:
    yield from schema.get("properties", {}).values()
    yield from schema.get("anyOf", ())
    yield from schema.get("oneOf", ())
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            yield schema[keyword]


def types_of(schema: Schema) -> set[str]:
    """Return the JSON types that a schema admits."""
    types = schema.get("type", ())
    return {types} if isinstance(types, str) else set(types)


def _unbounded(schema: Schema) -> Iterator[str]:
    types = types_of(schema)
    chosen = {"enum", "const", "anyOf", "oneOf"} & schema.keys()
    if not types and not chosen:
        yield "has no type: add 'type'"
    if chosen:
        return
    if "string" in types:
        yield from _unbounded_string(schema)
    if "array" in types and not {"items", "maxItems"} <= schema.keys():
        yield "an array needs items and a bound: add 'items' and 'maxItems'"
    if {"integer", "number"} & types and not _has_range(schema):
        yield "a number needs a range: add 'minimum' and 'maximum'"
    if "object" in types:
        yield from _open_object(schema)


def _unbounded_string(schema: Schema) -> Iterator[str]:
    format_ = schema.get("format")
    if format_ is not None and format_ not in FORMATS:
        known = ", ".join(sorted(FORMATS))
        yield f"'{format_}' is no format that is checked: use one of {known}"
    if "maxLength" not in schema and format_ not in BOUNDED_FORMATS:
        yield "a string needs a bound: add 'maxLength'"


def _has_range(schema: Schema) -> bool:
    low = {"minimum", "exclusiveMinimum"} & schema.keys()
    return bool(low and {"maximum", "exclusiveMaximum"} & schema.keys())


def _open_object(schema: Schema) -> Iterator[str]:
    extra = schema.get("additionalProperties", True)
    if extra is True:
        yield "an object must be closed: add 'additionalProperties': False"
    elif extra is not False and "maxProperties" not in schema:
        yield "a map needs a bound: add 'maxProperties'"
