"""What `flask feature` writes: what a good developer would have written, or nothing.

Each test has a copy of the checkout; the commands and the checks run in it as anywhere.
"""

from pathlib import Path

import pytest
import yaml

from devtools.features import removal, resource, steps
from devtools.features.fields import NotationError, read
from tests.checkout import ROOT
from tests.project import Project
from tests.resources import OPERATIONS

pytestmark = pytest.mark.once

SIX = (
    "number:string(40) unique, total:integer, due_on:date, payer:ref(users),"
    " state:enum(draft|sent), note:string(500) optional"
)
SEVERAL = """\
trials:
  fields:
    number: string(40) unique
    payer: ref(users)
trial_lines:
  fields: "trial:ref(trials), assignee:ref(users) optional, amount:number(0..100),
    paid:boolean, seen_at:datetime, mail:email, home:uri, size:integer(0..99999999999),
    rating:integer(5..10)"
trial_links:
  fields: source:ref(trials), target:ref(trials)
trial_members:
  fields: link:ref(trial_links), name:string(9)
viewers:
  fields: {name: string(9)}
trial_carts:
  store: redis
  fields:
    colour: enum(red|blue)
    note: string(20) optional
"""
VERSIONS = Path("migrations", "versions")
NEWEST = int(max((ROOT / VERSIONS).glob("[0-9]*.py")).name[:4])


def migration(ahead: int, about: str) -> str:
    """Return the file of a migration that is so many after those of the checkout."""
    return str(VERSIONS / f"{NEWEST + ahead:04}_{about}.py")


@pytest.fixture
def project(tmp_path):
    """A fresh copy of this checkout."""
    return Project(tmp_path / "checkout")


# new


@pytest.mark.slow
def test_new_writes_a_feature_that_passes_checks_and_tests_as_it_stands(project):
    project.feature("new", "trials", "--fields", SIX)
    assert project.changed() == {
        "CHANGELOG.md",
        "docs/permissions.md",
        migration(1, "trials"),
        "myapp/__init__.py",
        "myapp/trials/__init__.py",
        "myapp/trials/endpoints.py",
        "myapp/trials/models.py",
        "myapp/trials/shapes.py",
        "myapp/trials/test_trials.py",
    }
    project.check()
    project.test("trials")


@pytest.mark.slow
def test_new_from_a_file_writes_several_that_refer_to_each_other(project):
    (project.folder / "resources.yaml").write_text(SEVERAL)
    project.feature("new", "--from", "resources.yaml")
    project.check()
    project.test(*yaml.safe_load(SEVERAL))


def test_new_that_fails_leaves_nothing_behind(project):
    (project.folder / "migrations/versions/broken.py").write_text("x =\n")
    project.commit()
    said = project.feature("new", "trials", "--fields", SIX, expected=1)
    assert "nothing has been written: SyntaxError" in said
    assert project.changed() == set()


REFUSED = pytest.mark.parametrize(
    ("name", "store", "fields", "said"),
    [
        pytest.param("trials", "sql", "x", "'x' is no field: write", id="no-type"),
        pytest.param("trials", "sql", "x:text", "'text' is no type", id="type"),
        pytest.param("trials", "sql", "x:string", "needs a bound", id="unbounded"),
        pytest.param("trials", "sql", "x:string(0)", "needs a bound", id="bound"),
        pytest.param("trials", "sql", "X:date", "use snake_case", id="case"),
        pytest.param("trials", "sql", "x:date blue", "'blue' says nothing", id="flag"),
        pytest.param("trials", "sql", "x:date unique", "only string and", id="unique"),
        pytest.param("trials", "sql", "x:date(1)", "takes no (1)", id="argument"),
        pytest.param("trials", "sql", "x:integer(9..1)", "is no range", id="range"),
        pytest.param("trials", "sql", "x:enum(a)", "needs choices", id="choices"),
        pytest.param("trials", "sql", "x:ref", "to what?", id="to-what"),
        pytest.param("trials", "sql", "x:ref(moons)", "no table moons", id="moons"),
        pytest.param("trials", "sql", "x:ref(accounts)", "no table acc", id="account"),
        pytest.param("trials", "sql", "id:date", "without asking", id="assigned"),
        pytest.param("trials", "sql", "limit:date", "is a parameter", id="parameter"),
        pytest.param("trials", "sql", "date:date", "say more", id="typename"),
        pytest.param("trials", "sql", "from:date", "say more", id="python"),
        pytest.param("trials", "sql", "metadata:date", "say more", id="sqlalchemy"),
        pytest.param("trials", "sql", f"{'x' * 31}:date", "at most 30", id="long"),
        pytest.param(
            "trials", "sql", "account:ref(users)", "without asking", id="tenant"
        ),
        pytest.param(
            "trials", "sql", "x:string(501) unique", "at most 500", id="unique-long"
        ),
        pytest.param(
            "trials", "sql", "x:enum(a|a)", "needs choices", id="choice-twice"
        ),
        pytest.param(
            "trials", "sql", f"x:enum(a|{'b' * 41})", "at most 40", id="choice-long"
        ),
        pytest.param(
            "trial_of_all_the_things",
            "sql",
            f"{'x' * 20}:email unique",
            "at most 42",
            id="pair",
        ),
        pytest.param("trials", "sql", "x:date, x:date", "is there twice", id="twice"),
        pytest.param("trials", "sql", "", "needs a field", id="no-fields"),
        pytest.param("trial", "sql", "x:date", "the plural: trials", id="singular"),
        pytest.param("Trials", "sql", "x:date", "snake_case", id="name"),
        pytest.param("classes", "sql", "x:date", "word of Python's", id="keyword"),
        pytest.param("references", "sql", "x:date", "word of SQL's", id="sql-keyword"),
        pytest.param("members", "sql", "x:date", "member_id has a", id="below"),
        pytest.param("tables", "sql", "x:date", "a module myapp/tables", id="module"),
        pytest.param("users", "sql", "x:date", "there is a feature", id="taken"),
        pytest.param("one_time_tokens", "sql", "x:date", "or a table", id="table"),
        pytest.param("problems", "sql", "x:date", "there is a contract", id="problem"),
        pytest.param(
            "trial_carts", "redis", "x:email unique", "in Redis", id="redis-unique"
        ),
        pytest.param(
            "trial_carts", "redis", "x:ref(users)", "in Redis", id="redis-ref"
        ),
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
        pytest.param("trials: [", "is no YAML", id="no-yaml"),
        pytest.param("- trials", "write `invoices:`", id="list"),
        pytest.param("trials: x", "has `fields`", id="no-fields"),
        pytest.param("trials: {store: moon}", "a store is", id="store"),
        pytest.param("trials: {fields: [x]}", "on a line", id="listed"),
        pytest.param("trials: {fields: {on: date}}", "in quotes", id="true"),
    ],
)
def test_new_from_a_file_that_cannot_be_read_says_how(tmp_path, text, said):
    (tmp_path / "file.yaml").write_text(text)
    with pytest.raises(NotationError, match=said):
        steps.from_yaml(str(tmp_path / "file.yaml"))


# field


@pytest.mark.slow
def test_field_adds_to_contract_table_and_migrations(project):
    project.feature("new", "trials", "--fields", "number:string(40)")
    project.commit()
    project.feature("field", "trials", "+paid_on:date")
    project.feature("field", "trials", "payer:ref(users)")
    project.feature("field", "trials", "next:ref(trials)")
    assert project.changed() == {
        migration(2, "paid_on_of_trials"),
        migration(3, "payer_id_of_trials"),
        migration(4, "next_id_of_trials"),
        "myapp/trials/models.py",
        "myapp/trials/shapes.py",
    }
    assert "paid_on: date | None" in project.text("myapp/trials/shapes.py")
    models = project.text("myapp/trials/models.py")
    assert '"paid_on": {"type": ["string", "null"], "format": "date"' in models
    assert "paid_on: Mapped[date | None]" in models
    project.check()
    project.test("trials")


@pytest.mark.parametrize(
    ("feature", "field", "said"),
    [
        pytest.param("moons", "x:date", "there is no myapp/moons", id="feature"),
        pytest.param("sessions", "x", "is no field", id="no-type"),
        pytest.param("sessions", "address:date", "has a field address", id="taken"),
        pytest.param("sessions", "x:ref(moons)", "no table moons", id="ref"),
        pytest.param("health", "x:date", "there is no myapp/health", id="stateless"),
        pytest.param("accounts", "x:date", "by hand", id="several-contracts"),
        pytest.param("sessions", "x:date", "write nothing of it", id="read-only"),
        pytest.param("users", "x:date, y:date", "one field at a time", id="two"),
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
    project.feature("new", "trials", "--fields", SIX)
    project.feature("field", "trials", "+paid_on:date")
    project.feature("remove", "trials")
    assert project.changed() == set()
    project.python("flask", "--app", "myapp", "db", "check")


@pytest.mark.slow
def test_remove_of_what_is_committed_drops_the_table(project):
    project.feature("new", "trials", "--fields", SIX)
    project.commit()
    project.feature("remove", "trials")
    project.check()
    project.test()
    written = project.text(migration(2, "no_trials"))
    upgrade, _, downgrade = written.partition("def downgrade")
    assert 'op.drop_table("trials")' in upgrade
    assert 'protect("trials")' in downgrade


@pytest.mark.parametrize(
    ("feature", "said"),
    [
        pytest.param("moons", "there is no feature moons", id="none"),
        pytest.param("users", "myapp/.* cannot do without users", id="by-others"),
    ],
)
def test_remove_that_cannot_be_says_why(feature, said):
    with pytest.raises(NotationError, match=said):
        removal.refuse(feature)
