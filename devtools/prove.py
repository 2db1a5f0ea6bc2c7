"""Takes each guard away, one at a time, and names the test that fails without it.

`./run prove` copies the checkout, changes one line of the copy and runs the tests that
ought to notice; a `guards.toml`, here or in a feature, has both. A guard that no test
misses is a failure; so is a list that no longer fits the source, or a table in
README.md that says otherwise.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGINT
from tempfile import TemporaryDirectory
from time import monotonic
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 300  # seconds that the tests of one guard may take
START, END = "<!-- ./run prove -->\n", "<!-- end -->"
TABLE = re.compile(rf"(?<={START}).*?(?={END})", re.DOTALL)
OPTIONS = (
    *"-x -q -rfE --tb=short --show-capture=no -p no:cacheprovider".split(),
    "--color=no",
    "--disable-plugin-autoload",  # it takes as long as a few tests, each time
)
LAST_LINES = 10  # of what pytest said, where it explains a complaint
FAILED = 1  # the status of pytest where a test has failed


class Unproven(Exception):
    """A guard is missed by no test, or cannot be tried; the message says what to do."""


class Guard(NamedTuple):
    """What is promised, and how it is taken away: see guards.toml."""

    name: str
    promise: str
    file: str
    source: str
    without: str
    tests: str


def read_guards(root: Path = ROOT) -> list[Guard]:
    """Return the guards of all, then those of features, which go with their folder."""
    lists = [root / "devtools/guards.toml", *sorted(root.glob("myapp/*/guards.toml"))]
    return [
        Guard(name, **fields)
        for each in lists
        for name, fields in tomllib.loads(each.read_text()).items()
    ]


class Proof(NamedTuple):
    """A guard, and the id of the first test that failed without it."""

    guard: Guard
    test: str
    seconds: float

    @property
    def row(self) -> str:
        """The row of README's table."""
        file, _, rest = self.test.partition("::")
        name = rest.partition("[")[0]
        return f"| {self.guard.name} | {self.guard.promise} | [`{name}`]({file}) |"


def without(guard: Guard, tree: Path) -> str:
    """Return the text of a guard's file without it; raise Unproven unless it fits."""
    file = tree / guard.file
    text = file.read_text() if file.exists() else ""
    found = text.count(guard.source)
    if found != 1:
        raise Unproven(
            f"{guard.file} has its source {found} times, not once:"
            " bring its guards.toml up to date"
        )
    return text.replace(guard.source, guard.without)


def copy(root: Path, to: Path) -> None:
    """Copy what git knows, and what is new, as it is at this moment."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.check_output(listed, cwd=root, text=True).split("\0")
    for name in filter(None, names):
        if (root / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            # The time goes with it, or a changed file might look like its bytecode's.
            shutil.copy2(root / name, to / name)


def prove(guard: Guard, tree: Path) -> Proof:
    """Run a guard's tests with it and, in the same tree, without it.

    Raises Unproven where no test fails, or where it is not the guard that makes one.
    """
    started = monotonic()
    changed = without(guard, tree)
    status, output = _run_tests(guard.tests, tree)
    if status:
        raise Unproven(f"its tests do not pass as it is:\n{_end(output)}")
    (tree / guard.file).write_text(changed)
    test = _failed(*_run_tests(guard.tests, tree))
    return Proof(guard, test, monotonic() - started)


def _run_tests(tests: str, tree: Path) -> tuple[int, str]:
    """Run tests until one fails; return the status and what pytest said."""
    chosen = [*OPTIONS, f"--basetemp={tree}.tmp", *shlex.split(tests)]
    # What is set for the tests that call this is not meant for those that it runs.
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    pytest = subprocess.Popen(
        [sys.executable, "-m", "pytest", *chosen],
        cwd=tree,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        output, _ = pytest.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        pytest.send_signal(SIGINT)  # it takes down the servers that it has started
        output, _ = pytest.communicate()
    return pytest.returncode, output


def _failed(status: int, output: str) -> str:
    """Return the id of the test that failed; raise Unproven where none did."""
    if status == 0:
        raise Unproven("no test fails without it: write one, or remove the guard")
    found = re.search(r"^FAILED (\S+::\w+(\[.*?\])?)( - |$)", output, re.MULTILINE)
    if status != FAILED or found is None:  # a set-up that fails shows nothing
        said = _end(output)
        raise Unproven(f"without it the tests do not run, rather than fail:\n{said}")
    return found[1]


def _end(output: str) -> str:
    return "\n".join(output.splitlines()[-LAST_LINES:])


def prove_all(guards: Sequence[Guard], root: Path) -> Iterator[Proof | str]:
    """Yield each guard's proof, or why there is none; as many at once as cores."""
    with TemporaryDirectory(prefix="myapp-prove-") as folder:
        copy(root, original := Path(folder, "original"))

        def attempt(number: int) -> Proof | str:
            tree = Path(folder, str(number))
            shutil.copytree(original, tree)  # keeps the files' times
            try:
                return prove(guards[number], tree)
            except Unproven as error:
                return f"{guards[number].name}: {error}"

        pool = ThreadPoolExecutor(os.cpu_count())
        try:
            yield from pool.map(attempt, range(len(guards)))
        finally:  # also after Ctrl-C
            pool.shutdown(cancel_futures=True)


def table(proofs: Iterable[Proof]) -> str:
    """Return the table in Markdown, as README.md has it."""
    head = "| guard | what it promises | a test that fails without it |\n|---|---|---|"
    return "\n".join([head, *(proof.row for proof in proofs)]) + "\n"


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Prove the guards that are named, or all; return the status of the command."""
    guards = read_guards(root)
    chosen = _read(arguments, [guard.name for guard in guards])
    wanted = [guard for guard in guards if guard.name in chosen.guard]
    _say(f"Taking away {len(wanted)} guards, each by itself:")
    proofs = list(_announced(prove_all(wanted, root)))
    _say(f"{len(proofs)} of {len(wanted)} are missed by a test.")
    if chosen.table:
        print(table(proofs), end="")
    if len(proofs) < len(wanted):
        return 1
    return keep(root, table(proofs), chosen.write) if wanted == guards else 0


def _say(line: str) -> None:
    """Print a line for people; standard output is the table's."""
    print(line, file=sys.stderr, flush=True)


def _read(arguments: Sequence[str] | None, names: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("./run prove", description=__doc__)
    parser.add_argument("guard", nargs="*", help="its name in a guards.toml")
    parser.add_argument("--table", action="store_true", help="print it in Markdown")
    parser.add_argument("--write", action="store_true", help="put it into README.md")
    chosen = parser.parse_args(arguments)
    for name in chosen.guard:
        if name not in names:
            parser.error(f"no guard is called {name!r}; there are: {', '.join(names)}")
    if chosen.guard and chosen.write:
        parser.error("--write is for the proofs of all guards: name none")
    chosen.guard = chosen.guard or names
    return chosen


def _announced(results: Iterable[Proof | str]) -> Iterator[Proof]:
    """Yield the proofs, and say of each guard how it went."""
    for result in results:
        if isinstance(result, Proof):
            yield result
            name = result.test.partition("::")[2]
            result = f"{result.guard.name}: {name} ({result.seconds:.0f} s)"
        _say(f"  {result}")


def keep(root: Path, table: str, write: bool) -> int:
    """Compare the table with README's, or write it there; return the status."""
    readme = root / "README.md"
    text = readme.read_text()
    new, found = TABLE.subn(lambda _: table, text)
    if not found:
        _say(f"README.md has no place for the table; make one: {START}{END}")
    elif write:
        readme.write_text(new)
    elif new != text:
        _say("README.md has another table: ./run prove --write puts it right.")
    return 0 if found and (write or new == text) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # Ctrl-C has reached every pytest, too
        sys.exit(130)
