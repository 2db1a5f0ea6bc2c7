"""The Python types of JSON Schemas, as source: TypedDicts, and what their fields are.

A body's own fields hold what the contract's readers make of them (`READERS` in
`myapp/contract.py`); what is inside of them stays as it was sent. A document is
JSON.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from keyword import iskeyword
from typing import Any, NamedTuple

import inflection

from myapp.contract_rules import Schema, types_of

READ = {"uuid": "UUID", "date": "date", "date-time": "datetime"}
"""By format, the type that a body's own field is read as."""
SIMPLE = {"string": "str", "number": "float", "boolean": "bool", "null": "None"}
LITERALS = (str, int, type(None))
WORDS = {*SIMPLE.values(), *READ.values(), "int", "list", "dict", "Any"}
"""What a field of a class cannot be called, where it is the type of another."""

Annotation = Callable[[Schema, str], str]
"""From a schema, and the name of the objects in it, to a type."""


class Field(NamedTuple):
    """A field of an object: its name, its schema, and whether it is always there."""

    name: str
    schema: Schema
    is_required: bool = True


def typed_dicts(
    name: str, text: str, fields: Iterable[Field], annotation: Annotation
) -> Iterator[str]:
    """Yield the source of a TypedDict, after those of the objects inside of it."""
    members: dict[str, str] = {}
    for field in fields:
        inner = f"{name}{inflection.camelize(field.name)}"
        yield from _inside(field.schema, inner)
        found = annotation(field.schema, inner)
        members[field.name] = found if field.is_required else f"NotRequired[{found}]"
    yield _typed_dict(name, text, members)


def _typed_dict(name: str, text: str, members: Mapping[str, str]) -> str:
    """Return the source of a TypedDict; a class cannot have a field named `from`."""
    if any(field in WORDS or not _is_plain(field) for field in members):
        listed = "".join(f"{field!r}: {type}," for field, type in members.items())
        return f'{name} = TypedDict("{name}", {{{listed}}})\n"""{text}"""\n\n'
    lines = [f"    {field}: {type}\n" for field, type in members.items()]
    return f'class {name}(TypedDict):\n    """{text}"""\n\n{"".join(lines)}\n'


def _is_plain(field: str) -> bool:
    return field.isidentifier() and not iskeyword(field)


def of_body(schema: Schema, name: str) -> str:
    """Return the type of a body's own field, which the contract has read."""
    read = READ.get(schema.get("format", ""))
    types = of_document(schema, name).split(" | ")
    return _union(read if read and each != "None" else each for each in types)


def of_document(schema: Schema, name: str) -> str:
    """Return the type of a document's own field."""
    return _union("int" if each == "integer" else each for each in _types(schema, name))


def inside(schema: Schema, name: str) -> str:
    """Return the type of what no contract reads: there 1.0 is an integer, and stays."""
    return _union(
        "float" if each == "integer" else each for each in _types(schema, name)
    )


def _union(types: Iterable[str]) -> str:
    return " | ".join(dict.fromkeys(types)) or "Any"


def _types(schema: Schema, name: str) -> Iterator[str]:
    """Yield the types that a schema admits, of which `integer` is none of Python's."""
    if "const" in schema or "enum" in schema:
        yield from _choices(schema["enum"] if "enum" in schema else [schema["const"]])
        return
    for index, part in enumerate(_alternatives(schema)):
        yield inside(part, f"{name}{index}")
    listed = schema.get("type", ())
    for each in [listed] if isinstance(listed, str) else listed:
        if each == "array":
            yield f"list[{inside(schema['items'], f'{name}Item')}]"
        elif each == "object":
            yield _object(schema, name)
        else:
            yield SIMPLE.get(each, each)


def _alternatives(schema: Schema) -> list[Schema]:
    return [*schema.get("anyOf", ()), *schema.get("oneOf", ())]


def _choices(values: list[Any]) -> Iterator[str]:
    literals = [value for value in values if isinstance(value, LITERALS)]
    listed = ", ".join(repr(value) for value in literals if value is not None)
    if listed:
        yield f"Literal[{listed}]"
    if None in literals:
        yield "None"
    if len(literals) < len(values):  # Literal takes no fraction, array or object
        yield "Any"


def _object(schema: Schema, name: str) -> str:
    extra = schema.get("additionalProperties", True)
    if extra is False:
        return name
    if "properties" in schema:
        return "dict[str, Any]"
    return f"dict[str, {inside(extra, f'{name}Value')}]"


def _inside(schema: Schema, name: str) -> Iterator[str]:
    """Yield the declarations of the closed objects in a schema."""
    for index, part in enumerate(_alternatives(schema)):
        yield from _inside(part, f"{name}{index}")
    if "items" in schema:
        yield from _inside(schema["items"], f"{name}Item")
    extra = schema.get("additionalProperties", True)
    if isinstance(extra, dict):
        yield from _inside(extra, f"{name}Value")
    if "object" in types_of(schema) and extra is False:
        required = schema.get("required", ())
        fields = [
            Field(field, inner, field in required)
            for field, inner in schema.get("properties", {}).items()
        ]
        yield from typed_dicts(name, "An object inside.", fields, inside)
