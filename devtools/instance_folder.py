"""The instance folder: what it must be for `./run` to work. Standard library only."""

import os
import stat
from pathlib import Path

WRITTEN = ("config.py", "run.lock", "myapp.sqlite", "redis", "mail")
"""What a start writes to; a start by root leaves them behind as root's."""


def refusal(instance: Path) -> str | None:
    """Return why it cannot be written to, with the remedy; None where it can."""
    if not instance.exists() and os.access(instance.parent, os.W_OK | os.X_OK):
        return None  # the first start makes it
    if not instance.is_dir():
        return f"{instance} is no folder: remove it, and ./run makes one."
    if not os.access(instance, os.R_OK | os.W_OK | os.X_OK):
        return (
            f"{instance} cannot be written to, and the database, Redis and the secret"
            f" are kept there: {_give_back(instance)}"
        )
    foreign = [name for name in WRITTEN if not _is_writable(instance / name)]
    if foreign:
        listed = ", ".join(foreign)
        return (
            f"{instance} holds what you cannot write: {listed}: {_give_back(instance)}"
        )
    return None


def exposed(instance: Path) -> list[str]:
    """Name each file of settings that others may read, with the remedy."""
    files = (instance / "config.py", instance.parent / ".env")
    return [
        f"{file} holds secrets, and others may read it: chmod 600 {file}"
        for file in files
        if file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077
    ]


def _is_writable(path: Path) -> bool:
    return not path.exists() or os.access(path, os.W_OK)


def _give_back(instance: Path) -> str:
    return f'sudo chown -R "$(id -un)" {instance} && chmod -R u+rwX {instance}'
