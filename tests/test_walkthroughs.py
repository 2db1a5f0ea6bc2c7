"""The pages that build something: each of their steps does what the page says."""

import shutil

import pytest

from tests.checkout import copy_checkout, serving
from tests.walkthrough import Reader

pytestmark = [
    pytest.mark.once,
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("curl"), reason="no curl on PATH: install it"),
]


def test_tutorial_beside_a_server_does_what_it_says(tmp_path):
    folder = copy_checkout(tmp_path, layer="dev")
    with serving(folder) as server:
        server.greet()
        reader = Reader(folder, server)
        reader.walk("docs/tutorial.md")
    assert reader.known.keys() >= {"CUSTOMER", "INVOICE"}


@pytest.mark.parametrize("pattern", ["report", "plain-restx"])
def test_pattern_does_what_it_says(tmp_path, pattern):
    Reader(copy_checkout(tmp_path, layer="dev")).walk(f"docs/patterns/{pattern}.md")
