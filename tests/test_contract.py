"""A contract is safe or refused by name, and means what its JSON Schema means."""

import json
import re
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given, settings, strategies as st
from jsonschema import Draft202012Validator, ValidationError, validators
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    Uuid,
)

from myapp import openapi
from myapp.contract import Contract, pointer
from myapp.contract_rules import ContractError
from myapp.errors import InvalidBody
from myapp.repository import Page, Record
from myapp.table_rules import check_table
from myapp.tables import UtcDateTime
from tests.resources import OPERATIONS

TEXT = {"type": "string", "maxLength": 20}
NUMBER = {"type": "integer", "minimum": 0, "maximum": 9}
OPEN = {"type": "object", "properties": {"a": TEXT}}
SHUT = {"additionalProperties": False}
NULL, NOT_NULL = True, False


def contract_of(name="Thing", filters=(), sorts=(), **properties):
    return Contract(
        name,
        description="A thing.",
        properties=properties,
        filters=filters,
        sorts=sorts,
    )


# what a contract must keep


UNSAFE = {
    "schema_no_object": ("string", "its schema is no object: write {'type': …}"),
    "keyword_misspelt": (
        TEXT | {"maxlength": 5},
        "'maxlength' is no keyword here: use one of additionalProperties, anyOf, const,"
        " enum, exclusiveMaximum, exclusiveMinimum, format, items, maxItems, maxLength,"
        " maxProperties, maximum, minItems, minLength, minProperties, minimum,"
        " multipleOf, oneOf, pattern, properties, required, type, uniqueItems",
    ),
    "type_missing": ({}, "has no type: add 'type'"),
    "type_unknown": (
        {"type": "text"},
        "is no valid JSON Schema: 'text' is not valid under any of the given schemas",
    ),
    "bound_of_the_wrong_type": (
        {"type": "string", "maxLength": "20"},
        "is no valid JSON Schema: '20' is not of type 'integer'",
    ),
    "read_only_and_write_only": (
        TEXT | {"readOnly": True, "writeOnly": True},
        "is readOnly and writeOnly at once: keep one",
    ),
    "read_only_with_a_default": (
        TEXT | {"readOnly": True, "default": "a"},
        "is assigned by the server and has a default: remove the default",
    ),
    "default_that_breaks_the_rules": (
        NUMBER | {"default": 10},
        "has a default that breaks its own rules: change one of the two",
    ),
    "example_that_breaks_the_rules": (
        TEXT | {"examples": ["fine", 1]},
        "has an example that breaks its own rules: change one of the two",
    ),
    "string_without_bound": (
        {"type": "string"},
        "a string needs a bound: add 'maxLength'",
    ),
    "string_or_null_without_bound": (
        {"type": ["string", "null"]},
        "a string needs a bound: add 'maxLength'",
    ),
    "string_of_a_long_format_without_bound": (
        {"type": "string", "format": "uri"},
        "a string needs a bound: add 'maxLength'",
    ),
    "format_unknown": (
        {"type": "string", "format": "phone", "maxLength": 20},
        "'phone' is no format that is checked: use one of date, date-time, email,"
        " hostname, ipv4, ipv6, uri, uuid",
    ),
    "integer_without_range": (
        {"type": "integer"},
        "a number needs a range: add 'minimum' and 'maximum'",
    ),
    "number_with_half_a_range": (
        {"type": "number", "minimum": 0},
        "a number needs a range: add 'minimum' and 'maximum'",
    ),
    "array_without_items": (
        {"type": "array", "maxItems": 3},
        "an array needs items and a bound: add 'items' and 'maxItems'",
    ),
    "array_without_bound": (
        {"type": "array", "items": TEXT},
        "an array needs items and a bound: add 'items' and 'maxItems'",
    ),
    "object_open": (
        OPEN,
        "an object must be closed: add 'additionalProperties': False",
    ),
    "object_open_on_purpose": (
        OPEN | {"additionalProperties": True},
        "an object must be closed: add 'additionalProperties': False",
    ),
    "map_without_bound": (
        {"type": "object", "additionalProperties": TEXT},
        "a map needs a bound: add 'maxProperties'",
    ),
    "unsafe_item": (
        {"type": "array", "items": {"type": "string"}, "maxItems": 3},
        "a string needs a bound: add 'maxLength'",
    ),
    "unsafe_member": (
        {"type": "object", "properties": {"a": {"type": "string"}}, **SHUT},
        "a string needs a bound: add 'maxLength'",
    ),
    "unsafe_value_of_a_map": (
        {"type": "object", "additionalProperties": OPEN, "maxProperties": 3},
        "an object must be closed: add 'additionalProperties': False",
    ),
    "unsafe_choice": (
        {"anyOf": [TEXT, {"type": "integer"}]},
        "a number needs a range: add 'minimum' and 'maximum'",
    ),
    "unsafe_choice_of_one": (
        {"oneOf": [TEXT, OPEN]},
        "an object must be closed: add 'additionalProperties': False",
    ),
}


def assert_names(refused, complaint, at="Thing.size"):
    """The message is file:line, contract.field, rule and remedy."""
    place, message = str(refused.value).split(": ", 1)
    assert re.fullmatch(rf"{re.escape(__file__)}:\d+", place)
    assert message == f"{at}: {complaint}"


@pytest.mark.parametrize(("schema", "complaint"), UNSAFE.values(), ids=UNSAFE)
def test_unsafe_contract_is_refused_with_place_field_and_remedy(schema, complaint):
    with pytest.raises(ContractError) as refused:
        contract_of(size=schema)
    assert_names(refused, complaint)


@pytest.mark.parametrize("name", ["Size", "sizeOf", "size-of", "1st", "_size", "größe"])
def test_field_that_is_not_in_snake_case_is_refused(name):
    with pytest.raises(ContractError) as refused:
        contract_of(**{name: TEXT})
    assert_names(
        refused, "a field is named in snake_case: rename it", at=f"Thing.{name}"
    )


@pytest.mark.parametrize("use", ["filters", "sorts"])
@pytest.mark.parametrize("listed", ["missing", "secret"])
def test_list_by_a_field_that_is_not_shown_is_refused(use, listed):
    with pytest.raises(ContractError) as refused:
        contract_of(name="Thing", secret=TEXT | {"writeOnly": True}, **{use: [listed]})
    assert_names(refused, "is no shown field: do not list it", at=f"Thing.{listed}")


def test_refusal_names_the_line_of_the_declaration():
    line = sys._getframe().f_lineno + 2
    with pytest.raises(ContractError) as refused:
        Contract("Thing", description="A thing.", properties={"size": {}})
    assert str(refused.value).startswith(f"{__file__}:{line}: Thing.size: ")


SAFE = {
    "bounded_formats": {"type": "string", "format": "date-time"},
    "exclusive_range": {
        "type": "number",
        "exclusiveMinimum": 0,
        "exclusiveMaximum": 1,
    },
    "enum_without_type": {"enum": ["a", "b", None]},
    "const": {"const": "a"},
    "map": {"type": "object", "additionalProperties": TEXT, "maxProperties": 3},
    "object": {"type": "object", "properties": {"a": TEXT}, **SHUT},
    "annotations": TEXT
    | {"title": "T", "description": "d", "deprecated": True, "$comment": "c"},
}


@pytest.mark.parametrize("schema", SAFE.values(), ids=SAFE)
def test_safe_contract_is_taken(schema):
    assert contract_of(size=schema).properties == {"size": schema}


# where a contract and its table must agree


def table_of(*columns):
    return Table("things", MetaData(), Column("account_id", Uuid()), *columns)


DISAGREEING = {
    "null_in_the_table_only": (
        TEXT,
        (String(20), NULL),
        "and things.size differ in nullability: add 'null' to its type",
    ),
    "null_in_the_contract_only": (
        TEXT | {"type": ["string", "null"]},
        (String(20), NOT_NULL),
        "and things.size differ in nullability: make it nullable",
    ),
    "string_too_short": (
        TEXT,
        (String(10), NOT_NULL),
        "needs String(length=20), but things.size is String(length=10)",
    ),
    "string_too_long": (
        TEXT,
        (String(30), NOT_NULL),
        "needs String(length=20), but things.size is String(length=30)",
    ),
    "string_unbounded": (
        TEXT,
        (Text(), NOT_NULL),
        "needs String(length=20), but things.size is Text()",
    ),
    "enum_too_short": (
        {"enum": ["a", "abc"]},
        (String(2), NOT_NULL),
        "needs String(length=3), but things.size is String(length=2)",
    ),
    "integer_in_a_string": (
        NUMBER,
        (String(20), NOT_NULL),
        "needs Integer(), but things.size is String(length=20)",
    ),
    "large_integer_in_a_small_column": (
        NUMBER | {"maximum": 2**31},
        (Integer(), NOT_NULL),
        "needs BigInteger(), but things.size is Integer()",
    ),
    "very_negative_integer_in_a_small_column": (
        NUMBER | {"minimum": -(2**31) - 1},
        (Integer(), NOT_NULL),
        "needs BigInteger(), but things.size is Integer()",
    ),
    "number_in_an_integer": (
        {"type": "number", "minimum": 0, "maximum": 1},
        (Integer(), NOT_NULL),
        "needs Float(), but things.size is Integer()",
    ),
    "boolean_in_an_integer": (
        {"type": "boolean"},
        (Integer(), NOT_NULL),
        "needs Boolean(), but things.size is Integer()",
    ),
    "date_time_in_a_date": (
        {"type": "string", "format": "date-time"},
        (Date(), NOT_NULL),
        "needs UtcDateTime(timezone=True), but things.size is Date()",
    ),
    "uuid_in_a_string": (
        {"type": "string", "format": "uuid"},
        (String(36), NOT_NULL),
        "needs Uuid(), but things.size is String(length=36)",
    ),
    "array_in_a_string": (
        {"type": "array", "items": TEXT, "maxItems": 3},
        (String(20), NOT_NULL),
        "needs JSON(), but things.size is String(length=20)",
    ),
    "choice_in_a_string": (
        {"anyOf": [TEXT, NUMBER]},
        (String(20), NOT_NULL),
        "needs JSON(), but things.size is String(length=20)",
    ),
}


@pytest.mark.parametrize(
    ("schema", "column", "complaint"), DISAGREEING.values(), ids=DISAGREEING
)
def test_table_that_disagrees_is_refused_with_place_field_and_remedy(
    schema, column, complaint
):
    kind, nullable = column
    table = table_of(Column("size", kind, nullable=nullable))
    with pytest.raises(ContractError) as refused:
        check_table(contract_of(size=schema), table, "account_id")
    assert_names(refused, complaint)


def test_table_without_a_column_for_a_field_is_refused():
    table = table_of(Column("length", String(20)))
    with pytest.raises(ContractError) as refused:
        check_table(contract_of(size=TEXT), table, "account_id")
    assert_names(refused, "has no column in things: add one, or rename the field")


def test_filter_named_as_a_parameter_of_lists_is_refused():
    with pytest.raises(ContractError, match="Thing.sort: is a parameter of lists"):
        Contract(
            "Thing", description="A.", properties={"sort": TEXT}, filters=("sort",)
        )


def test_filter_by_json_is_refused():
    tags = {"type": "array", "items": TEXT, "maxItems": 3}
    table = table_of(Column("size", JSON(), nullable=False))
    contract = Contract(
        "Thing", description="A.", properties={"size": tags}, filters=("size",)
    )
    with pytest.raises(ContractError, match="Thing.size: is JSON, which has no order"):
        check_table(contract, table, "account_id")


AGREEING = {
    "string": (TEXT, String(20)),
    "enum": ({"enum": ["a", "abc"]}, String(3)),
    "enum_of_integers": ({"type": "integer", "enum": [1, 2]}, Integer()),
    "integer": (NUMBER, Integer()),
    "integer_in_a_larger_column": (NUMBER, BigInteger()),
    "integer_of_31_bits": (NUMBER | {"maximum": 2**31 - 1}, Integer()),
    "integer_within_exclusive_bounds": (
        {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 2**40},
        BigInteger(),
    ),
    "number": ({"type": "number", "minimum": 0, "maximum": 1}, Float()),
    "boolean": ({"type": "boolean"}, Boolean()),
    "date": ({"type": "string", "format": "date"}, Date()),
    "date_time": ({"type": "string", "format": "date-time"}, UtcDateTime()),
    "uuid": ({"type": "string", "format": "uuid"}, Uuid()),
    "array": ({"type": "array", "items": TEXT, "maxItems": 3}, JSON()),
    "choice": ({"anyOf": [TEXT, NUMBER]}, JSON()),
}


@pytest.mark.parametrize(("schema", "kind"), AGREEING.values(), ids=AGREEING)
def test_table_that_agrees_is_taken(schema, kind):
    column = Column("size", kind, nullable=False)
    check_table(contract_of(size=schema), table_of(column), "account_id")


def test_table_needs_no_column_for_what_is_never_shown():
    contract = contract_of(size=TEXT, secret=TEXT | {"writeOnly": True})
    column = Column("size", String(20), nullable=False)
    check_table(contract, table_of(column), "account_id")


def test_table_may_hold_null_where_the_contract_chooses_it():
    contract = contract_of(size={"enum": ["a", None]})
    check_table(contract, table_of(Column("size", String(1))), "account_id")


def test_sort_by_a_field_that_may_be_null_is_refused():
    contract = contract_of(size=TEXT | {"type": ["string", "null"]}, sorts=["size"])
    with pytest.raises(ContractError) as refused:
        check_table(contract, table_of(Column("size", String(20))), "account_id")
    assert_names(refused, "is sorted by and may be NULL: forbid it")


@pytest.mark.parametrize("columns", [["size"], ["size", "id"], ["account_id", "size"]])
def test_sort_by_a_field_without_its_index_is_refused(columns):
    contract = contract_of(size=TEXT, sorts=["size"])
    fields = [Column("id", Uuid()), Column("size", String(20), nullable=False)]
    with pytest.raises(ContractError) as refused:
        table = table_of(*fields, Index("ix", *columns))
        check_table(contract, table, "account_id")
    assert_names(
        refused,
        'is sorted by without an index: Index(None, "account_id", "size", "id")',
    )


def test_sort_by_a_field_with_its_index_is_taken():
    contract = contract_of(size=TEXT, sorts=["size"])
    fields = [Column("id", Uuid()), Column("size", String(20), nullable=False)]
    index = Index("ix", "account_id", "size", "id")
    check_table(contract, table_of(*fields, index), "account_id")


# what is derived


BOOKING = contract_of(
    name="Booking",
    id={"type": "string", "format": "uuid", "readOnly": True},
    guest=TEXT,
    code=TEXT | {"writeOnly": True},
    nights=NUMBER | {"default": 1},
    starts_at={"type": ["string", "null"], "format": "date-time", "default": None},
)
STAY = {"guest": "Ada", "code": "1234"}


def test_read_schema_has_all_that_is_shown_and_requires_it():
    assert BOOKING.read_schema == {
        "title": "Booking",
        "description": "A thing.",
        "type": "object",
        "properties": {
            field: BOOKING.properties[field]
            for field in ("id", "guest", "nights", "starts_at")
        },
        "required": ["id", "guest", "nights", "starts_at"],
        "additionalProperties": False,
    }


def test_write_schema_has_all_that_is_writable_and_requires_what_has_no_default():
    assert BOOKING.write_schema == {
        "title": "BookingWrite",
        "description": "A thing.",
        "type": "object",
        "properties": {
            field: BOOKING.properties[field]
            for field in ("guest", "code", "nights", "starts_at")
        },
        "required": ["guest", "code"],
        "additionalProperties": False,
    }


def test_validate_fills_in_defaults_only_where_nothing_was_sent():
    assert BOOKING.validate(STAY) == STAY | {"nights": 1, "starts_at": None}
    assert BOOKING.validate(STAY | {"nights": 3})["nights"] == 3


def test_validate_leaves_the_document_as_it_was():
    document = dict(STAY)
    BOOKING.validate(document)
    assert document == STAY


def test_represent_shows_what_document_shows():
    id = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
    at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    record = Record((id, "Ada", 2, at), 7)
    shown = {
        "id": "01890a5d-ac96-774b-bcce-b302099a8057",
        "guest": "Ada",
        "nights": 2,
        "starts_at": "2026-01-31T12:00:00Z",
    }
    assert BOOKING.document(record) == shown
    assert json.loads(BOOKING.represent(record)) == shown
    page = json.loads(BOOKING.represent_page(Page([record], "c")))
    assert page == {"items": [shown], "next": "c"}
    assert BOOKING.value(record, "guest") == "Ada"


# the entity tag


def tag_of(contract, version=7):
    return contract.entity_tag(Record((), version))


def test_entity_tag_is_strong_and_carries_the_version():
    assert re.fullmatch(r'"7-[0-9a-f]{8}"', tag_of(BOOKING))
    assert tag_of(BOOKING, 8) == tag_of(BOOKING).replace("7-", "8-", 1)


def test_entity_tag_of_the_same_contract_is_the_same():
    assert tag_of(contract_of(size=TEXT)) == tag_of(contract_of(size=dict(TEXT)))


OTHERS = {
    "name": contract_of(name="Object", size=TEXT),
    "field_renamed": contract_of(length=TEXT),
    "field_more": contract_of(size=TEXT, length=TEXT),
    "bound": contract_of(size=TEXT | {"maxLength": 21}),
    "description": contract_of(size=TEXT | {"description": "The size."}),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_entity_tag_changes_with_what_is_shown(other):
    assert tag_of(other) != tag_of(contract_of(size=TEXT))


# from JSON values to Python values


FORMATS = contract_of(
    name="Formats",
    moment={"type": "string", "format": "date-time", "default": "2026-01-01T00:00:00Z"},
    day={"type": "string", "format": "date", "default": "2026-01-01"},
    key={"type": "string", "format": "uuid", "default": str(UUID(int=0))},
    count={"type": ["integer", "null"], "minimum": 0, "maximum": 9, "default": 0},
)
EAST = timezone(timedelta(hours=2))
READ = {
    "date_time": ("moment", "2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12)),
    "date_time_in_lower_case": (
        "moment",
        "2026-01-31t12:00:00z",
        datetime(2026, 1, 31, 12),
    ),
    "date_time_with_an_offset": (
        "moment",
        "2026-01-31T12:00:00+02:00",
        datetime(2026, 1, 31, 10),
    ),
    "date_time_with_microseconds": (
        "moment",
        "2026-01-31T12:00:00.123456Z",
        datetime(2026, 1, 31, 12, 0, 0, 123456),
    ),
    "date_time_first": ("moment", "0001-01-01T00:00:00Z", datetime(1, 1, 1)),
    "date_time_last": (
        "moment",
        "9999-12-31T23:59:59Z",
        datetime(9999, 12, 31, 23, 59, 59),
    ),
    "date": ("day", "2026-01-31", date(2026, 1, 31)),
    "date_leap_day": ("day", "2028-02-29", date(2028, 2, 29)),
    "uuid": ("key", str(UUID(int=7)), UUID(int=7)),
    "uuid_in_upper_case": ("key", str(UUID(int=171)).upper(), UUID(int=171)),
    "integer": ("count", 7, 7),
    "integer_as_fraction": ("count", 7.0, 7),
    "integer_as_negative_zero": ("count", -0.0, 0),
    "null": ("count", None, None),
}


@pytest.mark.parametrize(("field", "sent", "value"), READ.values(), ids=READ)
def test_validate_returns_the_value_that_the_stores_keep(field, sent, value):
    found = FORMATS.validate({field: sent})[field]
    if isinstance(value, datetime):
        value = value.replace(tzinfo=UTC)
        assert found.tzinfo is UTC
    assert found == value
    assert type(found) is type(value)


def test_validate_reads_defaults_too():
    found = FORMATS.validate({})
    assert found["moment"] == datetime(2026, 1, 1, tzinfo=UTC)
    assert found["key"] == UUID(int=0)


BROKEN = {
    "date_time_leap_second": ("moment", "2016-12-31T23:59:60Z"),
    "date_time_year_zero": ("moment", "0000-01-01T00:00:00Z"),
    "date_time_before_the_first": ("moment", "0001-01-01T00:00:00+00:01"),
    "date_time_after_the_last": ("moment", "9999-12-31T23:59:59-00:01"),
    "date_time_without_offset": ("moment", "2026-01-31T12:00:00"),
    "date_time_with_a_space": ("moment", "2026-01-31 12:00:00Z"),
    "date_time_without_seconds": ("moment", "2026-01-31T12:00Z"),
    "date_time_hour_24": ("moment", "2026-01-31T24:00:00Z"),
    "date_time_second_61": ("moment", "2026-01-31T12:00:61Z"),
    "date_time_offset_of_a_day": ("moment", "2026-01-31T12:00:00+24:00"),
    "date_time_day_that_is_none": ("moment", "2026-02-29T12:00:00Z"),
    "date_time_basic": ("moment", "20260131T120000Z"),
    "date_time_arabic_digits": ("moment", "٢٠٢٦-01-31T12:00:00Z"),
    "date_time_empty": ("moment", ""),
    "date_year_zero": ("day", "0000-01-01"),
    "date_day_that_is_none": ("day", "2026-02-29"),
    "date_basic": ("day", "20260131"),
    "date_of_a_week": ("day", "2026-W05-6"),
    "date_with_time": ("day", "2026-01-31T00:00:00Z"),
    "date_five_digits": ("day", "12026-01-31"),
    "uuid_without_hyphens": ("key", UUID(int=7).hex),
    "uuid_in_braces": ("key", f"{{{UUID(int=7)}}}"),
    "uuid_as_urn": ("key", UUID(int=7).urn),
    "uuid_cut_short": ("key", str(UUID(int=7))[:-1]),
}


@pytest.mark.parametrize(("field", "sent"), BROKEN.values(), ids=BROKEN)
def test_validate_of_a_broken_format_is_an_invalid_body(field, sent):
    with pytest.raises(InvalidBody) as refused:
        FORMATS.validate({field: sent})
    [rule] = refused.value.errors
    assert (rule.at, rule.rule) == (f"/{field}", "format")
    assert not sent or sent not in rule.detail


# what a broken rule says


SHELF = contract_of(
    name="Shelf",
    id=TEXT | {"readOnly": True},
    label={"type": "string", "minLength": 2, "maxLength": 4, "pattern": "^[a-z]*$"},
    colour={"type": "string", "enum": ["red", "blue"]},
    books={
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"title": TEXT, "pages": NUMBER},
            "required": ["title"],
            **SHUT,
        },
        "minItems": 1,
        "maxItems": 2,
        "uniqueItems": True,
    },
    ratio={"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    step={"type": "integer", "minimum": 0, "maximum": 100, "multipleOf": 5},
    notes={"type": "object", "additionalProperties": NUMBER, "maxProperties": 2},
    either={"anyOf": [{"type": "boolean"}, NUMBER]},
    one={"oneOf": [NUMBER, {"type": "null"}]},
    fixed={"const": "x"},
)
FULL = {
    "label": "abc",
    "colour": "red",
    "books": [{"title": "A"}],
    "ratio": 0.5,
    "step": 5,
    "notes": {},
    "either": True,
    "one": None,
    "fixed": "x",
}
SAYS = {
    "type": ({"label": 1}, "/label", "type", "must be of type string"),
    "min_length": (
        {"label": "a"},
        "/label",
        "minLength",
        "must have at least 2 characters",
    ),
    "max_length": (
        {"label": "abcde"},
        "/label",
        "maxLength",
        "must have at most 4 characters",
    ),
    "pattern": ({"label": "ABC"}, "/label", "pattern", "must match ^[a-z]*$"),
    "pattern_newline": ({"label": "ab\n"}, "/label", "pattern", "must match ^[a-z]*$"),
    "enum": ({"colour": "x"}, "/colour", "enum", "must be one of ['red', 'blue']"),
    "const": ({"fixed": "y"}, "/fixed", "const", "must be x"),
    "min_items": ({"books": []}, "/books", "minItems", "must have at least 1 items"),
    "max_items": (
        {"books": [{"title": "A"}, {"title": "B"}, {"title": "C"}]},
        "/books",
        "maxItems",
        "must have at most 2 items",
    ),
    "unique_items": (
        {"books": [{"title": "A"}, {"title": "A"}]},
        "/books",
        "uniqueItems",
        "must not repeat an item",
    ),
    "missing": ({"label": ...}, "/label", "required", "is missing: send it"),
    "missing_inside": (
        {"books": [{}]},
        "/books/0/title",
        "required",
        "is missing: send it",
    ),
    "unknown": (
        {"size": 1},
        "/size",
        "additionalProperties",
        "is not part of the contract: leave it out",
    ),
    "unknown_with_a_slash": (
        {"a/b~c": 1},
        "/a~1b~0c",
        "additionalProperties",
        "is not part of the contract: leave it out",
    ),
    "unknown_inside": (
        {"books": [{"title": "A", "id": 1}]},
        "/books/0/id",
        "additionalProperties",
        "is not part of the contract: leave it out",
    ),
    "read_only": (
        {"id": "s1"},
        "/id",
        "readOnly",
        "is assigned by the server: leave it out",
    ),
    "minimum": ({"step": -5}, "/step", "minimum", "must be at least 0"),
    "maximum": (
        {"books": [{"title": "A", "pages": 10}]},
        "/books/0/pages",
        "maximum",
        "must be at most 9",
    ),
    "exclusive_minimum": (
        {"ratio": 0},
        "/ratio",
        "exclusiveMinimum",
        "must be more than 0",
    ),
    "exclusive_maximum": (
        {"ratio": 1},
        "/ratio",
        "exclusiveMaximum",
        "must be less than 1",
    ),
    "multiple_of": ({"step": 7}, "/step", "multipleOf", "must be a multiple of 5"),
    "max_properties": (
        {"notes": {"a": 1, "b": 2, "c": 3}},
        "/notes",
        "maxProperties",
        "must have at most 2 members",
    ),
    "value_of_a_map": (
        {"notes": {"a": 10}},
        "/notes/a",
        "maximum",
        "must be at most 9",
    ),
    "any_of": ({"either": "x"}, "/either", "anyOf", "must fit one of its alternatives"),
    "one_of": ({"one": "x"}, "/one", "oneOf", "must fit one of its alternatives"),
    "boolean_is_no_integer": (
        {"step": True},
        "/step",
        "type",
        "must be of type integer",
    ),
}


@pytest.mark.parametrize(("change", "at", "rule", "detail"), SAYS.values(), ids=SAYS)
def test_broken_rule_says_where_and_what_without_the_value(change, at, rule, detail):
    changed = {**FULL, **change}
    document = {field: value for field, value in changed.items() if value is not ...}
    with pytest.raises(InvalidBody) as refused:
        SHELF.validate(document)
    assert refused.value.errors == [(at, rule, detail)]


def test_validate_names_every_broken_rule_at_once():
    with pytest.raises(InvalidBody) as refused:
        SHELF.validate(FULL | {"label": "ABCDE", "step": 7, "size": 1})
    assert {(rule.at, rule.rule) for rule in refused.value.errors} == {
        ("/label", "maxLength"),
        ("/label", "pattern"),
        ("/step", "multipleOf"),
        ("/size", "additionalProperties"),
    }


@pytest.mark.parametrize("document", [None, True, 1, "a", [], [FULL]], ids=str)
def test_validate_of_no_object_names_the_whole(document):
    with pytest.raises(InvalidBody) as refused:
        SHELF.validate(document)
    assert refused.value.errors == [("", "type", "must be of type object")]


# the compiled validator and the reference implementation agree


CONTRACTS = {
    operation.accepts.name: operation.accepts
    for operation in OPERATIONS
    if operation.accepts
}
BOX = contract_of(
    name="Box",
    # Not the steps: both sides reckon with doubles, and round them differently.
    **{name: schema for name, schema in SHELF.properties.items() if name != "step"},
)
WEAK_FORMATS = ("email", "uri", "hostname")
"""The reference implementation checks these loosely, or only with other packages."""


def _pattern(validator, pattern, instance, _schema):
    """Mean ECMA-262, as JSON Schema does: `$` is not before a last newline."""
    if validator.is_type(instance, "string"):
        if not re.search(pattern.replace("$", r"\Z"), instance):
            yield ValidationError("does not match")


Oracle = validators.extend(Draft202012Validator, {"pattern": _pattern})


def oracle_of(contract):
    """Return the reference validator of a contract's write schema."""
    checker = Draft202012Validator.FORMAT_CHECKER
    return Oracle(contract.write_schema, format_checker=checker)


def expected_rules(contract, document):
    """Return pointer and rule of each error that the reference finds."""
    for error in oracle_of(contract).iter_errors(document):
        path = [*error.absolute_path]
        if error.validator == "required":
            missing = set(error.validator_value) - set(error.instance)
            yield from ((pointer([*path, name]), "required") for name in missing)
        elif error.validator == "additionalProperties":
            own = {} if path else contract.properties
            for name in set(error.instance) - set(error.schema["properties"]):
                read_only = own.get(name, {}).get("readOnly")
                rule = "readOnly" if read_only else error.validator
                yield pointer([*path, name]), rule
        else:
            yield pointer(path), error.validator


def found_rules(contract, document):
    """Return pointer and rule of each error that we find."""
    try:
        contract.validate(document)
    except InvalidBody as refused:
        return {(rule.at, rule.rule) for rule in refused.errors}
    return set()


def without_weak(contract, rules):
    """Leave out the formats that the reference checks loosely."""
    weak = {
        (f"/{field}", "format")
        for field, schema in contract.properties.items()
        if schema.get("format") in WEAK_FORMATS
    }
    return set(rules) - weak


NAMES = st.text(min_size=1, max_size=5)
"""The compiled validator leaves an empty name out of a path; none of ours is empty."""
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)


def near(schema):
    """Return values that keep a schema, just break it, or are of another kind."""
    close = [json_values]
    if "enum" in schema:
        close.append(st.sampled_from(schema["enum"]))
    if "maxLength" in schema:
        edges = {schema.get("minLength", 0), schema["maxLength"]}
        sizes = {edge + more for edge in edges for more in (-1, 0, 1)} - {-1}
        close.append(st.sampled_from(sorted(sizes)).map(lambda size: "a" * size))
        close.append(st.sampled_from(sorted(sizes)).map(lambda size: "é" * size))
    if "pattern" in schema:
        close.append(st.from_regex(schema["pattern"], fullmatch=True))
    if "maximum" in schema:
        low, high = schema.get("minimum", 0), schema["maximum"]
        close.append(st.sampled_from([low - 1, low, float(high), high, high + 1]))
    if "items" in schema:
        close.append(st.lists(near(schema["items"]), max_size=3))
    if "properties" in schema:
        members = {name: near(part) for name, part in schema["properties"].items()}
        close.append(st.fixed_dictionaries({}, optional=members))
    if schema.get("format") == "date-time":
        close.append(st.datetimes().map(lambda moment: moment.isoformat() + "Z"))
    return st.one_of(close)


@st.composite
def documents(draw, contract):
    """Return documents around the one that is shown as an example."""
    document = openapi.example(contract) if contract is not BOX else dict(FULL)
    for field in draw(st.sets(st.sampled_from(sorted(contract.properties)))):
        document[field] = draw(near(contract.properties[field]))
    for field in draw(st.sets(st.sampled_from([*document, "a"]), max_size=1)):
        document.pop(field, None)
    if draw(st.booleans()):
        document |= draw(st.dictionaries(NAMES, st.none(), max_size=1))
    return document


@pytest.mark.parametrize(
    "contract",
    [*CONTRACTS.values(), BOX, FORMATS],
    ids=[*CONTRACTS, "nested", "formats"],
)
@given(data=st.data())
@settings(max_examples=5 * settings().max_examples)  # each is cheap
def test_validate_finds_what_the_reference_implementation_finds(contract, data):
    document = data.draw(documents(contract) | json_values)
    found = without_weak(contract, found_rules(contract, document))
    expected = without_weak(contract, expected_rules(contract, document))
    assert found == expected


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_example_of_the_documentation_keeps_the_contract(contract):
    body = openapi.example(contract)
    assert list(oracle_of(contract).iter_errors(body)) == []
    assert found_rules(contract, body) == set()
