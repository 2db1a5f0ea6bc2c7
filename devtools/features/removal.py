"""A feature that goes: who needs it, and its tables, migrations and folder."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from devtools.features.fields import NotationError
from devtools.features.staging import ROOT
from myapp.tables import Base

VERSIONS = Path("migrations", "versions")
CLASS = re.compile(r"^((\w+\.)+\w+(Error|Exception)|(Value|Runtime)Error): ")
"""How a traceback's last line begins, where a sentence follows that stands alone."""


def refuse(feature: str) -> None:
    """Raise NotationError where there is no such feature, or others need it."""
    if not (ROOT / "myapp" / feature / "__init__.py").exists():
        raise NotationError(f"there is no feature {feature}")
    files = [file for file, _ in needing(ROOT, [feature])]
    if files:
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        raise NotationError(
            f"{files[0]}{more} cannot do without {feature}:"
            " change or remove that first"
        )


def needing(root: Path, features: list[str]) -> Iterator[tuple[Path, str]]:
    """Find what imports one of these features, refers to its table or calls it.

    Each file comes with the feature that it needs; their own files do not count.
    """
    calls = {
        feature: re.compile(rf'\bmyapp\.{feature}\b|"{feature}\.id"|/v1/{feature}\b')
        for feature in features
    }
    for folder in ("myapp", "devtools", "tests", "bench"):
        for file in sorted((root / folder).rglob("*.py")):
            if file.parent.name not in features:
                text = file.read_text()
                needed = (name for name in calls if calls[name].search(text))
                yield from ((file.relative_to(root), name) for name in needed)


def remove_folder(copy: Path, feature: str) -> None:
    """Remove a feature's folder from a copy of the project."""
    shutil.rmtree(copy / "myapp" / feature)


def own_tables(feature: str) -> set[str]:
    """Return the tables that a feature's models declare."""
    return {
        str(mapper.local_table)
        for mapper in Base.registry.mappers
        if mapper.class_.__module__.startswith(f"myapp.{feature}.")
    }


def uncommitted_migrations(own: set[str]) -> list[Path]:
    """Return the newest migrations that are about these tables alone, and nobody's yet.

    The newest comes first. Where there is no git, all count as committed.
    """
    found = []
    for file in sorted((ROOT / VERSIONS).glob("[0-9]*.py"), reverse=True):
        touched = tables(file)
        if not touched or not touched <= own or not _is_untracked(file):
            break
        found.append(file.relative_to(ROOT))
    return found


def tables(migration: Path) -> set[str]:
    """Return the tables that a migration creates or alters."""
    return {
        node.args[0].value
        for node in ast.walk(ast.parse(migration.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("op.create_table", "op.batch_alter_table")
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }


def _is_untracked(file: Path) -> bool:
    listed = subprocess.run(
        ["git", "ls-files", "--others", "--", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return listed.returncode == 0 and bool(listed.stdout.strip())


def restore(copy: Path, feature: str) -> None:
    """Give a copy the feature that git has: its models fit the migrations that stay."""
    listed = ["git", "ls-files", "--", f"myapp/{feature}"]
    files = subprocess.check_output(listed, cwd=ROOT, text=True).splitlines()
    taken = ["git", "checkout-index", "--force", f"--prefix={copy}/", "--", *files]
    subprocess.run(taken, cwd=ROOT, check=True)


def has_database(url: str) -> bool:
    """Tell whether there is a database: SQLite makes its file when it is asked."""
    path = url.removeprefix("sqlite:///")
    return path == url or Path(path).exists()


def downgrade_below(migrations: list[Path], url: str) -> None:
    """Undo migrations in the database of this folder, where they were carried out."""
    if not migrations or not has_database(url):
        return
    numbers = [file.name[:4] for file in migrations]
    current = flask("db", "current").split()[:1]
    if current and current[0] in numbers:
        steps = len(numbers) - numbers.index(current[0])
        flask("db", "downgrade", "--", f"-{steps}")


def flask(*arguments: str) -> str:
    """Run a flask command in this folder; raise NotationError where it fails."""
    command = [sys.executable, "-m", "flask", "--app", "myapp", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ, capture_output=True, text=True
    )
    if done.returncode:
        said = f"flask {' '.join(arguments)}: {reason(done)}"
        raise NotationError(f"nothing has been written: {said}")
    return done.stdout


def reason(done: subprocess.CompletedProcess[str]) -> str:
    """Return the sentence with which a command has failed."""
    *_, last = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
    return CLASS.sub("", last)
