"""`./run start` makes a product of the template: its own name, fewer features.

Each test has a copy of the checkout, which a product's tests then run in.
"""

import re
import shutil

import pytest

from devtools.start import demos, itself, names
from devtools.start.refusal import Refusal
from tests.checkout import copy_files
from tests.project import Project

pytestmark = pytest.mark.once

LONGEST = "abcdefghijkl"
"""A name under which no line may be too long."""


@pytest.fixture
def project(tmp_path):
    """A fresh copy of this checkout."""
    return Project(tmp_path / "checkout")


@pytest.mark.slow
def test_start_leaves_a_product_that_passes_checks_and_tests(project):
    without = [
        name for name in demos.DEMO if (project.folder / "myapp" / name).exists()
    ]
    project.python("devtools.start", LONGEST, "--without", ",".join(without))
    project.package = LONGEST
    assert not {*demos.DEMO} & {
        path.name for path in (project.folder / LONGEST).iterdir()
    }
    assert project.run("git", "grep", "-il", names.TEMPLATE, expected=1) == ""
    for page in ("run", "README.md", "CHANGELOG.md"):
        assert "./run start" not in project.text(page)
    project.commit()
    project.check()
    project.test()


@pytest.mark.slow
def test_start_that_fails_leaves_nothing_behind(project):
    (project.folder / "migrations/versions/broken.py").write_text("x =\n")
    project.commit()
    said = project.python("devtools.start", "invoicer", expected=1)
    assert "nothing has changed: SyntaxError" in said
    assert project.changed() == set()


def test_start_over_changes_that_are_not_committed_is_refused(project):
    (project.folder / "README.md").write_text("Mine.\n")
    said = project.python("devtools.start", "invoicer", expected=1)
    assert "there are changes that are not committed: commit them first" in said
    assert project.text("README.md") == "Mine.\n"


def test_start_over_a_database_of_the_demo_is_refused(project):
    (project.folder / "instance/myapp.sqlite").touch()
    said = project.python("devtools.start", "invoicer", expected=1)
    assert "instance/ has a database with the tables of the demo" in said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("", "cannot be the name", id="none"),
        pytest.param("my_shop", "cannot be the name", id="no-host"),
        pytest.param("MyShop", "cannot be the name", id="capitals"),
        pytest.param("2shops", "cannot be the name", id="digit-first"),
        pytest.param("../shop", "cannot be the name", id="path"),
        pytest.param(f"{LONGEST}m", "cannot be the name", id="long"),
        pytest.param("class", "another file, module", id="keyword"),
        pytest.param("json", "another file, module", id="python"),
        pytest.param("flask", "another file, module", id="package"),
        pytest.param("tests", "another file, module", id="folder"),
        pytest.param("run", "another file, module", id="file"),
        pytest.param("conftest", "another file, module", id="module"),
        pytest.param("dockerfile", "another file, module", id="file-in-capitals"),
        pytest.param("postgres", "another file, module", id="user"),
    ],
)
def test_name_that_cannot_be_says_why(name, said):
    with pytest.raises(Refusal, match=said):
        names.refuse(name)


@pytest.mark.parametrize("feature", ["moons", "health", "well_known", "users"])
def test_feature_that_is_none_of_the_demo_stays(tmp_path, feature):
    copy_files(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(Refusal, match=f"{feature} is no feature of the demo: take"):
        demos.remove(tmp_path, [feature])
    assert sorted(tmp_path.rglob("*")) == before


def test_feature_that_others_need_stays(tmp_path, monkeypatch):
    copy_files(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(demos, "DEMO", ("users",))
    with pytest.raises(Refusal, match="cannot do without users: leave that"):
        demos.remove(tmp_path, ["users"])
    assert sorted(tmp_path.rglob("*")) == before


def test_pages_name_no_feature_that_has_gone(tmp_path):
    copy_files(tmp_path)
    without = [name for name in demos.DEMO if (tmp_path / "myapp" / name).exists()]
    demos.remove(tmp_path, without)
    itself.remove(tmp_path)
    for page in demos.PAGES:
        named = re.findall(r"[a-z_]+", (tmp_path / page).read_text())
        assert not {*demos.DEMO} & {*named}, page


MIGRATION = 'revision = "{}"\ndown_revision = {}\nop.create_table("{}")\n'


def test_migrations_close_the_gap_that_a_feature_leaves(tmp_path):
    copy_files(tmp_path)
    versions = tmp_path / "migrations/versions"
    shutil.rmtree(versions)
    versions.mkdir()
    for number, before, table in (
        ("1", "None", "accounts"),
        ("2", '"1"', "clients"),
        ("3", '"2"', "keys"),
    ):
        text = MIGRATION.format(number, before, table)
        (versions / f"{number}.py").write_text(text)
    demos.remove_migrations(tmp_path, "clients")
    assert not (versions / "2.py").exists()
    assert 'down_revision = "1"' in (versions / "3.py").read_text()
