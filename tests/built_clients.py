"""The clients, built and installed for a test, and programs that use them."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from flask import Flask
from uv import find_uv_bin

from tests.programs import program
from tests.servers import ROOT

PROGRAMS = ROOT / "tests" / "clients"
PAGE = ROOT / "docs" / "clients.md"
PATIENCE = 60


class Installed(NamedTuple):
    """A client in an environment of its own: how programs run, and are checked."""

    version: str
    folder: Path
    """Where its programs are."""
    source: str
    """The file of the programs."""
    runs: list[str]
    checks: list[str]
    example: str
    """The file that has what docs/clients.md shows, as it runs."""

    @contextmanager
    def running(self, name: str, url: str) -> Iterator["subprocess.Popen[str]"]:
        """Start one program, and wait until it is ready for its credentials."""
        process = subprocess.Popen(
            [*self.runs, name, url],
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()
            process.communicate()

    def run(self, name: str, url: str, credentials: str) -> Any:
        """Run one program; return what it says."""
        with self.running(name, url) as process:
            return said(process, credentials)

    def run_example(self, url: str, key: str) -> str:
        """Run what the page shows, on a server, with a key; return what it says."""
        file = self.folder / self.example
        text = file.read_text().replace("https://api.example.com", url)
        file.write_text(text.replace("myapp_…", key))
        return run(self.runs[0], file, folder=self.folder)

    def check(self, before: str = "", after: str = "") -> str:
        """Check the types of the programs, in which a text is replaced.

        Returns what is wrong.
        """
        file = self.folder / self.source
        sound = file.read_text()
        assert before in sound
        file.write_text(sound.replace(before, after) if before else sound)
        done = subprocess.run(
            self.checks, cwd=self.folder, capture_output=True, text=True
        )
        file.write_text(sound)
        assert bool(done.returncode) == bool(before), done.stdout + done.stderr
        return done.stdout if done.returncode else ""


def said(process: "subprocess.Popen[str]", credentials: str) -> Any:
    """Give a program its credentials; return what it says."""
    output, _ = process.communicate(f"{credentials}\n", PATIENCE)
    assert process.returncode == 0
    return json.loads(output)


def command(app: Flask, folder: Path, *arguments: str) -> str:
    """Run a `flask` command in a folder; return what it prints."""
    with chdir(folder):
        result = app.test_cli_runner().invoke(args=arguments)
    assert result.exit_code == 0, result.output
    return result.output


def run(*arguments: str | Path, folder: Path) -> str:
    """Run a program, which must succeed; return what it prints."""
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def example(language: str) -> str:
    """Return what the page shows in a language, as one program, of the sample."""
    shown = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    # A product without the customers of the page can do the same with its own.
    program = re.sub(r"\bcustomers", "sample_customers", "".join(shown))
    return re.sub(r"\bCustomer", "SampleCustomer", program)


def install_python(app: Flask, folder: Path) -> Installed:
    """Build the Python client; install it, offline, where the pins are to be had."""
    command(app, folder, "client", "python")
    prefix = folder / "venv"
    venv.create(prefix, symlinks=True)
    site = sysconfig.get_path("purelib", "venv", {"base": prefix, "platbase": prefix})
    borrowed = {sysconfig.get_path(kind) for kind in ("purelib", "platlib")}
    Path(site, "borrowed.pth").write_text("\n".join(borrowed))
    python = str(prefix / "bin" / "python")
    pip = [find_uv_bin(), "pip", "install", "--offline", "--no-cache", "--no-deps"]
    run(*pip, "--python", python, "clients/python", folder=folder)
    asked = "from importlib.metadata import version; print(version('myapp-client'))"
    version = run(python, "-c", asked, folder=folder).strip()
    shutil.copy(PROGRAMS / "programs.py", folder)
    (folder / "example.py").write_text(example("python"))
    # Of the generated files, one is not of the strict kind.
    lenient = "[mypy-myapp_client.client]\nignore_errors = True\n"
    (folder / "mypy.ini").write_text(f"[mypy]\nstrict = True\n{lenient}")
    mypy = [sys.executable, "-m", "mypy", "--python-executable", python]
    checks = [*mypy, "-p", "myapp_client", "-p", "programs", "-p", "example"]
    runs = [python, "programs.py"]
    return Installed(version, folder, "programs.py", runs, checks, "example.py")


def install_typescript(app: Flask, folder: Path) -> Installed:
    """Build the TypeScript client; install it as a package of a project."""
    node, npm = program("node"), program("npm")
    command(app, folder, "client", "typescript")
    package = folder / "clients" / "typescript"
    project = folder / "project"
    project.mkdir()
    for name in ("programs.ts", "main.mjs", "tsconfig.json"):
        shutil.copy(PROGRAMS / name, project)
    (project / "example.ts").write_text(example("typescript"))
    (project / "package.json").write_text('{"private": true, "type": "module"}')
    quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]
    run(npm, "install", "--install-links", *quiet, package, folder=project)
    checks = [str(package / "node_modules" / ".bin" / "tsc")]
    run(*checks, folder=project)
    installed = project / "node_modules" / "myapp-client" / "package.json"
    version = json.loads(installed.read_text())["version"]
    runs = [node, "main.mjs"]
    return Installed(version, project, "programs.ts", runs, checks, "example.js")


def install_newman(folder: Path) -> Path:
    """Install newman from its lock file; return the program."""
    npm = program("npm")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PROGRAMS / "newman" / name, folder)
    quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]
    run(npm, "ci", *quiet, folder=folder)
    assert os.access(newman := folder / "node_modules" / ".bin" / "newman", os.X_OK)
    return newman
