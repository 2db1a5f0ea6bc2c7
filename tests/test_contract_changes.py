"""A change of a contract is safe, risky or breaking, for what is sent and what is read.

The table is the policy by example. Each of its documents has one operation, whose body
and answer have one shape, so that a case shows what a change is in both directions.
"""

from typing import Any, NamedTuple

import pytest

from devtools.contracts.operations import changes
from devtools.contracts.rules import (
    BREAKING,
    NEVER,
    RISKY,
    RULES,
    SAFE,
    Direction,
    Level,
)
from myapp.contract import Contract

pytestmark = pytest.mark.once

Document = dict[str, Any]
NULL = {"type": "null"}
UUID = {"type": "string", "format": "uuid"}


def text(most: int = 9, **more: Any) -> Document:
    return {"type": "string", "maxLength": most, **more}


def number(**limits: Any) -> Document:
    return {"type": "integer", **limits}


def one_of(*values: Any) -> Document:
    return {"enum": list(values)}


def any_of(*schemas: Document, **more: Any) -> Document:
    return {"anyOf": list(schemas), **more}


def list_of(items: Document, **limits: Any) -> Document:
    return {"type": "array", "items": items, **limits}


def map_of(values: Document | bool) -> Document:
    return {"type": "object", "additionalProperties": values}


# documents


def document(path: str = "/books", method: str = "post", **operation: Any) -> Document:
    """An operation that takes and answers nothing, but for what is given."""
    empty = {"operationId": "books_create", "responses": {"201": {}}}
    return {"paths": {path: {method: empty | operation}}}


def content(schema: Document, media_type: str = "application/json") -> Document:
    return {"content": {media_type: {"schema": schema}}}


def both(sent: Document, read: Document) -> Document:
    """An operation with a body and an answer."""
    body = {"required": True, **content(sent)}
    return document(requestBody=body, responses={"201": content(read)})


def field(schema: Document) -> Document:
    shape = {"properties": {"value": schema}, "required": ["value"]}
    return both(shape, shape)


def book(optional: tuple[str, ...] = (), **properties: Document) -> Document:
    """A resource, as its contract documents it."""
    contract = Contract(
        "Book", description="A book.", properties=properties, optional=optional
    )
    return both(contract.write_schema, contract.read_schema)


def parameter(name: str = "sort", place: str = "query", **more: Any) -> Document:
    described = {"name": name, "in": place, "schema": text(), **more}
    return document(parameters=[described])


def answers(**responses: Document) -> Document:
    """Answers by status, as in `_200={}`."""
    by_status = {status.removeprefix("_"): it for status, it in responses.items()}
    return document(responses=by_status)


def secured(*credentials: Document, **more: Any) -> Document:
    return document(security=list(credentials), **more)


KEY: Document = {"bearer": []}
READER, WRITER = {"oauth": ["read"]}, {"oauth": ["write"]}
EMPTY = document()
NONE = Document(paths={})
BODY = content(text())
CSV = content(text(), "text/csv")
PROBLEM = content(text(), "application/problem+json")
HEADER = {"headers": {"ETag": {"schema": text()}}}


class Case(NamedTuple):
    """A change, and the worst that it is in each direction; None is no change."""

    name: str
    released: Document
    current: Document
    sent: Level | None = None
    read: Level | None = None


def value(name: str, old: Document, new: Document, *levels: Level | None) -> Case:
    """A change of one field, as it is sent and as it is read."""
    return Case(name, field(old), field(new), *levels)


TITLE = book(title=text())
AB, ABC = one_of("a", "b"), one_of("a", "b", "c")
RULED = "For the role {}."

CASES = [
    value("nothing", text(), text()),
    # fields
    Case(
        "optional-field-added",
        TITLE,
        book(title=text(), note=text(default="")),
        SAFE,
        SAFE,
    ),
    Case(
        "required-field-added", TITLE, book(title=text(), note=text()), BREAKING, SAFE
    ),
    Case("field-removed", book(title=text(), note=text()), TITLE, BREAKING, BREAKING),
    Case("field-renamed", TITLE, book(name=text()), BREAKING, BREAKING),
    Case("default-taken-away", book(title=text(default="")), TITLE, BREAKING, SAFE),
    Case("default-given", TITLE, book(title=text(default="")), SAFE, SAFE),
    Case(
        "default-changed",
        book(title=text(default="a")),
        book(title=text(default="b")),
        RISKY,
        SAFE,
    ),
    Case(
        "field-no-longer-always-answered",
        TITLE,
        book(("title",), title=text()),
        None,
        BREAKING,
    ),
    Case(
        "field-added-that-is-not-always-answered",
        TITLE,
        book(("note",), title=text(), note=text(readOnly=True)),
        None,
        SAFE,
    ),
    Case("field-always-answered", book(("title",), title=text()), TITLE, None, SAFE),
    Case(
        "read-only-added-to-contract",
        TITLE,
        book(title=text(readOnly=True)),
        BREAKING,
        SAFE,
    ),
    Case(
        "read-only-removed-from-contract",
        book(title=text(readOnly=True)),
        TITLE,
        BREAKING,
        SAFE,
    ),
    Case(
        "write-only-added-to-contract",
        TITLE,
        book(title=text(writeOnly=True)),
        SAFE,
        BREAKING,
    ),
    Case(
        "write-only-removed-from-contract",
        book(title=text(writeOnly=True)),
        TITLE,
        SAFE,
        SAFE,
    ),
    value("read-only-added-to-value", text(), text(readOnly=True), BREAKING, SAFE),
    value("write-only-added-to-value", text(), text(writeOnly=True), SAFE, BREAKING),
    value("read-only-removed-from-value", text(readOnly=True), text(), SAFE, SAFE),
    value("write-only-removed-from-value", text(writeOnly=True), text(), SAFE, SAFE),
    value("default-removed-from-value", text(default=""), text(), RISKY, SAFE),
    value("field-deprecated", text(), text(deprecated=True), SAFE, SAFE),
    value(
        "field-of-an-item-removed",
        list_of(map_of(True) | {"properties": {"a": AB}}),
        list_of(map_of(True)),
        BREAKING,
        BREAKING,
    ),
    value("object-closed", map_of(True), map_of(False), BREAKING, SAFE),
    value("object-opened", map_of(False), map_of(True), SAFE, RISKY),
    value(
        "values-of-a-map-shortened", map_of(text(9)), map_of(text(5)), BREAKING, SAFE
    ),
    # types
    value("type-changed", text(), number(), BREAKING, BREAKING),
    value("type-added", text(), text(type=["string", "integer"]), SAFE, BREAKING),
    value("type-removed", text(type=["string", "integer"]), text(), BREAKING, SAFE),
    value("integer-to-number", number(), {"type": "number"}, SAFE, BREAKING),
    value("number-to-integer", {"type": "number"}, number(), BREAKING, SAFE),
    value("null-allowed", text(), text(type=["string", "null"]), SAFE, BREAKING),
    value("null-refused", text(type=["string", "null"]), text(), BREAKING, SAFE),
    value(
        "null-allowed-by-an-alternative", text(), any_of(text(), NULL), SAFE, BREAKING
    ),
    value(
        "null-written-otherwise", text(type=["string", "null"]), any_of(text(), NULL)
    ),
    value(
        "order-of-types-changed",
        text(type=["null", "string"]),
        text(type=["string", "null"]),
    ),
    value(
        "alternative-added",
        any_of(text(), number()),
        any_of(text(), number(), UUID),
        SAFE,
        BREAKING,
    ),
    value(
        "alternative-removed", any_of(text(), number()), any_of(text()), BREAKING, SAFE
    ),
    value(
        "alternative-shortened",
        any_of(text(9), number()),
        any_of(text(5), number()),
        BREAKING,
        SAFE,
    ),
    value(
        "alternatives-in-another-order",
        any_of(text(), number()),
        any_of(number(), text()),
    ),
    value(
        "a-value-becomes-one-of-two-alternatives",
        text(),
        any_of(text(), number()),
        SAFE,
        BREAKING,
    ),
    # values
    value("value-added-to-enum", AB, ABC, SAFE, RISKY),
    value("value-removed-from-enum", ABC, AB, BREAKING, SAFE),
    value("enum-in-another-order", one_of("a", "b"), one_of("b", "a")),
    value("null-added-to-enum", AB, one_of("a", "b", None), SAFE, BREAKING),
    value("const-changed", {"const": "a"}, {"const": "b"}, BREAKING, RISKY),
    value("const-to-enum-with-the-same-value", {"const": "a"}, one_of("a")),
    value("enum-introduced", {"type": "string"}, AB, BREAKING, SAFE),
    value("enum-dropped", AB, {"type": "string"}, SAFE, RISKY),
    value("maxLength-lowered", text(9), text(5), BREAKING, SAFE),
    value("maxLength-raised", text(5), text(9), SAFE, RISKY),
    value("maxLength-introduced", {"type": "string"}, text(), BREAKING, SAFE),
    value("maxLength-dropped", text(), {"type": "string"}, SAFE, RISKY),
    value("minLength-of-none-introduced", text(), text(minLength=0)),
    value("minLength-raised", text(), text(minLength=1), BREAKING, SAFE),
    value("minimum-raised", number(minimum=0), number(minimum=1), BREAKING, SAFE),
    value("minimum-lowered", number(minimum=1), number(minimum=0), SAFE, RISKY),
    value("minimum-of-0-introduced", number(), number(minimum=0), BREAKING, SAFE),
    value("maximum-lowered", number(maximum=9), number(maximum=5), BREAKING, SAFE),
    value(
        "multipleOf-refined", number(multipleOf=4), number(multipleOf=2), SAFE, RISKY
    ),
    value(
        "multipleOf-coarsened",
        number(multipleOf=2),
        number(multipleOf=4),
        BREAKING,
        SAFE,
    ),
    value(
        "multipleOf-changed",
        number(multipleOf=2),
        number(multipleOf=3),
        BREAKING,
        RISKY,
    ),
    value(
        "maxItems-lowered",
        list_of(AB, maxItems=9),
        list_of(AB, maxItems=5),
        BREAKING,
        SAFE,
    ),
    value(
        "uniqueItems-introduced",
        list_of(AB),
        list_of(AB, uniqueItems=True),
        BREAKING,
        SAFE,
    ),
    value(
        "type-of-items-changed", list_of(text()), list_of(number()), BREAKING, BREAKING
    ),
    value("pattern-introduced", text(), text(pattern="^a"), BREAKING, SAFE),
    value("pattern-changed", text(pattern="^a"), text(pattern="^b"), BREAKING, RISKY),
    value("pattern-dropped", text(pattern="^a"), text(), SAFE, RISKY),
    value("format-introduced", text(), text(format="email"), BREAKING, SAFE),
    value(
        "format-changed", text(format="email"), text(format="uri"), BREAKING, BREAKING
    ),
    value("format-dropped", text(format="email"), text(), SAFE, BREAKING),
    value(
        "keyword-that-nobody-here-knows",
        text(),
        text(contentEncoding="base64"),
        BREAKING,
        BREAKING,
    ),
    value(
        "description-of-field-changed",
        text(),
        text(description="What it is."),
    ),
    value("title-and-example-changed", text(), text(title="A", examples=["b"])),
    # operations
    Case("operation-added", NONE, EMPTY, SAFE),
    Case("operation-removed", EMPTY, NONE, BREAKING),
    Case("method-changed", document(method="put"), document(method="post"), BREAKING),
    Case("path-changed", document("/books"), document("/novels"), BREAKING),
    Case(
        "path-parameter-renamed", document("/books/{id}"), document("/books/{book_id}")
    ),
    Case("operationId-changed", EMPTY, document(operationId="books_make"), RISKY),
    Case("operation-deprecated", EMPTY, document(deprecated=True), SAFE),
    Case("summary-changed", EMPTY, document(summary="Make a book.")),
    # who may call it
    Case("credential-asked-for", secured(), secured(KEY), BREAKING),
    Case("credential-no-longer-asked-for", secured(KEY), secured(), SAFE),
    Case("way-to-sign-in-added", secured(KEY), secured(KEY, READER), SAFE),
    Case("way-to-sign-in-removed", secured(KEY, READER), secured(KEY), BREAKING),
    Case("scope-changed", secured(READER), secured(WRITER), BREAKING),
    Case(
        "scope-added", secured(READER), secured({"oauth": ["read", "write"]}), BREAKING
    ),
    Case("scope-removed", secured({"oauth": ["read", "write"]}), secured(READER), SAFE),
    Case(
        "role-changed",
        secured(KEY, description=RULED.format("member")),
        secured(KEY, description=RULED.format("admin")),
        RISKY,
    ),
    # parameters
    Case("optional-parameter-added", EMPTY, parameter(), SAFE),
    Case("required-parameter-added", EMPTY, parameter(required=True), BREAKING),
    Case("parameter-removed", parameter(), EMPTY, BREAKING),
    Case("parameter-renamed", parameter("sort"), parameter("order"), BREAKING),
    Case(
        "parameter-moved", parameter(place="query"), parameter(place="header"), BREAKING
    ),
    Case("parameter-made-required", parameter(), parameter(required=True), BREAKING),
    Case("parameter-made-optional", parameter(required=True), parameter(), SAFE),
    Case(
        "values-of-parameter-limited",
        parameter(),
        parameter(schema=AB | text()),
        BREAKING,
    ),
    Case(
        "description-of-parameter-changed",
        parameter(),
        parameter(description="By what."),
    ),
    # bodies
    Case("optional-body-added", EMPTY, document(requestBody=BODY), SAFE),
    Case(
        "required-body-added",
        EMPTY,
        document(requestBody=BODY | {"required": True}),
        BREAKING,
    ),
    Case("body-removed", document(requestBody=BODY), EMPTY, BREAKING),
    Case(
        "body-made-required",
        document(requestBody=BODY),
        document(requestBody=BODY | {"required": True}),
        BREAKING,
    ),
    Case(
        "body-made-optional",
        document(requestBody=BODY | {"required": True}),
        document(requestBody=BODY),
        SAFE,
    ),
    Case(
        "media-type-of-body-added",
        document(requestBody=BODY),
        document(requestBody={"content": BODY["content"] | CSV["content"]}),
        SAFE,
    ),
    Case(
        "media-type-of-body-changed",
        document(requestBody=BODY),
        document(requestBody=CSV),
        BREAKING,
    ),
    # answers
    Case(
        "status-added", answers(_200=BODY), answers(_200=BODY, _202=BODY), None, RISKY
    ),
    Case(
        "status-removed",
        answers(_200=BODY, _202=BODY),
        answers(_200=BODY),
        None,
        BREAKING,
    ),
    Case("status-changed", answers(_200=BODY), answers(_201=BODY), None, BREAKING),
    Case(
        "problem-added",
        answers(_200=BODY),
        answers(_200=BODY, _409=PROBLEM),
        None,
        SAFE,
    ),
    Case(
        "problem-removed",
        answers(_200=BODY, _409=PROBLEM),
        answers(_200=BODY),
        None,
        SAFE,
    ),
    Case(
        "media-type-of-answer-added", answers(_200={}), answers(_200=BODY), None, SAFE
    ),
    Case(
        "media-type-of-answer-removed",
        answers(_200=BODY),
        answers(_200={}),
        None,
        BREAKING,
    ),
    Case("header-added", answers(_200={}), answers(_200=HEADER), None, SAFE),
    Case("header-removed", answers(_200=HEADER), answers(_200={}), None, BREAKING),
    Case(
        "description-of-answer-changed",
        answers(_200=BODY),
        answers(_200=BODY | {"description": "It."}),
    ),
]


def worst(case: Case, direction: Direction) -> Level | None:
    found = changes(case.released, case.current)
    levels = [change.level for change in found if change.direction is direction]
    return levels[0] if levels else None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_change_is_classified(case):
    assert worst(case, Direction.REQUEST) == case.sent
    assert worst(case, Direction.RESPONSE) == case.read


def test_every_rule_has_a_case_in_each_of_its_directions():
    met = {
        (change.kind, change.direction)
        for case in CASES
        for change in changes(case.released, case.current)
    }
    assert met == {
        (kind, direction)
        for kind, rule in RULES.items()
        for direction, level in zip(Direction, rule, strict=False)
        if level is not NEVER
    }


@pytest.mark.parametrize("kind", RULES)
def test_rule_that_breaks_clients_says_what_takes_the_change_back(kind):
    rule = RULES[kind]
    assert bool(rule.undo) == (BREAKING in (rule.request, rule.response))


@pytest.mark.parametrize(
    ("case", "where"),
    [
        ("operation-removed", "operation"),
        ("parameter-removed", "query sort"),
        ("type-changed", "body /value"),
        ("field-of-an-item-removed", "body /value/*/a"),
        ("values-of-a-map-shortened", "body /value/*"),
        ("body-removed", "body"),
        ("field-no-longer-always-answered", "201 /title"),
        ("problem-added", "problem"),
        ("header-removed", "200 ETag"),
    ],
)
def test_change_says_where_it_is(case, where):
    [chosen] = [known for known in CASES if known.name == case]
    assert changes(chosen.released, chosen.current)[0].where == where
