"""The files of the checkout that are git's: copied, and replaced by others."""

import shutil
import subprocess
from pathlib import Path

from devtools.features.staging import ROOT
from devtools.start.names import TEMPLATE
from devtools.start.refusal import Refusal


def refuse() -> None:
    """Raise Refusal where a start could not be undone, or would not work."""
    if _git("status", "--porcelain"):
        raise Refusal("there are changes that are not committed: commit them first")
    if any((ROOT / "instance").glob("*.sqlite*")):
        raise Refusal(
            "instance/ has a database with the tables of the demo: stop ./run and"
            " empty it (rm -r instance/*), for a product begins with its own"
        )


def copy_to(copy: Path) -> None:
    """Copy what git has into an empty folder."""
    for name in _tracked():
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target, follow_symlinks=False)


def take_over(copy: Path) -> None:
    """Replace what git has by what a folder has."""
    for name in _tracked():
        (ROOT / name).unlink()
    for file in _files(copy):
        target = ROOT / file.relative_to(copy)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, target)
    _remove_empty(ROOT / TEMPLATE)


def _files(copy: Path) -> list[Path]:
    """Return the files of a copy, but for what Python has cached and databases."""
    return [
        path
        for path in copy.rglob("*")
        if path.is_file() and path.suffix not in (".pyc", ".sqlite")
    ]


def _remove_empty(package: Path) -> None:
    """Remove a folder that holds nothing any more but what Python has cached."""
    for cache in package.rglob("__pycache__"):
        shutil.rmtree(cache)
    for folder in sorted([package, *package.rglob("*/")], reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()


def _tracked() -> list[str]:
    return [name for name in _git("ls-files", "-z").split("\0") if name]


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise Refusal(f"git {arguments[0]} fails: {done.stderr.strip()}")
    return done.stdout
