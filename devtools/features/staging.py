"""A copy of the project to change first: nothing is left behind where a step fails."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from devtools.features.fields import NotationError

ROOT = Path(__file__).resolve().parents[2]
PARTS = (
    "myapp",
    "migrations",
    "devtools",
    "docs",
    "CHANGELOG.md",
    "default_config.py",
    "pyproject.toml",
)

Contents = dict[Path, bytes]
"""What the files of a project say, by their place in it."""


@contextmanager
def staged(last: Callable[[], None] = lambda: None) -> Iterator[Path]:
    """Give a copy of the project; take its changes over where all has gone well.

    What has no copy is done `last`, when nothing stands in the way any more.
    """
    with tempfile.TemporaryDirectory(prefix="myapp-") as folder:
        copy = Path(folder)
        before = _contents(ROOT)
        _write(copy, before)
        yield copy
        after = _contents(copy)
        _refuse_changes_meanwhile(before, after)
        last()
        _refuse_changes_meanwhile(before, after)
        _take_over(before, after)


def _contents(root: Path) -> Contents:
    """Read the files of the parts that are copied."""
    found = (root / part for part in PARTS)
    files = (file for part in found for file in (part, *part.rglob("*")))
    return {
        file.relative_to(root): file.read_bytes()
        for file in files
        if file.is_file() and "__pycache__" not in file.parts
    }


def _write(root: Path, contents: Contents) -> None:
    for file, content in contents.items():
        (root / file).parent.mkdir(exist_ok=True, parents=True)
        (root / file).write_bytes(content)


def _changed(before: Contents, after: Contents) -> set[Path]:
    """Return the files that are new, gone, or say something else."""
    return {file for file, _ in before.items() ^ after.items()}


def _refuse_changes_meanwhile(before: Contents, after: Contents) -> None:
    """Raise NotationError where somebody else has changed what is to be written.

    So has who added a migration: each follows the last, and has its number.
    """
    ours = _changed(before, after)
    for file in sorted(_changed(before, _contents(ROOT))):
        if file in ours or file.match("migrations/versions/*.py"):
            raise NotationError(
                f"nothing has been written: {file} has changed meanwhile: run it again"
            )


def _take_over(before: Contents, after: Contents) -> None:
    changed = _changed(before, after)
    _write(ROOT, {file: after[file] for file in changed & after.keys()})
    for file in changed - after.keys():
        (ROOT / file).unlink()
        _remove_empty((ROOT / file).parent)


def _remove_empty(folder: Path) -> None:
    """Remove a folder that holds nothing but what Python has cached."""
    if all(entry.name == "__pycache__" for entry in folder.iterdir()):
        shutil.rmtree(folder)
