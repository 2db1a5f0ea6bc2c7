"""The instance folder: what keeps `./run` from writing there, and who may read it."""

import subprocess
import sys
from pathlib import Path

import pytest

from devtools import instance_folder
from tests.programs import unprivileged

ROOT = Path(__file__).parents[1]


def test_folder_that_is_not_there_yet_is_fine(tmp_path):
    assert instance_folder.refusal(tmp_path / "instance") is None


def test_file_in_its_place_is_told(tmp_path):
    (tmp_path / "instance").touch()
    said = instance_folder.refusal(tmp_path / "instance")
    assert said == f"{tmp_path}/instance is no folder: remove it, and ./run makes one."


def test_what_another_user_has_left_behind_is_named(tmp_path):
    (tmp_path / "myapp.sqlite").touch(mode=0o400)
    look = "from devtools import instance_folder as i; from pathlib import Path"
    code = f"{look}; print(i.refusal(Path({str(tmp_path)!r})))"
    said = subprocess.check_output(
        unprivileged(sys.executable, "-c", code), cwd=ROOT, text=True
    )
    left = f"{tmp_path} holds what you cannot write: myapp.sqlite: sudo chown"
    assert said.startswith(left)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606])
def test_settings_that_others_may_read_are_named_with_the_remedy(tmp_path, mode):
    instance = tmp_path / "instance"
    instance.mkdir()
    for file in (instance / "config.py", tmp_path / ".env"):
        file.touch(mode=0o600)
    assert instance_folder.exposed(instance) == []
    (tmp_path / ".env").chmod(mode)
    [said] = instance_folder.exposed(instance)
    assert said.endswith(f"others may read it: chmod 600 {tmp_path}/.env")
