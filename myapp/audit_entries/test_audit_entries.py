"""What the audit holds: one entry for every committed change, and nobody changes it."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from myapp import audit, db
from myapp.accounts.models import accounts
from myapp.audit import AuditEntry
from myapp.errors import Conflict, Forbidden, NotFound, PreconditionFailed
from myapp.sql_repository import SqlRepository
from tests.sample_customers import CUSTOMER, Customer, customers
from tests.tables import statements

URL = "/v1/audit_entries"
CUSTOMERS = "/v1/sample_customers"
ADA = {"name": "Ada Lovelace", "email": "ada@example.com"}
GRACE = {"name": "Grace Hopper", "email": "ada@example.com"}
SESSION = {"amount": 1, "currency": "EUR", "success_url": "https://acme.example/"}
WRITERS = 50


@pytest.fixture
def ada(acme):
    """The answer that made a customer of acme's."""
    made = acme.post(CUSTOMERS, json=ADA)
    assert made.status_code == 201
    return made


def entries(actor, **query):
    """Return an account's entries, the newest first."""
    return actor.get(URL, query_string={"limit": "100", **query}).json["items"]


def about(actor, made):
    """Return the entries about one object, the oldest first."""
    return entries(actor, object_id=made.json["id"])[::-1]


def written(found):
    """Return what entries say of the changes themselves."""
    return [(entry["operation"], entry["version"], entry["fields"]) for entry in found]


def count(actor):
    """Return how many entries an account has."""
    shown = actor.get(URL, query_string={"count": "exact"})
    return int(shown.headers["X-Total-Count"])


def kept(tenant):
    """Return an account's entries as they lie in the table, the oldest first."""
    chosen = select(AuditEntry.__table__).where(AuditEntry.account_id == tenant)
    with db.transaction(tenant, read_only=True) as connection:
        return connection.execute(chosen.order_by(AuditEntry.id)).all()


# --- list


def test_list_shows_the_newest_entry_first(acme, ada):
    acme.put(ada.location, json=GRACE)
    acme.delete(ada.location)
    assert written(entries(acme, resource="sample_customers")) == [
        ("sample_customers_delete", 2, []),
        ("sample_customers_replace", 2, ["name"]),
        ("sample_customers_create", 1, ["email", "name"]),
    ]


@pytest.mark.parametrize(
    "query",
    [
        {"resource": "sample_customers"},
        {"operation": "sample_customers_create"},
        {"object_id": "its own"},
        {"principal": "another key", "resource": "sample_customers"},
    ],
    ids=lambda query: next(iter(query)),
)
def test_list_filtered_shows_what_meets_the_filter(acme, query):
    other = acme.with_key("member", ["*"])
    acme.post("/v1/api_keys", json={"name": "k", "role": "viewer", "scopes": ["*"]})
    made = other.post(CUSTOMERS, json=ADA)
    [expected] = about(acme, made)
    if "object_id" in query:
        query = {"object_id": made.json["id"]}
    if "principal" in query:
        query = {**query, "principal": expected["principal"]}
    assert entries(acme, **query) == [expected]


def test_list_of_another_account_shows_nothing_of_ours(acme, rival, ada):
    [entry] = about(acme, ada)
    assert about(rival, ada) == []
    assert rival.get(f"{URL}/{entry['id']}").status_code == 404


@pytest.mark.parametrize(
    ("role", "scope", "status"),
    [
        ("owner", "*", 200),
        ("admin", "audit_entries:read", 200),
        ("admin", "sample_customers:read", 403),
        ("member", "*", 403),
        ("viewer", "*", 403),
    ],
)
def test_list_is_for_admins_with_the_scope(acme, role, scope, status):
    assert acme.with_key(role, [scope]).get(URL).status_code == status


# --- retrieve


def test_retrieve_shows_one_entry(acme, ada):
    [entry] = about(acme, ada)
    shown = acme.get(f"{URL}/{entry['id']}")
    assert (shown.status_code, shown.json) == (200, entry)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_is_written_through_the_api(acme, ada, method):
    [entry] = about(acme, ada)
    for url in (URL, f"{URL}/{entry['id']}"):
        assert acme.open(method, url, json={}).status_code == 405


# --- what an entry says


def test_entry_names_principal_operation_object_and_request(acme, ada):
    key = acme.with_key("member", ["sample_customers:write"])
    keys = acme.get("/v1/api_keys").json["items"]
    changed = key.put(ada.location, {"X-Request-Id": "the-request-of-a-test"}, json=ADA)
    entry = about(acme, ada)[-1]
    assert (entry["resource"], entry["object_id"]) == (
        "sample_customers",
        ada.json["id"],
    )
    assert entry["principal"] == f"api_key:{keys[0]['id']}"
    assert entry["operation"] == "sample_customers_replace"
    assert entry["request_id"] == "the-request-of-a-test"
    assert changed.headers["X-Request-Id"] == "the-request-of-a-test"


def test_create_is_noted_with_all_that_was_written(acme, ada):
    assert written(about(acme, ada)) == [
        ("sample_customers_create", 1, ["email", "name"])
    ]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        pytest.param(GRACE, ["name"], id="one"),
        pytest.param(
            {"name": "G", "email": "g@h.example"}, ["email", "name"], id="all"
        ),
        pytest.param(ADA, [], id="none"),
    ],
)
def test_replace_is_noted_with_the_fields_that_differ(acme, ada, body, fields):
    assert acme.put(ada.location, json=body).status_code == 200
    assert written(about(acme, ada))[1:] == [("sample_customers_replace", 2, fields)]


def test_update_is_noted_with_the_fields_that_differ(acme, ada):
    step = {"op": "replace", "path": "/email", "value": "a@b.example"}
    acme.merge(ada.location, {"name": "Augusta", "email": ADA["email"]})
    acme.json_patch(ada.location, [step])
    assert written(about(acme, ada))[1:] == [
        ("sample_customers_update", 2, ["name"]),
        ("sample_customers_update", 3, ["email"]),
    ]


def test_update_of_a_json_field_is_noted_if_it_differs(acme):
    body = {"name": "key", "role": "viewer", "scopes": ["sample_customers:read"]}
    made = acme.post("/v1/api_keys", json=body)
    url = f"/v1/api_keys/{made.json['id']}"
    acme.merge(url, {"scopes": ["sample_customers:read"]})
    acme.merge(url, {"scopes": ["*"]})
    fields = [entry["fields"] for entry in about(acme, made)]
    assert fields == [["key_sha256", "name", "role", "scopes"], [], ["scopes"]]


def test_delete_is_noted_with_the_last_version(acme, ada):
    acme.put(ada.location, json=GRACE)
    acme.delete(ada.location)
    assert written(about(acme, ada))[2:] == [("sample_customers_delete", 2, [])]


def test_sign_up_by_nobody_is_noted_as_anonymous(acme):
    noted = entries(acme, operation="accounts_create")
    assert {"accounts", "api_keys"} <= {entry["resource"] for entry in noted}
    assert {entry["principal"] for entry in noted} == {"anonymous"}
    assert len({entry["request_id"] for entry in noted}) == 1


@pytest.mark.usefixtures("at_work")
def test_close_notes_the_account_and_every_key(acme, tenant):
    acme.with_key("viewer", ["*"])
    keys = {UUID(key["id"]) for key in acme.get("/v1/api_keys").json["items"]}
    acme.delete(f"/v1/accounts/{acme.account_id}")
    closing = [entry for entry in kept(tenant) if entry.operation == "accounts_delete"]
    removed = [entry for entry in closing if entry.resource == "api_keys"]
    assert sorted(entry.object_id for entry in removed) == sorted(keys)
    [closed] = [entry for entry in closing if entry.resource == "accounts"]
    assert (closed.version, closed.fields) == (2, ["closed_at"])


@pytest.mark.usefixtures("at_work")
def test_no_value_is_in_any_entry(acme, tenant):
    canary = f"canary{uuid4().hex[:8]}"
    body = {"name": canary, "email": f"{canary}@example.com"}
    made = acme.post(CUSTOMERS, json=body)
    acme.put(made.location, json={**body, "name": f"{canary}!"})
    acme.merge(made.location, {"email": f"{canary}2@example.com"})
    acme.put(made.location, json={**body, canary: canary})
    acme.delete(made.location)
    key = acme.with_key("viewer", ["*"])
    found = str(kept(tenant))
    assert "sample_customers_delete" in found
    for secret in (canary, acme.key, key.key, "example.com"):
        assert secret not in found


# --- what is not noted

STEP = {"path": "/name", "value": "another"}
REFUSED = {
    "invalid": (400, lambda acme, url: acme.put(url, json={"name": ""})),
    "without its role": (
        403,
        lambda acme, url: acme.with_key("viewer", ["*"]).delete(url),
    ),
    "missing": (404, lambda acme, url: acme.delete(f"{CUSTOMERS}/{uuid4()}")),
    "failed test": (
        409,
        lambda acme, url: acme.json_patch(url, [{"op": "test", **STEP}]),
    ),
    "old version": (
        412,
        lambda acme, url: acme.put(url, {"If-Match": '"9-00000000"'}, json=ADA),
    ),
    "patch": (422, lambda acme, url: acme.merge(url, {"id": str(uuid4())})),
}


@pytest.mark.parametrize(("status", "attempt"), REFUSED.values(), ids=REFUSED)
def test_refused_change_is_not_noted(acme, ada, status, attempt):
    keys = entries(acme, resource="api_keys")
    before = count(acme)
    assert attempt(acme, ada.location).status_code == status
    made = len(entries(acme, resource="api_keys")) - len(keys)  # the viewer's key
    assert count(acme) == before + made


def test_read_and_use_of_a_key_are_not_noted(acme, ada, pass_time):
    before = entries(acme)
    pass_time(minutes=2)
    acme.get(ada.location)
    assert acme.get("/v1/api_keys").json["items"][0]["last_used_at"]
    assert entries(acme) == before


def test_change_in_redis_is_not_noted(acme):
    before = entries(acme)
    made = acme.post("/v1/sample_checkouts", json=SESSION)
    assert acme.merge(made.location, {"amount": 2}).status_code == 200
    assert acme.post(f"{made.location}/complete").status_code == 200
    assert acme.delete(made.location).status_code == 204
    assert entries(acme) == before


class Cut(Exception):
    """Ends a transaction in the middle."""


@pytest.mark.usefixtures("at_work")
def test_change_that_is_rolled_back_is_not_noted(tenant):
    before = len(kept(tenant))
    with suppress(Cut), db.transaction(tenant):
        record = customers.create(tenant, ADA)
        customers.replace(tenant, CUSTOMER.value(record, "id"), GRACE)
        assert len(kept(tenant)) == before + 2
        raise Cut
    assert len(kept(tenant)) == before


@pytest.mark.usefixtures("at_work")
def test_change_that_meets_a_conflict_is_not_noted(tenant, stranger):
    taken = accounts.contract.document(accounts.retrieve(stranger, stranger))["slug"]
    before = len(kept(tenant))
    with db.transaction(tenant):
        with pytest.raises(Conflict):
            accounts.replace(tenant, tenant, {"slug": taken})
        customers.create(tenant, ADA)  # what follows is kept
    assert len(kept(tenant)) == before + 1


@pytest.mark.usefixtures("at_work")
def test_change_beyond_the_reach_of_a_rule_is_not_noted(tenant):
    id = CUSTOMER.value(customers.create(tenant, ADA), "id")
    before = len(kept(tenant))
    with pytest.raises(Forbidden):
        customers.replace(tenant, id, GRACE, where={"name": "another"})
    assert len(kept(tenant)) == before
    customers.replace(tenant, id, GRACE, where={"name": ADA["name"]})
    assert len(kept(tenant)) == before + 1


@pytest.mark.usefixtures("at_work")
def test_change_of_what_is_not_audited_is_not_noted(tenant):
    unaudited = SqlRepository(Customer, CUSTOMER, audited=False)
    before = len(kept(tenant))
    id = CUSTOMER.value(unaudited.create(tenant, ADA), "id")
    assert unaudited.replace(tenant, id, GRACE, 1).version == 2
    unaudited.delete(tenant, id, 2)
    assert len(kept(tenant)) == before


# --- together with the change, or not at all


@pytest.mark.usefixtures("at_work")
def test_change_whose_entry_fails_is_undone(tenant):
    id = CUSTOMER.value(customers.create(tenant, ADA), "id")
    with audit.caused_by(None):  # type: ignore[arg-type]
        for change in (
            lambda: customers.create(tenant, GRACE),
            lambda: customers.replace(tenant, id, GRACE),
            lambda: customers.delete(tenant, id),
        ):
            with pytest.raises((IntegrityError, psycopg.IntegrityError)):
                change()
    assert CUSTOMER.value(customers.retrieve(tenant, id), "name") == ADA["name"]


def test_change_and_entry_are_one_statement_where_that_is_possible(app, engine, acme):
    made = acme.post(CUSTOMERS, json=ADA)
    for write in (
        lambda: acme.post(CUSTOMERS, json=ADA),
        lambda: acme.put(made.location, json=GRACE),
        lambda: acme.delete(made.location),
    ):
        with statements(app) as found:
            write()
        noting = [each for each in found if "INSERT INTO audit_entries" in each]
        writing = [each for each in found if "RETURNING" in each]
        assert (len(noting), len(writing)) == (1, 1)
        assert (noting == writing) == (engine == "postgresql")


@pytest.fixture
def together():
    """Let fifty writers do something at the same moment; return what came of it."""
    barrier, stores = Barrier(WRITERS), db.stores()

    def one(write, number):
        with db.use(stores):
            barrier.wait()
            try:
                return write(number)
            except PreconditionFailed as refused:
                return refused

    def run(write):
        with ThreadPoolExecutor(WRITERS) as pool:
            return list(pool.map(lambda number: one(write, number), range(WRITERS)))

    return run


def versions(tenant, id):
    """Return the versions that the entries about one object name, in order."""
    chosen = (AuditEntry.account_id == tenant, AuditEntry.object_id == id)
    with db.transaction(tenant, read_only=True) as connection:
        return sorted(connection.scalars(select(AuditEntry.version).where(*chosen)))


@pytest.mark.usefixtures("at_work")
def test_replace_by_many_with_one_etag_is_noted_once(tenant, request):
    id = CUSTOMER.value(customers.create(tenant, ADA), "id")
    done = request.getfixturevalue("together")(
        lambda number: customers.replace(tenant, id, {"name": f"{number}"}, 1)
    )
    assert sum(isinstance(each, PreconditionFailed) for each in done) == WRITERS - 1
    assert versions(tenant, id) == [1, 2]


@pytest.mark.usefixtures("at_work")
def test_replace_by_many_is_noted_once_for_each_version(tenant, request):
    id = CUSTOMER.value(customers.create(tenant, ADA), "id")
    request.getfixturevalue("together")(
        lambda number: customers.replace(tenant, id, {"name": f"{number}"})
    )
    assert versions(tenant, id) == list(range(1, WRITERS + 2))


# --- without a request


@pytest.mark.usefixtures("at_work")
def test_change_without_a_request_is_the_systems(tenant, acme):
    record = customers.create(tenant, ADA)
    [entry] = entries(acme, object_id=str(CUSTOMER.value(record, "id")))
    assert entry["principal"] == "system"
    assert (entry["operation"], entry["request_id"]) == (None, None)


@pytest.mark.usefixtures("at_work")
def test_cause_inside_another_changes_the_principal_alone(tenant, acme):
    with audit.caused_by("a", operation="b", request_id="c"):
        with audit.caused_by("d"):
            record = customers.create(tenant, ADA)
        accounts.replace(tenant, tenant, {"name": "Acme"})
    [inner] = entries(acme, object_id=str(CUSTOMER.value(record, "id")))
    outer = entries(acme, object_id=str(tenant))[0]
    named = ("principal", "operation", "request_id")
    assert [inner[name] for name in named] == ["d", "b", "c"]
    assert [outer[name] for name in named] == ["a", "b", "c"]


@pytest.mark.usefixtures("at_work")
def test_note_writes_the_entry_of_a_statement_of_ones_own(tenant, acme):
    id = uuid4()
    with db.transaction(tenant) as connection:
        audit.note(connection, tenant, "things", id, 3, {"size", "colour"})
    [entry] = entries(acme, object_id=str(id))
    assert (entry["resource"], entry["version"]) == ("things", 3)
    assert entry["fields"] == ["colour", "size"]


# --- after the account


@pytest.mark.usefixtures("at_work")
def test_entries_outlive_the_account_and_tell_who_removed_it(
    app, acme, ada, tenant, pass_time
):
    acme.delete(f"/v1/accounts/{acme.account_id}")
    before = kept(tenant)
    pass_time(days=31)
    assert app.test_cli_runner().invoke(args=["accounts", "purge"]).exit_code == 0
    with pytest.raises(NotFound):
        accounts.retrieve(tenant, tenant)
    *earlier, purged = kept(tenant)
    assert earlier == before
    assert purged.principal == "command:accounts purge"
    assert (purged.resource, purged.object_id, purged.version) == (
        "accounts",
        tenant,
        2,
    )
    assert (purged.operation, purged.request_id) == (None, None)
