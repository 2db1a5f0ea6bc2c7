"""The part of CHANGELOG.md that lists what has changed since the released document."""

import re

import click

from devtools import pages
from devtools.contracts import documents
from devtools.contracts.verdict import COLUMNS, Verdict, rows

COMMAND = "./run flask contracts diff --write"
FILE = "CHANGELOG.md"
HEADING = "### Contracts"
EMPTY = f"{pages.mark(COMMAND)}\n{pages.END}"
UNRELEASED = re.compile(r"^## \[Unreleased\]\n.*?(?=^## \[|\Z)", re.M | re.S)
SINCE = f"[the released document]({documents.RELEASED})"
NONE = f"Nothing has changed for clients since {SINCE}."


def table(verdict: Verdict) -> str:
    """Return the changes as a table in Markdown."""
    if not verdict.changes:
        return NONE
    lines = [COLUMNS, ["---"] * len(COLUMNS), *rows(verdict)]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")


def shown(verdict: Verdict, changelog: str) -> str:
    """Return a changelog that lists these changes as not yet released."""
    section = UNRELEASED.search(changelog)
    text = section[0] if section else ""
    if pages.mark(COMMAND) not in text:
        if not verdict.changes:
            return changelog
        text = f"{text.rstrip()}\n\n{HEADING}\n\n{EMPTY}\n\n"
    if section is None:
        raise click.ClickException(
            f"{FILE} has no place for the changes: begin it with ## [Unreleased]"
        )
    written = pages.placed(text, COMMAND, table(verdict))
    return changelog.replace(section[0], written, 1)


def write(verdict: Verdict) -> None:
    """List these changes in the changelog."""
    file = documents.ROOT / FILE
    file.write_text(shown(verdict, file.read_text()))


def complaints(verdict: Verdict) -> list[str]:
    """Say so where the changelog does not list these changes."""
    changelog = (documents.ROOT / FILE).read_text()
    if shown(verdict, changelog) == changelog:
        return []
    return [f"{FILE} does not list what has changed for clients; write it: {COMMAND}"]
