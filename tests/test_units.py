"""The units of systemd: sound, and exposing little."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.programs import program

DEPLOY = Path(__file__).parents[1] / "deploy"
SERVICE = (DEPLOY / "myapp.service").read_text()
MOST = 1.5
"""The exposure that is admitted, of 10; a bare service has 9.6."""


SETUP = (DEPLOY / "server-setup").read_text()
UNITS = sorted(path.name for path in DEPLOY.glob("myapp*.*"))
SERVICES = [name for name in UNITS if name.endswith(".service")]


@pytest.fixture
def units(tmp_path):
    """The units as they are on a server, whose programs are there."""
    for name in UNITS:
        text = (DEPLOY / name).read_text()
        there = re.sub(
            r"(?m)^(Exec\w+)=/(var/app|usr/local)/\S+", r"\1=/bin/true", text
        )
        assert ("/bin/true" in there) == name.endswith(".service")
        (tmp_path / name).write_text(there)
    return tmp_path


def said(*command: str | Path) -> str:
    done = subprocess.run(
        [program("systemd-analyze"), *command], capture_output=True, text=True
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", UNITS)
def test_unit_is_without_mistakes(units, name):
    # It also ends with status 0 where a directive is misspelt.
    assert said("verify", units / name) == ""


@pytest.mark.parametrize("name", SERVICES)
def test_service_exposes_little(units, name):
    answer = said("security", "--offline=true", units / name)
    found = re.search(rf"Overall exposure level for {name}: ([\d.]+)", answer)
    assert found, answer
    assert float(found[1]) <= MOST, answer


@pytest.mark.parametrize("name", SERVICES)
def test_service_reads_settings_that_are_written_by_root(name):
    (folder,) = re.findall(r"(?m) settings=(\S+)$", SETUP)
    written = {
        f"{folder}/{file}"
        for file in re.findall(r'keep .* "\$settings/(.+)" <<', SETUP)
    }
    files = re.findall(r"(?m)^EnvironmentFile=(.+)$", (DEPLOY / name).read_text())
    assert {file for file in files if file[0] != "-"} <= written
    assert all(file.removeprefix("-").startswith(f"{folder}/") for file in files)


@pytest.mark.parametrize("name", SERVICES)
def test_service_leaves_the_memory_of_postgresql_alone(name):
    text = (DEPLOY / name).read_text()
    assert not ("User=postgres" in text and "RemoveIPC=yes" in text)


@pytest.mark.parametrize("name", SERVICES)
def test_service_starts_no_console_script_by_its_shebang(name):
    # It names the release for which the environment was made; that may be gone.
    started = re.findall(r"(?m)^Exec\w+=(\S+)", (DEPLOY / name).read_text())
    for program_ in started:
        assert "/.venv/" not in program_ or program_.endswith("/.venv/bin/python3")


def test_service_kills_nothing_before_its_requests_have_ended():
    ini = (DEPLOY.parent / "myapp.ini").read_text()
    (harakiri,) = re.findall(r"(?m)^harakiri = (\d+)$", ini)
    (mercy,) = re.findall(r"(?m)^worker-reload-mercy = (\d+)$", ini)
    (stop,) = re.findall(r"(?m)^TimeoutStopSec=(\d+)$", SERVICE)
    assert int(harakiri) <= int(mercy) < int(stop)
    assert "KillMode=mixed" in SERVICE
