"""How soon it answers, and how much memory a worker holds: ours as shipped.

    ./run bench start [--repeats 3] [--write]

The time is from the start of uWSGI to the first customer that is read, the memory the
resident set of one worker that has answered so many requests of every kind.
"""

from contextlib import ExitStack
from itertools import cycle
from statistics import median
from time import perf_counter

from bench import machine, report, servers
from bench.answers import Caller
from bench.compare import OPERATIONS
from bench.options import options, show
from bench.processes import resident_bytes, tree
from bench.servers import Server
from bench.stage import URL, Stage, perform, say, stage

COMMAND = "./run bench start"
TENANTS, CUSTOMERS = 100, 10_000
MARKS = (10_000, 50_000, 100_000)
MEGABYTE = 2**20


def main() -> None:
    """Measure both, and print them."""
    chosen = options(COMMAND, __doc__ or "", 1)
    perform(lambda: run(chosen.repeats, chosen.write))


def run(repeats: int, write: bool) -> None:
    """Measure, print and write."""
    with stage(TENANTS, CUSTOMERS) as ready:
        seconds = [_start(ready, number) for number in range(repeats)]
        say(f"first answer after {median(seconds):.2f} s")
        with servers.serving(["myapp"], ready.folder, ready.stores) as running:
            held = _memory(ready, running["myapp"])
    show(COMMAND, _text(median(seconds), held), write)


def _start(ready: Stage, number: int) -> float:
    """Start a server, ask it once, end it; return the seconds until it answered."""
    folder = ready.folder / str(number)
    folder.mkdir()
    with ExitStack() as stack:
        began = perf_counter()
        serving = servers.serving(["myapp"], folder, ready.stores)
        server = stack.enter_context(serving)["myapp"]
        _ask(ready, server)
        return perf_counter() - began


def _ask(ready: Stage, server: Server) -> None:
    """Read a customer."""
    tenant = ready.tenants[0]
    answer = Caller(server.port, tenant).ask("GET", f"{URL}/{tenant.customers[0]}")
    if answer.status != 200:
        raise RuntimeError(f"the first answer is {answer}")


def _memory(ready: Stage, server: Server) -> dict[int, int]:
    """Return the bytes that the worker holds after so many requests."""
    _ask(ready, server)
    load, answered = ready.load(), 1
    held = {answered: _worker_bytes(server)}
    for seed, operation in enumerate(cycle(OPERATIONS)):
        answered += load.send(operation, server.port, 1, seed).requests
        passed = [mark for mark in MARKS if mark <= answered and mark not in held]
        for mark in passed:
            held[mark] = _worker_bytes(server)
            say(f"{mark:,} requests: {held[mark] / MEGABYTE:.0f} MiB")
        if MARKS[-1] in held:
            return held
    raise AssertionError("it cycles for ever")


def _worker_bytes(server: Server) -> int:
    """Return the memory of the one worker: the first process is its master."""
    (master,) = server.processes
    return sum(resident_bytes(pid) for pid in tree(master.pid)[1:])


def _text(seconds: float, held: dict[int, int]) -> str:
    rows = [
        report.row(f"{number:,}", f"{size / MEGABYTE:.0f}")
        for number, size in held.items()
    ]
    return (
        f"On this machine, {machine.where()}: it answers {seconds:.2f} s after its"
        " start.\n\n"
        + report.head("requests answered", "MiB of a worker")
        + "".join(rows)
    )


if __name__ == "__main__":
    main()
