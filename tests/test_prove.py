"""`./run prove`: its list fits the source, and it says what it finds.

What it finds is tried on a tiny project of one guard and its tests.
"""

import ast
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest

from devtools import prove
from devtools.prove import Guard, Proof

ROOT = Path(__file__).parents[1]
GUARDS = prove.read_guards()
EACH_GUARD = pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)


# the list


@EACH_GUARD
def test_guard_is_in_the_source_once_and_goes_without_breaking_it(guard):
    compile(prove.without(guard, ROOT), guard.file, "exec")


@EACH_GUARD
def test_tests_of_a_guard_are_there(guard):
    file, name = shlex.split(guard.tests)[0].split("::")
    tree = ast.parse((ROOT / file).read_text())
    assert name in {getattr(node, "name", "") for node in tree.body}


@pytest.mark.parametrize(
    "folder",
    [listed.parent for listed in ROOT.glob("myapp/*/guards.toml")],
    ids=lambda folder: folder.name,
)
def test_guards_of_a_feature_name_files_of_its_folder(folder):
    listed = tomllib.loads((folder / "guards.toml").read_text())
    for guard in (Guard(name, **fields) for name, fields in listed.items()):
        assert (ROOT / guard.file).parent == folder
        assert (ROOT / guard.tests.partition("::")[0]).parent == folder


def test_readme_lists_every_guard_and_no_other():
    [shown] = prove.TABLE.findall((ROOT / "README.md").read_text())
    rows = [line.split(" | ")[:2] for line in shown.splitlines()[2:]]
    assert rows == [[f"| {guard.name}", guard.promise] for guard in GUARDS]


# what it finds

DOOR = """
def enter(key):
    if key != "right":
        raise ValueError
    return "inside"
"""
TESTS = """
import pytest
from door import enter


@pytest.fixture
def inside():
    return enter("right")


def test_enter_with_the_right_key(inside):
    assert inside == "inside"


@pytest.mark.parametrize("key", ["wrong", ""], ids=["a - b", "none"])
def test_enter_with_another_key_fails(key):
    with pytest.raises(ValueError):
        enter(key)
"""
LIST = """
[lock]
promise = "only the right key opens"
file = "door.py"
source = 'if key != "right":'
without = 'if False:'
tests = "test_door.py"
"""
LOCK = Guard("lock", **tomllib.loads(LIST)["lock"])


@pytest.fixture
def project(tmp_path):
    """A checkout of a door, its tests, the list of its guards and a README."""
    folder = tmp_path / "project"
    (folder / "devtools").mkdir(parents=True)
    (folder / "devtools/guards.toml").write_text(LIST)
    (folder / "door.py").write_text(DOOR)
    (folder / "test_door.py").write_text(TESTS)
    (folder / "README.md").write_text(f"before\n{prove.START}old\n{prove.END}after\n")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


def attempt(project, **own):
    """Prove the lock, or one that differs from it."""
    [result] = prove.prove_all([LOCK._replace(**own)], project)
    return result


def test_guards_of_features_follow_those_of_all(project):
    (project / "myapp/doors").mkdir(parents=True)
    bolt = LIST.replace("lock", "bolt")
    (project / "myapp/doors/guards.toml").write_text(bolt)
    assert prove.read_guards(project) == [LOCK, LOCK._replace(name="bolt")]


def test_guard_that_a_test_misses_is_proven_by_its_name(project):
    proof = attempt(project)
    assert proof.test == "test_door.py::test_enter_with_another_key_fails[a - b]"


def test_checkout_stays_as_it_is(project):
    before = sorted(project.rglob("*"))
    attempt(project)
    assert (project / "door.py").read_text() == DOOR
    assert sorted(project.rglob("*")) == before


@pytest.mark.parametrize(
    ("own", "complaint"),
    [
        ({"tests": "test_door.py -k right_key"}, "no test fails without it"),
        ({"source": "if the key is wrong:"}, "has its source 0 times, not once"),
        ({"file": "window.py"}, "has its source 0 times, not once"),
        ({"source": "key"}, "has its source 2 times, not once"),
        ({"without": "if True:"}, "the tests do not run, rather than fail"),
        ({"without": "if"}, "the tests do not run, rather than fail"),
        ({"tests": "test_window.py"}, "its tests do not pass as it is"),
        ({"tests": "test_door.py -k window"}, "its tests do not pass as it is"),
    ],
    ids=[
        "missed",
        "gone",
        "file gone",
        "twice",
        "set-up",
        "syntax",
        "no file",
        "no test",
    ],
)
def test_guard_that_proves_nothing_is_a_complaint(project, own, complaint):
    said = attempt(project, **own)
    assert said.startswith("lock: ")
    assert complaint in said


# the command

ROW = (
    "| lock | only the right key opens |"
    " [`test_enter_with_another_key_fails`](test_door.py) |\n"
)


def test_table_shows_each_guard_and_the_test_that_misses_it(project, capsys):
    prove.main(["lock", "--table"], project)
    assert capsys.readouterr().out.endswith(f"|\n|---|---|---|\n{ROW}")


def test_write_puts_the_table_into_the_readme_and_keeps_the_rest(project, capsys):
    assert prove.main(["--write", "--table"], project) == 0
    written = f"before\n{prove.START}{capsys.readouterr().out}{prove.END}after\n"
    assert (project / "README.md").read_text() == written
    assert prove.main([], project) == 0


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        (("old", "older"), "./run prove --write"),
        ((prove.END, ""), f"{prove.START}{prove.END}"),
    ],
    ids=["another table", "no place"],
)
def test_readme_without_the_table_is_a_failure_with_the_remedy(
    project, capsys, change, remedy
):
    readme = project / "README.md"
    readme.write_text(text := readme.read_text().replace(*change))
    assert prove.main([], project) == 1
    assert remedy in capsys.readouterr().err
    assert readme.read_text() == text


def test_guard_that_no_test_misses_is_a_failure(project, capsys):
    weak = LIST.replace("test_door.py", "test_door.py -k right_key")
    (project / "devtools/guards.toml").write_text(weak)
    assert prove.main(["--write"], project) == 1
    assert "lock: no test fails without it" in capsys.readouterr().err
    assert "old" in (project / "README.md").read_text()


def test_guard_by_name_is_proven_alone_and_leaves_the_readme(project, capsys):
    listed = LIST + LIST.replace("lock", "bolt")
    (project / "devtools/guards.toml").write_text(listed)
    assert prove.main(["bolt", "--table"], project) == 0
    table = capsys.readouterr().out
    assert ("| bolt |" in table, "| lock |" in table) == (True, False)
    assert "old" in (project / "README.md").read_text()


@pytest.mark.parametrize("wrong", [["window"], ["lock", "--write"]], ids=str)
def test_command_that_cannot_be_carried_out_says_why(project, capsys, wrong):
    with pytest.raises(SystemExit, match="2"):
        prove.main(wrong, project)
    assert "./run prove: error: " in capsys.readouterr().err


@pytest.mark.slow
def test_guard_of_this_project_is_proven():
    guard = next(guard for guard in GUARDS if guard.name == "production settings")
    [proof] = prove.prove_all([guard], ROOT)
    assert isinstance(proof, Proof)
    assert proof.test in guard.tests
