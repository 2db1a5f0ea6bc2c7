"""A product is started once: what starts one is no part of it."""

import re
import shutil
from pathlib import Path

TRACES = {
    "run": (
        r"^\./run start .*\n +.*\n",
        r"^    start\)\n(        .*\n)+",
    ),
    "README.md": (
        r"^## From template to product\n(.*\n)*?(?=## )",
        r"^\| `\./run start .*\n",
    ),
    "CHANGELOG.md": (r"^- \*\*`\./run start .*\n(  .*\n)*",),
}
"""Where a file speaks of it, as lines to take out."""


def remove(copy: Path) -> None:
    """Remove from a copy of the project what made it a product."""
    shutil.rmtree(copy / "devtools" / "start")
    (copy / "tests" / "test_start.py").unlink()
    for name, traces in TRACES.items():
        text = (copy / name).read_text()
        for trace in traces:
            text = re.sub(trace, "", text, flags=re.MULTILINE)
        (copy / name).write_text(text)
