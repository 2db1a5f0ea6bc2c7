"""Who is measured: our server, the peers, and nginx in front of either."""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from bench import nginx, ours
from bench.load import CONNECTIONS
from bench.ours import ROOT, VARIANTS, Stores
from bench.peers import PEERS
from bench.processes import SERVER_CORE, Process, cpu_seconds, free_port, running


class Server(NamedTuple):
    """One that runs: where it listens, and the processes whose time is its own."""

    port: int
    processes: tuple[Process, ...]

    @property
    def cpu_seconds(self) -> float:
        """What it has used since it began."""
        return cpu_seconds(*(process.pid for process in self.processes))

    def forget_log(self) -> None:
        """Empty its log: a line a request would fill a disk."""
        for process in self.processes:
            os.truncate(process.log, 0)


BEHIND_NGINX = "_nginx"
"""What follows the name of a server behind nginx."""
DIRECT = {name: variant.title for name, variant in VARIANTS.items()} | {
    name: peer.title for name, peer in PEERS.items()
}
TITLES = DIRECT | {
    name + BEHIND_NGINX: f"{title}, behind nginx" for name, title in DIRECT.items()
}


@contextmanager
def serving(
    names: Sequence[str], folder: Path, stores: Stores
) -> Iterator[dict[str, Server]]:
    """Run servers for a block, all at once: those that wait cost next to nothing."""
    with ExitStack() as stack:
        yield {name: _start(name, folder / name, stores, stack) for name in names}


def _start(name: str, folder: Path, stores: Stores, stack: ExitStack) -> Server:
    port = free_port()
    behind = name.removesuffix(BEHIND_NGINX)
    if behind == name:
        process = stack.enter_context(_direct(name, folder, stores, port))
        return Server(port, (process,))
    # uWSGI speaks its own protocol to nginx, on a unix socket; the others HTTP.
    socket = folder.with_suffix(".sock")
    upstream = socket if behind in VARIANTS else free_port()
    server = stack.enter_context(_direct(behind, folder, stores, upstream))
    front = nginx.serving(folder.with_name(f"{name}_front"), port, upstream)
    return Server(port, (server, stack.enter_context(front)))


def _direct(
    name: str, folder: Path, stores: Stores, address: int | Path
) -> AbstractContextManager[Process]:
    if name in VARIANTS:
        return ours.serving(folder, stores, address, VARIANTS[name])
    assert isinstance(address, int), "a peer listens at a port"
    return _peer(name, folder, stores, address)


def _peer(
    name: str, folder: Path, stores: Stores, port: int
) -> AbstractContextManager[Process]:
    environment = {
        "PORT": str(port),
        "DATABASE_URL": stores.database.url("bare"),
        "CONNECTIONS": str(CONNECTIONS),
    }
    log = folder.with_suffix(".log")
    command = PEERS[name].command
    return running(command, SERVER_CORE, log, environment, port, ROOT)
