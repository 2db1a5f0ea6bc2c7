"""Takes the steps of a page of documentation, in a copy of the checkout.

A block of the page is lines to type (`console`), an edit (`diff`), a file to write
(`python` with its name), or an excerpt of what has been written (`python` without).
"""

import os
import re
import subprocess
from pathlib import Path

from tests.checkout import ROOT, Run
from tests.pages import Line, as_told, found_in, lines
from tests.waiting import until

BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SERVER = "http://127.0.0.1:5000"
CURL = "curl --silent --show-error --noproxy '*' "
PATIENCE = 600  # seconds that one line may take: ./run lint is long where all is busy


class Reader:
    """Somebody who takes the steps of a page; perhaps beside a server of the folder."""

    def __init__(self, folder: Path, server: Run | None = None) -> None:
        self.folder = folder
        self.known: dict[str, str] = {}
        self.address = SERVER
        if server:
            self.known["KEY"] = server.key
            self.address = server.docs.removesuffix("/docs")

    def walk(self, page: str) -> None:
        """Do all that a page says, from top to bottom."""
        for kind, name, block in BLOCK.findall((ROOT / page).read_text()):
            if kind == "console":
                for line in lines(block):
                    self.type(line)
            elif kind == "diff":
                self.edit(block)
            elif name:
                self.write(name, block)
            else:
                self.find(block)

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
            timeout=PATIENCE,
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

    def write(self, name: str, block: str) -> None:
        """Write a file."""
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(block)

    def find(self, block: str) -> None:
        """Find an excerpt in what has been written."""
        written = ("myapp/*/*.py", "migrations/versions/*.py")
        files = [file for place in written for file in self.folder.glob(place)]
        assert any(block in file.read_text() for file in files), f"none has:\n{block}"
