"""A resource's contract: one JSON Schema, compiled into everything that moves data.

`Contract` derives what a client may send (`write_schema`) and what it sees
(`read_schema`), and compiles them once: `validate` for bodies, `represent` for
answers, `entity_tag` for preconditions. The dialect is JSON Schema 2020-12, closed
and bounded; `contract_rules` says what else a contract must keep.

Imports `errors`, `repository` and `contract_rules`.
"""

from collections.abc import Callable, Collection, Mapping
from copy import copy
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any, Generic
from uuid import UUID

import msgspec
from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError
from typing_extensions import TypeVar

from myapp.contract_rules import Schema, check_contract, types_of, where_declared
from myapp.errors import BrokenRule, InvalidBody
from myapp.repository import D, Page, Record, Values

MEDIA_TYPE = "application/json"

B = TypeVar("B", bound=Values, default=Any)
"""The values of a body; a feature's `shapes` have its type."""


def _utc(value: str) -> datetime:
    return datetime.fromisoformat(value.upper()).astimezone(UTC)


READERS: dict[str, Callable[[str], Any]] = {
    "date-time": _utc,
    "date": date.fromisoformat,
    "uuid": UUID,
}
"""How a string of each format becomes the value that the stores keep."""


class Contract(Generic[B, D]):
    """What clients send and see of a resource, written once.

    `properties` are JSON Schemas: `readOnly` marks what the server assigns,
    `writeOnly` what is never shown, a `default` what may be left out. Lists can be
    filtered by the fields in `filters` and sorted by those in `sorts`. The last fields
    may be `optional`: they are left out of an answer where they are None. A writeOnly
    field among the `proofs` permits a change and is no part of it. Raises
    ContractError, with file, field and remedy, for a contract that is not safe.
    """

    references: Mapping[str, str] = {}
    """Field → the table that its value refers to; what the store says of them."""

    def __init__(
        self,
        name: str,
        *,
        description: str,
        properties: Mapping[str, Schema],
        filters: Collection[str] = (),
        sorts: Collection[str] = (),
        optional: Collection[str] = (),
        proofs: Collection[str] = (),
    ) -> None:
        self.name = name
        self.description = description
        self.properties = dict(properties)
        self.filters = tuple(filters)
        self.sorts = tuple(sorts)
        self.proofs = tuple(proofs)
        self.declared_in = where_declared()
        check_contract(self)
        self.shown = self._without("writeOnly")
        self.writable = self._without("readOnly")
        self.assigned = tuple(sorted(set(self.shown) - set(self.writable)))
        always = [field for field in self.shown if field not in optional]
        self.read_schema = self._schema(name, self.shown, required=always)
        required = [f for f in self.writable if "default" not in self.properties[f]]
        self.write_schema = self._schema(f"{name}Write", self.writable, required)
        self._compile()

    def _without(self, mark: str) -> tuple[str, ...]:
        return tuple(
            field for field, schema in self.properties.items() if not schema.get(mark)
        )

    def _schema(
        self, title: str, fields: Collection[str], required: Collection[str]
    ) -> Schema:
        return {
            "title": title,
            "description": self.description,
            "type": "object",
            "properties": {field: self.properties[field] for field in fields},
            "required": list(required),
            "additionalProperties": False,
        }

    def _compile(self) -> None:
        self.hidden = set(self.writable) - set(self.shown)
        self._validator = compiled(self.write_schema)
        required = [f for f in self.write_schema["required"] if f not in self.hidden]
        self._change_validator = compiled({**self.write_schema, "required": required})
        self._defaults = {
            field: self.properties[field]["default"]
            for field in self.writable
            if "default" in self.properties[field]
        }
        self._readers = [
            (field, reader)
            for field in self.writable
            if (reader := reader_of(self.properties[field]))
        ]
        always = self.read_schema["required"]
        fields = [f if f in always else (f, Any, None) for f in self.shown]
        self._shape = msgspec.defstruct(self.name, fields, omit_defaults=True)
        self._encode = msgspec.json.Encoder().encode
        self._digest = self._digest_in(MEDIA_TYPE)

    def _digest_in(self, media_type: str) -> str:
        found = sha256(msgspec.json.encode([media_type, self.read_schema]))
        return found.hexdigest()[:8]

    def in_media_type(self, media_type: str) -> "Contract[B, D]":
        """Return the contract as it is, with the entity tags of another media type."""
        found = copy(self)
        found._digest = self._digest_in(media_type)
        return found

    def validate(self, document: Any) -> B:
        """Return the values of a document that keeps the contract.

        Defaults are filled in; date-times, dates and UUIDs become their Python
        values. Raises InvalidBody with every broken rule, never the value itself.
        """
        values: B = self._values(document, self._validator)
        return values

    def validate_change(self, document: Any) -> dict[str, Any]:
        """Do as `validate`; a writeOnly field that is left out stays as it is."""
        values: dict[str, Any] = self._values(document, self._change_validator)
        kept = self.hidden - document.keys()
        return {field: values[field] for field in values if field not in kept}

    def _values(self, document: Any, validator: Draft202012Validator) -> Any:
        if not validator.is_valid(document):
            errors = validator.iter_errors(document)
            rules = [rule for error in errors for rule in self._broken(error)]
            raise InvalidBody("The body breaks the contract.", rules)
        values: dict[str, Any] = self._defaults | document
        for field, reader in self._readers:
            if field in values:
                values[field] = self._read(field, reader, values[field])
        return values

    def _read(self, field: str, reader: Callable[[Any], Any], value: Any) -> Any:
        try:
            return value if value is None else reader(value)
        except (ValueError, OverflowError):
            rule = BrokenRule(f"/{field}", "format", "is outside of what can be stored")
            raise InvalidBody("The body breaks the contract.", [rule]) from None

    def _broken(self, error: ValidationError) -> list[BrokenRule]:
        """Say which rules an error names, without the validator's echo of values."""
        path = [*error.instance_path]
        rule = str(error.schema_path[-1]) if error.schema_path else error.kind.name
        if rule == "additionalProperties":
            names = getattr(error.kind, "unexpected", [])
            return [
                BrokenRule(pointer([*path, name]), *self._unexpected(path, name))
                for name in names
            ]
        if rule == "required":
            missing = getattr(error.kind, "property", "")
            at = pointer([*path, missing])
            return [BrokenRule(at, rule, "is missing: send it")]
        detail = EXPLANATIONS.get(rule, "does not keep this rule")
        return [BrokenRule(pointer(path), rule, detail.format(self._limit(error)))]

    def _unexpected(self, path: list[str | int], name: str) -> tuple[str, str]:
        if not path and self.properties.get(name, {}).get("readOnly"):
            return "readOnly", "is assigned by the server: leave it out"
        return "additionalProperties", "is not part of the contract: leave it out"

    def _limit(self, error: ValidationError) -> Any:
        """Return the value of the keyword that a document breaks."""
        found: Any = self.write_schema
        for step in error.schema_path:
            found = found[step]
        return found

    def document(self, record: Record[D]) -> D:
        """Return a record as the JSON document that clients see."""
        document: D = msgspec.to_builtins(self._shape(*record.values))
        return document

    def represent(self, record: Record[D]) -> bytes:
        """Return the bytes of a record's JSON document."""
        return self._encode(self._shape(*record.values))

    def represent_page(self, page: Page[D]) -> bytes:
        """Return the bytes of a page: `{"items": […], "next": cursor or null}`."""
        items = [self._shape(*record.values) for record in page.items]
        return self._encode({"items": items, "next": page.next})

    def entity_tag(self, record: Record) -> str:
        """Return the strong entity tag: version and digest (RFC 9110, 8.8.3)."""
        return f'"{record.version}-{self._digest}"'

    def value(self, record: Record, field: str) -> Any:
        """Return one shown field of a record."""
        return record.values[self.shown.index(field)]


def compiled(schema: Schema) -> Draft202012Validator:
    """Return the validator of a schema; formats count, patterns run in linear time."""
    return Draft202012Validator(
        schema, validate_formats=True, pattern_options=RegexOptions()
    )


def reader_of(schema: Schema) -> Callable[[Any], Any] | None:
    """Return what turns a valid JSON value into the value the stores keep."""
    if "integer" in types_of(schema):
        return int  # 1.0 is an integer in JSON Schema, and an int here
    return READERS.get(schema.get("format", ""))


def pointer(path: list[str | int]) -> str:
    """Return the JSON Pointer of a path (RFC 6901)."""
    return "".join(
        "/" + str(step).replace("~", "~0").replace("/", "~1") for step in path
    )


EXPLANATIONS = {
    "type": "must be of type {}",
    "format": "must be a valid {}",
    "enum": "must be one of {}",
    "const": "must be {}",
    "pattern": "must match {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "multipleOf": "must be a multiple of {}",
    "minItems": "must have at least {} items",
    "maxItems": "must have at most {} items",
    "uniqueItems": "must not repeat an item",
    "minProperties": "must have at least {} members",
    "maxProperties": "must have at most {} members",
    "anyOf": "must fit one of its alternatives",
    "oneOf": "must fit one of its alternatives",
}
"""What each keyword asks for; a message never quotes what was sent."""
