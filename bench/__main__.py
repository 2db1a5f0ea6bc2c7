"""The comparison of our server with its peers: `./run bench`."""

import argparse
from collections.abc import Sequence

from bench import answers, document, peers, pgbench, programs, report, servers
from bench.arguments import TITLES, arguments
from bench.compare import Contestant, Plan, compare
from bench.pgbench import Pgbench
from bench.population import put_back
from bench.samples import Results
from bench.servers import Server
from bench.stage import Stage, perform, say, stage

TENANTS, CUSTOMERS = 1000, 100_000
UNEQUAL = ("constant",)
"""Whoever answers something else on purpose."""


def main() -> None:
    """Measure as asked; print the tables, and write what is asked for."""
    chosen = arguments()
    needed = [name.removesuffix(servers.BEHIND_NGINX) for name in chosen.only]
    perform(lambda: run(chosen, needed), *_programs(chosen.only, needed))


def run(chosen: argparse.Namespace, needed: Sequence[str]) -> None:
    """Measure, print and write."""
    peers.install([name for name in peers.PEERS if name in needed])
    results, postgres = measure(chosen)
    print(report.tables(results, TITLES))
    print(report.ratios(results))
    if chosen.json:
        report.write_json(results, chosen.json)
    if chosen.write:
        commit = chosen.synchronous_commit
        command = document.COMMAND + ("" if commit else " --synchronous-commit-off")
        document.write_comparison(results, TITLES, command, postgres)
        if commit:
            document.write_summary(results, TITLES)


def _programs(names: Sequence[str], needed: Sequence[str]) -> list[str]:
    """Return the programs that these servers need."""
    wanted = ["nginx"] if list(names) != list(needed) else []
    if any(
        "node" in peers.PEERS[name].command for name in needed if name in peers.PEERS
    ):
        wanted += ["node", "npm"]
    return wanted


def measure(chosen: argparse.Namespace) -> tuple[Results, str]:
    """Bring everybody up, see that they agree, and measure.

    Returns the figures, and the version of PostgreSQL.
    """
    plan = Plan(chosen.operations, chosen.seconds, chosen.repeats)
    served = [name for name in chosen.only if name in servers.TITLES]
    commit = chosen.synchronous_commit
    with (
        stage(TENANTS, CUSTOMERS, synchronous_commit=commit) as ready,
        servers.serving(served, ready.folder, ready.stores) as running,
    ):
        _check(running, ready)
        by_name: dict[str, Contestant] = {
            name: ready.under_load(server) for name, server in running.items()
        }
        figures = compare(by_name | _limits(chosen.only, ready), plan)
        return figures, ready.stores.database.version


def _check(running: dict[str, Server], ready: Stage) -> None:
    """Ask all the same; leave the table as it was."""
    ports = {
        name: server.port for name, server in running.items() if name not in UNEQUAL
    }
    answers.check(ports, ready.tenants[0])
    put_back(ready.stores.database)


def _limits(names: Sequence[str], ready: Stage) -> dict[str, Contestant]:
    """Return pgbench in the ways that are asked for, if there is one."""
    wanted = [name for name in names if name in pgbench.TITLES]
    database = ready.stores.database
    program = programs.pgbench(database.server.programs)
    if not wanted:
        return {}
    if program is None:
        say("there is no pgbench here: sudo apt install postgresql")
        return {}
    database.execute(*pgbench.NUMBERED)
    return {
        name: Pgbench(
            program, ready.folder / name, database, ready.tenants, name != "pgbench"
        )
        for name in wanted
    }


if __name__ == "__main__":
    main()
