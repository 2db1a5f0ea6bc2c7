"""What only the SQL repository does: filters, sorts, transactions, points in time.

What it does as every repository does is in `test_repositories.py`.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import StatementError

from myapp import db
from myapp.accounts.models import accounts
from myapp.contract import Contract
from myapp.contract_rules import ContractError
from myapp.errors import Conflict, NotFound
from myapp.sql_repository import SqlRepository
from tests.actors import sign_up
from tests.sample_customers import CUSTOMER, Customer, customers
from tests.stores import CUSTOMERS, on_postgresql

pytestmark = pytest.mark.usefixtures("at_work")


def names(tenant: UUID, **query: str) -> list[str]:
    """Return the names of all pages of a list."""
    pages = CUSTOMERS.pages(tenant, **query)
    return [name for page in pages for name in CUSTOMERS.texts(page)]


def add(tenant: UUID, name: str, **assigned: object) -> UUID:
    """Store a customer with what the server else assigns."""
    record = customers.create(tenant, CUSTOMERS.values(name), **assigned)
    return CUSTOMERS.id(record)


def noon(day: int) -> datetime:
    """Return a point in time of January 2026."""
    return datetime(2026, 1, day, 12, tzinfo=UTC)


# --- list, filtered


@pytest.mark.parametrize(
    ("operator", "found"),
    [
        pytest.param("", ["b"], id="eq"),
        pytest.param("[gt]", ["d", "c"], id="gt"),
        pytest.param("[gte]", ["d", "c", "b"], id="gte"),
        pytest.param("[lt]", ["a"], id="lt"),
        pytest.param("[lte]", ["b", "a"], id="lte"),
    ],
)
def test_list_filtered_compares(tenant, operator, found):
    for day, name in enumerate("abcd", start=1):
        add(tenant, name, created_at=noon(day))
    moment = noon(2).isoformat()
    assert names(tenant, **{f"name{operator}": "b"}) == found
    assert names(tenant, **{f"created_at{operator}": moment}) == found


def test_list_filtered_compares_points_in_time_of_other_zones(tenant):
    add(tenant, "noon", created_at=noon(1))
    found = {"created_at": "2026-01-01T14:00:00+02:00"}
    missed = {"created_at": "2026-01-01T12:00:00+02:00"}
    assert (names(tenant, **found), names(tenant, **missed)) == (["noon"], [])


def test_list_filtered_twice_meets_both(tenant):
    for name in "abcd":
        add(tenant, name)
    assert names(tenant, **{"name[gt]": "a", "name[lt]": "d"}) == ["c", "b"]


def test_list_filtered_takes_text_as_it_is(tenant):
    for name in ("100%", "100 percent", "it's"):
        add(tenant, name)
    assert names(tenant, name="100%") == ["100%"]
    assert names(tenant, name="it's") == ["it's"]
    assert names(tenant, name="' OR '1'='1") == []


def test_list_filtered_counts_and_pages_what_meets_the_filter(tenant):
    for name in "aabab":
        add(tenant, name)
    page = CUSTOMERS.page(tenant, name="a", limit="2", count="exact")
    assert (CUSTOMERS.texts(page.items), page.total) == (["a", "a"], 3)
    assert names(tenant, name="a", limit="2") == ["a", "a", "a"]


def test_list_of_a_parent_shows_its_own(tenant):
    for email in ("a@example.com", "b@example.com"):
        customers.create(tenant, {"name": email[0], "email": email})
    page = customers.list(
        tenant, CUSTOMERS.slice(tenant, count="exact"), email="a@example.com"
    )
    assert (CUSTOMERS.texts(page.items), page.total) == (["a"], 1)


def test_retrieve_of_a_parent_is_not_found_under_another(tenant):
    id = add(tenant, "a")
    assert customers.retrieve(tenant, id, name="a").version == 1
    with pytest.raises(NotFound):
        customers.retrieve(tenant, id, name="b")


# --- list, sorted


@pytest.mark.parametrize("limit", ["1", "2", "100"])
@pytest.mark.parametrize(
    ("sort", "found"),
    [
        ("name", ["a", "b", "c", "d"]),
        ("-name", ["d", "c", "b", "a"]),
        ("created_at", ["b", "d", "a", "c"]),
        ("-created_at", ["c", "a", "d", "b"]),
    ],
    ids=["name", "name descending", "created_at", "created_at descending"],
)
def test_list_sorted_pages_in_that_order(tenant, sort, found, limit):
    for day, name in enumerate("bdac", start=1):
        add(tenant, name, created_at=noon(day))
    assert names(tenant, sort=sort, limit=limit) == found


def add_equals(tenant: UUID) -> list[UUID]:
    """Store customers that differ in nothing but their ids."""
    ids = [UUID(int=number) for number in (3, 6, 1, 5, 7, 2, 4)]
    for id in ids:
        add(tenant, "same", created_at=noon(1), id=id)
    return ids


@pytest.mark.parametrize("sort", ["name", "-name", "created_at", "-created_at"])
def test_list_sorted_by_equal_values_shows_each_once(tenant, sort):
    ids = add_equals(tenant)
    pages = CUSTOMERS.pages(tenant, sort=sort, limit="2")
    seen = [CUSTOMERS.id(record) for page in pages for record in page]
    assert seen == sorted(ids, reverse=sort.startswith("-"))


@on_postgresql
def test_list_sorted_does_not_lean_on_the_order_of_an_index(tenant):
    ids = add_equals(tenant)
    with db.transaction(tenant) as connection:
        for scan in ("indexscan", "indexonlyscan", "bitmapscan"):
            connection.execute(text(f"SET LOCAL enable_{scan} = off"))
        pages = list(CUSTOMERS.pages(tenant, sort="name", limit="2"))
    seen = [CUSTOMERS.id(record) for page in pages for record in page]
    assert seen == sorted(ids)


def test_list_sorted_and_filtered_pages_both(tenant):
    for day, name in enumerate("caebd", start=1):
        add(tenant, name, created_at=noon(day))
    query = {"name[gt]": "a", "sort": "-created_at", "limit": "2"}
    assert names(tenant, **query) == ["d", "b", "e", "c"]


# --- what a statement reads


ROWS_READ = text(
    "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables"
    " WHERE relname = 'sample_customers'"
)
AS_IF_MANY_TENANTS = (
    "ALTER TABLE sample_customers ALTER account_id SET (n_distinct = 10000)",
    "ANALYZE sample_customers",
)


@on_postgresql
def test_change_reads_its_row_alone_however_many_the_tenant_has(start_app, databases):
    urls = databases.clone()
    app = start_app(**urls)
    tenant = UUID(sign_up(app.test_client(), "acme").account_id)
    with db.use(app.extensions["myapp"]):
        chosen = [add(tenant, str(number)) for number in range(100)][50]
        owner = create_engine(urls["MIGRATION_DATABASE_URL"], poolclass=NullPool)
        with owner.begin() as connection:
            for statement in AS_IF_MANY_TENANTS:
                connection.execute(text(statement))
        with db.transaction(tenant) as connection:
            for way in ("seqscan", "nestloop"):  # its key needs neither
                connection.execute(text(f"SET LOCAL enable_{way} = off"))
            before = connection.scalar(ROWS_READ) or 0
            customers.replace(tenant, chosen, CUSTOMERS.values("new"), 1)
            assert connection.scalar(ROWS_READ) - before <= 3


# --- transactions


def test_transaction_is_joined_by_every_method(tenant):
    with db.transaction(tenant):
        kept, gone = add(tenant, "old"), add(tenant, "gone")
        customers.replace(tenant, kept, CUSTOMERS.values("new"), 1)
        customers.update(tenant, kept, lambda _: CUSTOMERS.values("newer"))
        customers.delete(tenant, gone)
        assert names(tenant) == ["newer"]
        assert customers.retrieve(tenant, kept).version == 3
    assert names(tenant) == ["newer"]


def test_transaction_that_fails_undoes_every_method(tenant):
    kept, other = add(tenant, "old"), add(tenant, "other")

    class Failed(Exception):
        pass

    with pytest.raises(Failed), db.transaction(tenant):
        add(tenant, "added")
        customers.replace(tenant, kept, CUSTOMERS.values("new"))
        customers.delete(tenant, other)
        raise Failed
    assert names(tenant) == ["other", "old"]
    assert customers.retrieve(tenant, kept).version == 1


def test_transaction_inside_another_ends_with_the_outer(tenant):
    with pytest.raises(NotFound), db.transaction(tenant):
        with db.transaction(tenant):
            add(tenant, "added")
        customers.retrieve(tenant, uuid4())
    assert names(tenant) == []


def test_transaction_of_one_tenant_refuses_another(tenant, stranger):
    with db.transaction(tenant):
        for refused in (
            lambda: add(stranger, "added"),
            lambda: customers.retrieve(stranger, uuid4()),
            lambda: CUSTOMERS.page(stranger),
        ):
            with pytest.raises(RuntimeError, match="one tenant"):
                refused()
        add(tenant, "acme's")
    assert (names(tenant), names(stranger)) == (["acme's"], [])


def test_transaction_after_another_serves_its_own_tenant(tenant, stranger):
    with db.transaction(tenant):
        add(tenant, "acme's")
    with db.transaction(stranger):
        assert names(stranger) == []
        add(stranger, "rival's")
    assert (names(tenant), names(stranger)) == (["acme's"], ["rival's"])


def test_transaction_goes_on_after_a_conflict_that_was_caught(tenant, stranger):
    taken = accounts.contract.document(accounts.retrieve(stranger, stranger))["slug"]
    with db.transaction(tenant):
        add(tenant, "before")
        with pytest.raises(Conflict, match="slug"):
            accounts.replace(tenant, tenant, {"slug": taken})
        add(tenant, "after")
    assert names(tenant) == ["after", "before"]


def test_transaction_inside_another_is_undone_alone(tenant):
    with db.transaction(tenant):
        add(tenant, "kept")
        with pytest.raises(NotFound), db.transaction(tenant):
            add(tenant, "undone")
            customers.delete(tenant, uuid4())
    assert names(tenant) == ["kept"]


def test_transaction_that_reads_and_then_writes_waits_for_others(tenant):
    id, together, stores = add(tenant, "old"), Barrier(20), db.stores()

    def write(number: int) -> bool:
        values = CUSTOMERS.values(f"{number}")
        with db.use(stores):
            together.wait()
            try:
                with db.transaction(tenant):
                    customers.update(tenant, id, lambda _: values)
            except Conflict:
                return False
        return True

    with ThreadPoolExecutor(20) as pool:
        written = list(pool.map(write, range(20)))
    assert customers.retrieve(tenant, id).version == 1 + sum(written)


def test_create_for_an_unknown_tenant_is_a_conflict(app):
    with pytest.raises(Conflict):
        add(uuid4(), "nobody's")


# --- points in time


def test_create_naive_point_in_time_is_refused(tenant):
    naive = datetime(2026, 1, 1, 12)
    with pytest.raises((StatementError, ValueError), match="naive"):
        add(tenant, "naive", created_at=naive)
    assert names(tenant) == []


def test_retrieve_point_in_time_of_another_zone_is_in_utc(tenant):
    there = timezone(timedelta(hours=5, minutes=30))
    id = add(tenant, "there", created_at=noon(1).astimezone(there))
    shown = customers.retrieve(tenant, id)
    created_at = CUSTOMER.value(shown, "created_at")
    assert (created_at, created_at.tzinfo) == (noon(1), UTC)
    assert CUSTOMERS.document(shown)["created_at"] == "2026-01-01T12:00:00Z"


@on_postgresql
def test_retrieve_in_a_session_of_another_zone_is_in_utc(tenant):
    id = add(tenant, "there", created_at=noon(1))
    with db.transaction(tenant) as connection:
        connection.execute(text("SET LOCAL TIME ZONE 'Asia/Kolkata'"))
        shown = customers.retrieve(tenant, id)
    assert CUSTOMERS.document(shown)["created_at"] == "2026-01-01T12:00:00Z"


# --- declaration


@pytest.mark.parametrize(
    ("properties", "sorts", "remedy"),
    [
        pytest.param(
            {"nickname": {"type": "string", "maxLength": 9}},
            (),
            "nickname: has no column in sample_customers",
            id="no column",
        ),
        pytest.param(
            {"name": {"type": "string", "maxLength": 121}},
            (),
            r"name: needs String\(length=121\), but sample_customers.name is",
            id="another length",
        ),
        pytest.param(
            {"name": {"type": ["string", "null"], "maxLength": 120}},
            (),
            "name: and sample_customers.name differ in nullability",
            id="another nullability",
        ),
        pytest.param(
            {"email": {"type": "string", "maxLength": 254}},
            ("email",),
            'email: is sorted by without an index: Index.*"email", "id"',
            id="sorted without an index",
        ),
    ],
)
def test_declaring_what_the_table_does_not_hold_fails(properties, sorts, remedy):
    contract = Contract("Odd", description="", properties=properties, sorts=sorts)
    with pytest.raises(ContractError, match=rf"test_sql_repository.py.*{remedy}"):
        SqlRepository(Customer, contract)
