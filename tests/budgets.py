"""How many calls a request may take, and the two files that say so.

budgets.toml has, beside each total, the places that made the calls when it was written,
so that a failure can tell what has grown. CHANGELOG.md has the totals: a budget that is
raised is a line that changes there.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.function_calls import REQUESTS, Call, Calls

FILE = Path(__file__).with_name("budgets.toml")
CHANGELOG = Path(__file__).parents[1] / "CHANGELOG.md"
COMMAND = "./run test tests/test_budgets.py --write-budgets"

ENGINES = ("sqlite", "postgresql")
WAYS = {"lane": True, "flask": False}
"""The ways through the application, and the setting LANE of each."""

COLUMNS = [f"{engine} {way}" for way in WAYS for engine in ENGINES]
LEAST = 0.95  # of a budget that must be used: what was gained is not lost again unseen
SHOWN = 10  # functions of a place that has grown

Budget = Mapping[str, int]
"""The calls by the place that makes them; `total` is the budget."""


def budget_of(calls: Calls) -> Budget:
    """Return the budget that fits."""
    places = Counter[str]()
    for call, number in calls.items():
        places[call.place] += number
    return {"total": calls.total(), **dict(sorted(places.items()))}


# what is wrong


def complaint(name: str, calls: Calls, budget: Budget) -> str | None:
    """Say what is wrong, where it comes from and what to do, if anything is wrong."""
    total, most = calls.total(), budget["total"]
    counted = f"{name}: {total} calls counted, {most} are the budget."
    if total > most:
        return (
            f"{counted}\n{''.join(_grown(calls, budget))}"
            "Bring it back; or, if it is worth it, raise the budget, and say why in"
            f" CHANGELOG.md, above the table:\n  {COMMAND}"
        )
    if total < most * LEAST:
        return f"{counted}\nWell done. Lower it, so that it stays so:\n  {COMMAND}"
    return None


def _grown(calls: Calls, budget: Budget) -> Iterator[str]:
    """Yield a line for each place that makes more calls than it did, and its functions.

    Which function has grown is not known, only what each calls.
    """
    for place, number in budget_of(calls).items():
        before = budget.get(place, 0)
        if number > before and place != "total":
            more = number - before
            yield f"  {place} makes {number} calls, {more} more than it did:\n"
            yield from _functions({c: n for c, n in calls.items() if c.place == place})


def _functions(calls: Mapping[Call, int]) -> Iterator[str]:
    """Yield a line for each function that calls most, with what it calls."""
    by_caller: dict[str, Counter[str]] = {}
    for call, number in calls.items():
        by_caller.setdefault(call.caller, Counter())[call.called] += number
    ordered = sorted(by_caller.items(), key=lambda item: -item[1].total())
    for caller, called in ordered[:SHOWN]:
        listed = ", ".join(_times(*each) for each in called.most_common())
        yield f"    {called.total():4} {caller}: {listed}\n"
    if left := ordered[SHOWN:]:
        yield f"         and {len(left)} functions that call less\n"


def _times(name: str, number: int) -> str:
    return name if number == 1 else f"{number} × {name}"


# the files


def read() -> dict[str, Budget]:
    """Return the budgets by name, as in `GET one, sqlite lane`."""
    return tomllib.loads(FILE.read_text()) if FILE.exists() else {}


def write(budgets: Mapping[str, Budget]) -> None:
    """Write the budgets into both files."""
    FILE.write_text(_toml(budgets))
    CHANGELOG.write_text(announced(CHANGELOG.read_text(), budgets))


def _toml(budgets: Mapping[str, Budget]) -> str:
    text = f"# Calls for a request: see CONTRIBUTING.md. Written by\n# {COMMAND}\n"
    for name in (f"{request}, {column}" for request in REQUESTS for column in COLUMNS):
        places = budgets.get(name, {}).items()
        lines = (f'"{place}" = {number}\n' for place, number in places)
        text += f'\n["{name}"]\n{"".join(lines)}'
    return text


HEADING = "### Budgets\n\n"
TABLE = re.compile(r"^\| calls for a request \|.*\n(?:\|.*\n)+", re.MULTILINE)
UNRELEASED = re.compile(
    r"^## \[Unreleased\]\n.*?(?=^## \[|\Z)", re.MULTILINE | re.DOTALL
)


def table(budgets: Mapping[str, Budget]) -> str:
    """Return the table of CHANGELOG.md: a line for each request."""
    rows = [["calls for a request", *COLUMNS], ["---"] + ["--:"] * len(COLUMNS)]
    for request in REQUESTS:
        found = [budgets.get(f"{request}, {column}", {}) for column in COLUMNS]
        rows.append([request, *(str(budget.get("total", "")) for budget in found)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def newest_table(changelog: str) -> str | None:
    """Return the table that was written last."""
    found = TABLE.search(changelog)
    return found and found[0]


def announced(changelog: str, budgets: Mapping[str, Budget]) -> str:
    """Return a changelog that names these budgets, among what is not yet released."""
    if newest_table(changelog) == table(budgets):
        return changelog
    return UNRELEASED.sub(lambda found: _with_table(found[0], budgets), changelog, 1)


def _with_table(section: str, budgets: Mapping[str, Budget]) -> str:
    written, found = TABLE.subn(lambda _: table(budgets), section)
    return written if found else f"{section.rstrip()}\n\n{HEADING}{table(budgets)}\n"
