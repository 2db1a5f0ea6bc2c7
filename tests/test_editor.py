"""What editors are told: it fits the tools, works, and goes to no server."""

import configparser
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from devtools.deploy import SHIPPED

ROOT = Path(__file__).parents[1]
LAUNCHES = json.loads((ROOT / ".vscode/launch.json").read_text())["configurations"]


@pytest.mark.parametrize("launch", LAUNCHES, ids=lambda launch: launch["module"])
def test_launch_is_understood_by_what_it_starts(launch):
    arguments = [arg.replace("${file}", __file__) for arg in launch["args"]]
    command = [sys.executable, "-m", launch["module"], *arguments, "--help"]
    environ = launch.get("env", {})
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert launch["python"] == "${workspaceFolder}/.venv/bin/python"


def test_editorconfig_agrees_with_black_and_flake8():
    said, flake8 = configparser.ConfigParser(), configparser.ConfigParser()
    text = (ROOT / ".editorconfig").read_text()
    said.read_string(text.partition("root = true")[2])
    flake8.read(ROOT / ".flake8")
    longest = flake8["flake8"]["max-line-length"]
    assert said["*.py"]["max_line_length"] == longest == "88"
    black = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["black"]
    assert "line-length" not in black  # its default is 88


def test_settings_of_editors_are_in_git_and_on_no_server():
    names = [".vscode/launch.json", ".vscode/extensions.json", ".editorconfig"]
    ignored = subprocess.run(["git", "check-ignore", *names], cwd=ROOT)
    assert ignored.returncode == 1, "git ignores one of them"
    assert not {".vscode", ".editorconfig"} & {*SHIPPED}
