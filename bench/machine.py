"""Where and with what it was measured."""

import os
import platform
import re
import subprocess
from datetime import date
from importlib.metadata import version
from pathlib import Path

from bench.peers import FOLDER
from bench.programs import path_of

PROGRAMS = {
    "Redis": ("redis-server", "--version"),
    "Node": ("node", "--version"),
    "nginx": ("nginx", "-v"),
    "wrk": ("wrk", "-v"),
}
OURS = {
    "uWSGI": "pyuwsgi",
    "Flask": "flask",
    "Flask-RESTX": "flask-restx",
    "SQLAlchemy": "sqlalchemy",
    "psycopg": "psycopg",
}
PEERS = ("fastapi", "litestar", "asyncpg", "uvicorn", "msgspec")
NUMBER = re.compile(r"\d+\.[\d.]*\d")


def described(postgres: str) -> str:
    """Return the day, the machine and the versions, as lines of prose."""
    return f"{brief()}.\n\nPostgreSQL {postgres}, {', '.join(_versions())}.\n"


def brief() -> str:
    """Return what a figure is: of this machine, on this day."""
    return f"CPU per request on this machine, {where()}"


def where() -> str:
    """Return the machine's size, and the day."""
    return f"{_machine()}, {date.today():%-d %B %Y}"


def _machine() -> str:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    name = f" of {model[1]}" if model else ""
    return f"{os.cpu_count()} cores{name}, {memory:.0f} GiB"


def _versions() -> list[str]:
    found = [f"Python {platform.python_version()}"]
    found += [f"{title} {version(name)}" for title, name in OURS.items()]
    found += [f"{title} {_said(*how)}" for title, how in PROGRAMS.items()]
    pins = (FOLDER / "requirements.txt").read_text()
    for name in PEERS:
        if pinned := re.search(rf"^{name}==([\w.]+)", pins, re.MULTILINE):
            found.append(f"{name} {pinned[1]}")
    packages = re.findall(
        r'"(\w+)": "\^?([\d.]+)"', (FOLDER / "package.json").read_text()
    )
    return found + [f"{name} {number}" for name, number in packages]


def _said(program: str, option: str) -> str:
    """Return the version that a program tells."""
    path = path_of(program)
    if path is None:
        return "(none)"
    done = subprocess.run([path, option], capture_output=True, text=True)
    found = NUMBER.search(done.stdout + done.stderr)
    return found[0] if found else "(unknown)"
