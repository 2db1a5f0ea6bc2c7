"""The name of a product, and where the template's stands: everywhere."""

import builtins
import keyword
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

from devtools.features.staging import ROOT
from devtools.start.refusal import Refusal

TEMPLATE = "myapp"
LONGEST = 12
OF_SERVERS = {"nginx", "postgres", "redis", "root"}
"""Users that a server has: the product gets one, and a role, of its name."""
NAME = re.compile(rf"[a-z][a-z0-9]{{0,{LONGEST - 1}}}")


def refuse(name: str) -> None:
    """Raise Refusal for a name that cannot be a package's, a role's and a host's."""
    if not NAME.fullmatch(name):
        raise Refusal(
            f"{name!r} cannot be the name of a package, a database and a host at once:"
            f" use up to {LONGEST} small letters and digits, a letter first"
        )
    ours = {path.stem.lower() for path in ROOT.iterdir()}  # as macOS has it
    taken = {*sys.stdlib_module_names, *packages_distributions(), *ours, *OF_SERVERS}
    if name in taken or keyword.iskeyword(name) or hasattr(builtins, name):
        raise Refusal(
            f"{name} is the name of another file, module or user: choose another"
        )


def rename(copy: Path, name: str) -> None:
    """Put a name in the place of the template's: in all texts, and of all files."""
    for file in [path for path in copy.rglob("*") if path.is_file()]:
        try:
            text = file.read_text()
        except UnicodeDecodeError:
            continue  # a picture
        file.write_text(_renamed(text, name))
    for path in sorted(copy.rglob(f"*{TEMPLATE}*"), reverse=True):  # the deepest first
        path.rename(path.with_name(_renamed(path.name, name)))


def _renamed(text: str, name: str) -> str:
    """Return a text with a name for the template's, in small letters and capitals."""
    for way in (str.lower, str.capitalize, str.upper):
        text = text.replace(way(TEMPLATE), way(name))
    return text
