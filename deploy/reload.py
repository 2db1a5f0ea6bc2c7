"""Give every worker the release that `current` names; end when the last one has it.

ExecReload of myapp.service runs it: so `systemctl reload` tells how it went.
uWSGI replaces one worker after the other (a chain reload), and no request waits: the
new ones import what lies behind the link now, packages included.
"""

import json
import os
import socket
import struct
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

INSTANCE = Path(__file__).absolute().parents[1] / "instance"
PATIENCE = 150
"""Seconds until it gives up: a worker may take 30 to end its running requests."""
TRIES = 5
"""How often uWSGI is asked how it is, a second apart."""
AGAIN = 3
"""Seconds until a command that changed nothing is repeated."""
REQUEST = {
    "REQUEST_METHOD": "GET",
    "PATH_INFO": "/health/live",
    "REQUEST_URI": "/health/live",
    "QUERY_STRING": "",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "443",
    "REMOTE_ADDR": "127.0.0.1",
}


def main() -> None:
    """Reload, or end with what went wrong."""
    old = {worker["pid"] for worker in statistics()["workers"]}
    until, told = time.monotonic() + PATIENCE, 0.0
    while time.monotonic() < until:
        found = statistics()
        workers = found["workers"]
        now = {worker["pid"] for worker in workers}
        # It does not hear a command that comes while it ends the reload before.
        if now == old and time.monotonic() - told > AGAIN:
            with suppress(OSError):  # it is busy with its workers
                tell_master("c")
            told = time.monotonic()
        if not now & old and all(worker["accepting"] for worker in workers):
            return refuse_empty(workers)
        nudge(found["sockets"][0]["name"])
        time.sleep(0.02)
    sys.exit(f"the workers were not replaced within {PATIENCE} s")


def refuse_empty(workers: list[dict[str, Any]]) -> None:
    """End with the workers that could not load the application."""
    if empty := [worker["id"] for worker in workers if not worker["apps"]]:
        sys.exit(f"workers {empty} could not load the application: see the log")


def statistics() -> dict[str, Any]:
    """Return what uWSGI says of itself; busy with its workers, it may not at once."""
    for _ in range(TRIES - 1):
        with suppress(OSError, ValueError):
            return asked()
        time.sleep(1)
    return asked()


def asked() -> dict[str, Any]:
    """Ask uWSGI once."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(INSTANCE / "stats.sock"))
        with connection.makefile("rb") as said:
            return dict(json.load(said))


def tell_master(command: str) -> None:
    """Write to uWSGI's fifo; raise OSError where nobody reads it."""
    fifo = os.open(INSTANCE / "uwsgi.fifo", os.O_WRONLY | os.O_NONBLOCK)
    os.write(fifo, command.encode())
    os.close(fifo)


def nudge(address: str) -> None:
    """Send one request, and wait for a part of its answer.

    A thread that has no request sleeps on the lock of all workers (thunder-lock), where
    it cannot end; a request passes the lock on. An idle worker would take 30 s to end.
    """
    sent = b"".join(_sized(part) for each in REQUEST.items() for part in each)
    with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1)
        connection.connect(address)
        connection.sendall(struct.pack("<BHB", 0, len(sent), 0) + sent)
        while connection.recv(4096):
            pass


def _sized(text: str) -> bytes:
    return struct.pack("<H", len(text)) + text.encode()


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError) as error:
        sys.exit(f"uWSGI does not answer ({error}): is the service running?")
