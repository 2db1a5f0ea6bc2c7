"""Writes the files of a feature from their templates, as black and isort want them."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from devtools.features.resource import Resource, a
from devtools.formatting import formatted

TEMPLATES = Path(__file__).with_name("templates")
LONG = 30
"""Characters of a text that is better written as a product."""


def write_feature(package: Path, made: Resource) -> None:
    """Write the folder of a feature into the package."""
    folder = package / made.name
    folder.mkdir()
    for file, template in {
        "__init__.py": "__init__.py",
        "models.py": f"models_{made.store}.py",
        "endpoints.py": "endpoints.py",
        f"test_{made.name}.py": "test.py",
    }.items():
        text = (
            _environment()
            .get_template(f"{template}.jinja")
            .render(
                r=made,
                parents={parent.feature: parent for parent in made.parents},
                referred=sorted({str(field.refers_to) for field in made.references}),
            )
        )
        (folder / file).write_text(formatted(text))


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"python": literal, "a": a}
    return environment


def literal(value: Any) -> str:
    """Return a value as it stands in source."""
    if isinstance(value, str) and len(value) > LONG and len({*value}) == 1:
        return f"{value[0]!r} * {len(value)}"
    return repr(value)
