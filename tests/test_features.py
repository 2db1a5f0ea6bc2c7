"""What `flask feature` writes: what a good developer would have written, or nothing.

Each test has a copy of the checkout; the commands and the checks run in it as anywhere.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from devtools.features import removal, resource, steps
from devtools.features.fields import NotationError, read
from tests.checkout import copy_files
from tests.resources import OPERATIONS

pytestmark = pytest.mark.once

SIX = (
    "number:string(40) unique, total:integer, due_on:date, customer:ref(customers),"
    " state:enum(draft|sent), note:string(500) optional"
)
SEVERAL = """\
invoices:
  fields:
    number: string(40) unique
    customer: ref(customers)
order_lines:
  fields: "invoice:ref(invoices), assignee:ref(users) optional, amount:number(0..100),
    paid:boolean, seen_at:datetime, mail:email, home:uri, size:integer(0..99999999999)"
carts:
  store: redis
  fields:
    colour: enum(red|blue)
    note: string(20) optional
"""
WALKS = [
    f"tests/test_{name}.py"
    for name in ("migrations", "openapi", "permissions", "tenancy", "walk")
]
OF_ALL = ("migrations", "document", "docs_permissions")
"""The tests of all features in one: by a part of their names."""


class Project:
    """A copy of the checkout, and what is done in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        copy_files(folder)
        self.run("git", "init", "--quiet")
        self.commit()

    def run(self, *command: str, expected: int = 0) -> str:
        """Run a program; return all that it says."""
        environment = {**os.environ, "MYAPP_CONFIG": "development"}
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
        command = ("flask", "--app", "myapp", "feature", *arguments)
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
        self.python("black", "--check", "--quiet", "myapp", "migrations")
        self.python("isort", "--check", "--quiet", "myapp", "migrations")
        self.python("flake8", "myapp", "migrations")
        self.python("mypy", "myapp")
        self.python("devtools.contracts")

    def test(self, *features: str) -> None:
        """Run the tests of features, and what is true of every feature for them."""
        own = [f"myapp/{feature}" for feature in features]
        chosen = " or ".join((*features, *OF_ALL))
        self.python(
            "pytest", "-q", "-p", "no:cacheprovider", *own, *WALKS, "-k", chosen
        )


@pytest.fixture
def project(tmp_path):
    """A fresh copy of this checkout."""
    return Project(tmp_path / "checkout")


# new


@pytest.mark.slow
def test_new_writes_a_feature_that_passes_checks_and_tests_as_it_stands(project):
    project.feature("new", "invoices", "--fields", SIX)
    assert project.changed() == {
        "CHANGELOG.md",
        "docs/permissions.md",
        "migrations/versions/0008_invoices.py",
        "myapp/__init__.py",
        "myapp/invoices/__init__.py",
        "myapp/invoices/endpoints.py",
        "myapp/invoices/models.py",
        "myapp/invoices/test_invoices.py",
    }
    project.check()
    project.test("invoices")


@pytest.mark.slow
def test_new_from_a_file_writes_several_that_refer_to_each_other(project):
    (project.folder / "resources.yaml").write_text(SEVERAL)
    project.feature("new", "--from", "resources.yaml")
    project.check()
    project.test("invoices", "order_lines", "carts")


def test_new_that_fails_leaves_nothing_behind(project):
    (project.folder / "migrations/versions/0008_broken.py").write_text("x =\n")
    project.commit()
    said = project.feature("new", "invoices", "--fields", SIX, expected=1)
    assert "nothing has been written: SyntaxError" in said
    assert project.changed() == set()


REFUSED = pytest.mark.parametrize(
    ("name", "store", "fields", "said"),
    [
        pytest.param("invoices", "sql", "x", "'x' is no field: write", id="no-type"),
        pytest.param("invoices", "sql", "x:text", "'text' is no type", id="type"),
        pytest.param("invoices", "sql", "x:string", "needs a bound", id="unbounded"),
        pytest.param("invoices", "sql", "x:string(0)", "needs a bound", id="bound"),
        pytest.param("invoices", "sql", "X:date", "use snake_case", id="case"),
        pytest.param(
            "invoices", "sql", "x:date blue", "'blue' says nothing", id="flag"
        ),
        pytest.param(
            "invoices", "sql", "x:date unique", "only string and", id="unique"
        ),
        pytest.param("invoices", "sql", "x:date(1)", "takes no (1)", id="argument"),
        pytest.param("invoices", "sql", "x:integer(9..1)", "is no range", id="range"),
        pytest.param("invoices", "sql", "x:enum(a)", "needs choices", id="choices"),
        pytest.param("invoices", "sql", "x:ref", "to what?", id="to-what"),
        pytest.param("invoices", "sql", "x:ref(moons)", "no table moons", id="moons"),
        pytest.param(
            "invoices", "sql", "x:ref(accounts)", "no table acc", id="account"
        ),
        pytest.param("invoices", "sql", "id:date", "without asking", id="assigned"),
        pytest.param("invoices", "sql", "limit:date", "is a parameter", id="parameter"),
        pytest.param("invoices", "sql", "x:date, x:date", "is there twice", id="twice"),
        pytest.param("invoices", "sql", "", "needs a field", id="no-fields"),
        pytest.param("invoice", "sql", "x:date", "the plural: invoices", id="singular"),
        pytest.param("Invoices", "sql", "x:date", "snake_case", id="name"),
        pytest.param("classes", "sql", "x:date", "word of Python's", id="keyword"),
        pytest.param("customers", "sql", "x:date", "there is a feature", id="taken"),
        pytest.param("team_members", "sql", "x:date", "or a table", id="table"),
        pytest.param("problems", "sql", "x:date", "there is a contract", id="problem"),
        pytest.param("carts", "redis", "x:email unique", "in Redis", id="redis-unique"),
        pytest.param("carts", "redis", "x:ref(users)", "in Redis", id="redis-ref"),
    ],
)


@REFUSED
def test_new_that_cannot_be_says_what_to_write(name, store, fields, said):
    with pytest.raises(NotationError) as refused:
        resource.declare(name, store, read(fields), OPERATIONS, {})
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("invoices: [", "is no YAML", id="no-yaml"),
        pytest.param("- invoices", "write `invoices:`", id="list"),
        pytest.param("invoices: x", "has `fields`", id="no-fields"),
        pytest.param("invoices: {store: moon}", "a store is", id="store"),
    ],
)
def test_new_from_a_file_that_cannot_be_read_says_how(tmp_path, text, said):
    (tmp_path / "file.yaml").write_text(text)
    with pytest.raises(NotationError, match=said):
        steps.from_yaml(str(tmp_path / "file.yaml"))


# field


@pytest.mark.slow
def test_field_adds_to_contract_table_and_migrations(project):
    project.feature("new", "invoices", "--fields", "number:string(40)")
    project.commit()
    project.feature("field", "invoices", "+paid_on:date")
    project.feature("field", "invoices", "customer:ref(customers)")
    assert project.changed() == {
        "migrations/versions/0009_paid_on_of_invoices.py",
        "migrations/versions/0010_customer_id_of_invoices.py",
        "myapp/invoices/models.py",
    }
    models = project.text("myapp/invoices/models.py")
    assert '"paid_on": {"type": ["string", "null"], "format": "date"' in models
    assert "paid_on: Mapped[date | None]" in models
    project.check()
    project.test("invoices")


@pytest.mark.parametrize(
    ("feature", "field", "said"),
    [
        pytest.param("moons", "x:date", "there is no myapp/moons", id="feature"),
        pytest.param("customers", "x", "is no field", id="no-type"),
        pytest.param("customers", "name:date", "has a field name", id="taken"),
        pytest.param("customers", "x:ref(moons)", "no table moons", id="ref"),
        pytest.param("health", "x:date", "there is no myapp/health", id="stateless"),
        pytest.param("accounts", "x:date", "by hand", id="several-contracts"),
    ],
)
def test_field_that_cannot_be_added_says_why(feature, field, said):
    with pytest.raises(NotationError) as refused:
        steps.add_field(feature, field, OPERATIONS)
    assert said in str(refused.value)


# remove


@pytest.mark.slow
def test_remove_of_what_is_not_committed_leaves_nothing(project):
    project.python("flask", "--app", "myapp", "db", "upgrade")
    project.feature("new", "invoices", "--fields", SIX)
    project.feature("field", "invoices", "+paid_on:date")
    project.feature("remove", "invoices")
    assert project.changed() == set()
    project.python("flask", "--app", "myapp", "db", "check")


@pytest.mark.slow
def test_remove_of_what_is_committed_drops_the_table(project):
    project.feature("new", "invoices", "--fields", SIX)
    project.commit()
    project.feature("remove", "invoices")
    project.check()
    project.test()
    migration = project.text("migrations/versions/0009_no_invoices.py")
    upgrade, _, downgrade = migration.partition("def downgrade")
    assert 'op.drop_table("invoices")' in upgrade
    assert 'protect("invoices")' in downgrade


@pytest.mark.parametrize(
    ("feature", "said"),
    [
        pytest.param("moons", "there is no feature moons", id="none"),
        pytest.param("users", "myapp/.* cannot do without users", id="by-others"),
        pytest.param("customers", "cannot do without customers", id="by-tests"),
    ],
)
def test_remove_that_cannot_be_says_why(feature, said):
    with pytest.raises(NotationError, match=said):
        removal.refuse(feature)
