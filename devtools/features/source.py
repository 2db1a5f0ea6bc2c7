"""Edits of source that people have written: found by its syntax, changed by lines.

What cannot be found is an error that says what to write by hand.
"""

import ast
from pathlib import Path

from devtools import feature_list
from devtools.features.fields import (
    Field,
    NotationError,
    refuse_constraint,
    refuse_in_redis,
)
from devtools.features.writing import literal
from devtools.formatting import formatted

Edit = tuple[int, int, str]
"""The line and the column, in bytes, where a text is put in: as `ast` counts them."""


def register(factory: Path, name: str) -> None:
    """Add a feature's name to the list in the factory, at its end."""
    *_, last = feature_list.entries(factory.read_text())
    _insert(factory, [_after(last, f', "{name}"')])


def unregister(factory: Path, name: str) -> None:
    """Take a feature's name off the list in the factory."""
    text = factory.read_text()
    lines = text.splitlines()
    for entry in feature_list.entries(text):
        if entry.value == name:
            del lines[entry.lineno - 1]
    factory.write_text(formatted("\n".join(lines) + "\n"))


def add_field(models: Path, field: Field) -> None:
    """Add a field to the one resource of a models file: contract, table and imports."""
    tree = ast.parse(models.read_text())
    properties = _contract(models, tree)
    if repr(field.name) in [ast.unparse(key) for key in properties.keys if key]:
        raise NotationError(
            f"{_named(models)} has a field {field.name}: choose another"
        )
    writable = [value for value in properties.values if not _is_assigned(value)]
    if not writable:
        raise NotationError(
            f"{_named(models)}: clients write nothing of it: add the field by hand"
        )
    entry = f', "{field.name}": {literal(field.schema)}'
    edits = [_after(writable[-1], entry)]
    table = _table(tree)
    if table is None:
        refuse_in_redis(field)
    else:
        refuse_constraint(models.parent.name, field)
        edits.append(_after(tree.body[0], "\n" + "\n".join(sorted(_imports(field)))))
        edits.append(_after(table.body[-1], f"\n    {field.declaration}"))
        edits.extend(_constraints(models, table, field))
    _insert(models, edits)


def _imports(field: Field) -> set[str]:
    """Return what the column of a field imports; isort puts it in its place."""
    lines = {*field.kind.imports}
    if field.kind.column:
        lines.add("from sqlalchemy.orm import mapped_column")
    if field.is_unique:
        lines.add("from sqlalchemy import UniqueConstraint")
    if field.refers_to:
        lines.add("from sqlalchemy import ForeignKeyConstraint, Index")
    return lines


def _after(node: ast.expr | ast.stmt, text: str) -> Edit:
    return node.end_lineno or 0, node.end_col_offset or 0, text


def _insert(file: Path, edits: list[Edit]) -> None:
    """Add texts to a file, the last first: so the places of the others stay."""
    lines = file.read_bytes().splitlines(keepends=True)
    for line, column, text in sorted(edits, reverse=True):
        found = lines[line - 1]
        lines[line - 1] = found[:column] + text.encode() + found[column:]
    file.write_text(formatted(b"".join(lines).decode()))


def _contract(models: Path, tree: ast.Module) -> ast.Dict:
    """Return the properties of the contract that the repository serves."""
    served = {
        argument.id
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        if getattr(node.value.func, "id", "") in ("SqlRepository", "RedisRepository")
        for argument in node.value.args
        if isinstance(argument, ast.Name)
    }
    found = [
        keyword.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        if ast.unparse(node.value.func).partition("[")[0] == "Contract"
        if isinstance(node.targets[0], ast.Name) and node.targets[0].id in served
        for keyword in node.value.keywords
        if keyword.arg == "properties" and isinstance(keyword.value, ast.Dict)
    ]
    if len(found) != 1:
        raise NotationError(
            f"{_named(models)} has not one contract with one repository: add the field"
            " by hand"
        )
    return found[0]


def _is_assigned(schema: ast.expr) -> bool:
    keys = schema.keys if isinstance(schema, ast.Dict) else []
    return any(
        isinstance(key, ast.Constant) and key.value == "readOnly" for key in keys
    )


def _table(tree: ast.Module) -> ast.ClassDef | None:
    """Return the class of the table; a resource in Redis has none."""
    tables = [
        node
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(base) == "sql.Model" for base in node.bases)
    ]
    return tables[0] if tables else None


def _constraints(models: Path, table: ast.ClassDef, field: Field) -> list[Edit]:
    """Return the lines that the table's arguments need for a field."""
    added = []
    if field.is_unique:
        added.append(f'UniqueConstraint("account_id", "{field.name}")')
    if field.refers_to:
        there = f'["{field.refers_to}.account_id", "{field.refers_to}.id"]'
        added.append(f'ForeignKeyConstraint(["account_id", "{field.name}"], {there})')
        added.append(f'Index(None, "account_id", "{field.name}", "id")')
    if not added:
        return []
    for node in table.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            if ast.unparse(node.targets[0]) == "__table_args__":
                return [
                    _after(node.value.elts[-1], "".join(f", {each}" for each in added))
                ]
    raise NotationError(
        f"{_named(models)} has no __table_args__: add the constraint by hand"
    )


def _named(models: Path) -> str:
    """Return where a file is in the project; it is edited in a copy of it."""
    return f"myapp/{models.parent.name}/{models.name}"
