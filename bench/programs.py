"""The programs that a measurement runs: found, installed by root, or asked for."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGES = {
    "wrk": "wrk",
    "nginx": "nginx",
    "node": "nodejs",
    "npm": "npm",
    "taskset": "util-linux",
}
"""Debian's package of each program."""
CORES = 2


def require(*names: str) -> None:
    """Make sure that programs are there; end with the remedy where they are not."""
    if sys.platform != "linux" or len(os.sched_getaffinity(0)) < CORES:
        sys.exit("./run bench: it needs Linux and two cores, one for the server alone")
    missing = [PACKAGES[name] for name in names if not path_of(name)]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        _install(missing)
    elif missing:
        listed = " ".join(missing)
        sys.exit(f"./run bench: install what is missing: sudo apt install {listed}")


def path_of(name: str) -> str | None:
    """Return where a program is; Debian keeps some off a user's PATH."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin")


def pgbench(programs: Path) -> str | None:
    """Return the pgbench of a PostgreSQL, another one's, or None."""
    own = programs / "pgbench"
    return str(own) if own.exists() else shutil.which("pgbench")


def _install(packages: list[str]) -> None:
    print(f"./run bench: installing {' '.join(packages)}", file=sys.stderr, flush=True)
    # No service of theirs is to start here.
    environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["update"], ["install", "--no-install-recommends", *packages]):
        if subprocess.call(["apt-get", "-qq", "-y", *command], env=environ):
            sys.exit("./run bench: apt-get failed, see above; run it again later")
