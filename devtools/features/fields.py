"""The notation of fields: `number:string(40) unique, payer:ref(users)`.

Each kind of field is one entry of KINDS: its schema, its column, and values for tests.
"""

import keyword
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from myapp.contract_rules import FIELD_NAME, PARAMETERS, Schema

FIELD = re.compile(r"(\w+)\s*:\s*(\w+)\s*(?:\(([^)]*)\))?\s*(.*)")
BETWEEN = re.compile(r",(?![^(]*\))")
RANGE = re.compile(r"\s*(-?[\d.]+)\s*\.\.\s*(-?[\d.]+)\s*")
FLAGS = ("unique", "optional")
TAKEN = {"id", "version", "account_id", "created_at", "updated_at", "expires_at"}
TYPES = {"str", "int", "float", "bool", "date", "datetime"}
"""What a column cannot be called where it is the type of another."""
SQLALCHEMY = {"metadata", "registry", "mapped_column"}
"""What the class of a table has, or calls for the columns that follow."""
LONGEST = 30
"""Characters of a name."""
LONGEST_PAIR = 42
"""… with a feature's, where both are in the name of a constraint: that has 63."""
LONGEST_UNIQUE = 500
"""Characters of a string that is unique: PostgreSQL's index takes 2,700 bytes."""
LONGEST_CHOICE = 40
"""Characters of a choice: more make no line of source."""


class NotationError(ValueError):
    """A field that cannot be read; the message says how to write it."""


class Invalid(NamedTuple):
    """A value that the contract refuses, the rule that it breaks, and its name."""

    value: Any
    rule: str
    name: str


@dataclass(frozen=True)
class Kind:
    """What all fields of one kind have in common, and what some ask for besides."""

    schema: Schema
    python: str
    column: str = ""
    """The type of the column, where that of the annotation does not say it."""

    imports: frozenset[str] = frozenset()
    values: tuple[Any, Any] = ("", "")
    """Two different values that the contract admits."""

    invalid: tuple[Invalid, ...] = ()


@dataclass(frozen=True)
class Field:
    """A field of a resource, as its contract, its table and its tests need it."""

    name: str
    kind: Kind
    is_unique: bool = False
    is_optional: bool = False
    refers_to: str | None = None

    @property
    def schema(self) -> Schema:
        """The JSON Schema; what is optional may be null, and is by default."""
        if not self.is_optional:
            return self.kind.schema
        schema = dict(self.kind.schema)
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
        schema["type"] = [schema["type"], "null"]
        return {**schema, "default": None}

    @property
    def annotation(self) -> str:
        """The type of the column's value in Python."""
        return f"{self.kind.python} | None" if self.is_optional else self.kind.python

    @property
    def declaration(self) -> str:
        """The line of the table that declares the column."""
        column = f" = mapped_column({self.kind.column})" if self.kind.column else ""
        return f"{self.name}: Mapped[{self.annotation}]{column}"

    @property
    def invalid(self) -> tuple[Invalid, ...]:
        """Values that the contract refuses."""
        if self.is_optional or "enum" in self.kind.schema:
            return self.kind.invalid
        return (Invalid(None, "type", "null"), *self.kind.invalid)


def read(notation: str) -> list[Field]:
    """Return the fields that a notation names; raise NotationError with the remedy."""
    fields = [_field(part.strip()) for part in BETWEEN.split(notation) if part.strip()]
    if not fields:
        raise NotationError("a resource needs a field: --fields 'name:string(120)'")
    names = [field.name for field in fields]
    for name in names:
        if names.count(name) > 1:
            raise NotationError(f"{name} is there twice: rename one of the two")
    return fields


def _field(text: str) -> Field:
    found = FIELD.fullmatch(text)
    if found is None:
        raise NotationError(f"'{text}' is no field: write name:type, as due_on:date")
    name, kind, argument, flags = found.groups()
    is_reference = kind == "ref"
    if is_reference:
        name = f"{name.removesuffix('_id')}_id"
    _refuse_name(name)
    if kind not in KINDS:
        known = ", ".join(KINDS)
        raise NotationError(f"{name}: '{kind}' is no type here: use one of {known}")
    unknown = set(flags.split()) - {*FLAGS}
    if unknown:
        raise NotationError(
            f"{name}: '{' '.join(sorted(unknown))}' says nothing: only"
            f" {' and '.join(FLAGS)} may follow a type"
        )
    made = Field(
        name=name,
        kind=KINDS[kind](name, argument),
        is_unique="unique" in flags.split(),
        is_optional="optional" in flags.split(),
        refers_to=argument if is_reference else None,
    )
    _refuse_unique(made, kind)
    return made


def _refuse_name(name: str) -> None:
    if not FIELD_NAME.fullmatch(name) or len(name) > LONGEST:
        raise NotationError(
            f"'{name}' is no name of a field: use snake_case, at most {LONGEST}"
            " characters"
        )
    if name in TAKEN:
        raise NotationError(f"{name} is there without asking: leave it out")
    if name in PARAMETERS:
        raise NotationError(f"{name} is a parameter of lists: rename the field")
    if name in TYPES | SQLALCHEMY or keyword.iskeyword(name):
        raise NotationError(
            f"{name} has a meaning in Python: say more, as in issued_on or starts_at"
        )


def _refuse_unique(made: Field, kind: str) -> None:
    if not made.is_unique:
        return
    if kind not in ("string", "email"):
        raise NotationError(
            f"{made.name}: only string and email can be unique here: leave it out, and"
            " declare the constraint by hand"
        )
    if made.kind.schema["maxLength"] > LONGEST_UNIQUE:
        raise NotationError(
            f"{made.name}: what is unique has at most {LONGEST_UNIQUE} characters"
        )


def refuse_constraint(feature: str, field: Field) -> None:
    """Raise NotationError where the name of a field's constraint would be too long."""
    is_named = field.is_unique or field.refers_to
    if is_named and len(feature) + len(field.name) > LONGEST_PAIR:
        raise NotationError(
            f"{field.name}: what is unique or refers to others has, with {feature}, at"
            f" most {LONGEST_PAIR} characters: shorten it"
        )


def refuse_in_redis(field: Field) -> None:
    """Raise NotationError for a field that only a table can have."""
    if field.is_unique or field.refers_to:
        what = "be unique" if field.is_unique else "refer to a table"
        raise NotationError(
            f"{field.name}: a record in Redis cannot {what}: use --store sql"
        )


def _string(name: str, argument: str | None) -> Kind:
    if not (argument or "").strip().isdecimal() or not 0 < int(argument or 0) <= 10_000:
        raise NotationError(
            f"{name}: a string needs a bound: write {name}:string(120), up to 10000"
        )
    most = int(argument or 0)
    words = name.replace("_", " ")
    values = (f"{words} 1"[-most:], f"{words} 2"[-most:])
    return Kind(
        {"type": "string", "minLength": 1, "maxLength": most, "examples": [values[0]]},
        "str",
        f"String({most})",
        frozenset({"from sqlalchemy import String"}),
        values,
        (
            Invalid("", "minLength", "empty"),
            Invalid("x" * (most + 1), "maxLength", "long"),
        ),
    )


def _integer(name: str, argument: str | None) -> Kind:
    least, most = _range(name, argument, int, -(2**31), 2**31 - 1)
    wide = least < -(2**31) or most >= 2**31
    first = 1 if least <= 1 < most else least
    invalid = [Invalid("1", "type", "no-integer")]
    if most + 1 < 2**63:
        invalid.append(Invalid(most + 1, "maximum", "large"))
    return Kind(
        {"type": "integer", "minimum": least, "maximum": most},
        "int",
        "BigInteger" if wide else "",
        frozenset({"from sqlalchemy import BigInteger"} if wide else ()),
        (first, first + 1),
        tuple(invalid),
    )


def _number(name: str, argument: str | None) -> Kind:
    least, most = _range(name, argument, float, -1e15, 1e15)
    return Kind(
        {"type": "number", "minimum": least, "maximum": most},
        "float",
        values=(least + (most - least) / 4, least + (most - least) / 2),
        invalid=(Invalid("1", "type", "no-number"),),
    )


def _range(
    name: str,
    argument: str | None,
    number: Callable[[str], Any],
    least: float,
    most: float,
) -> tuple[Any, Any]:
    """Return the bounds that an argument as `0..100` sets, or else those given."""
    if argument is None:
        return least, most
    found = RANGE.fullmatch(argument)
    try:
        bounds = (number(found[1]), number(found[2])) if found else (0, 0)
    except ValueError:
        bounds = (0, 0)
    if not -(2**63) <= bounds[0] < bounds[1] < 2**63:
        raise NotationError(f"{name}: '{argument}' is no range: write (0..100)")
    return bounds


def _enum(name: str, argument: str | None) -> Kind:
    choices = [choice.strip() for choice in (argument or "").split("|")]
    if len(choices) < 2 or len({*choices} - {""}) < len(choices):
        raise NotationError(f"{name}: an enum needs choices: {name}:enum(draft|sent)")
    longest = max(map(len, choices))
    if longest > LONGEST_CHOICE:
        raise NotationError(f"{name}: a choice has at most {LONGEST_CHOICE} characters")
    return Kind(
        {"type": "string", "enum": choices},
        "str",
        f"String({longest})",
        frozenset({"from sqlalchemy import String"}),
        (choices[0], choices[1]),
        (Invalid("x" * (longest + 1), "enum", "no-choice"),),
    )


def _plain(kind: Kind) -> Callable[[str, str | None], Kind]:
    """Return the reader of a kind that takes no argument."""

    def read_plain(name: str, argument: str | None) -> Kind:
        if argument is not None:
            raise NotationError(f"{name}: its type takes no ({argument}): leave it out")
        return kind

    return read_plain


def _reference(name: str, argument: str | None) -> Kind:
    if not argument:
        raise NotationError(f"{name}: to what? Write {name}:ref(users)")
    return Kind(
        {"type": "string", "format": "uuid"},
        "UUID",
        imports=frozenset({"from uuid import UUID"}),
        invalid=(Invalid("x", "format", "no-uuid"),),
    )


def _text(format: str, most: int, first: str, second: str) -> Kind:
    return Kind(
        {"type": "string", "format": format, "maxLength": most},
        "str",
        f"String({most})",
        frozenset({"from sqlalchemy import String"}),
        (first, second),
        (Invalid("x y", "format", f"no-{format}"),),
    )


KINDS: dict[str, Callable[[str, str | None], Kind]] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _plain(
        Kind(
            {"type": "boolean"},
            "bool",
            values=(True, False),
            invalid=(Invalid("true", "type", "no-boolean"),),
        )
    ),
    "date": _plain(
        Kind(
            {"type": "string", "format": "date"},
            "date",
            imports=frozenset({"from datetime import date"}),
            values=("2026-01-31", "2026-12-31"),
            invalid=(Invalid("31.1.2026", "format", "no-date"),),
        )
    ),
    "datetime": _plain(
        Kind(
            {"type": "string", "format": "date-time"},
            "datetime",
            "UtcDateTime",
            frozenset(
                {
                    "from datetime import datetime",
                    "from myapp.tables import UtcDateTime",
                }
            ),
            ("2026-01-31T12:00:00Z", "2026-12-31T12:00:00Z"),
            (Invalid("2026-01-31", "format", "no-time"),),
        )
    ),
    "email": _plain(_text("email", 254, "ada@example.com", "bob@example.com")),
    "uri": _plain(_text("uri", 2000, "https://example.com/1", "https://example.com/2")),
    "enum": _enum,
    "ref": _reference,
}
"""How the fields of each type are read: from a name, and what stands in brackets."""
