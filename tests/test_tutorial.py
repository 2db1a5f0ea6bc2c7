"""docs/tutorial.md: each of its steps does what the page says, from top to bottom.

It is walked in a copy of the checkout, beside a `./run` that serves it. A block is
lines to type, an edit, or an excerpt of what has been written.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import ROOT, Run, copy_checkout, serving
from tests.pages import Line, as_told, found_in, lines
from tests.waiting import until

PAGE = ROOT / "docs/tutorial.md"
SERVER = "http://127.0.0.1:5000"
CURL = "curl --silent --show-error --noproxy '*' "
MINUTES = 10  # that one line may take: ./run lint is long where all is busy
pytestmark = [
    pytest.mark.once,
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("curl"), reason="no curl on PATH: install it"),
]


def blocks() -> Iterator[tuple[str, str]]:
    """Yield the blocks of the page: of which kind, and what is in it."""
    yield from re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text(), re.DOTALL)


class Reader:
    """Somebody who takes the steps in a folder, beside a server of it."""

    def __init__(self, folder: Path, server: Run) -> None:
        self.folder = folder
        self.address = server.docs.removesuffix("/docs")
        self.known = {"KEY": server.key}

    def take(self, kind: str, block: str) -> None:
        """Do what a block says."""
        if kind == "console":
            for line in lines(block):
                self.type(line)
        elif kind == "diff":
            self.edit(block)
        else:
            models = (self.folder / "myapp/invoices/models.py").read_text()
            assert block in models

    def type(self, line: Line) -> None:
        """Run a line; where the server is asked, until it has what was written."""
        if line.typed == "./run":
            return  # it runs already
        if line.typed.startswith("curl"):
            until(lambda: as_told(self.run(line.typed), line.told))
        else:
            said = self.run(line.typed)
            assert as_told(said, line.told), f"{line.typed}\nanswers {said}"

    def run(self, typed: str) -> str:
        """Run a line in a shell that knows the variables, or set one."""
        if setting := re.fullmatch(r"(\w+)=\$(\w+)", typed):
            self.known[setting[1]] = self.known[setting[2]]
            return ""
        done = subprocess.run(
            ["sh", "-euc", typed.replace(SERVER, self.address).replace("curl ", CURL)],
            cwd=self.folder,
            env=self.known | {name: os.environ[name] for name in ("PATH", "HOME")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=MINUTES * 60,
        )
        assert done.returncode == 0, f"{typed}\n{done.stdout}"
        self.known |= found_in(done.stdout)
        return done.stdout

    def edit(self, block: str) -> None:
        """Replace the rows with ` ` and `-` of a block by those with ` ` and `+`."""
        head, *rows = block.splitlines()
        file = self.folder / head.removeprefix("--- ")
        before = "".join(f"{row[1:]}\n" for row in rows if not row.startswith("+"))
        after = "".join(f"{row[1:]}\n" for row in rows if not row.startswith("-"))
        text = file.read_text()
        assert text.count(before) == 1, f"{file.name} has not once:\n{before}"
        file.write_text(text.replace(before, after))


def test_steps_of_the_tutorial_do_what_it_says(tmp_path):
    folder = copy_checkout(tmp_path, layer="dev")
    with serving(folder) as server:
        server.greet()
        reader = Reader(folder, server)
        for kind, block in blocks():
            reader.take(kind, block)
    assert reader.known.keys() >= {"CUSTOMER", "INVOICE"}
