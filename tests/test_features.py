"""What `flask feature` writes: what a good developer would have written, or nothing.

Each test has a copy of the checkout; the commands and the checks run in it as anywhere.
"""

from pathlib import Path
from subprocess import CompletedProcess

import pytest
import yaml

from devtools.features import removal, resource, staging, steps
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


# what is meanwhile done to the checkout


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder to work on in a copy, with one file of a feature and one migration."""
    monkeypatch.setattr(staging, "ROOT", tmp_path)
    for file in (MODELS, FIRST):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text("as it was")
    return tmp_path


MODELS, OTHER = Path("myapp/trials/models.py"), Path("myapp/other.py")
FIRST, SECOND = VERSIONS / "0001_trials.py", VERSIONS / "0002_theirs.py"


def test_what_is_saved_meanwhile_stays(checkout):
    with staging.staged() as copy:
        (copy / MODELS).write_text("ours")
        (checkout / FIRST).touch()
        (checkout / OTHER).write_text("theirs")
    assert (checkout / MODELS).read_text() == "ours"
    assert (checkout / OTHER).read_text() == "theirs"


@pytest.mark.parametrize(
    "theirs",
    [
        pytest.param(MODELS, id="same-file"),
        pytest.param(OTHER, id="new-file"),
        pytest.param(SECOND, id="migration"),
    ],
)
def test_what_both_have_changed_meanwhile_is_refused(checkout, theirs):
    with pytest.raises(NotationError, match=f"{theirs} has changed meanwhile: run it"):
        with staging.staged() as copy:
            (copy / MODELS).unlink()
            (copy / OTHER).write_text("ours")
            (checkout / theirs).write_text("theirs")
    assert (checkout / MODELS).exists()
    assert (checkout / theirs).read_text() == "theirs"


def test_what_has_no_copy_is_not_done_where_a_step_fails(checkout):
    done = []
    with pytest.raises(NotationError, match="has changed meanwhile"):
        with staging.staged(last=lambda: done.append("downgrade")) as copy:
            (copy / MODELS).write_text("ours")
            (checkout / MODELS).write_text("theirs")
    assert not done


def test_an_empty_folder_is_no_part_of_the_copy(checkout):
    (checkout / "myapp/left_over/__pycache__").mkdir(parents=True)
    with staging.staged() as copy:
        (copy / "myapp/left_over").mkdir()


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


@pytest.mark.slow
def test_remove_of_what_is_committed_in_part_drops_the_table_as_it_was(project):
    project.feature("new", "trials", "--fields", SIX)
    project.commit()
    project.feature("field", "trials", "+paid_on:date")
    project.feature("remove", "trials")
    written = project.text(migration(2, "no_trials"))
    assert 'sa.Column("payer_id", sa.Uuid(), nullable=False)' in written
    assert "paid_on" not in written
    project.check()
    project.test()


@pytest.mark.slow
def test_remove_of_several_tables_drops_them_in_one_migration(project):
    project.feature("remove", "teams")
    written = project.text(migration(1, "no_teams"))
    upgrade, _, downgrade = written.partition("def downgrade")
    assert upgrade.index('"team_members")') < upgrade.index('drop_table("teams")')
    assert downgrade.index('protect("teams")') < downgrade.index('"team_members"')
    assert not (project.folder / migration(2, "no_teams")).exists()
    project.test()


def test_remove_that_fails_leaves_files_and_database(project):
    project.python("flask", "--app", "myapp", "db", "upgrade")
    project.feature("new", "trials", "--fields", "number:string(40)")
    changelog = project.text("CHANGELOG.md")
    (project.folder / "CHANGELOG.md").write_text("")
    before = project.changed()
    said = project.feature("remove", "trials", expected=1)
    assert "nothing has been written: CHANGELOG.md has no place" in said
    assert project.changed() == before
    current = project.python("flask", "--app", "myapp", "db", "current")
    assert f"{NEWEST + 1:04} (head)" in current
    (project.folder / "CHANGELOG.md").write_text(changelog)
    project.feature("remove", "trials")
    assert project.changed() == set()


def test_remove_without_a_database_makes_none(project):
    project.feature("new", "trials", "--fields", "number:string(40)")
    project.feature("remove", "trials")
    assert not [*project.folder.glob("instance/*.sqlite*")]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        pytest.param("", "it ended with -9", id="nothing"),
        pytest.param("Traceback\na.b.SomeError: Do it.", "Do it.", id="class"),
        pytest.param("SyntaxError: no", "SyntaxError: no", id="Python"),
    ],
)
def test_reason_is_a_sentence(said, reason):
    assert removal.reason(CompletedProcess([], -9, "", said)) == reason


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
