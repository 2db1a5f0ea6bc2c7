"""What stands in the way of a release: breaking changes without cover, dead waivers."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple

from devtools.contracts import documents, waivers
from devtools.contracts.documents import Document, major
from devtools.contracts.operations import changes
from devtools.contracts.rules import Change, Level
from devtools.contracts.waivers import Waiver


class Verdict(NamedTuple):
    """Every change since the release, waivers' days, and what may not stay so."""

    changes: list[Change]
    waived: dict[Change, date]
    complaints: list[str]


def judge(current: Document) -> Verdict:
    """Compare a document with the released one, and judge what has changed."""
    released, listed = documents.released(), waivers.read()
    found = changes(released, current)
    waived = {
        change: waiver.until
        for waiver in listed
        for change in found
        if waiver.covers(change) and not waiver.expired
    }
    complaints = list(_about_waivers(listed, found))
    if major(current) <= major(released):
        version = f"{major(released) + 1}.0.0"
        complaints += _about_changes(
            [one for one in found if one not in waived], version
        )
    return Verdict(found, waived, complaints)


def _about_waivers(them: Sequence[Waiver], found: Sequence[Change]) -> Iterator[str]:
    for waiver in them:
        if not any(waiver.covers(change) for change in found):
            yield f"{waiver.name} is about no breaking change: delete it."
        elif waiver.expired:
            yield f"{waiver.name} ended on {waiver.until}: it covers nothing any more."


def _about_changes(found: Sequence[Change], version: str) -> Iterator[str]:
    breaking = [change for change in found if change.level is Level.BREAKING]
    for change, operations in _grouped(breaking):
        yield (
            f"{operations}, {change.where}: {_said(change)} breaks clients."
            f" {change.undo}, or release version {version} (VERSION in"
            f" myapp/openapi.py), or waive it until a date in {waivers.FILE}."
        )


# in words

COLUMNS = ("class", "direction", "operation", "where", "change")


def rows(verdict: Verdict) -> Iterator[tuple[str, ...]]:
    """Yield the changes as rows under COLUMNS, those that are alike as one."""
    for until in [None, *sorted(set(verdict.waived.values()))]:
        alike = [one for one in verdict.changes if verdict.waived.get(one) == until]
        waived = f", waived until {until}" if until else ""
        for change, operations in _grouped(alike):
            level = f"{change.level}{waived}"
            yield level, change.direction, operations, change.where, _said(change)


def _grouped(found: Sequence[Change]) -> Iterator[tuple[Change, str]]:
    """Yield each kind of change with the operations that it is of."""
    alike: dict[Change, list[str]] = {}
    for change in found:
        alike.setdefault(change._replace(operation=""), []).append(change.operation)
    for change, operations in alike.items():
        yield change, _listed(operations)


def _listed(operations: Sequence[str]) -> str:
    first, *others = operations
    if len(others) > 1:
        return f"{first} and {len(others)} more"
    return " and ".join(operations)


def _said(change: Change) -> str:
    """Return what has changed, as in `limit-tightened (maxLength: 9 → 5)`."""
    return f"{change.kind} ({change.detail})" if change.detail else change.kind
