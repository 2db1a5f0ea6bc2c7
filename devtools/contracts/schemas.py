"""The changes between two JSON Schemas, whichever way they travel (`rules` knows that).

Every keyword that contracts may have is compared by what it admits. Of any other nobody
here can tell, so a change of it counts as one that breaks clients.
"""

from collections.abc import Collection, Iterator
from itertools import product
from typing import Any, NamedTuple

import msgspec

Schema = dict[str, Any]

TYPES = {"null", "boolean", "integer", "number", "string", "array", "object"}
PYTHON_TYPES: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
UNIONS = ("anyOf", "oneOf")
NOTES = {"title", "description", "examples", "example", "$comment"}
"""Keywords that change nothing for a program."""

LEAST = {
    "minLength": 0,
    "minItems": 0,
    "minProperties": 0,
    "minimum": None,
    "exclusiveMinimum": None,
}
MOST = {"maxLength", "maxItems", "maxProperties", "maximum", "exclusiveMaximum"}
MARKS = {
    "readOnly": ("field-made-writable", "field-made-read-only"),
    "writeOnly": ("field-made-readable", "field-made-write-only"),
    "uniqueItems": ("limit-loosened", "limit-tightened"),
    "deprecated": ("", "deprecated"),
}
"""What it is to lose, and to get, a keyword that is true or false."""

BESIDE = {"default", "deprecated", "readOnly", "writeOnly"}
"""Keywords that stand beside alternatives, not in each."""

APART = {"type", "enum", "const", "properties", "required", "additionalProperties"}
APART |= {"items", *UNIONS}
"""Keywords that are compared with others, not by themselves."""


class Difference(NamedTuple):
    """One change; `where` is a JSON Pointer into the value, `*` for any item or key."""

    where: str
    kind: str
    detail: str = ""


def compare(old: Any, new: Any, where: str = "") -> Iterator[Difference]:
    """Yield what has changed between two schemas without references."""
    old, new = _plain(old), _plain(new)
    if old == new:
        return
    unions = [word for word in UNIONS if word in old or word in new]
    if unions:
        yield from _of_alternatives(old, new, where)
        old, new = _without_alternatives(old), _without_alternatives(new)
    changed_types = list(_of_types(old, new, where))
    yield from changed_types
    if all(found.kind != "type-changed" for found in changed_types):
        yield from _of_values(old, new, where)
        yield from _of_keywords(old, new, where)
        yield from _of_fields(old, new, where)
        yield from _of_other_fields(old, new, where)
        yield from compare(old.get("items", {}), new.get("items", {}), f"{where}/*")


def _plain(schema: Any) -> Schema:
    """Return a schema as an object, with null among its types, not its alternatives."""
    if isinstance(schema, bool):
        return {} if schema else {"not": {}}
    for word in UNIONS:
        branches = schema.get(word, [])
        others = [branch for branch in branches if branch.get("type") != "null"]
        if len(others) == 1 and len(branches) == 2:
            rest = {key: value for key, value in schema.items() if key != word}
            return {**rest, **_with_null(others[0])}
    return dict(schema)


def _with_null(schema: Schema) -> Schema:
    """Return a schema that admits null, too."""
    values = _values(schema)
    named = {} if values is None else {"enum": [*values, None]}
    rest = {key: value for key, value in schema.items() if key != "const"}
    return {**rest, "type": sorted(types(schema) | {"null"}), **named}


# types and values


def types(schema: Schema) -> set[str]:
    """Return the JSON types that a schema admits."""
    declared = schema.get("type", TYPES)
    declared = {declared} if isinstance(declared, str) else set(declared)
    values = _values(schema)
    if values is None:
        return declared
    found = {PYTHON_TYPES[type(value)] for value in values}
    return found - ({"null"} - declared)


def _of_types(old: Schema, new: Schema, where: str) -> Iterator[Difference]:
    was, now = types(old), types(new)
    gone, come = was - now, now - was
    for name, found in (("null-refused", gone), ("null-allowed", come)):
        if "null" in found:
            yield Difference(where, name)
    gone -= {"null", *(("integer",) if "number" in now else ())}
    come -= {"null", *(("integer",) if "number" in was else ())}
    if gone and come and not (was & now - {"null"}):
        yield Difference(where, "type-changed", f"{_list(gone)} → {_list(come)}")
    elif gone or come:
        for name, found in (("type-removed", gone), ("type-added", come)):
            if found:
                yield Difference(where, name, _list(found))


def _values(schema: Schema) -> list[Any] | None:
    """Return the values that a schema names, None where it names none."""
    if "const" in schema:
        return [schema["const"]]
    return schema.get("enum")


def _of_values(old: Schema, new: Schema, where: str) -> Iterator[Difference]:
    was, now = _values(old), _values(new)
    if was is None and now is not None:
        yield Difference(where, "values-limited", _json(now))
    elif was is not None and now is None:
        yield Difference(where, "values-unlimited", _json(was))
    for name, some, others in (("removed", was, now), ("added", now, was)):
        for value in some or ():
            if others is not None and value is not None and value not in others:
                yield Difference(where, f"value-{name}", _json(value))


# alternatives


def _of_alternatives(old: Schema, new: Schema, where: str) -> Iterator[Difference]:
    """Compare the branches of anyOf and oneOf, each with the one most like it."""
    gone, come = _alternatives(old), _alternatives(new)
    for branch in list(gone):
        same = [other for other in come if not list(compare(branch, other))]
        if same:
            gone.remove(branch)
            come.remove(same[0])
    for branch, other in product(list(gone), list(come)):
        if branch in gone and other in come and types(branch) == types(other):
            gone.remove(branch)
            come.remove(other)
            yield from compare(branch, other, where)
    for name, branches in (("removed", gone), ("added", come)):
        for branch in branches:
            yield Difference(where, f"alternative-{name}", _named(branch))


def _alternatives(schema: Schema) -> list[Schema]:
    """Return the branches of a schema; one that has none is its only one."""
    found = [branch for word in UNIONS for branch in schema.get(word, ())]
    return found or [{key: schema[key] for key in schema.keys() - BESIDE}]


def _without_alternatives(schema: Schema) -> Schema:
    """Return what a schema says beside its branches."""
    if any(word in schema for word in UNIONS):
        return {key: schema[key] for key in schema.keys() - set(UNIONS)}
    return {key: schema[key] for key in schema.keys() & BESIDE}


def _named(branch: Schema) -> str:
    return str(branch.get("title") or _list(types(branch)))


# keywords that stand by themselves


def _of_keywords(old: Schema, new: Schema, where: str) -> Iterator[Difference]:
    for keyword in sorted((old.keys() | new.keys()) - NOTES - APART):
        unset = LEAST.get(keyword, False if keyword in MARKS else None)
        was, now = old.get(keyword, unset), new.get(keyword, unset)
        if was != now and (kind := _kind(keyword, was, now)):
            yield Difference(where, kind, f"{keyword}: {_json(was)} → {_json(now)}")


def _kind(keyword: str, was: Any, now: Any) -> str:
    """Return what the change of one keyword is; None stands for its absence."""
    if keyword in MARKS:
        return MARKS[keyword][bool(now)]
    if keyword in ("pattern", "format", "default"):
        return f"{keyword}-{_verb(was, now)}"
    if keyword not in LEAST and keyword not in MOST and keyword != "multipleOf":
        return "keyword-changed"
    if was is None or (now is not None and _admits(keyword, now, was)):
        return "limit-tightened"
    loosened = now is None or _admits(keyword, was, now)
    return "limit-loosened" if loosened else "limit-changed"


def _verb(was: Any, now: Any) -> str:
    if was is None:
        return "added"
    return "removed" if now is None else "changed"


def _admits(keyword: str, was: Any, now: Any) -> bool:
    """Tell whether a new limit admits all that the old one did."""
    if keyword == "multipleOf":
        return bool(was % now == 0)
    return bool(now <= was if keyword in LEAST else now >= was)


# objects


def _of_fields(old: Schema, new: Schema, where: str) -> Iterator[Difference]:
    was, now = _fields(old), _fields(new)
    required_then, required_now = old.get("required", ()), new.get("required", ())
    for name in was | now:
        at = f"{where}/{name.replace('~', '~0').replace('/', '~1')}"
        then_or_now = (name in required_then, name in required_now)
        if name not in now:
            yield Difference(at, "field-removed")
        elif name not in was:
            must = name in required_now
            yield Difference(at, "required-field-added" if must else "field-added")
        else:
            if then_or_now == (False, True):
                yield Difference(at, "field-made-required")
            elif then_or_now == (True, False):
                yield Difference(at, "field-made-optional")
            yield from compare(was[name], now[name], at)


def _fields(schema: Schema) -> dict[str, Any]:
    properties: Schema = schema.get("properties", {})
    return {name: {} for name in schema.get("required", ())} | properties


def _of_other_fields(old: Schema, new: Schema, where: str) -> Iterator[Difference]:
    was, now = (each.get("additionalProperties", True) for each in (old, new))
    if False in (was, now):
        if was != now:
            yield Difference(where, "object-opened" if now else "object-closed")
    else:
        yield from compare(was, now, f"{where}/*")


# words


def _list(names: Collection[str]) -> str:
    return " or ".join(sorted(names))


def _json(value: Any) -> str:
    return "none" if value is None else msgspec.json.encode(value).decode()
