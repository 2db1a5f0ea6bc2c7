"""The Python client: what openapi-python-client writes, and `python/connection.py`."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import click

from myapp.openapi import Document

SOURCE = Path(__file__).with_name("python")
PACKAGE = "myapp_client"


def build(document: Document, folder: Path) -> None:
    """Write the package into a folder, in place of what was there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    description = folder / "openapi.json"
    description.write_text(json.dumps(document, indent=2))
    _generate(description, folder / PACKAGE)
    for name in ("connection.py", "py.typed"):
        shutil.copy(SOURCE / name, folder / PACKAGE)
    project = (SOURCE / "pyproject.toml").read_text()
    version = document["info"]["version"]
    project = project.replace('version = "0"', f'version = "{version}"')
    (folder / "pyproject.toml").write_text(project)


def _generate(description: Path, package: Path) -> None:
    command = [sys.executable, "-m", "openapi_python_client", "generate"]
    command += ["--path", str(description), "--output-path", str(package)]
    command += ["--config", str(SOURCE / "generator.json"), "--meta", "none"]
    # It formats what it has written with the ruff on the PATH.
    path = f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [*command, "--fail-on-warning"],
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise click.ClickException(
            f"openapi-python-client could not build it:\n{done.stdout}{done.stderr}"
            "Correct the contract or the operation that it names, and try again."
        )
