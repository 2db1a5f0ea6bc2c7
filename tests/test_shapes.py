"""The types of bodies and documents: as the values are, and held by the checks."""

import inspect
import json
import os
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path
from textwrap import dedent
from typing import Any, get_args
from urllib.parse import urlencode
from uuid import UUID, uuid4

import msgspec
import pytest
from werkzeug.test import EnvironBuilder

from devtools import prove
from devtools.contracts.annotations import (
    READ,
    Field,
    of_body,
    of_document,
    typed_dicts,
)
from myapp import db, openapi
from myapp.auth.forms import TOKEN_STATE
from myapp.auth.models import TOKENS
from myapp.contract import READERS, Contract
from myapp.contract_rules import types_of
from myapp.kinds import CREATE, LIST, UPDATE
from myapp.patch import MERGE_PATCH, read_patch
from myapp.request import Request
from tests.actors import log_in, sign_up
from tests.checkout import copy_mypy_cache
from tests.oauth import INTROSPECT, register
from tests.resources import NEED_A_SECRET, OPERATIONS, call, make_everything, named

ROOT = Path(__file__).parents[1]
SENDING = [operation for operation in OPERATIONS if operation.accepts]
UPDATES = [operation for operation in SENDING if operation.kind is UPDATE]
SHOWING = [
    operation
    for operation in OPERATIONS
    if operation.answers
    and (operation.method == "GET" or operation.kind is CREATE)
    and openapi.operation_id(operation) not in NEED_A_SECRET
]


def is_of(value: Any, type_: Any) -> bool:
    """Tell whether a value is what a type says, and has nothing besides."""
    kept = (UUID, date, datetime)  # else a string would do for them
    return bool(msgspec.convert(value, type_, builtin_types=kept) == value)


def sent_type(operation: Any) -> Any:
    """Return what a handler says that it is sent."""
    annotations = inspect.get_annotations(operation.handler)
    return get_args(annotations["request"])[0]


def shown_type(contract: Contract) -> Any:
    """Return what a contract says that clients see."""
    return get_args(vars(contract)["__orig_class__"])[1]


def bodies(contract: Contract) -> dict[str, Any]:
    """Return bodies that a contract admits: with all fields, few, and empty ones."""
    example = openapi.example(contract)
    empty = [f for f in example if "null" in types_of(contract.properties[f])]
    return {
        "full": example,
        "least": {f: example[f] for f in contract.write_schema["required"]},
        "empty": example | dict.fromkeys(empty),
    }


# real values


@pytest.fixture(scope="module")
def anna(app):
    """The owner of an account that this module's tests share."""
    return sign_up(app.test_client(), "anna")


@pytest.fixture(scope="module")
def ids(anna):
    """One resource of every feature, in anna's account."""
    return make_everything(anna, f"mark-{uuid4().hex[:8]}")


@pytest.mark.parametrize("kind", ["full", "least", "empty"])
@pytest.mark.parametrize(
    "operation", named(each for each in SENDING if each.kind is not UPDATE)
)
def test_body_is_what_its_type_says(app, operation, kind):
    body = bodies(operation.accepted)[kind]
    is_json = operation.reads == ("application/json",)
    given = {field: value for field, value in body.items() if value is not None}
    raw = json.dumps(body) if is_json else urlencode(given)
    asked = EnvironBuilder(data=raw, content_type=operation.reads[0], method="POST")
    with db.use(app.extensions["myapp"]):
        values = Request(operation, asked.get_environ(), {}).body
    assert is_of(values, sent_type(operation))


@pytest.mark.parametrize("operation", named(UPDATES))
def test_change_is_what_its_type_says(operation):
    contract = operation.accepted
    hidden = {field: openapi.example(contract)[field] for field in contract.hidden}
    seen = {
        field: openapi._example(contract.properties[field]) for field in contract.shown
    }
    for change in ({}, hidden):
        patch = read_patch(contract, MERGE_PATCH, json.dumps(change).encode())
        assert is_of(patch(seen), sent_type(operation))


@pytest.mark.parametrize("operation", named(SHOWING))
def test_document_is_what_its_type_says(anna, ids, operation):
    answer = call(anna, operation, ids)
    assert answer.status_code in (200, 201), answer.get_data()
    shown = json.loads(answer.get_data())
    documents = shown["items"] if operation.kind is LIST else [shown]
    assert documents
    for document in documents:
        assert is_of(document, shown_type(operation.answered))


def test_tokens_are_what_their_types_say(anna):
    login = log_in(anna)
    assert is_of(login.json, shown_type(TOKENS))
    reports = register(anna)
    assert is_of(reports.credentials_token().json, shown_type(TOKENS))
    for token in (reports.own_token(), "unknown"):
        told = reports.send(INTROSPECT, token=token)
        assert is_of(told.json, shown_type(TOKEN_STATE))


def test_every_answered_contract_is_looked_at():
    looked_at = {each.answered for each in SHOWING} | {TOKENS, TOKEN_STATE}
    assert {each.answers for each in OPERATIONS if each.answers} <= looked_at
    assert {each.kind for each in SHOWING} >= {LIST, CREATE}


# every kind of schema

TEXT = {"type": "string", "maxLength": 9}
SIZE = {"type": "integer", "minimum": 0, "maximum": 9}
POINT = {
    "type": "object",
    "properties": {"x": SIZE, "label": TEXT},
    "required": ["x"],
    "additionalProperties": False,
}
MAP = {"type": "object", "additionalProperties": SIZE, "maxProperties": 9}
MIXED = {"type": "object", "properties": {"x": SIZE}, "additionalProperties": TEXT}
UUID_ = "01890000-0000-7000-8000-000000000000"
SCHEMAS = {
    "string": (TEXT, "a", "str", "str"),
    "nullable": (TEXT | {"type": ["string", "null"]}, None, "str | None", "str | None"),
    "integer": (SIZE, 1.0, "int", "int"),
    "number": ({"type": "number", "minimum": 0, "maximum": 9}, 1, "float", "float"),
    "boolean": ({"type": "boolean"}, True, "bool", "bool"),
    "uuid": ({"type": "string", "format": "uuid"}, UUID_, "UUID", "str"),
    "date": (
        {"type": ["string", "null"], "format": "date"},
        "2026-01-31",
        "date | None",
        "str | None",
    ),
    "date-time": (
        {"type": "string", "format": "date-time"},
        "2026-01-31T12:00:00Z",
        "datetime",
        "str",
    ),
    "email": ({**TEXT, "format": "email"}, "a@b.de", "str", "str"),
    "enum": ({"enum": ["a", None]}, "a", "Literal['a'] | None", "Literal['a'] | None"),
    "const": ({"const": 1}, 1, "Literal[1]", "Literal[1]"),
    "enum-of-fractions": ({"enum": [0.5, "a"]}, 0.5, "Literal['a'] | Any", None),
    "array": (
        {"type": "array", "maxItems": 9, "items": {"type": "string", "format": "uuid"}},
        [UUID_],
        "list[str]",
        "list[str]",
    ),
    "array-of-integers": (
        {"type": "array", "maxItems": 9, "items": SIZE},
        [1.0],
        "list[float]",
        "list[float]",
    ),
    "object": (POINT, {"x": 1.0}, "NameField", "NameField"),
    "array-of-objects": (
        {"type": "array", "maxItems": 9, "items": POINT},
        [{"x": 1, "label": "a"}],
        "list[NameFieldItem]",
        "list[NameFieldItem]",
    ),
    "map": (MAP, {"a": 1.0}, "dict[str, float]", "dict[str, float]"),
    "map-of-objects": (
        {"type": "object", "additionalProperties": POINT, "maxProperties": 9},
        {"a": {"x": 1}},
        "dict[str, NameFieldValue]",
        "dict[str, NameFieldValue]",
    ),
    "open-object": (
        MIXED | {"maxProperties": 9},
        {"x": 1, "y": "a"},
        "dict[str, Any]",
        "dict[str, Any]",
    ),
    "alternatives": (
        {"anyOf": [POINT, {"type": "null"}, SIZE]},
        {"x": 1},
        "NameField0 | None | float",
        "NameField0 | None | float",
    ),
}
"""A schema, a value that it admits, and its types in a body and in a document."""


@pytest.mark.parametrize(
    ("schema", "value", "body", "document"), SCHEMAS.values(), ids=SCHEMAS
)
def test_type_of_a_schema_is_that_of_its_values(schema, value, body, document):
    assert of_body(schema, "NameField") == body
    assert of_document(schema, "NameField") == (document or body)
    contract = Contract("Name", description="One.", properties={"field": schema})
    fields = [Field("field", schema)]
    source = "".join(typed_dicts("Name", "One.", fields, of_body))
    names: dict[str, Any] = {"UUID": UUID, "date": date, "datetime": datetime}
    exec("from typing import *\n" + source, names)
    assert is_of(contract.validate({"field": value}), names["Name"])


@pytest.mark.parametrize("field", ["from", "date", "str"])
def test_field_that_no_class_can_have_is_typed_too(field):
    due = {"type": "string", "format": "date"}
    fields = [Field(field, due), Field("until", due), Field("name", TEXT, False)]
    names: dict[str, Any] = {"date": date}
    source = "".join(typed_dicts("Name", "One.", fields, of_body))
    exec("from typing import *\n" + source, names)
    day = date(2026, 1, 31)
    assert is_of({field: day, "until": day}, names["Name"])


def test_every_format_that_is_read_has_its_type():
    assert READ.keys() == READERS.keys()


# the check, and the command


def python(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run a module in a copy of the project; return its status and what it says."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=os.environ | {"MYAPP_CONFIG": "development", "FLASK_APP": "myapp"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def change(file: Path, before: str, after: str) -> None:
    """Replace what stands in a file exactly once."""
    text = file.read_text()
    assert text.count(before) == 1
    file.write_text(text.replace(before, after))


def add_field(feature: Path) -> None:
    """Let the contract have a field before anything else does."""
    field = '"phone": {"type": ["string", "null"], "maxLength": 20, "default": None}'
    change(feature / "models.py", '"role": {', f'{field}, "role": {{')
    column = "    name: Mapped[str] = mapped_column(String(120))\n"
    phone = "    phone: Mapped[str | None] = mapped_column(String(20))\n"
    change(feature / "models.py", column, column + phone)


def remove_shapes(feature: Path) -> None:
    """Take the file of the types away."""
    (feature / "shapes.py").unlink()


def forget_types(feature: Path) -> None:
    """Declare the contract without its types."""
    declared = "Contract[shapes.ApiKeyBody, shapes.ApiKeyDocument]("
    change(feature / "models.py", declared, "Contract(")


def forget_body(feature: Path) -> None:
    """Take a body without its type."""
    typed = "def post(self, request: Request[ApiKeyBody])"
    change(feature / "endpoints.py", typed, "def post(self, request: Request)")


REMEDY = "./run flask contracts types --write"


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (
            add_field,
            f"shapes.py is not what its contracts say. Write it anew: {REMEDY}",
        ),
        (remove_shapes, f"shapes.py is missing. Write it: {REMEDY}"),
        (forget_types, "declare it as Contract[ApiKeyBody, ApiKeyDocument](…)"),
        (forget_body, "ApiKeyList.post takes a body without a type: write `request:"),
    ],
    ids=["stale", "missing", "contract", "handler"],
)
def test_check_names_what_is_not_typed_and_the_remedy(tmp_path, mistake, said):
    prove.copy(ROOT, tmp_path)
    mistake(tmp_path / "myapp" / "api_keys")
    status, told = python(tmp_path, "devtools.contracts")
    assert status == 1
    assert f"myapp/api_keys/{said}" in told or said in told


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize("mistake", [add_field, remove_shapes])
def test_types_are_written_whatever_was_there(tmp_path, mistake):
    prove.copy(ROOT, tmp_path)
    folder = tmp_path / "myapp" / "api_keys"
    mistake(folder)
    command = ("devtools.flask_cli", "contracts", "types")
    assert python(tmp_path, *command)[0] == 1
    status, told = python(tmp_path, *command, "--write")
    assert (status, told.splitlines()[0]) == (
        0,
        "myapp/api_keys/shapes.py is written.",
    )
    assert python(tmp_path, *command)[0] == 0
    written = (folder / "shapes.py").read_text()
    assert ("phone: str | None" in written) == (mistake is add_field)
    for tool in ("black", "isort"):
        assert python(tmp_path, tool, "--check", "-q", f"{folder}/shapes.py")[0] == 0


# mypy

MISSPELT = dedent("""\
    from uuid import UUID

    from myapp.api_keys.models import API_KEY, api_keys
    from myapp.api_keys.shapes import ApiKeyBody, ApiKeyDocument
    from myapp.repository import Record, Values
    from myapp.request import Request


    def post(request: Request[ApiKeyBody]) -> Record:
        request.body["naem"]
        request.body["name"]
        return api_keys.create(request.tenant, request.body)


    def patch(request: Request[ApiKeyBody], id: UUID) -> Record:
        request.change({})["naem"]
        return api_keys.update(request.tenant, id, request.change)


    def shown(tenant: UUID, id: UUID) -> str:
        document = API_KEY.document(api_keys.retrieve(tenant, id))
        document["naem"]
        document["created_at"].year
        return document["name"]


    def _changed(document: ApiKeyDocument) -> Values:
        return {"name": document["naem"]}
    """)


@pytest.mark.slow
@pytest.mark.once
def test_mypy_finds_a_misspelt_name_in_a_body_and_in_a_record(tmp_path):
    (tmp_path / "misspelt.py").write_text(MISSPELT)
    copy_mypy_cache(tmp_path)
    cache = ("--cache-dir", str(tmp_path / ".mypy_cache"))
    file = str(tmp_path / "misspelt.py")
    status, said = python(ROOT, "mypy", "--no-pretty", *cache, file)
    assert status == 1
    found = [line.partition("misspelt.py:")[2] for line in said.splitlines()]
    assert [each for each in found if ": error: " in each] == [
        '10: error: TypedDict "ApiKeyBody" has no key "naem"  [typeddict-item]',
        '16: error: TypedDict "ApiKeyBody" has no key "naem"  [typeddict-item]',
        '22: error: TypedDict "ApiKeyDocument" has no key "naem"  [typeddict-item]',
        '23: error: "str" has no attribute "year"  [attr-defined]',
        '28: error: TypedDict "ApiKeyDocument" has no key "naem"  [typeddict-item]',
    ]
