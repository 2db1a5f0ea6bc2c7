"""What a comparison is written as: JSON, and tables in Markdown."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.samples import Figures, Results

HEADS = {"get": "GET one", "page": "GET a page of 50", "post": "POST", "put": "PUT"}
FASTIFY = ("fastify_pg", "fastify_postgres", "fastify_sql_json")
AGAINST = (
    ("CPU against the best Fastify", "myapp", FASTIFY),
    ("CPU against FastAPI + asyncpg", "myapp", ("fastapi_asyncpg",)),
    ("CPU against the guide's code", "myapp", ("guide",)),
    ("CPU without the audit, against the best Fastify", "myapp_unaudited", FASTIFY),
    (
        "CPU without the lane, against Litestar + asyncpg",
        "myapp_lane_off",
        ("litestar_asyncpg",),
    ),
)


def write_json(results: Results, file: Path) -> None:
    """Write `{operation: {server: {"rps", "cpu_us", …}}}`."""
    figures = {
        operation: {name: figure._asdict() for name, figure in by_name.items()}
        for operation, by_name in results.items()
    }
    file.write_text(json.dumps(figures, indent=2) + "\n")


def row(*cells: object) -> str:
    """Return a line of a Markdown table."""
    return f"| {' | '.join(map(str, cells))} |\n"


def head(*names: str) -> str:
    """Return the head of a table whose columns but the first are numbers."""
    return row(*names) + f"|---|{'--:|' * (len(names) - 1)}\n"


def tables(results: Results, titles: Mapping[str, str]) -> str:
    """Return a table of each operation, with all figures."""
    return "\n".join(
        f"### {HEADS[operation]}\n\n{_figures(by_name, titles)}"
        for operation, by_name in results.items()
    )


def _figures(by_name: Mapping[str, Figures], titles: Mapping[str, str]) -> str:
    measured = ("server CPU µs", "PostgreSQL CPU µs", "requests/s", "p50 µs", "p99 µs")
    return head("", *measured, "spread") + "".join(
        row(titles[name], *cells(found)) for name, found in by_name.items()
    )


def cells(found: Figures) -> tuple[str, ...]:
    """Return all figures as the cells of a row."""
    return (
        f"{found.cpu_us:.1f}",
        f"{found.pg_us:.1f}",
        f"{found.rps:,.0f}",
        _whole(found.p50_us),
        _whole(found.p99_us),
        f"{found.spread:.2f}",
    )


def _whole(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def summary(results: Results, titles: Mapping[str, str], names: Sequence[str]) -> str:
    """Return one table of the servers: CPU and requests a second by operation."""
    return head("", *(HEADS[operation] for operation in results)) + "".join(
        row(titles[name], *(_brief(found.get(name)) for found in results.values()))
        for name in names
    )


def _brief(found: Figures | None) -> str:
    return f"{found.cpu_us:.0f} µs · {found.rps:,.0f}/s" if found else "–"


def ratios(results: Results) -> str:
    """Return what ours costs against others; less than 1 is less than they do."""
    lines = [
        (label, [_ratio(found, ours, others) for found in results.values()])
        for label, ours, others in AGAINST
    ]
    rates = [_rate(found) for found in results.values()]
    lines.append(("requests/s against the best Fastify", rates))
    return head("", *(HEADS[operation] for operation in results)) + "".join(
        row(label, *values) for label, values in lines if any(values)
    )


def _ratio(found: Mapping[str, Figures], ours: str, others: Sequence[str]) -> str:
    used = [found[name].cpu_us for name in others if name in found]
    return f"{found[ours].cpu_us / min(used):.2f}" if used and ours in found else ""


def _rate(found: Mapping[str, Figures]) -> str:
    rates = [found[name].rps for name in FASTIFY if name in found]
    ours = found.get("myapp")
    return f"{ours.rps / max(rates):.2f}" if rates and ours else ""
