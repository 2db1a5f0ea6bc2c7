"""A copy of the project to change first: nothing is left behind where a step fails."""

import filecmp
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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


@contextmanager
def staged() -> Iterator[Path]:
    """Give a copy of the project; take its changes over where all has gone well."""
    with tempfile.TemporaryDirectory(prefix="myapp-") as folder:
        copy = Path(folder)
        for part in PARTS:
            _copy(ROOT / part, copy / part)
        yield copy
        _take_over(copy)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy2(source, target)


def _files(root: Path) -> set[Path]:
    """Return the files of the parts that are copied, relative to a project."""
    found = (root / part for part in PARTS)
    files = (file for part in found for file in (part, *part.rglob("*")))
    return {
        file.relative_to(root)
        for file in files
        if file.is_file() and "__pycache__" not in file.parts
    }


def _take_over(copy: Path) -> None:
    before, after = _files(ROOT), _files(copy)
    for file in after:
        target = ROOT / file
        if file not in before or not filecmp.cmp(copy / file, target, shallow=False):
            target.parent.mkdir(exist_ok=True, parents=True)
            shutil.copyfile(copy / file, target)
    for file in before - after:
        (ROOT / file).unlink()
        _remove_empty((ROOT / file).parent)


def _remove_empty(folder: Path) -> None:
    """Remove a folder that holds nothing but what Python has cached."""
    if all(entry.name == "__pycache__" for entry in folder.iterdir()):
        shutil.rmtree(folder)
