"""The commands for developers: the shell, the routes, and made-up records."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from devtools import routes
from myapp import FEATURES, create_app
from myapp.kinds import CREATE
from tests.actors import sign_up
from tests.json_api import invoices
from tests.plain import products
from tests.resources import OPERATIONS, SERVED, make_named

ROOT = Path(__file__).parents[1]
SEEDED = [
    operation.feature
    for operation in SERVED
    if operation.kind is CREATE and "<" not in operation.url
]


def slug_of(actor):
    return actor.get("/v1/accounts").json["items"][0]["slug"]


def shell(settings, *lines):
    """Return what `flask shell` prints for some lines, and what it says of itself."""
    given = {name: settings[name] for name in settings if name.endswith("_URL")}
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "myapp", "shell"],
        cwd=ROOT,
        env={"MYAPP_CONFIG": "development", **given},
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout.replace(">>> ", "").splitlines(), done.stderr


# shell


@pytest.mark.slow
def test_shell_has_tables_repositories_and_contracts_by_name(settings):
    printed, banner = shell(
        settings,
        "print(User.__tablename__, USER.name, sql.metadata is not None)",
        "print(all(each.contract for each in (accounts, users, api_keys)))",
        "print(redis.ping())",
    )
    assert printed[:3] == ["users User True", "True", "True"]
    assert banner.startswith("By name: tables (")
    assert "Also sql, db, redis and tenant: " in banner.splitlines()[1]


@pytest.mark.slow
def test_shell_calls_repositories_for_one_account_and_is_named_in_the_audit(
    settings, acme, rival
):
    values = '{"name": "Ada", "email": "ada@example.com", "role": "viewer"}'
    printed, _ = shell(
        settings,
        f'acme, rival = tenant("{slug_of(acme)}"), tenant("{slug_of(rival)}")',
        f"made = users.create(acme, {values})",
        "print([len(users.list(each, Slice()).items) for each in (acme, rival)])",
    )
    assert printed[0] == "[2, 1]"
    shown, _owner = acme.get("/v1/users").json["items"]
    assert shown["name"] == "Ada"
    entry = acme.get("/v1/audit_entries").json["items"][0]
    assert entry["principal"] == "command:shell"


# routes


def grouped(printed):
    """Return the lines of a list of routes, by group."""
    groups = [group.splitlines() for group in printed.strip("\n").split("\n\n")]
    return {head: lines for head, *lines in groups}


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_routes_are_shown_by_feature_with_who_may_call_them(app, capsys):
    routes.show(app)
    groups = grouped(capsys.readouterr().out)
    for operation in OPERATIONS:
        rows = [line.split(maxsplit=2) for line in groups[operation.feature]]
        [rest] = [
            rest for *call, rest in rows if call == [operation.method, operation.url]
        ]
        assert rest.startswith(operation.rule.text)
        assert rest.endswith(operation.summary)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_pages_are_shown_last_and_plain_features_with_who_may_call_them(
    settings, capsys
):
    routes.show(create_app(settings, (*FEATURES, products)))
    groups = grouped(capsys.readouterr().out)
    assert [*groups][-1] == "pages"
    assert any("  GET  /docs " in line and "anyone" in line for line in groups["pages"])
    posted = [line for line in groups["sample_products"] if line.startswith("  POST")]
    assert posted
    assert all("member or above" in line for line in posted)


@pytest.mark.slow
def test_run_shows_our_routes_where_flask_has_its_own():
    done = subprocess.run(
        [ROOT / "run", "flask", "routes"],
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert grouped(done.stdout).keys() >= {"users", "health", "pages"}


# seed


@pytest.fixture
def seed(start_app):
    """Seed as on a developer's machine, or with other settings."""

    def seed(*arguments, **own):
        app = start_app(**{"DEVELOPMENT_SECRET": "of this test", **own})
        done = app.test_cli_runner().invoke(args=["seed", *arguments])
        return done.exit_code, done.output

    return seed


@pytest.mark.parametrize("feature", [name for name in SEEDED if name != "accounts"])
def test_seed_makes_records_of_a_feature_in_one_account(seed, acme, rival, feature):
    [creation] = [
        operation
        for operation in SERVED
        if operation.feature == feature
        if operation.kind is CREATE and "<" not in operation.url
    ]
    make_named(acme, "first", creation)  # what it refers to
    url = creation.url
    before = [len(each.get(url).json["items"]) for each in (acme, rival)]
    for _ in range(2):
        code, said = seed(feature, "--count", "3", "--account", slug_of(acme))
        assert code == 0, said
        assert f"{slug_of(acme)} {feature}" in said
    after = [len(each.get(url).json["items"]) for each in (acme, rival)]
    assert after == [before[0] + 6, before[1]]


def test_seed_makes_accounts_of_their_own(seed, acme):
    assert seed("accounts", "--count", "2", "--account", slug_of(acme))[0] == 0


def test_seed_is_named_in_the_audit(seed, acme):
    seed("sample_customers", "--count", "1", "--account", slug_of(acme))
    entry = acme.get("/v1/audit_entries").json["items"][0]
    assert entry["principal"] == "command:seed"


@pytest.mark.usefixtures("engine")
def test_seed_of_an_unknown_feature_names_those_there_are(seed, acme):
    code, said = seed("moons", "--account", slug_of(acme))
    assert code == 2
    assert f"take one of {', '.join(SEEDED)}" in said


def test_seed_of_what_refers_to_others_takes_those_there_are(databases, settings):
    own = {**settings, **databases.clone(), "DEVELOPMENT_SECRET": "of this test"}
    app = invoices.start(own)
    acme = sign_up(app.test_client(), "acme")

    def seed(feature):
        options = ["--count", "2", "--account", slug_of(acme)]
        done = app.test_cli_runner().invoke(args=["seed", feature, *options])
        return done.exit_code, done.output

    code, said = seed("sample_invoices")
    assert code == 1
    customers = "sample_customers"
    assert f"refers to {customers}, and there are none: seed {customers} first" in said
    assert seed(customers)[0] == seed("sample_invoices")[0] == 0
    made = acme.get("/v1/sample_invoices").json["items"]
    named = {item["customer_id"] for item in made}
    assert len(made) == 2
    there_are = acme.get(f"/v1/{customers}").json["items"]
    assert named <= {item["id"] for item in there_are}
    app.extensions["myapp"].engine.dispose()


@pytest.mark.usefixtures("engine")
def test_seed_of_an_unknown_account_says_so(seed):
    code, said = seed("sample_customers", "--account", "nobodys")
    assert (code, said) == (
        1,
        "Error: There is no open account nobodys: give the slug of one.\n",
    )


def test_seed_without_a_developers_secret_makes_nothing(seed, acme):
    options = ("sample_customers", "--account", slug_of(acme))
    code, said = seed(*options, DEVELOPMENT_SECRET="")
    assert code == 1
    assert said.startswith("Error: seed makes records up, and this is no developer's")
    assert acme.get("/v1/sample_customers").json["items"] == []
