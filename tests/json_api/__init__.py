"""What is not ours in the tests of JSON:API: a client, and the specification's schema.

Both come from npm, as package-lock.json pins them: Kitsu (MIT), and jsonapi-validator
(MIT) for the JSON Schema that jsonapi.org publishes. That is of 1.0; no package brings
the draft for 1.1. What we use of 1.1 it admits. For newer ones, in this folder:

    npm install --omit-lockfile-registry-resolved --ignore-scripts kitsu@latest
"""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.programs import program

FOLDER = Path(__file__).parent
MODULES = FOLDER / "node_modules"
LOCK = "package-lock.json"


def install() -> None:
    """Install what the lock file pins, unless it is there already."""
    stamp, wanted = MODULES / "stamp", (FOLDER / LOCK).read_text()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error")
    subprocess.run([program("npm"), "ci", *quiet], cwd=FOLDER, check=True)
    stamp.write_text(wanted)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the specification, for what a server answers."""
    text = (MODULES / "jsonapi-validator" / "lib" / "schema.json").read_text()
    found: dict[str, Any] = json.loads(text)
    return found


def run_client(address: str, token: str) -> Any:
    """Run client.mjs against a server; return what it saw."""
    command = [program("node"), "client.mjs", address, token]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
