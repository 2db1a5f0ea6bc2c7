"""The peers of `./run bench`: servers of the same table with the same contract.

Each is one process on 127.0.0.1:$PORT, with $CONNECTIONS connections to $DATABASE_URL,
and bare: no token, no log, no limit. The account is what the header X-Account says.

The pins are requirements.txt and package-lock.json. For newer ones, in this folder:

    ../../.venv/bin/uv pip compile --universal --python-version 3.11 --upgrade \\
        --generate-hashes --quiet requirements.in --output-file requirements.txt
    npm install --omit-lockfile-registry-resolved fastify@latest pg@latest …
"""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
VENV = ROOT / "bench" / ".venv"
MODULES = FOLDER / "node_modules"
LATER = "If the network was the cause, run the same command again later."
APT = "On Debian or Ubuntu: sudo apt install nodejs npm"
BASE = getattr(sys, "_base_executable", sys.executable)  # not the one of a venv
NODE = 20  # the oldest that these packages run on


class Peer(NamedTuple):
    """A server to compare with: a command to run from the repository's root."""

    name: str
    title: str
    command: tuple[str, ...]


def python(name: str, title: str) -> Peer:
    """Return a peer that runs in a virtual environment of the peers' own."""
    return Peer(name, title, ("bench/.venv/bin/python", "-m", f"bench.peers.{name}"))


def node(name: str, title: str) -> Peer:
    """Return a peer that runs on Node."""
    return Peer(name, title, ("node", f"bench/peers/{name}.mjs"))


def uwsgi(name: str, title: str) -> Peer:
    """Return a peer that runs on the project's own packages."""
    ini = ("--ini", "bench/peers/uwsgi.ini")
    return Peer(
        name, title, (".venv/bin/uwsgi", *ini, "--module", f"bench.peers.{name}:app")
    )


PEERS = {
    peer.name: peer
    for peer in (
        uwsgi("guide", "Flask-RESTX, as a beginner's guide has it"),
        python("fastapi_asyncpg", "FastAPI + asyncpg"),
        python("litestar_asyncpg", "Litestar + msgspec + asyncpg"),
        node("fastify_pg", "Fastify + pg"),
        node("fastify_postgres", "Fastify + postgres.js"),
        node("fastify_sql_json", "Fastify + pg, JSON built in SQL"),
        uwsgi("constant", "a constant WSGI answer"),
    )
}


def install(names: Iterable[str]) -> None:
    """Install what these peers need apart from the project's packages, once."""
    programs = {PEERS[name].command[0] for name in names}
    if "bench/.venv/bin/python" in programs:
        install_python()
    if "node" in programs:
        install_node()


def install_python() -> None:
    """Make bench/.venv from the pins, unless it is there already."""
    pins = FOLDER / "requirements.txt"
    stamp, wanted = VENV / "stamp", fingerprint(pins, sys.version)
    if is_current(stamp, wanted):
        return
    say("installing FastAPI, Litestar and asyncpg into bench/.venv, once")
    run([sys.executable, "-m", "venv", "--clear", "--without-pip", VENV])
    into = ["--python", str(VENV / "bin" / "python")]
    how = ["--require-hashes", "--quiet", "-r", str(pins)]
    if uv := shutil.which("uv"):
        run([uv, "pip", "install", *into, "--no-build", *how])
    else:
        run([BASE, "-m", "pip", *into, "install", "--only-binary", ":all:", *how])
    stamp.write_text(wanted)


def install_node() -> None:
    """Make bench/peers/node_modules from the lock file, unless it is there already."""
    require_node()
    stamp, wanted = MODULES / "stamp", fingerprint(FOLDER / "package-lock.json")
    if is_current(stamp, wanted):
        return
    say("installing Fastify, pg and postgres into bench/peers/node_modules, once")
    quiet = ["--no-audit", "--no-fund", "--loglevel", "error"]
    run(["npm", "ci", "--prefix", FOLDER, "--ignore-scripts", *quiet])
    stamp.write_text(wanted)


def require_node() -> None:
    """Ask for Node and npm where there is none, or too old a one."""
    if not shutil.which("node") or not shutil.which("npm"):
        sys.exit(f"./run bench: there is no Node or no npm here. {APT}")
    said = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
    if int(said.strip().lstrip("v").partition(".")[0] or 0) < NODE:
        sys.exit(f"./run bench: Node {said.strip()} is too old; {NODE} or newer needed")


def fingerprint(pins: Path, *versions: str) -> str:
    """Return what an installation is made of."""
    return hashlib.sha256(pins.read_bytes() + "".join(versions).encode()).hexdigest()


def is_current(stamp: Path, wanted: str) -> bool:
    """Tell whether the last installation was finished, and of this."""
    return stamp.exists() and stamp.read_text() == wanted


def run(command: list[str | Path]) -> None:
    """Run a command that installs; where it fails, end with the remedy."""
    if subprocess.call(command, cwd=ROOT, stdout=subprocess.DEVNULL):
        sys.exit(f"./run bench: {Path(command[0]).name} failed. {LATER}")


def say(text: str) -> None:
    """Print a line of progress, apart from the figures."""
    print(f"./run bench: {text}", file=sys.stderr, flush=True)
