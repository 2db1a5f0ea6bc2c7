"""The pages that build something: each of their steps does what the page says."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.checkout import copy_checkout, serving
from tests.walkthrough import Reader

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
    assert reader.known.keys() >= {"CUSTOMER", "INVOICE"}


@pytest.mark.parametrize("pattern", ["report", "plain-restx"])
def test_pattern_does_what_it_says(folder, pattern):
    Reader(folder).walk(f"docs/patterns/{pattern}.md")
