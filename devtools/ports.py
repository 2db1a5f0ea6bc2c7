"""Whether a port of this machine is free, and who has it. Standard library only."""

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

HOST = "127.0.0.1"
LISTENS = "0A"
"""The state of a listening socket in Linux's tables of sockets."""


def refusal(port: int) -> str | None:
    """Return why nothing can listen at a port, with the remedy; None where it can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            if getattr(error, "errno", None) == errno.EADDRINUSE:
                return (
                    f"Port {port} is taken by {holder(port)}.\n"
                    f"Take the next one: ./run --port {port + 1}"
                )
            return f"Port {port} cannot be used: {error}\nTry ./run --port 8000"
    return None


def holder(port: int) -> str:
    """Name the process that listens at a port, as far as this machine tells."""
    sockets = {f"socket:[{inode}]" for inode in _listening(port)}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(file) in sockets for file in (process / "fd").iterdir()):
                name = (process / "comm").read_text().strip()
                return f"{name} (process {process.name})"
        except OSError:  # it has ended, or belongs to another user
            continue
    return "another program"


def _listening(port: int) -> Iterator[str]:
    """Yield the inodes of the sockets that listen at a port (proc_net_tcp)."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:  # no Linux
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == LISTENS and fields[1].endswith(f":{port:04X}"):
                yield fields[9]
