"""Who is compared at what, as asked for on the command line.

    ./run bench                      everybody, half an hour
    ./run bench --quick              Fastify, Litestar and ours, under five minutes
    ./run bench --only myapp,fastify_pg --operations get,put --repeats 3
    ./run bench --write              everybody, and docs/speed.md and README.md get it

Prints Markdown; --json FILE writes {operation: {server: {figure: number}}}. Behind a
name _nginx puts nginx in front of it.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from bench import pgbench, servers
from bench.compare import OPERATIONS

QUICK = (
    "myapp",
    "myapp_lane_off",
    "fastify_postgres",
    "fastify_pg",
    "fastify_sql_json",
    "litestar_asyncpg",
)
ALL = (
    "myapp",
    "myapp_lane_off",
    "myapp_unaudited",
    *QUICK[2:],
    "fastapi_asyncpg",
    "guide",
    "myapp_nginx",
    "fastify_postgres_nginx",
    "fastify_pg_nginx",
    "constant",
    *pgbench.TITLES,
)
TITLES = servers.TITLES | pgbench.TITLES


def arguments() -> argparse.Namespace:
    """Return what was asked for, and what is usual where nothing was."""
    parser = _parser()
    chosen = parser.parse_args()
    if chosen.write and (chosen.only or chosen.operations or chosen.quick):
        parser.error("--write is for the whole comparison")
    seconds, repeats, names = (1, 3, QUICK) if chosen.quick else (3, 5, ALL)
    chosen.seconds = chosen.seconds or seconds
    chosen.repeats = chosen.repeats or repeats
    chosen.only = chosen.only or names
    chosen.operations = chosen.operations or OPERATIONS
    _refuse_unknown(parser, chosen.only, list(TITLES))
    _refuse_unknown(parser, chosen.operations, OPERATIONS)
    return chosen


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("./run bench", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--quick", action="store_true", help="fewer, and less of each")
    parser.add_argument("--only", type=_listed, metavar="NAMES", help=" ".join(ALL))
    parser.add_argument("--operations", type=_listed, metavar=",".join(OPERATIONS))
    parser.add_argument("--seconds", type=int, help="of each run (3)")
    parser.add_argument("--repeats", type=int, help="rounds; the median counts (5)")
    parser.add_argument(
        "--synchronous-commit-off",
        dest="synchronous_commit",
        action="store_false",
        help="PostgreSQL answers a write before it is on disk",
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--write", action="store_true", help="into docs and README")
    return parser


def _listed(text: str) -> list[str]:
    return text.split(",")


def _refuse_unknown(
    parser: argparse.ArgumentParser, names: Sequence[str], known: Sequence[str]
) -> None:
    for name in names:
        if name not in known:
            parser.error(f"there is no {name!r}; there are: {', '.join(known)}")
