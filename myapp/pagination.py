"""Keyset pagination: which part of a list is wanted, read from the query.

Newest first unless `sort` says otherwise. A cursor is opaque and belongs to one
account, filter and order. Filters are `field` and `field[gte|gt|lte|lt]`.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from jsonschema_rs import Draft202012Validator

from myapp import strict_json
from myapp.contract import Contract, compiled, reader_of
from myapp.contract_rules import Schema, types_of
from myapp.errors import BadRequest, BrokenRule

MOST_ITEMS = 100
DEFAULT_ITEMS = 20
LONGEST_VALUE = 1000
LIMITS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
COMPARISONS = ("gte", "gt", "lte", "lt")


class Filter(NamedTuple):
    """A condition of a list; `operator` is eq, gte, gt, lte or lt."""

    field: str
    operator: str
    value: Any


class Slice(NamedTuple):
    """Which part of a list is wanted, in which order."""

    limit: int = DEFAULT_ITEMS
    sort: str = "id"
    descending: bool = True
    filters: tuple[Filter, ...] = ()
    after: tuple[Any, UUID] | None = None
    counted: bool = False
    fingerprint: str = ""

    def cursor(self, value: Any, id: UUID | str) -> str:
        """Return the opaque cursor of the records behind this one."""
        raw = msgspec.json.encode([self.fingerprint, value, id])
        return urlsafe_b64encode(raw).rstrip(b"=").decode()


def parameters(contract: Contract) -> dict[str, Schema]:
    """Return the query parameters of a contract's list, each with its schema."""
    found: dict[str, Schema] = {
        "limit": {
            "type": "integer",
            "minimum": 1,
            "maximum": MOST_ITEMS,
            "default": DEFAULT_ITEMS,
            "description": "How many items a page has at most.",
        },
        "cursor": {
            "type": "string",
            "maxLength": LONGEST_VALUE,
            "description": "The `next` of the page before.",
        },
        "count": {
            "enum": ["exact"],
            "type": "string",
            "description": "Answer the number of all items in `X-Total-Count`.",
        },
    }
    if contract.sorts:
        orders = [sign + field for field in contract.sorts for sign in ("", "-")]
        text = "The field to sort by; `-` for descending. Newest first without it."
        found["sort"] = {"type": "string", "enum": orders, "description": text}
    for field in contract.filters:
        for name in _filter_names(field):
            found[name] = _filter_schema(contract.properties[field])
    return found


def _filter_names(field: str) -> Iterator[str]:
    yield field
    for comparison in COMPARISONS:
        yield f"{field}[{comparison}]"


def _filter_schema(schema: Schema) -> Schema:
    kept = {"type", "format", "enum", "maxLength"} | LIMITS
    return {keyword: value for keyword, value in schema.items() if keyword in kept}


def read_slice(contract: Contract, query: Mapping[str, str], tenant: UUID) -> Slice:
    """Return the slice that a list's query asks for; raise BadRequest."""
    sort = query.get("sort", "-id")
    if "sort" in query and sort.removeprefix("-") not in contract.sorts:
        fields = ", ".join(contract.sorts)
        raise bad_parameter(
            "sort", "enum", f"must be one of {fields}, with `-` for descending"
        )
    if query.get("count", "exact") != "exact":
        raise bad_parameter("count", "enum", "must be `exact`, or be left out")
    filters = tuple(_read_filters(contract, query))
    fingerprint = _fingerprint(tenant, sort, filters)
    wanted = Slice(
        limit=_read_limit(query.get("limit")),
        sort=sort.removeprefix("-"),
        descending=sort.startswith("-"),
        filters=filters,
        counted="count" in query,
        fingerprint=fingerprint,
    )
    if "cursor" not in query:
        return wanted
    return wanted._replace(after=_read_cursor(contract, wanted, query["cursor"]))


def bad_parameter(parameter: str, rule: str, detail: str) -> BadRequest:
    """Return the problem with one query parameter."""
    broken = BrokenRule(f"?{parameter}", rule, detail)
    return BadRequest("A query parameter breaks its rule.", [broken])


def _read_limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_ITEMS
    if not (text.isascii() and text.isdigit() and len(text) <= 3):
        raise bad_parameter(
            "limit", "type", f"must be an integer from 1 to {MOST_ITEMS}"
        )
    if not 1 <= int(text) <= MOST_ITEMS:
        raise bad_parameter("limit", "range", f"must be from 1 to {MOST_ITEMS}")
    return int(text)


def _read_filters(contract: Contract, query: Mapping[str, str]) -> Iterator[Filter]:
    for name in sorted(query):
        field, _, comparison = name.partition("[")
        if field in contract.filters:
            value = _read_value(contract, field, name, query[name])
            yield Filter(field, comparison.rstrip("]") or "eq", value)


def _read_value(contract: Contract, field: str, name: str, text: str) -> Any:
    """Return a filter's value as the store keeps it; raise BadRequest."""
    schema = contract.properties[field]
    types = types_of(schema)
    try:
        # What is no string is written as in JSON.
        value = text if "string" in types else strict_json.loads(text.encode())
        return _stored(contract, field, value)
    except (ValueError, TypeError, OverflowError, BadRequest):
        kind = schema.get("format") or " or ".join(sorted(types))
        raise bad_parameter(name, "type", f"must be a valid {kind}") from None


def _stored(contract: Contract, field: str, value: Any) -> Any:
    """Return a field's value as the store keeps it; raise ValueError, TypeError."""
    if not _validator(contract, field).is_valid(value):
        raise ValueError("the field never has this value")
    reader = reader_of(contract.properties[field])
    return reader(value) if reader else value


@cache
def _validator(contract: Contract, field: str) -> Draft202012Validator:
    schema = _filter_schema(contract.properties[field])
    return compiled(schema)


def _fingerprint(tenant: UUID, *selection: Any) -> str:
    """Return what ties a cursor to its account, filters and order."""
    return sha256(msgspec.json.encode([tenant, *selection])).hexdigest()[:12]


def _read_cursor(contract: Contract, wanted: Slice, cursor: str) -> tuple[Any, UUID]:
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        found, value, id = msgspec.json.decode(raw, type=tuple[str, Any, UUID])
        value = _stored(contract, wanted.sort, value)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        found, value, id = "", None, UUID(int=0)
    if found != wanted.fingerprint or "\0" in str(value):
        raise BadRequest(
            "The cursor belongs to no list like this one:"
            " follow `next` with the same filters and sort, or start without it."
        )
    return value, id
