"""Makes .venv and installs the pins into it; `./run` calls it before every command.

Runs before anything is installed, so it may import the standard library only. When
nothing has changed it reads a few files, does not touch the network, and ends.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LAYERS = {
    "runtime": ["requirements.txt"],
    "dev": ["requirements.txt", "requirements-dev.txt"],
}
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
BASE = getattr(sys, "_base_executable", sys.executable)  # not the one of a venv
APT = f"On Debian or Ubuntu: sudo apt install python{VERSION}-venv"
AGAIN = "If the network was the cause, run the same command again later."
# Settings that would send the packages elsewhere, or choose others than the pins.
FOREIGN = {
    f"{tool}_{setting}"
    for tool in ("PIP", "UV")
    for setting in (
        "TARGET PREFIX ROOT PYTHON CONSTRAINT OVERRIDE NO_DEPS NO_BINARY ONLY_BINARY"
        " DRY_RUN SYSTEM_PYTHON REQUIRE_VIRTUALENV USER"
    ).split()
}


def main(layer: str) -> None:
    """Bring .venv up to a layer of the pins, unless it is there already."""
    if up_to_date(layer):
        return
    with one_at_a_time():
        if not up_to_date(layer):  # the other command may have done it
            set_up(layer)
            for each in LAYERS:  # last: a set-up cut short starts over
                if set(LAYERS[each]) <= set(LAYERS[layer]):
                    stamp(each).write_text(fingerprint(each))


def stamp(layer: str) -> Path:
    """Return the file that says which pins of a layer are installed."""
    return VENV / f"stamp-{layer}"


def fingerprint(layer: str) -> str:
    """Return what .venv is made of: the pins and the version of Python."""
    digest = hashlib.sha256(VERSION.encode())
    for name in LAYERS[layer]:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def up_to_date(layer: str) -> bool:
    """Tell whether .venv holds a layer's pins."""
    found = stamp(layer)
    return is_sound() and found.exists() and found.read_text() == fingerprint(layer)


def is_sound() -> bool:
    """Tell whether .venv was finished once, for the Python that runs this."""
    library = VENV / "lib" / f"python{VERSION}"
    finished = any(stamp(layer).exists() for layer in LAYERS)
    return finished and library.is_dir() and os.access(PYTHON, os.X_OK)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Wait for another command that is setting up this checkout.

    The lock is on the folder itself; the kernel drops it when its holder dies.
    """
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another ./run is setting up .venv, waiting for it")
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def set_up(layer: str) -> None:
    """Make .venv where it is missing or unsound, and install a layer into it."""
    began = time.monotonic()
    say(f"setting up .venv for Python {VERSION}, once; this takes up to a minute")
    if not is_sound():
        run([BASE, "-m", "venv", "--clear", "--without-pip", VENV], APT)
    if uv := shutil.which("uv"):
        install_with_uv(uv, layer)
    else:
        install_with_pip(pip(), layer)
    say(f"done in {time.monotonic() - began:.0f} s")


def install_with_uv(uv: str, layer: str) -> None:
    """Install a layer's pins with uv."""
    files = [f"--requirements={ROOT / name}" for name in LAYERS[layer]]
    how = ["--require-hashes", "--no-build", "--quiet"]
    run([uv, "pip", "install", "--python", PYTHON, *how, *files], AGAIN)


def pip() -> list[str | Path]:
    """Return the command for a pip that can install into .venv."""
    outside: list[str | Path] = [BASE, "-m", "pip", "--python", PYTHON]
    if works([*outside, "--version"]):  # since pip 22.3
        return outside
    inside: list[str | Path] = [PYTHON, "-m", "pip"]
    if not works([*inside, "--version"]) and not works([PYTHON, "-m", "ensurepip"]):
        sys.exit(f"./run: there is no pip for Python {VERSION}. {APT}")
    return inside


def install_with_pip(command: list[str | Path], layer: str) -> None:
    """Install a layer's pins with several pips at once.

    One pip alone spends its time on one core, reading lists of versions: 19 s against
    11 s on two cores. Nor does it compile: Python does that for what it imports.
    """
    how = ["--require-hashes", "--only-binary", ":all:", "--no-deps", "--no-compile"]
    with tempfile.TemporaryDirectory(dir=VENV) as folder:
        running = []
        for number, share in enumerate(shares(layer)):
            file = Path(folder, f"{number}.txt")
            file.write_text(share)
            install = [*command, "install", "--quiet", *how, "-r", file]
            running.append(subprocess.Popen(install, env=environment(), cwd=ROOT))
        if any([pip.wait() for pip in running]):
            sys.exit(f"./run: setting up .venv failed. {AGAIN}")


def shares(layer: str) -> list[str]:
    """Deal a layer's pins out, one share for each core."""
    text = "".join((ROOT / name).read_text() for name in LAYERS[layer])
    # A name may be pinned once for some Pythons and once for the others.
    pins = re.findall(r"^(\w\S*==\S+)(.*\n(?:    --hash.*\n)+)", text, re.MULTILINE)
    each = [pin + hashes for pin, hashes in dict(pins).items()]
    cores = min(os.cpu_count() or 1, 4)
    return ["".join(each[number::cores]) for number in range(cores)]


def works(command: list[str | Path]) -> bool:
    """Tell whether a command succeeds; show nothing of it."""
    quiet = subprocess.DEVNULL
    return not subprocess.call(command, env=environment(), stdout=quiet, stderr=quiet)


def run(command: list[str | Path], remedy: str) -> None:
    """Run a command; where it fails, end with the remedy."""
    if subprocess.call(command, env=environment(), cwd=ROOT):
        sys.exit(f"./run: setting up .venv failed. {remedy}")


def environment() -> dict[str, str]:
    """Return the caller's environment without what would misplace the packages."""
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    # Set, not only dropped: a configuration file may switch these on.
    return kept | {
        "PIP_USER": "0",
        "PIP_REQUIRE_VIRTUALENV": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
    }


def say(text: str) -> None:
    """Print one line about the set-up, apart from the command's own output."""
    print(f"./run: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except KeyboardInterrupt:
        sys.exit("./run: setting up was stopped; the next ./run starts it again")
