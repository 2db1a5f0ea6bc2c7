"""Types for editors and mypy: writes `myapp/<feature>/shapes.py` from contracts.

A contract that clients send has a TypedDict for the values of its body, one that they
are answered has one for its document. A change of hidden fields has its own: they are
there where they were sent.
"""

import ast
import inspect
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, get_args

from flask import Flask

from devtools.contracts.annotations import (
    Annotation,
    Field,
    of_body,
    of_document,
    typed_dicts,
)
from devtools.contracts.documents import ROOT
from devtools.formatting import formatted
from myapp.contract import Contract
from myapp.kinds import UPDATE
from myapp.operations import Operation

FILE = "shapes.py"
REMEDY = "./run flask contracts types --write"
HEAD = f'''"""What clients send and see of {{feature}}, as types for editors and mypy.

Written by `{REMEDY}` from the contracts: change those.
"""

{{imports}}

'''
IMPORTS = {
    "Any": "typing",
    "Literal": "typing",
    "NotRequired": "typing",
    "TypedDict": "typing",
    "UUID": "uuid",
    "date": "datetime",
    "datetime": "datetime",
}
"""Where the names come from that a declaration may need."""


class Shape(NamedTuple):
    """A TypedDict to be written: its name, what it is, its fields and their types."""

    name: str
    text: str
    fields: list[Field]
    annotation: Annotation


class Feature(NamedTuple):
    """A feature's folder, and the shapes of the contracts that it declares."""

    folder: Path
    shapes: dict[Contract, list[Shape]]

    @property
    def file(self) -> Path:
        """The file of its shapes."""
        return self.folder / FILE

    @property
    def source(self) -> str:
        """What the file has to say."""
        shapes = chain.from_iterable(self.shapes.values())
        body = "".join(text for shape in shapes for text in typed_dicts(*shape))
        words = self.folder.name.replace("_", " ")
        return formatted(HEAD.format(feature=words, imports=_imports(body)) + body)

    @property
    def is_current(self) -> bool:
        """Whether the file says it."""
        return self.file.exists() and self.file.read_text() == self.source


def _imports(source: str) -> str:
    """Return the imports that declarations need."""
    used = {
        node.id
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    return "\n".join(f"from {IMPORTS[n]} import {n}" for n in used & IMPORTS.keys())


def features(app: Flask) -> list[Feature]:
    """Return the features of an application that declare contracts."""
    operations = app.extensions["operations"]
    found: dict[Path, dict[Contract, list[Shape]]] = {}
    for contract in sorted(_contracts(), key=_place):
        folder = _place(contract)[0].parent
        found.setdefault(folder, {})[contract] = [*_shapes(contract, operations)]
    package = ROOT / "myapp"
    return [Feature(*each) for each in found.items() if each[0].parent == package]


def _shapes(contract: Contract, operations: Iterable[Operation]) -> Iterator[Shape]:
    name, properties = contract.name, contract.properties
    body = [Field(field, properties[field]) for field in contract.writable]
    always = contract.read_schema["required"]
    if body:
        text = f"What a body of {name} holds."
        yield Shape(f"{name}Body", text, body, of_body)
    if any(each.answers is contract for each in operations):
        text = f"What clients see of {name}."
        fields = [Field(f, properties[f], f in always) for f in contract.shown]
        yield Shape(f"{name}Document", text, fields, of_document)
    if any(each.accepts is contract and _hides(each) for each in operations):
        text = f"What a change of {name} writes; what is hidden, where it was sent."
        fields = [Field(f, schema, f in always) for f, schema, _ in body]
        yield Shape(f"{name}Change", text, fields, of_body)


def _hides(operation: Operation) -> bool:
    """Tell whether a patch may leave out fields that a body must have."""
    return operation.kind is UPDATE and bool(operation.accepted.hidden)


def _contracts() -> set[Contract]:
    """Return the contracts of the modules that the application has imported."""
    return {
        value
        for name, module in list(sys.modules.items())
        if name.startswith("myapp.")
        for value in vars(module).values()
        if isinstance(value, Contract)
    }


def _place(contract: Contract) -> tuple[Path, int]:
    """Return the file and the line of a contract's declaration."""
    file, _, line = contract.declared_in.rpartition(":")
    return Path(file).resolve(), int(line)


def write(app: Flask) -> list[Path]:
    """Write the shapes that are stale or missing; return their files."""
    stale = [feature for feature in features(app) if not feature.is_current]
    for feature in stale:
        feature.file.write_text(feature.source)
    return [feature.file for feature in stale]


def complaints(app: Flask) -> Iterator[str]:
    """Yield what is stale, and who does not say which shapes are theirs."""
    for feature in features(app):
        named = feature.file.relative_to(ROOT)
        if not feature.file.exists():
            yield f"{named} is missing. Write it: {REMEDY}"
        elif not feature.is_current:
            yield f"{named} is not what its contracts say. Write it anew: {REMEDY}"
        for contract, shapes in feature.shapes.items():
            yield from _about_contract(contract, [shape.name for shape in shapes])
    for operation in app.extensions["operations"]:
        if operation.accepts:
            yield from _about_handler(operation)


def _about_contract(contract: Contract, names: list[str]) -> Iterator[str]:
    shown = [name for name in names if name == f"{contract.name}Document"]
    wanted = [f"{contract.name}Body" if contract.writable else "Any", *shown]
    if _named(getattr(contract, "__orig_class__", None))[: len(wanted)] != wanted:
        file, line = _place(contract)
        yield (
            f"{file.relative_to(ROOT)}:{line}: {contract.name} has no types: declare"
            f" it as Contract[{', '.join(wanted)}](…), imported from {FILE} beside it."
        )


def _about_handler(operation: Operation) -> Iterator[str]:
    handler = operation.handler
    kind = "Change" if _hides(operation) else "Body"
    shape = f"{operation.accepted.name}{kind}"
    annotations = [*inspect.get_annotations(handler).values(), None]
    if _named(annotations[0]) != [shape]:
        yield (
            f"{handler.__module__}.{handler.__qualname__} takes a body without a type:"
            f" write `request: Request[{shape}]`, imported from {FILE} beside it."
        )


def _named(generic: Any) -> list[str]:
    """Return the names of what stands in the brackets of a type."""
    return [getattr(each, "__name__", str(each)) for each in get_args(generic)]
