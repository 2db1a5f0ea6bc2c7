"""Who may do what is as declared: all of it, on every operation, for every credential.

docs/permissions.md shows the declarations; the matrix holds the service to them, and
some cells are written by hand, so that a wrong declaration is noticed too.
"""

import re
from collections import defaultdict
from dataclasses import replace
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path

import pytest

from myapp import create_app, db, permissions
from myapp.access import ADMIN, EVERY_SCOPE, PUBLIC, self_or_admin
from myapp.permissions import NO, OWN, YES, grant
from tests.actors import Actor, add_user, sign_in
from tests.answers import told
from tests.bodies import url_of
from tests.credentials import ACME, CREDENTIALS, OPERATOR_KEY, RIVAL
from tests.declared import DeclaredClient
from tests.permissions import (
    CELLS,
    MISSING,
    NOWHERE,
    SKIPPED,
    Cell,
    World,
    called,
    due,
    due_methods,
    explained,
)
from tests.resources import OPERATIONS, call
from tests.sample_customers import CustomerItem
from tests.samples import FEATURES
from tests.stores import on_postgresql_only_with_all

DOCUMENT = Path(__file__).parents[1] / "docs" / "permissions.md"

BY_URL = defaultdict(list)
for operation in OPERATIONS:
    BY_URL[operation.url].append(operation)


@pytest.fixture(scope="module")
def production(settings):
    """The application as in production: only the operator opens accounts."""
    digest = sha256(OPERATOR_KEY.encode()).hexdigest()
    closed = {"OPEN_SIGN_UP": False, "OPERATOR_KEY_SHA256": digest}
    app = create_app({**settings, **closed}, FEATURES)
    app.test_client_class = DeclaredClient
    yield app
    app.extensions["myapp"].engine.dispose()


@pytest.fixture(scope="module")
def world(app, production):
    """Acme, its rival and their credentials; what was refused has changed nothing."""
    made = World(app.test_client(), production.test_client())
    before = list(made.seen())
    yield made
    assert list(made.seen()) == before, "a refused call has changed a record"


@pytest.fixture
def at_work(production):
    """Ask rules as they are in production."""
    with db.use(production.extensions["myapp"]):
        yield


# the table


def test_docs_permissions_is_what_the_command_prints(settings):
    app = create_app({**settings, "OPEN_SIGN_UP": False})
    printed = app.test_cli_runner().invoke(args=["permissions"])
    assert printed.exit_code == 0, printed.output
    assert DOCUMENT.read_text() == printed.output, (
        "Rights have changed. Write the table anew, and look at the diff:"
        f" {permissions.COMMAND}"
    )


def test_docs_permissions_says_how_many_cells_there_are():
    assert permissions.CREDENTIALS == len(CREDENTIALS), "correct myapp/permissions.py"
    [counted] = re.findall(r"(\d+) cells", DOCUMENT.read_text())
    assert int(counted) == len(CELLS), permissions.COMMAND


@pytest.mark.parametrize("pattern", SKIPPED)
def test_cell_that_is_skipped_exists(pattern):
    assert [cell for cell in CELLS if fnmatchcase(cell.name, pattern)]
    assert SKIPPED[pattern]


@pytest.mark.parametrize(
    ("rule", "granted"),
    [
        (PUBLIC, [YES, YES, YES, YES, YES, YES]),
        (ADMIN, [NO, NO, NO, YES, YES, NO]),
        (self_or_admin("id"), [NO, OWN, OWN, YES, YES, NO]),
    ],
    ids=["public", "role", "record"],
)
def test_grant_of_a_rule_for_each_column(rule, granted):
    columns = permissions.COLUMNS.values()
    assert [grant(rule, role) for role in columns] == granted


@pytest.mark.usefixtures("at_work")
@pytest.mark.parametrize(
    ("credential", "record", "status"),
    [
        ("viewer", ACME, 403),
        ("member", ACME, 403),
        ("member", RIVAL, 404),
        ("member", MISSING, 404),
        ("admin", ACME, 200),
    ],
)
def test_rule_about_the_record_is_due_to_refuse_the_records_of_others(
    credential, record, status
):
    replacing = replace(CustomerItem.operations["PUT"], rule=self_or_admin("id"))
    cell = Cell(replacing, credential, record)
    assert due(cell) == status


# written by hand

ADA = {"name": "Ada", "email": "ada@example.com"}
KEY = {"name": "import", "role": "viewer", "scopes": ["sample_customers:read"]}
TICKET = {
    "amount": 2500,
    "currency": "EUR",
    "success_url": "https://example.com/thanks",
}
BY_HAND = [
    ("nobody", "GET", "/health/live", None, 200),
    ("nobody", "GET", "/v1/sample_customers", None, 401),
    ("nobody", "POST", "/v1/sample_customers", ADA, 401),
    ("viewer", "GET", "/v1/sample_customers", None, 200),
    ("viewer", "POST", "/v1/sample_customers", ADA, 403),
    ("member", "POST", "/v1/sample_customers", ADA, 201),
    ("viewer", "POST", "/v1/sample_checkouts", TICKET, 403),
    ("member", "POST", "/v1/sample_checkouts", TICKET, 201),
    ("member", "GET", "/v1/api_keys", None, 403),
    ("member", "POST", "/v1/api_keys", KEY, 403),
    ("admin", "GET", "/v1/api_keys", None, 200),
    ("admin", "POST", "/v1/api_keys", KEY, 201),
    ("viewer", "GET", "/v1/accounts/{account_id}", None, 200),
    ("member", "DELETE", "/v1/accounts/{account_id}", None, 403),
    ("admin", "DELETE", "/v1/accounts/{account_id}", None, 403),
    ("owner", "DELETE", "/v1/accounts/{account_id}", None, 204),
]


@pytest.mark.parametrize(
    ("role", "method", "url", "body", "status"),
    [pytest.param(*row, id=" ".join(row[:3])) for row in BY_HAND],
)
def test_right_is_as_written_by_hand(acme, role, method, url, body, status):
    nobody = Actor(acme.client, acme.account_id, "")
    caller = nobody if role == "nobody" else acme.with_key(role, [EVERY_SCOPE])
    address = url.format(account_id=acme.account_id)
    assert caller.open(method, address, json=body).status_code == status


def test_member_reaches_the_user_and_the_session_that_are_theirs(acme):
    sign_in(acme)
    [others] = acme.get("/v1/auth/sessions").json["items"]
    member = add_user(acme, "member")
    own = member.get("/v1/users/me").json["id"]
    assert member.get(f"/v1/users/{own}").status_code == 200
    assert member.get(f"/v1/users/{others['user_id']}").status_code == 403
    assert member.merge(f"/v1/users/{own}", {"name": "Ada"}).status_code == 200
    [session] = member.get("/v1/auth/sessions").json["items"]
    assert member.delete(f"/v1/auth/sessions/{others['id']}").status_code == 403
    assert member.delete(f"/v1/auth/sessions/{session['id']}").status_code == 204


# the matrix


@on_postgresql_only_with_all
@pytest.mark.usefixtures("at_work")
@pytest.mark.parametrize("cell", [called(cell.name, cell) for cell in CELLS])
def test_cell_is_answered_as_declared(world, cell):
    actor, path = world.cast(cell)
    answer = call(actor, cell.operation, path)
    assert answer.status_code == due(cell)
    if answer.status_code in (401, 403):
        assert explained(cell, answer)
    if answer.status_code == 404 and cell.record != MISSING:
        assert told(answer) == told(call(actor, cell.operation, NOWHERE))


@pytest.mark.usefixtures("at_work")
@pytest.mark.parametrize(
    ("url", "name"),
    [called(f"{url}-{name}", url, name) for url in BY_URL for name in CREDENTIALS],
)
def test_options_allows_what_is_declared(world, url, name):
    operations = BY_URL[url]
    scope = operations[0].scope
    answer = world.caller(name, scope).options(url_of(operations[0], NOWHERE))
    methods = due_methods(operations, name, scope)
    if methods is None:
        assert answer.status_code == 401
    else:
        assert set(answer.headers["Allow"].split(", ")) == methods
