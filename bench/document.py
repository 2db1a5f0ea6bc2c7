"""Puts what was measured where it is read: docs/speed.md, its plots, and README.md."""

from collections.abc import Mapping

from bench import machine, plot, report
from bench.arguments import QUICK
from bench.ours import ROOT
from bench.samples import Results
from devtools.pages import put

PAGE, README = ROOT / "docs/speed.md", ROOT / "README.md"
COMMAND = "./run bench"
SHOWN = (*QUICK, "fastapi_asyncpg", "guide")
"""Whom README and the plot show."""


def write_comparison(
    results: Results, titles: Mapping[str, str], command: str, postgres: str
) -> None:
    """Write what a command measured on a PostgreSQL of a version to its place."""
    said = f"{machine.described(postgres)}\n{report.ratios(results)}\n"
    text = said + report.tables(results, titles)
    put(PAGE, command, text)


def write_summary(results: Results, titles: Mapping[str, str]) -> None:
    """Write the plot, and README's table under it."""
    (ROOT / "docs/speed.svg").write_text(plot.bars(results, titles, SHOWN))
    text = (
        "![Server CPU per request, ours and others](docs/speed.svg)\n\n"
        f"{machine.brief()}, and requests per second:\n\n"
        + report.summary(results, titles, SHOWN)
    )
    put(README, COMMAND, text)
