"""What `./run` is made of, as far as it needs no server."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Config

from devtools import environment, pins, secret

ASKED = """\
flask  # serves
Jinja2>=3
"""
PINNED = """\
# Written by a tool.
flask==3.1.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via -r requirements.in
jinja2==3.1.6 ; python_version < "4" \\
    --hash=sha256:cc
    # via
    #   -r requirements.in
    #   flask
"""
PINNED_DEV = """\
jinja2==3.1.6 \\
    --hash=sha256:cc
    # via flask
pytest==9.0.0 \\
    --hash=sha256:dd
    # via -r requirements-dev.in
"""
FILES = {
    "requirements.in": ASKED,
    "requirements.txt": PINNED,
    "requirements-dev.in": "-r requirements.in\npytest\n",
    "requirements-dev.txt": PINNED_DEV,
    "requirements-tracing.in": "-c requirements.txt\n",
    "requirements-tracing.txt": "",
}


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A checkout with few pins."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(pins, "ROOT", tmp_path)
    return tmp_path


# environment: how .venv is made


@pytest.mark.parametrize("cores", [1, 2, 3])
def test_shares_of_any_number_of_cores_hold_every_pin_once(root, monkeypatch, cores):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    shares = environment.shares("dev")
    assert len(shares) == cores
    dealt = [line for line in "".join(shares).splitlines() if "==" in line]
    assert sorted(line.partition("==")[0] for line in dealt) == [
        "flask",
        "jinja2",
        "pytest",
    ]


def test_shares_hold_both_versions_of_what_depends_on_the_python(root):
    for marker in ("< '3.12'", ">= '3.12'"):
        with (root / "requirements-dev.txt").open("a") as pins:
            version = 1 if "<" in marker else 2
            pins.write(f"old=={version} ; python_full_version {marker} \\\n")
            pins.write("    --hash=sha256:00\n")
    dealt = "".join(environment.shares("dev"))
    assert "old==1 ; python_full_version < '3.12'" in dealt
    assert "old==2 ; python_full_version >= '3.12'" in dealt


def test_shares_keep_hashes_and_markers(root, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    (share,) = environment.shares("runtime")
    assert share == "".join(
        f"{line}\n" for line in PINNED.splitlines() if "#" not in line
    )


def test_fingerprint_changes_with_the_pins_of_its_layer_only(root):
    runtime, dev = map(environment.fingerprint, ("runtime", "dev"))
    assert runtime != dev
    (root / "requirements-dev.txt").write_text(PINNED_DEV.replace("9.0.0", "9.0.1"))
    assert environment.fingerprint("runtime") == runtime
    assert environment.fingerprint("dev") != dev


def test_fingerprint_changes_with_python(root, monkeypatch):
    before = environment.fingerprint("runtime")
    monkeypatch.setattr(environment, "VERSION", "3.99")
    assert environment.fingerprint("runtime") != before


# pins: the requirements files


def test_read_pins_finds_versions_and_hashes(root):
    found = [
        (pin.name, str(pin.version), pin.hashes)
        for pin in pins.read_pins("requirements")
    ]
    assert found == [
        ("flask", "3.1.0", ("sha256:aa", "sha256:bb")),
        ("jinja2", "3.1.6", ("sha256:cc",)),
    ]


def test_read_pins_of_a_range_finds_no_version(root):
    (root / "requirements.txt").write_text("flask>=3\n")
    (pin,) = pins.read_pins("requirements")
    assert (pin.version, pin.hashes) == (None, ())


def test_orphans_names_what_is_no_longer_asked_for(root):
    assert list(pins.orphans("requirements")) == []
    (root / "requirements.in").write_text("flask\n")
    assert list(pins.orphans("requirements")) == [
        "requirements.txt: jinja2 is no longer in requirements.in"
    ]


@pytest.mark.parametrize("failure", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("dev", [False, True], ids=["runtime", "dev"])
def test_add_that_fails_leaves_every_file_as_it_was(root, monkeypatch, dev, failure):
    def fail_at_the_second_layer(*arguments: str) -> str:
        asked, _, written = arguments[-3:]
        if asked == "requirements-dev.in":
            raise failure
        (root / written).write_text("changed")
        return ""

    monkeypatch.setattr(pins, "compile_pins", fail_at_the_second_layer)
    with pytest.raises(failure):
        pins.add("black", dev)
    assert {name: (root / name).read_text() for name in FILES} == FILES


def test_add_that_works_asks_for_the_package_in_its_layer(root, monkeypatch, capsys):
    monkeypatch.setattr(pins, "compile_pins", lambda *arguments: "")
    pins.add("black", dev=True)
    assert (root / "requirements-dev.in").read_text().splitlines()[-1] == "black"
    assert (root / "requirements.in").read_text() == ASKED
    assert "requirements-dev.in" in capsys.readouterr().out


# secret: what the first start makes


def test_secret_is_written_down_once_for_the_owner_alone(tmp_path):
    made = secret.kept_in(tmp_path / "instance")
    assert len(made) >= 32
    assert secret.kept_in(tmp_path / "instance") == made
    settings = tmp_path / "instance" / "config.py"
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    config = Config(tmp_path)
    config.from_pyfile(str(settings))
    assert config == {"DEVELOPMENT_SECRET": made}


def test_secret_joins_other_settings_and_closes_them_to_others(tmp_path):
    settings = tmp_path / "config.py"
    settings.write_text("SQL_TIMEOUT = 9")
    settings.chmod(0o644)
    made = secret.kept_in(tmp_path)
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    config = Config(tmp_path)
    config.from_pyfile(str(settings))
    assert config == {"SQL_TIMEOUT": 9, "DEVELOPMENT_SECRET": made}


def test_secret_that_is_there_is_kept_as_python_reads_it(tmp_path):
    settings = tmp_path / "config.py"
    settings.write_text("DEVELOPMENT_SECRET = 'first'\nDEVELOPMENT_SECRET = 'last'\n")
    assert secret.kept_in(tmp_path) == "last"
    assert settings.read_text().count("\n") == 2


def test_secret_of_starts_at_the_same_time_is_one(tmp_path):
    with ThreadPoolExecutor(16) as starts:
        made = set(starts.map(secret.kept_in, [tmp_path] * 16))
    assert len(made) == 1
    assert (tmp_path / "config.py").read_text().count("DEVELOPMENT_SECRET") == 1
