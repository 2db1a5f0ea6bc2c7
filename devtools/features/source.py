"""Edits of source that people have written: found by its syntax, changed by lines.

What cannot be found is an error that says what to write by hand.
"""

import ast
from pathlib import Path

from devtools.features.fields import Field, NotationError
from devtools.features.writing import formatted, literal


def register(factory: Path, name: str) -> None:
    """Add a feature's name to the list in the factory, at its end."""
    names = _registered(factory)
    _insert(factory, names[-1].end_lineno or 0, [f'"{name}",'])


def unregister(factory: Path, name: str) -> None:
    """Take a feature's name off the list in the factory."""
    lines = factory.read_text().splitlines()
    for node in _registered(factory):
        if isinstance(node, ast.Constant) and node.value == name:
            del lines[node.lineno - 1]
    factory.write_text(formatted("\n".join(lines) + "\n"))


def add_field(models: Path, field: Field) -> None:
    """Add a field to the one resource of a models file: contract, table and imports."""
    tree = ast.parse(models.read_text())
    properties = _contract(models, tree)
    if repr(field.name) in [ast.unparse(key) for key in properties.keys if key]:
        raise NotationError(f"{models} has a field {field.name}: choose another name")
    after_contract = _end_of_fields(properties)
    table = _table(tree)
    edits = [(after_contract, [f'"{field.name}": {literal(field.schema)},'])]
    lines = [*sorted(field.kind.imports)]
    if table is not None:
        edits.append((table.body[-1].end_lineno or 0, [f"    {field.declaration}"]))
        edits.extend(_constraints(models, table, field))
        if field.kind.column:
            lines.append("from sqlalchemy.orm import mapped_column")
        if field.is_unique:
            lines.append("from sqlalchemy import UniqueConstraint")
        if field.refers_to:
            lines.append("from sqlalchemy import ForeignKeyConstraint, Index")
    edits.append((tree.body[0].end_lineno or 0, lines))  # below the docstring
    for line, added in sorted(edits, reverse=True):
        _insert(models, line, added, tidy=False)
    models.write_text(formatted(models.read_text()))


def _insert(file: Path, after: int, added: list[str], *, tidy: bool = True) -> None:
    lines = file.read_text().splitlines()
    lines[after:after] = added
    text = "\n".join(lines) + "\n"
    file.write_text(formatted(text) if tidy else text)


def _registered(factory: Path) -> list[ast.expr]:
    """Return the names in `FEATURES = tuple(import_module(…) for name in (…))`."""
    for node in ast.walk(ast.parse(factory.read_text())):
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id == "FEATURES"
        ):
            for part in ast.walk(node):
                if isinstance(part, ast.comprehension) and isinstance(
                    part.iter, ast.Tuple
                ):
                    return part.iter.elts
    raise NotationError(f"{factory.name} has no list FEATURES of the usual form")


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
        if getattr(node.value.func, "id", "") == "Contract"
        if isinstance(node.targets[0], ast.Name) and node.targets[0].id in served
        for keyword in node.value.keywords
        if keyword.arg == "properties" and isinstance(keyword.value, ast.Dict)
    ]
    if len(found) != 1:
        raise NotationError(
            f"{models} has not one contract with one repository: add the field by hand"
        )
    return found[0]


def _end_of_fields(properties: ast.Dict) -> int:
    """Return the line after which a field comes: that of the last one of clients."""
    end = properties.lineno
    for value in properties.values:
        if not _is_assigned(value):
            end = value.end_lineno or 0
    return end


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


def _constraints(
    models: Path, table: ast.ClassDef, field: Field
) -> list[tuple[int, list[str]]]:
    """Return the lines that the table's arguments need for a field."""
    added = []
    if field.is_unique:
        added.append(f'UniqueConstraint("account_id", "{field.name}"),')
    if field.refers_to:
        there = f'["{field.refers_to}.account_id", "{field.refers_to}.id"]'
        added.append(f'ForeignKeyConstraint(["account_id", "{field.name}"], {there}),')
        added.append(f'Index(None, "account_id", "{field.name}", "id"),')
    if not added:
        return []
    for node in table.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            if ast.unparse(node.targets[0]) == "__table_args__":
                return [(node.value.elts[-1].end_lineno or 0, added)]
    raise NotationError(f"{models} has no __table_args__: add the constraint by hand")
