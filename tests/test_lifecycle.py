"""docs/lifecycle.md names every shared file, and functions that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIFECYCLE = (ROOT / "docs" / "lifecycle.md").read_text()
SHARED = sorted(path.name for path in (ROOT / "myapp").glob("*.py"))


@pytest.mark.parametrize("name", SHARED)
def test_shared_file_is_listed_with_about_as_many_lines_as_it_has(name):
    found = re.search(rf"\| `{re.escape(name)}` \| (\d+) \|", LIFECYCLE)
    assert found, f"list {name} in docs/lifecycle.md"
    lines = len((ROOT / "myapp" / name).read_text().splitlines())
    assert abs(lines - int(found[1])) <= 30, f"docs/lifecycle.md: {name} has {lines}"


def test_functions_on_the_way_of_a_request_are_there():
    rows = re.findall(r"^\|[^|]+\| (`.*`) \| (`.*\.py`) \|$", LIFECYCLE, re.MULTILINE)
    assert len(rows) > 15
    for functions, files in rows:
        text = "".join(
            (ROOT / "myapp" / file).read_text()
            for file in re.findall(r"`([\w/]+\.py)`", files)
        )
        for function in re.findall(r"`([\w.]+)`", functions):
            assert re.search(rf"(def|class) {function.rpartition('.')[2]}\b", text)
