"""A copy of the checkout under git, where commands change it and checks judge that."""

import os
import subprocess
import sys
from pathlib import Path

from tests.checkout import copy_files, copy_mypy_cache

WALKS = [
    f"tests/test_{name}.py"
    for name in (
        "built_clients",
        "migrations",
        "openapi",
        "permissions",
        "tenancy",
        "walk",
    )
]
OF_ALL = ("migrations", "document", "docs_permissions", "collection_has")
"""The tests of all features in one: by a part of their names."""


class Project:
    """A copy of the checkout, and what is done in it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.package = folder, "myapp"
        copy_files(folder)
        copy_mypy_cache(folder)
        self.run("git", "init", "--quiet")
        self.commit()

    def run(self, *command: str, expected: int = 0) -> str:
        """Run a program; return all that it says."""
        environment = os.environ | {f"{self.package.upper()}_CONFIG": "development"}
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == expected, done.stdout
        return done.stdout

    def python(self, *arguments: str, expected: int = 0) -> str:
        """Run a module of this Python's."""
        return self.run(sys.executable, "-m", *arguments, expected=expected)

    def feature(self, *arguments: str, expected: int = 0) -> str:
        """Run `flask feature`."""
        command = ("flask", "--app", self.package, "feature", *arguments)
        return self.python(*command, expected=expected)

    def commit(self) -> None:
        """Commit whatever there is."""
        who = ("-c", "user.name=tests", "-c", "user.email=tests@localhost")
        self.run("git", "add", "-A")
        self.run("git", *who, "commit", "--quiet", "--message", "as it is")

    def changed(self) -> set[str]:
        """Return the files that differ from what is committed."""
        listed = self.run("git", "status", "--porcelain", "--untracked-files=all")
        return {line[3:] for line in listed.splitlines()}

    def text(self, name: str) -> str:
        """Return what a file says."""
        return (self.folder / name).read_text()

    def check(self) -> None:
        """Hold all that was written to the checks of ./run lint."""
        self.python("black", "--check", "--quiet", self.package, "migrations")
        self.python("isort", "--check", "--quiet", self.package, "migrations")
        self.python("flake8", self.package, "migrations")
        self.python("mypy", self.package)
        self.python("devtools.contracts")

    def test(self, *features: str) -> None:
        """Run the tests of features, and what is true of every feature for them."""
        own = [f"{self.package}/{feature}" for feature in features]
        chosen = " or ".join((*features, *OF_ALL))
        self.python(
            "pytest", "-q", "-p", "no:cacheprovider", *own, *WALKS, "-k", chosen
        )
