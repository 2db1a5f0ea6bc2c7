"""`./run flask contracts`: a change that breaks clients is covered, or is refused.

Today's document is compared with one in a folder of the test's own, from which a field
was taken away: as if the source had got it since.
"""

import os
import subprocess
import sys
from copy import deepcopy
from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from openapi_spec_validator import OpenAPIV31SpecValidator

from devtools import prove
from devtools.commands import COMMANDS
from devtools.contracts import __main__, documents, waivers
from devtools.contracts.changelog import COMMAND
from devtools.contracts.commands import contracts_command
from myapp import create_app, openapi

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[1]
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\nIdentity.\n\n## [0.1.0]\n\nThe start.\n"
TODAY = date(2027, 1, 31)
SENTENCE = (
    "POST /v1/api_keys and PUT /v1/api_keys/{api_key_id}, body /role:"
    " required-field-added breaks clients. Give it a default, or release version 1.0.0"
    " (VERSION in myapp/openapi.py), or waive it until a date in"
    " docs/openapi-waivers.toml."
)


class Calendar(date):
    """One on which it is the day of these tests, also at midnight."""

    @classmethod
    def today(cls):
        return TODAY


@pytest.fixture(scope="module")
def current():
    return documents.current()


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A folder with the files that are read and written."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    monkeypatch.setattr(documents, "ROOT", tmp_path)
    monkeypatch.setattr(waivers, "date", Calendar)
    return tmp_path


@pytest.fixture
def released(root, current):
    """A released document, to be changed by the test."""

    def release(change=lambda schemas: None):
        document = deepcopy(current)
        change(document["components"]["schemas"])
        documents.release(document)

    return release


def without_role(schemas):
    """Take a field away that an API key needs today."""
    body = schemas["ApiKeyWrite"]
    del body["properties"]["role"]
    body["required"].remove("role")


def without_update(schemas):
    """Take a field away that answers show today."""
    answer = schemas["User"]
    del answer["properties"]["updated_at"]
    answer["required"].remove("updated_at")


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(contracts_command, arguments)
    return done.exit_code, done.output


def waive(root: Path, until: date, operation: str = "* /v1/api_keys*") -> None:
    (root / "docs" / "openapi-waivers.toml").write_text(f"""[[waiver]]
        operation = "{operation}"
        where = "body /role"
        change = "required-field-added"
        reason = "Nobody calls it yet."
        until = {until}
        """)


def test_commands_of_developers_are_commands_of_flask():
    names = {command.name for command in COMMANDS}
    assert "contracts" in names
    assert names <= create_app({}).cli.commands.keys()


# diff


def test_diff_without_a_change_says_so(released):
    released()
    status, said = run("diff")
    assert status == 0
    assert said == "Nothing has changed since docs/openapi.json was released.\n"


def test_diff_of_a_safe_change_is_shown_and_passes(released):
    released(without_update)
    status, said = run("diff")
    assert status == 0
    [head, *rows] = said.splitlines()
    assert head.split() == ["class", "direction", "operation", "where", "change"]
    assert [row.split()[0] for row in rows] == ["safe"] * len(rows)
    assert "POST /v1/users " in said
    assert "201 /updated_at" in said


def test_diff_of_a_breaking_change_fails_and_says_what_to_do(released):
    released(without_role)
    status, said = run("diff")
    assert status == 1
    assert SENTENCE in said


def test_diff_of_a_breaking_change_passes_with_a_new_major_version(
    released, monkeypatch
):
    released(without_role)
    monkeypatch.setattr(openapi, "VERSION", "0.2.0")
    assert run("diff")[0] == 1
    monkeypatch.setattr(openapi, "VERSION", "1.0.0")
    assert run("diff")[0] == 0


def test_diff_without_a_released_document_says_how_to_write_it(root):
    status, said = run("diff")
    assert status == 1
    assert "./run flask contracts release" in said


# waivers


def test_waiver_covers_a_breaking_change_to_its_last_day(root, released):
    released(without_role)
    waive(root, TODAY)
    status, said = run("diff")
    assert status == 0, said
    assert f"breaking, waived until {TODAY}  request" in said


def test_waiver_that_has_expired_covers_nothing_and_says_so(root, released):
    released(without_role)
    waive(root, TODAY - timedelta(days=1))
    status, said = run("diff")
    assert status == 1
    assert f"ended on {TODAY - timedelta(days=1)}" in said
    assert SENTENCE in said


def test_waiver_of_another_operation_covers_nothing(root, released):
    released(without_role)
    waive(root, TODAY, "POST /v1/users")
    status, said = run("diff")
    assert status == 1
    assert SENTENCE in said


def test_waiver_that_is_about_nothing_is_to_be_deleted(root, released):
    released()
    waive(root, TODAY)
    status, said = run("diff")
    assert status == 1
    assert "is about no breaking change: delete it" in said


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[waiver]]\noperation = 'POST /'", "missing required field `where`"),
        ("[[waiver]]\nuntill = 2027-01-31", "unknown field `untill`"),
        ("[[waiver", "docs/openapi-waivers.toml: "),
    ],
    ids=["incomplete", "misspelt", "not-toml"],
)
def test_waivers_that_cannot_be_read_say_what_a_waiver_has(
    root, released, text, complaint
):
    released()
    (root / "docs" / "openapi-waivers.toml").write_text(text)
    status, said = run("diff")
    assert status == 1
    assert complaint in said
    assert "operation, where, change, reason and until" in said


# release


def test_release_writes_what_the_source_says_today(root, current):
    status, said = run("release")
    assert (status, "version 0.1.0" in said) == (0, True)
    assert documents.released() == current


def test_release_with_a_breaking_change_is_refused(root, released):
    released(without_role)
    before = (root / "docs" / "openapi.json").read_text()
    status, said = run("release")
    assert status == 1
    assert SENTENCE in said
    assert (root / "docs" / "openapi.json").read_text() == before


def test_release_with_a_safe_change_is_done(released, current):
    released(without_update)
    assert run("release")[0] == 0
    assert documents.released() == current


# the changelog


def test_diff_writes_the_changes_under_unreleased(root, released):
    released(without_update)
    assert run("diff", "--write")[0] == 0
    changelog = (root / "CHANGELOG.md").read_text()
    unreleased, _, older = changelog.partition("## [0.1.0]")
    assert "| safe | response | " in unreleased
    assert "| 200 /updated_at | required-field-added |" in unreleased
    assert older == "\n\nThe start.\n"


def test_diff_writes_the_changes_once(root, released):
    released(without_update)
    run("diff", "--write")
    first = (root / "CHANGELOG.md").read_text()
    run("diff", "--write")
    assert (root / "CHANGELOG.md").read_text() == first
    released()
    run("diff", "--write")
    assert "Nothing has changed for clients" in (root / "CHANGELOG.md").read_text()


def test_changelog_needs_no_place_until_something_has_changed(root, released):
    (root / "CHANGELOG.md").write_text("# Changelog\n\n## [0.1.0]\n")
    released()
    assert run("diff", "--write")[0] == 0
    released(without_update)
    status, said = run("diff", "--write")
    assert (status, "begin it with ## [Unreleased]" in said) == (1, True)


# what ./run lint asks


def check(capsys) -> tuple[int, str]:
    try:
        __main__.main()
    except SystemExit as end:
        return int(end.code or 0), capsys.readouterr().out
    return 0, capsys.readouterr().out


def test_check_is_silent_while_nothing_is_wrong(released, capsys):
    released(without_update)
    run("diff", "--write")
    assert check(capsys) == (0, "")


def test_check_says_that_the_changelog_is_stale(released, capsys):
    released(without_update)
    status, said = check(capsys)
    assert status == 1
    assert COMMAND in said


def test_check_names_a_breaking_change(released, capsys):
    released(without_role)
    run("diff", "--write")
    assert check(capsys) == (1, f"{SENTENCE}\n")


@pytest.mark.slow
def test_check_stops_a_contract_that_was_changed(tmp_path):
    prove.copy(ROOT, tmp_path)
    models = tmp_path / "myapp" / "api_keys" / "models.py"
    text = models.read_text()
    assert text.count('"minLength": 1') == 1
    models.write_text(text.replace('"minLength": 1', '"minLength": 2'))
    checked = subprocess.run(
        [sys.executable, "-m", "devtools.contracts"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": ""},
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 1, checked.stderr
    assert (
        "POST /v1/api_keys and 2 more, body /name: limit-tightened"
        " (minLength: 1 → 2) breaks clients. Leave the limit where it was, or"
    ) in checked.stdout


# the document in the repository


def test_released_document_is_valid_and_shows_production():
    document = documents.released()
    OpenAPIV31SpecValidator(document).validate()
    assert document["paths"]["/v1/accounts"]["post"]["security"]
