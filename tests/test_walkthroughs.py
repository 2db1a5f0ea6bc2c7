"""The pages that build something: each of their steps does what the page says."""

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.checkout import ROOT, copy_checkout, serving
from tests.object_store import serving_objects
from tests.walkthrough import Reader

PATTERNS = sorted(
    page.stem
    for page in (ROOT / "docs/patterns").glob("*.md")
    if page.stem not in ("README", "upload")
)

INDEX = ("PIP_", "UV_", "SSL_")
"""How the variables begin by which a machine reaches the package index."""

pytestmark = [
    pytest.mark.once,
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("curl"), reason="no curl on PATH: install it"),
]


@pytest.fixture
def folder():
    """A copy of the checkout, in /tmp: the path of a socket must be short."""
    with TemporaryDirectory(prefix="myapp-", dir="/tmp") as parent:
        yield copy_checkout(Path(parent), layer="dev")


def test_tutorial_beside_a_server_does_what_it_says(folder):
    with serving(folder) as server:
        server.greet()
        reader = Reader(folder, server)
        reader.walk("docs/tutorial.md")
    assert reader.known.keys() >= {"PIER", "BERTH"}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_pattern_does_what_it_says(folder, pattern):
    Reader(folder).walk(f"docs/patterns/{pattern}.md")


def test_upload_into_a_store_that_verifies_does_what_it_says(folder):
    """This one reaches the network: it adds a package, and asks the store."""
    (barrier,) = folder.glob(".venv/lib/*/site-packages/sitecustomize.py")
    barrier.unlink()
    objects = folder.with_name("objects")
    objects.mkdir()
    with serving_objects(objects) as url:
        reader = Reader(folder)
        reader.known |= {n: v for n, v in os.environ.items() if n.startswith(INDEX)}
        reader.known["TEST_SEA_CHARTS_URL"] = url
        reader.walk("docs/patterns/upload.md")
