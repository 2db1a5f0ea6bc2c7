"""The part of CHANGELOG.md that lists what has changed since the released document."""

import re
from collections.abc import Sequence

import click

from devtools import pages
from devtools.contracts import documents
from devtools.contracts.rules import Change
from devtools.contracts.verdict import COLUMNS, rows

COMMAND = "./run flask contracts diff --write"
FILE = "CHANGELOG.md"
HEADING = "### Contracts"
UNRELEASED = re.compile(r"^## \[Unreleased\]\n.*?(?=^## \[|\Z)", re.M | re.S)
SINCE = f"[the released document]({documents.RELEASED})"
NONE = f"Nothing has changed for clients since {SINCE}."


def table(found: Sequence[Change]) -> str:
    """Return the changes as a table in Markdown."""
    if not found:
        return NONE
    lines = [COLUMNS, ["---"] * len(COLUMNS), *rows(found)]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")


def shown(found: Sequence[Change], changelog: str) -> str:
    """Return a changelog that lists these changes as not yet released."""
    section = UNRELEASED.search(changelog)
    if section is None:
        raise click.ClickException(
            f"{FILE} has no place for the changes: begin it with ## [Unreleased]"
        )
    text = section[0]
    if pages.mark(COMMAND) not in text:
        if not found:
            return changelog
        empty = f"{pages.mark(COMMAND)}\n{pages.END}"
        text = f"{text.rstrip()}\n\n{HEADING}\n\n{empty}\n\n"
    written = pages.placed(text, COMMAND, table(found))
    return changelog.replace(section[0], written, 1)


def write(found: Sequence[Change]) -> None:
    """List these changes in the changelog."""
    file = documents.ROOT / FILE
    file.write_text(shown(found, file.read_text()))


def complaints(found: Sequence[Change]) -> list[str]:
    """Say so where the changelog does not list these changes."""
    changelog = (documents.ROOT / FILE).read_text()
    if shown(found, changelog) == changelog:
        return []
    return [f"{FILE} does not list what has changed for clients; write it: {COMMAND}"]
