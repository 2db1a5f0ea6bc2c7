"""An object store for a test: OpenStack Swift, whose S3 API verifies signatures.

Not every machine has wheels for it, so it is no dependency: it is installed where a
test needs it, from the pins of `tests/swift`.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from uv import find_uv_bin

from tests.checkout import ROOT

SWIFT = ROOT / "tests" / "swift"
KEY, SECRET, BUCKET = "harbour:office", "secret-of-the-tests", "charts"


@contextmanager
def serving_objects(folder: Path) -> Iterator[str]:
    """Serve an empty bucket for a block; say where: `http://key:secret@host/bucket`."""
    python = _install(folder)
    data = folder / "data"
    data.mkdir()
    program = [python, "-W", "ignore", str(SWIFT / "server.py")]
    process = subprocess.Popen(
        [*program, str(data), KEY, SECRET, BUCKET], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address, "Swift has not started: see above"
        yield f"http://{quote(KEY)}:{quote(SECRET)}@{address}/{BUCKET}"
    finally:
        process.kill()
        process.communicate()


def _install(folder: Path) -> str:
    """Install Swift, and say with which Python; skip the test where it cannot be."""
    python = str(folder / "venv/bin/python")
    pins = f"--requirements={SWIFT / 'requirements.txt'}"
    how = ["--require-hashes", "--no-build", "--python", python]
    for step in (["venv", str(folder / "venv")], ["pip", "install", *how, pins]):
        done = subprocess.run([find_uv_bin(), "--quiet", *step], capture_output=True)
        if done.returncode != 0:
            pytest.skip(f"no Swift for this machine, or no network: {done.stderr!r}")
    return python
