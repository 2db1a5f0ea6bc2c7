"""Imports point one way: shared files ← models ← endpoints ← the application.

The files are read, not run. A shared file is named by its stem, a feature's file by
its role, which is its stem too; the application is `myapp`.
"""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).parents[1] / "myapp"
LONGEST = 300

PLACES = {
    "flask": {
        "myapp": "makes the application",
        "api": "takes requests to operations, and replies back",
        "docs": "serves the pages",
        "dev_mail": "serves a page in development",
        "cli": "adds the commands",
        "http_errors": "answers its exceptions",
        "plain_features": "closes its views",
        "flask_hooks": "knows what may hook into it",
        "lane": "stands in front of it",
        "settings": "fills Flask's configuration",
        "row_security": "asks the configuration for the application's role",
        "endpoints": "in a feature of the plain style",
    },
    "flask_restx": {
        "api": "is where it meets the operations",
        "http_errors": "knows what it raises",
        "plain_features": "knows its views",
        "endpoints": "in a feature of the plain style",
    },
    "flask_sqlalchemy": {"db": "owns the engine"},
    "flask_migrate": {"myapp": "wires it"},
    "flask_cors": {"myapp": "wires it"},
    "flask_redis": {"myapp": "wires it"},
    "werkzeug": {
        "api": "writes a Location as it does",
        "lane": "asks its map where a URL leads",
        "http_errors": "knows its exceptions",
        "plain_features": "knows its rules",
        "db": "finds the Redis client of the application at work",
        "docs": "names the type of a redirect",
        "request": "reads the Accept and Content-Type headers",
        "negotiation": "reads them for JSON:API",
        "consent": "reads and writes a cookie",
    },
    "authlib": {
        "server": "binds its authorization server",
        "grants": "fill in what it leaves open",
        "parties": "answer what it asks",
        "consent": "asks it whether a request is valid",
    },
    "joserfc": {"models": "of the keys and sessions sign and verify tokens"},
    "cryptography": {"models": "of the keys seal the private parts"},
    "argon2": {"passwords": "hashes them"},
    "zxcvbn": {"passwords": "refuses common ones"},
    "sqlalchemy": {
        "db": "opens transactions",
        "tables": "declares what every table has",
        "store_errors": "knows what the database raises",
        "table_rules": "compares contracts with columns",
        "sql_repository": "knows its table",
        "sql_statements": "builds the statements of one table",
        "postgres_query": "compiles them for libpq",
        "pipeline": "builds the one that sets the tenant",
        "pipelines": "takes connections from the pool",
        "postgres_connection": "is how the pool makes them",
        "audit": "declares the table of entries",
        "changes": "builds the statements that write",
        "row_security": "takes URLs apart",
        "change_feed": "connects as the engine does",
        "tenants": "looks an account up by its slug",
        "throttle": "counts attempts",
        "housekeeping": "removes what has expired",
        "export": "reads the tables of accounts",
        "grants": "name the type of a row",
        "parties": "name the type of a row",
        "models": "declare the tables",
    },
    "psycopg": {
        "change_feed": "listens over one",
        "pipeline": "sends statements over them",
        "pipelines": "knows what goes wrong with one",
        "postgres_connection": "is one, with a deadline",
        "postgres_query": "encodes arguments",
        "store_errors": "knows what it raises",
    },
    "alembic": {
        "row_security": "is called by migrations",
        "change_triggers": "is called by migrations",
    },
    "redis": {
        "redis_client": "is its client, with a breaker",
        "settings": "says how often to try again",
        "store_errors": "knows what Redis raises",
    },
    "uwsgi": {
        "counters": "counts for all workers",
        "metrics": "asks which worker this is",
    },
    "prometheus_client": {"metrics": "counts with it"},
    "opentelemetry": {"tracing": "makes spans with it"},
    "jsonschema": {"contract_rules": "checks the schemas themselves"},
    "jsonschema_rs": {
        "contract": "checks every body",
        "pagination": "checks the values of filters",
    },
}
"""Who may import a library, and why."""

ROLES = ["models", "endpoints", "commands", "__init__"]
"""The files of a feature; each may import those before it.

A concept that outgrows the models has a file of its own name, beside them.
"""


class File(NamedTuple):
    """A file of the package: its feature (None for a shared one) and its stem."""

    path: Path
    feature: str | None
    stem: str

    @property
    def module(self) -> str:
        """The name that it is imported by."""
        parts = ["myapp", self.feature, self.stem]
        return ".".join(part for part in parts if part and part != "__init__")

    @property
    def place(self) -> str:
        """What PLACES calls it."""
        return "myapp" if self.module == "myapp" else self.stem


def files() -> Iterator[File]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if not path.name.startswith("test_"):
            feature = path.parent.name if path.parent != PACKAGE else None
            yield File(path, feature, path.stem)


FILES = {file.module: file for file in files()}
SHARED = [file for file in FILES.values() if file.feature is None]
EACH_FILE = pytest.mark.parametrize(
    "file", FILES.values(), ids=lambda file: str(file.path.relative_to(PACKAGE))
)


def imported(file: File, *, at_run_time: bool = False) -> set[str]:
    """Return the modules that a file imports; not those for its types, if told so."""
    tree = ast.parse(file.path.read_text())
    found = {name for node in ast.walk(tree) for name in names(node)}
    if at_run_time:
        guarded = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        ]
        for_types = [inner for node in guarded for inner in ast.walk(node)]
        found -= {name for node in for_types for name in names(node)}
    return found


def names(node: ast.AST) -> Iterator[str]:
    """Yield the modules of an import; `from package import name` may mean a module."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        module = node.module or ""
        for alias in node.names:
            inner = f"{module}.{alias.name}"
            yield inner if inner in FILES else module


def own(file: File) -> list[File]:
    """Return the files of the package that a file imports."""
    return [FILES[name] for name in imported(file) if name in FILES]


# libraries


@pytest.mark.parametrize("library", PLACES)
def test_library_is_imported_only_where_it_belongs(library):
    found = {
        file.place
        for file in FILES.values()
        if library in {name.partition(".")[0] for name in imported(file)}
    }
    assert found - PLACES[library].keys() == set()
    assert PLACES[library].keys() - found <= {"endpoints"}, "one of them is unused"


@EACH_FILE
def test_what_is_not_shipped_is_not_imported(file):
    tops = {name.partition(".")[0] for name in imported(file)}
    assert tops.isdisjoint({"tests", "devtools", "conftest", "pytest"})


@EACH_FILE
def test_only_two_files_import_by_name(file):
    by_name = "import_module" in file.path.read_text()
    assert by_name == (file.place in ("myapp", "cli"))


# direction


@pytest.mark.parametrize(
    "file", [file for file in SHARED if file.stem != "__init__"], ids=lambda f: f.stem
)
def test_shared_file_imports_neither_a_feature_nor_the_application(file):
    assert [found.module for found in own(file) if found not in SHARED] == []
    assert "myapp" not in imported(file)


@pytest.mark.parametrize(
    "file",
    [file for file in FILES.values() if file.feature],
    ids=lambda file: f"{file.feature}/{file.stem}",
)
def test_file_of_a_feature_imports_what_is_before_it(file):
    before = rank_of(file)
    for found in own(file):
        if found.feature == file.feature:
            assert rank_of(found) <= before
        elif found.feature:
            assert found.stem == "models", "of another feature only the models"
    assert "myapp" not in imported(file)


def rank_of(file: File) -> int:
    """Return the place of a feature's file among ROLES."""
    return ROLES.index(file.stem if file.stem in ROLES else "models")


def test_no_file_imports_itself_through_others():
    graph = {
        file.module: imported(file, at_run_time=True) & FILES.keys()
        for file in FILES.values()
    }
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the files


# size


@pytest.mark.parametrize("file", SHARED, ids=lambda file: file.stem)
def test_shared_file_is_at_most_300_lines_long(file):
    assert len(file.path.read_text().splitlines()) <= LONGEST
