"""What more rows and more tenants cost: GET one and a page, on ours.

    ./run bench curves [--seconds 3] [--repeats 3] [--write]

Rows: a table of 100 tenants grows from 1e4 to 1e6. Tenants: the table has 1e6 rows of
10 000 tenants, and 1 to 10 000 of them ask; beyond a few, most callers are new to the
worker, which looks them up.
"""

from collections.abc import Mapping, Sequence

from bench import machine, plot, report, servers
from bench.compare import FIRST_WARM_UP
from bench.options import options, show
from bench.ours import ROOT
from bench.plot import Curve
from bench.samples import Figures, figures_of
from bench.served import Served
from bench.stage import perform, say, stage

COMMAND = "./run bench curves"
READS = ("get", "page")
ROWS, TENANTS_OF_ROWS = (10_000, 100_000, 1_000_000), 100
TENANTS, ROWS_OF_TENANTS = (1, 10, 100, 1_000, 10_000), 1_000_000
Figured = dict[int, dict[str, Figures]]
"""By number of rows or tenants, then by operation."""


def main() -> None:
    """Measure both curves, and print them."""
    chosen = options(COMMAND, __doc__ or "", 3)
    perform(lambda: run(chosen.seconds, chosen.repeats, chosen.write))


def run(seconds: int, repeats: int, write: bool) -> None:
    """Measure, print and write."""
    by_rows: Figured = {}
    for rows in ROWS:
        by_rows |= _measure(
            TENANTS_OF_ROWS, rows, {rows: TENANTS_OF_ROWS}, seconds, repeats
        )
    asking = {number: number for number in TENANTS}
    by_tenants = _measure(TENANTS[-1], ROWS_OF_TENANTS, asking, seconds, repeats)
    show(COMMAND, _text(by_rows, by_tenants), write)
    if write:
        for name, figures in (("rows", by_rows), ("tenants", by_tenants)):
            file = ROOT / f"docs/speed-{name}.svg"
            file.write_text(
                plot.curves(f"CPU µs a request, by {name}", _lines(figures))
            )


def _measure(
    tenants: int, rows: int, asking: Mapping[int, int], seconds: int, repeats: int
) -> Figured:
    """Fill a table, and let so many of its tenants ask."""
    found: Figured = {}
    with (
        stage(tenants, rows) as ready,
        servers.serving(["myapp"], ready.folder, ready.stores) as running,
    ):
        for label, number in asking.items():
            served = ready.under_load(running["myapp"], ready.tenants[:number])
            served.warm_up("get", FIRST_WARM_UP)
            found[label] = _reads(served, seconds, repeats)
            used = found[label]["get"].cpu_us
            say(f"{rows:,} rows, {number:,} tenants: {used:.0f} µs")
    return found


def _reads(served: Served, seconds: int, repeats: int) -> dict[str, Figures]:
    return {
        operation: figures_of(
            [served.sample(operation, seconds, seed) for seed in range(1, repeats + 1)]
        )
        for operation in READS
    }


def _text(by_rows: Figured, by_tenants: Figured) -> str:
    return (
        f"{machine.brief()}.\n\n![By rows](speed-rows.svg)\n\n{_table('rows', by_rows)}"
        f"\n![By tenants](speed-tenants.svg)\n\n{_table('tenants', by_tenants)}"
    )


def _table(name: str, figures: Figured) -> str:
    columns = [f"{report.HEADS[read]}: {what}" for read in READS for what in _COLUMNS]
    return report.head(name, *columns) + "".join(
        report.row(f"{number:,}", *_cells(list(found.values())))
        for number, found in figures.items()
    )


_COLUMNS = ("server CPU µs", "PostgreSQL CPU µs", "requests/s")


def _cells(reads: Sequence[Figures]) -> list[str]:
    return [
        f"{value:,.0f}"
        for read in reads
        for value in (read.cpu_us, read.pg_us, read.rps)
    ]


def _lines(figures: Figured) -> list[Curve]:
    lines = []
    for operation in READS:
        found = {number: each[operation] for number, each in figures.items()}
        title = report.HEADS[operation]
        server = {number: each.cpu_us for number, each in found.items()}
        store = {number: each.pg_us for number, each in found.items()}
        lines += [Curve(title, server), Curve(f"{title}: PostgreSQL", store)]
    return lines


if __name__ == "__main__":
    main()
