"""The pins: requirements*.txt, written from requirements*.in by uv.

python -m devtools.pins                check them, without the network
python -m devtools.pins wheels         check that nobody needs a compiler
python -m devtools.pins lock           write them, after a change to an .in file
python -m devtools.pins add [--dev] X  ask for one more package, and lock
"""

import argparse
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version
from uv import find_uv_bin

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("requirements", "requirements-dev", "requirements-tracing")
PYTHONS = ((3, 11), (3, 12), (3, 13), (3, 14))  # ./run looks for the same
LOCK = ("--universal", "--python-version", "3.11", "--quiet")

# What a supported machine may lack a wheel for: the package, and why that is fine.
EXCEPTIONS: dict[str, str] = {}


class Pin(NamedTuple):
    """One line of a requirements file, with its hashes: `sha256:…` each."""

    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return the package's name as everybody spells it."""
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> Version | None:
        """Return the one version that is pinned, None where it is no pin."""
        exact = re.fullmatch(r"==([^,*]+)", str(self.requirement.specifier))
        return Version(exact[1]) if exact else None


def read_wishes(layer: str) -> list[Requirement]:
    """Read what a layer asks for: its .in file."""
    lines = (ROOT / f"{layer}.in").read_text().splitlines()
    wishes = (line.partition("#")[0].strip() for line in lines)
    return [Requirement(wish) for wish in wishes if wish and not wish.startswith("-")]


def read_pins(layer: str) -> list[Pin]:
    """Read what a layer pins: its .txt file."""
    text = re.sub(r"\s*#.*", "", (ROOT / f"{layer}.txt").read_text())
    pins = []
    for line in text.replace("\\\n", " ").splitlines():
        requirement, *hashes = line.split("--hash=")
        if requirement.strip():
            strong = (text.strip() for text in hashes if text.startswith("sha256:"))
            pins.append(Pin(Requirement(requirement.strip()), tuple(strong)))
    return pins


def complaints() -> Iterator[str]:
    """Say what is wrong with the files, without the network."""
    pinned: dict[str, Version | None] = {}
    for layer in LAYERS:
        pins = {pin.name: pin for pin in read_pins(layer)}
        for pin in pins.values():
            if pin.version is None or not pin.hashes:
                yield f"{layer}.txt: {pin.name} has no exact version or no hash"
            if pinned.setdefault(pin.name, pin.version) != pin.version:
                yield f"{layer}.txt: {pin.name} is not the one in requirements.txt"
        for wish in read_wishes(layer):
            version = pinned.get(canonicalize_name(wish.name))
            if version is None or not wish.specifier.contains(version, True):
                yield f"{layer}.in: {wish} is not what {layer}.txt pins"
        yield from orphans(layer)
    yield from too_old(pinned)


def too_old(pinned: Mapping[str, Version | None]) -> Iterator[str]:
    """Name the pins that are below the least safe version of floors.toml."""
    floors = tomllib.loads((ROOT / "devtools/floors.toml").read_text())
    for name, floor in floors.items():
        if name not in pinned:
            yield f"devtools/floors.toml: {name} is not pinned any more: take it out"
        elif (version := pinned[name]) is None or version < Version(floor["version"]):
            least = floor["version"]
            yield f"{name} {version} has {floor['advisory']}: take {least} or later"


def orphans(layer: str) -> Iterator[str]:
    """Name the pins of a layer that its .in file no longer asks for."""
    wished = {canonicalize_name(wish.name) for wish in read_wishes(layer)}
    name = ""
    for line in (ROOT / f"{layer}.txt").read_text().splitlines():
        if match := re.match(r"[\w.-]+(?===)", line):
            name = match[0]
        elif line.endswith(f"-r {layer}.in") and name not in wished:
            yield f"{layer}.txt: {name} is no longer in {layer}.in"


def missing_wheels() -> Iterator[str]:
    """Name every pin without a wheel for a machine that we support."""
    for package in (package for layer in LAYERS for package in resolved(layer)):
        files = [wheel["url"].rpartition("/")[2] for wheel in package.get("wheels", [])]
        offered = [parse_wheel_filename(file)[3] for file in files]
        lacking = [
            name for name, tags in machines() if not any(map(tags.__and__, offered))
        ]
        if lacking and package["name"] not in EXCEPTIONS:
            pin = f"{package['name']}=={package['version']}"
            yield f"{pin} has no wheel for {', '.join(lacking)}"


def resolved(layer: str) -> list[dict[str, Any]]:
    """Ask uv for every file of every pin of a layer."""
    uv = (*LOCK, "--no-deps", "--format", "pylock.toml", f"{layer}.txt")
    return list(tomllib.loads(compile_pins(*uv))["packages"])


def machines() -> Iterator[tuple[str, set[Tag]]]:
    """Yield every machine we support, with the wheels that it takes."""
    glibc = range(28, 4, -1)  # 2.28 and later: Debian 10, Ubuntu 20.04, RHEL 8
    legacy = ("manylinux2014", "manylinux2010", "manylinux1", "linux")
    systems = {
        f"Linux {arch}": [f"{prefix}_{arch}" for prefix in linux]
        for linux in [(*(f"manylinux_2_{minor}" for minor in glibc), *legacy)]
        for arch in ("x86_64", "aarch64")
    } | {"macOS arm64": list(mac_platforms((13, 0), "arm64"))}
    for system, platforms in systems.items():
        for major, minor in PYTHONS:
            tags = {
                *cpython_tags((major, minor), platforms=platforms),
                *compatible_tags((major, minor), f"cp{major}{minor}", platforms),
            }
            yield f"{system} on Python {major}.{minor}", tags


def add(name: str, dev: bool) -> None:
    """Add a dependency and lock it; change nothing where that cannot be done."""
    files = [ROOT / f"{layer}.{kind}" for layer in LAYERS for kind in ("in", "txt")]
    before = {file: file.read_text() for file in files}
    source = ROOT / f"{LAYERS[dev]}.in"
    source.write_text(f"{before[source].rstrip()}\n{name}\n")
    try:
        lock()
    except BaseException:  # also Ctrl-C
        for file, text in before.items():
            file.write_text(text)
        raise
    print(f"Added {name} to {source.name}: say there, after a #, what it is for.")


def lock() -> None:
    """Write the pins of every layer; a pin that still fits stays as it is."""
    note = ("--custom-compile-command", "./run add <package>")
    for layer in LAYERS:
        files = (f"{layer}.in", "--output-file", f"{layer}.txt")
        compile_pins(*LOCK, "--generate-hashes", *note, *files)


def compile_pins(*arguments: str) -> str:
    """Run `uv pip compile`; return what it prints."""
    command = [find_uv_bin(), "pip", "compile", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit("uv could not do it: see above. It needs the network.")
    return done.stdout


def report(found: list[str], remedy: str) -> None:
    """End with 1 and the remedy where a check found something."""
    if found:
        print(*found, sep="\n")
        sys.exit(remedy)


def main() -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="./run")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("wheels")
    commands.add_parser("lock")
    adding = commands.add_parser("add")
    adding.add_argument("package")
    adding.add_argument("--dev", action="store_true")
    given = parser.parse_args()
    if given.command == "add":
        add(given.package, given.dev)
    elif given.command == "lock":
        lock()
    elif given.command == "wheels":
        report(list(missing_wheels()), "Pin another version, or list it in EXCEPTIONS.")
    else:
        report(list(complaints()), "Lock again: .venv/bin/python -m devtools.pins lock")


if __name__ == "__main__":
    main()
