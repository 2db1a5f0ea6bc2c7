"""`flask accounts export`: one account's data, all of it, and no secret."""

import json
import re
from collections import Counter
from uuid import UUID, uuid4

import pytest

from myapp import db
from myapp.accounts import export
from myapp.tables import Base, shared
from tests.by_the_way import put_by_the_way
from tests.resources import make_everything
from tests.tables import rows_of

LEFT_OUT = {
    "api_keys.key_sha256",
    "authorization_codes.code_challenge",
    "authorization_codes.code_sha256",
    "clients.secret_sha256",
    "one_time_tokens.token_sha256",
    "refresh_tokens.token_sha256",
    "users.password_hash",
}
SUSPECT = re.compile("hash|sha|secret|password|private|key|token|challenge|proof")
HARMLESS = {"audit_entries", *shared()}


@pytest.fixture
def run(app):
    """Run `flask accounts export`; return its status and what it prints."""

    def run(account):
        done = app.test_cli_runner().invoke(args=["accounts", "export", account])
        return done.exit_code, done.output

    return run


@pytest.fixture
def rows(app, acme, rival):
    """Rows of two accounts in every table, and records in Redis."""
    for actor in (acme, rival):
        with db.use(app.extensions["myapp"]):
            put_by_the_way(UUID(actor.account_id))
        make_everything(actor, f"row-{uuid4().hex[:8]}")


def slug_of(actor):
    return actor.get(f"/v1/accounts/{actor.account_id}").json["slug"]


@pytest.mark.usefixtures("rows")
def test_export_prints_every_row_and_record_of_the_account(app, acme, run):
    code, said = run(slug_of(acme))
    assert code == 0
    printed = [json.loads(line) for line in said.splitlines()]
    counted = Counter(line["from"] for line in printed)
    stored = rows_of(app, acme.account_id)
    assert all(stored.values()), "each table has a row of the account"
    in_redis = {name: counted.pop(name) for name in {*counted} - {*stored}}
    assert in_redis["sample_checkouts"] == 1
    assert counted == {name: len(found) for name, found in stored.items()}
    [user, *_] = [line["values"] for line in printed if line["from"] == "users"]
    shown = acme.get(f"/v1/users/{user['id']}").json
    assert shown.items() <= user.items()


@pytest.mark.usefixtures("rows")
def test_export_prints_nothing_of_another_account(acme, rival, run):
    code, said = run(slug_of(acme))
    assert code == 0
    assert acme.account_id in said and rival.account_id not in said


@pytest.mark.usefixtures("rows")
def test_export_leaves_out_what_only_proves_who_somebody_is(app, acme, run):
    _, said = run(acme.account_id)
    stored = rows_of(app, acme.account_id)
    for column in LEFT_OUT:
        table, _, name = column.partition(".")
        assert name not in {
            field
            for line in map(json.loads, said.splitlines())
            if line["from"] == table
            for field in line["values"]
        }
        for row in stored[table]:
            assert row[name] is None or row[name] not in said


def test_column_that_looks_like_a_secret_is_left_out():
    columns = [
        column
        for table in Base.metadata.sorted_tables
        if table.name not in HARMLESS
        for column in table.c
        if SUSPECT.search(column.name)
    ]
    assert {str(column) for column in columns} == LEFT_OUT
    assert all(export.PROOF.fullmatch(column.name) for column in columns)


def test_export_of_a_closed_account_takes_its_id(acme, run):
    slug = slug_of(acme)
    acme.delete(f"/v1/accounts/{acme.account_id}")
    assert run(acme.account_id)[0] == 0
    assert run(slug) == (
        1,
        f"Error: There is no account {slug}: give the slug or id of one.\n",
    )


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    "account", ["nobody", "01900000-0000-7000-8000-00000000dead"], ids=["slug", "id"]
)
def test_export_of_an_unknown_account_says_what_to_give(run, account):
    said = f"Error: There is no account {account}: give the slug or id of one.\n"
    assert run(account) == (1, said)
