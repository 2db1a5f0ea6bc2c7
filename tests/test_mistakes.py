"""The commonest mistakes: each is made for real, and told by file, rule and remedy."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from devtools import pages
from tests.checkout import copy_checkout
from tests.mistakes import MISTAKES

pytestmark = pytest.mark.once

PAGE = Path(__file__).parents[1] / "docs/troubleshooting.md"
COMMAND = "./run test tests/test_mistakes.py --write-table"
HEAD = "| mistake | what it says |\n|---|---|\n"
AT_ONCE = ("taken_port", "wrong_python", "unwritable_instance", "unregistered_feature")
"""Those that do not load the application; that takes seconds."""


@pytest.fixture
def checkout():
    """A copy of this test's own; the path of a socket must be short."""
    with TemporaryDirectory(prefix="myapp-", dir="/tmp") as folder:
        yield copy_checkout(Path(folder))


@pytest.mark.parametrize(
    "mistake",
    [
        pytest.param(
            mistake,
            id=mistake.make.__name__,
            marks=() if mistake.make.__name__ in AT_ONCE else pytest.mark.slow,
        )
        for mistake in MISTAKES
    ],
)
def test_mistake_is_told_with_file_rule_and_remedy(checkout, mistake):
    told, found = mistake.make(checkout)
    assert mistake.message.format(root=checkout, **found) in told
    assert "Traceback" not in told


def test_page_shows_every_message(pytestconfig):
    table = HEAD + "\n".join(mistake.row for mistake in MISTAKES)
    if pytestconfig.getoption("write_table"):
        pages.put(PAGE, COMMAND, table)
    assert table in PAGE.read_text()
