"""The programs that some tests run, beside Python's: found, or asked for by name."""

import os
import shutil
import socket
import subprocess
from pathlib import Path
from time import monotonic, sleep

import pytest

PATIENCE = 30
PACKAGES = {
    "nginx": "nginx-light",
    "node": "nodejs",
    "npm": "npm",
    "openssl": "openssl",
    "rsync": "rsync",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "sshd": "openssh-server",
    "setpriv": "util-linux",
    "systemd-analyze": "systemd",
}
"""Debian's package of each."""


def program(name: str) -> str:
    """Return where a program is; fail, and say how to install it, where it is not."""
    # Debian keeps some off a user's PATH.
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if not found:
        pytest.fail(f"there is no {name}: sudo apt install {PACKAGES[name]}")
    return found


def unprivileged(*command: str | Path) -> list[str | Path]:
    """Return a command that is refused what its file's mode refuses, also for root."""
    if os.geteuid() != 0:
        return [*command]
    lost = "--bounding-set=-dac_override,-dac_read_search"
    return [program("setpriv"), lost, *command]


def free_port() -> int:
    """Return a port of this machine where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a process listens at its port; fail with its log if it ends."""
    until = monotonic() + PATIENCE
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or monotonic() > until:
            pytest.fail(f"it does not listen:\n{log.read_text()[-2000:]}")
        sleep(0.02)
