"""Takes demo features out, with their migrations; those that stay close the gap."""

import re
from pathlib import Path

from devtools import feature_list
from devtools.features import removal, source
from devtools.start.refusal import Refusal

DEMO = ("customers", "checkout_sessions", "teams")
"""What can be taken out: pages, probes and tests count on all the others."""
PAGES = ("README.md", "CONTRIBUTING.md", "docs/lifecycle.md")
TABLE = re.compile(r'^    __tablename__ = "(\w+)"$', re.MULTILINE)
REVISION = re.compile(r'^revision = "(\w+)"$', re.MULTILINE)
BEFORE = re.compile(r'^down_revision = "(\w+)"$', re.MULTILINE)


def remove(copy: Path, unwanted: list[str]) -> None:
    """Remove features from a copy of the project; raise Refusal where one is needed."""
    listed = feature_list.listed((copy / feature_list.APPLICATION).read_text())
    known = [feature for feature in DEMO if feature in listed]
    for feature in unwanted:
        if feature not in known:
            raise Refusal(
                f"{feature} is no feature of the demo: take some of {', '.join(known)}"
            )
    for file, feature in removal.needing(copy, unwanted):
        raise Refusal(f"{file} cannot do without {feature}: leave that feature in")
    for feature in unwanted:
        remove_migrations(copy, feature)
        _remove_mentions(copy, feature)
        removal.remove_folder(copy, feature)
        source.unregister(copy / feature_list.APPLICATION, feature)


def _remove_mentions(copy: Path, feature: str) -> None:
    """Remove a feature from the pages: its rows, its lines, its place in the tree."""
    row = rf"^\| (`{feature}` \||.*\(myapp/{feature}/).*\n"
    line = rf"^ +`{feature}` .*\n"
    mention = re.compile(rf"{row}|{line}| {feature}/", re.MULTILINE)
    for name in PAGES:
        page = copy / name
        page.write_text(mention.sub("", page.read_text()))


def remove_migrations(copy: Path, feature: str) -> None:
    """Remove the migrations of a feature's tables; raise Refusal for a shared one."""
    models = copy / "myapp" / feature / "models.py"
    own = {*TABLE.findall(models.read_text())} if models.exists() else set()
    for migration in sorted((copy / removal.VERSIONS).glob("*.py")):
        touched = removal.tables(migration)
        if not touched & own:
            continue
        if not touched <= own:
            raise Refusal(
                f"{migration.name} is about {feature} and others: leave {feature} in"
            )
        _take_out(migration)


def _take_out(migration: Path) -> None:
    """Remove a migration; the one after it follows the one before it."""
    text = migration.read_text()
    gone, before = REVISION.findall(text), BEFORE.findall(text)
    for other in migration.parent.glob("*.py"):
        text = other.read_text()
        if BEFORE.findall(text) == gone:
            line = (
                f'down_revision = "{before[0]}"' if before else "down_revision = None"
            )
            other.write_text(BEFORE.sub(line, text))
    migration.unlink()
