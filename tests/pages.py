"""The lines of a page that its reader types, and what the page says that they see.

A line that begins with `$` is typed into a shell; what follows it is its answer: the
same names, and the same values where one is told. `…` is anything.
"""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple


class Line(NamedTuple):
    """What a reader types, and what the page says that they see."""

    typed: str
    told: str


def lines(block: str) -> Iterator[Line]:
    """Yield the lines of a block in order, without those that a reader fills in."""
    for entry in block.removeprefix("$ ").split("\n$ "):
        typed, told = _split(entry)
        if not re.fullmatch(r"\w+=.*…", typed):
            yield Line(typed, told)


def _split(entry: str) -> tuple[str, str]:
    """Divide a command from its answer; it goes on while it is open or continued."""
    rows = entry.rstrip().split("\n")
    for number, row in enumerate(rows, 1):
        typed = "\n".join(rows[:number])
        if not row.endswith("\\") and typed.count("'") % 2 == 0:
            return typed, "\n".join(rows[number:])
    raise AssertionError(f"this line has no end: {entry}")


def found_in(said: str) -> dict[str, str]:
    """Return what an answer brings, named as the page names it."""
    if said.startswith("{"):
        fields = json.loads(said)
    else:
        fields = dict(re.findall(r"^(\w+): (.*)$", said, re.MULTILINE))
    return {
        name.upper(): value for name, value in fields.items() if isinstance(value, str)
    }


def as_told(said: str, told: str) -> bool:
    """Tell whether an answer is the one that the page shows."""
    if not told.startswith("{"):
        pattern = re.escape(told).replace("…", ".+")
        return re.fullmatch(pattern, said.strip(), re.DOTALL) is not None
    if not said.startswith("{"):
        return False
    answer, shown = json.loads(said), json.loads(told.replace("[…]", '"…"'))
    return answer.keys() == shown.keys() and all(
        shown[name] in ("…", answer[name]) for name in shown
    )
