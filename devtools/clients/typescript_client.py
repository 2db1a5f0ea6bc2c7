"""The TypeScript client: openapi-typescript's types, and `typescript/src`."""

import json
import shutil
import subprocess
from pathlib import Path

import click

from myapp.openapi import Document

SOURCE = Path(__file__).with_name("typescript")
APT = "On Debian or Ubuntu: sudo apt install nodejs npm"
QUIET = ("--no-audit", "--no-fund", "--loglevel", "error")


def build(document: Document, folder: Path) -> None:
    """Write the package into a folder, in place of what was there, and compile it."""
    if not shutil.which("npm"):
        raise click.ClickException(f"There is no npm here, nor Node 20. {APT}")
    shutil.rmtree(folder, ignore_errors=True)
    ours = shutil.ignore_patterns("node_modules", "dist", "schema.ts")
    shutil.copytree(SOURCE, folder, ignore=ours)
    (folder / "openapi.json").write_text(json.dumps(document, indent=2))
    version = document["info"]["version"]
    _npm(folder, "version", version, "--no-git-tag-version", "--allow-same-version")
    _npm(folder, "ci", "--ignore-scripts")
    _npm(folder, "run", "build")


def _npm(folder: Path, *arguments: str) -> None:
    command = ["npm", *arguments, *QUIET]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise click.ClickException(
            f"npm {arguments[0]} failed in {folder}:\n{done.stdout}{done.stderr}"
            "If the network was the cause, run the same command again later."
        )
