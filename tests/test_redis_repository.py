"""What only the Redis repository does: its records expire, and its keys say whose.

What it does as every repository does is in `test_repositories.py`. The engine holds
no more than the accounts here: one is enough.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from uuid import UUID

import pytest

from myapp import db
from myapp.contract import Contract
from myapp.contract_rules import ContractError
from myapp.errors import Forbidden, NotFound, PreconditionFailed
from myapp.redis_repository import RedisRepository
from tests.sample_checkouts import CHECKOUT, checkouts
from tests.stores import CHECKOUTS as STORE, never, on_sqlite

pytestmark = [on_sqlite, pytest.mark.usefixtures("at_work")]

DAY = 24 * 60 * 60 * 1000
MINUTE = 60 * 1000


def key(tenant: UUID, id: UUID) -> str:
    """Return the key that holds a record."""
    return f"{{{tenant}}}:sample_checkouts:{id}"


def index(tenant: UUID) -> str:
    """Return the key that holds the order of a tenant's records."""
    return f"{{{tenant}}}:sample_checkouts"


def expire(tenant: UUID, *ids: UUID) -> None:
    """Let records end now, as Redis does when their time has come."""
    for id in ids:
        assert db.redis_store.pexpire(key(tenant, id), 0)


def keys_of(tenant: UUID) -> Iterator[str]:
    """Find every key that has anything to do with a tenant."""
    found: Iterator[str] = db.redis_store.scan_iter(f"*{tenant}*", count=1000)
    return found


# --- keys


def test_create_keeps_every_key_in_the_slot_of_its_account(tenant):
    ids = [STORE.create(tenant) for _ in range(2)]
    checkouts.replace(tenant, ids[0], STORE.values("new"))
    wanted = {index(tenant), *(key(tenant, id) for id in ids)}
    assert set(keys_of(tenant)) == wanted


def test_delete_of_the_last_record_leaves_no_key(tenant):
    checkouts.delete(tenant, STORE.create(tenant))
    assert list(keys_of(tenant)) == []


# --- the time to live


def test_create_expires_when_it_says(tenant):
    id = STORE.create(tenant)
    shown = STORE.document(checkouts.retrieve(tenant, id))
    created_at, expires_at = (
        datetime.fromisoformat(shown[field]) for field in ("created_at", "expires_at")
    )
    assert expires_at - created_at == checkouts.ttl == timedelta(days=1)
    assert DAY - MINUTE < db.redis_store.pttl(key(tenant, id)) <= DAY


def test_replace_and_update_keep_the_time_to_live(tenant):
    id = STORE.create(tenant)
    shown = STORE.document(checkouts.retrieve(tenant, id))
    db.redis_store.pexpire(key(tenant, id), MINUTE)
    for record in (
        checkouts.replace(tenant, id, STORE.values("replaced")),
        checkouts.update(tenant, id, lambda _: STORE.values("updated")),
    ):
        assert STORE.document(record)["expires_at"] == shown["expires_at"]
        assert 0 < db.redis_store.pttl(key(tenant, id)) <= MINUTE


def test_create_lets_the_index_live_as_long_as_its_newest_record(tenant):
    older, newer = STORE.create(tenant), STORE.create(tenant)
    db.redis_store.pexpire(key(tenant, older), MINUTE)
    lives = db.redis_store.pttl(index(tenant))
    assert db.redis_store.pttl(key(tenant, newer)) - 1000 < lives <= DAY


def test_create_shorter_lived_record_leaves_older_ones_listed(tenant):
    """A release that shortens the time to live does not end what was made before."""
    brief = RedisRepository("sample_checkouts", CHECKOUT, ttl=timedelta(minutes=1))
    STORE.create(tenant)
    brief.create(tenant, STORE.values("brief"), status="open")
    assert DAY - MINUTE < db.redis_store.pttl(index(tenant)) <= DAY


# --- what has expired


@pytest.mark.parametrize(
    "call",
    [
        lambda tenant, id: checkouts.retrieve(tenant, id),
        lambda tenant, id: checkouts.replace(tenant, id, STORE.values("new")),
        lambda tenant, id: checkouts.update(tenant, id, never),
        lambda tenant, id: checkouts.delete(tenant, id),
    ],
    ids=["retrieve", "replace", "update", "delete"],
)
def test_expired_record_is_not_found(tenant, call):
    id = STORE.create(tenant)
    expire(tenant, id)
    with pytest.raises(NotFound):
        call(tenant, id)
    assert not db.redis_store.exists(key(tenant, id))


def test_update_of_a_record_expiring_meanwhile_is_not_found(tenant):
    id = STORE.create(tenant)

    def change(document):
        expire(tenant, id)
        return STORE.values("too late")

    with pytest.raises(NotFound):
        checkouts.update(tenant, id, change)
    assert not db.redis_store.exists(key(tenant, id))


def test_list_fills_its_pages_past_expired_records_and_sweeps_them(tenant):
    ids = {text: STORE.create(tenant, text) for text in "jihgfedcba"}
    expire(tenant, *(ids[text] for text in "abdefi"))
    pages = STORE.pages(tenant, limit="2")
    assert [STORE.texts(page) for page in pages] == [["c", "g"], ["h", "j"]]
    listed = db.redis_store.zrange(index(tenant), 0, -1)
    assert listed == [str(ids[text]) for text in "jhgc"]


def test_list_with_nothing_but_expired_records_is_empty(tenant):
    expire(tenant, *[STORE.create(tenant) for _ in range(5)])
    page = STORE.page(tenant, limit="2", count="exact")
    assert (page.items, page.next, page.total) == ([], None, 0)
    assert list(keys_of(tenant)) == []


def test_create_takes_expired_records_off_the_index(tenant):
    expire(tenant, *[STORE.create(tenant) for _ in range(4)])
    living = [STORE.create(tenant) for _ in range(2)]
    assert db.redis_store.zcard(index(tenant)) == len(living)


def test_list_counted_counts_no_expired_record(tenant):
    ids = [STORE.create(tenant) for _ in range(5)]
    expire(tenant, ids[0], ids[2])
    page = STORE.page(tenant, limit="1", count="exact")
    assert (len(page.items), page.total) == (1, 3)


def test_list_goes_on_where_the_record_of_the_cursor_expired(tenant):
    ids = {text: STORE.create(tenant, text) for text in "dcba"}
    first = STORE.page(tenant, limit="2")
    assert first.next
    expire(tenant, ids["b"], ids["c"])
    second = STORE.page(tenant, limit="2", cursor=first.next)
    assert STORE.texts(second.items) == ["d"]


# --- the scripts


def test_replace_by_many_at_once_with_one_version_succeeds_once(tenant):
    id, together = STORE.create(tenant), Barrier(20)
    stores = db.stores()

    def write(number: int) -> int | None:
        values = STORE.values(f"writer {number}")
        with db.use(stores):
            together.wait()
            try:
                return checkouts.replace(tenant, id, values, 1).version
            except PreconditionFailed:
                return None

    with ThreadPoolExecutor(20) as pool:
        written = list(pool.map(write, range(20)))
    assert sorted(written, key=bool) == [None] * 19 + [2]
    winner = written.index(2)
    shown = checkouts.retrieve(tenant, id)
    assert (STORE.texts([shown]), shown.version) == ([f"writer {winner}"], 2)


@pytest.mark.parametrize(
    ("refused", "if_match", "where"),
    [
        pytest.param(PreconditionFailed, 2, None, id="version"),
        pytest.param(Forbidden, 1, {"status": "complete"}, id="where"),
    ],
)
def test_write_refused_leaves_every_key_as_it_was(tenant, refused, if_match, where):
    id = STORE.create(tenant)
    before = [db.redis_store.dump(found) for found in sorted(keys_of(tenant))]
    with pytest.raises(refused):
        checkouts.replace(tenant, id, STORE.values("new"), if_match, where)
    with pytest.raises(refused):
        checkouts.delete(tenant, id, if_match, where)
    after = [db.redis_store.dump(found) for found in sorted(keys_of(tenant))]
    assert after == before


@pytest.mark.parametrize(
    ("where", "met"),
    [
        pytest.param({"amount": 4200}, True, id="number"),
        pytest.param({"amount": 42}, False, id="another number"),
        pytest.param({"amount": "4200"}, False, id="number as text"),
        pytest.param({"amount": [1, 4200]}, True, id="one of the numbers"),
        pytest.param({"description": None}, True, id="null"),
        pytest.param({"currency": None}, False, id="not null"),
        pytest.param({"amount": 4200, "currency": "EUR"}, True, id="all"),
        pytest.param({"amount": 4200, "currency": "CHF"}, False, id="all but one"),
        pytest.param({"nothing": 1}, False, id="unknown field"),
    ],
)
def test_replace_where_compares_values_with_their_types(tenant, where, met):
    values = STORE.values("") | {"description": None}
    id = STORE.id(checkouts.create(tenant, values, status="open"))
    try:
        checkouts.replace(tenant, id, values, where=where)
        written = True
    except Forbidden:
        written = False
    assert written == met


def test_write_after_redis_forgot_the_scripts_works(tenant):
    id = STORE.create(tenant)
    db.redis_store.script_flush()
    assert checkouts.replace(tenant, id, STORE.values("new")).version == 2
    db.redis_store.script_flush()
    checkouts.delete(tenant, id)
    db.redis_store.script_flush()
    assert checkouts.retrieve(tenant, STORE.create(tenant)).version == 1


def test_retrieve_record_older_than_a_field_shows_its_default(tenant):
    id = STORE.create(tenant)
    db.redis_store.hdel(key(tenant, id), "description")
    shown = STORE.document(checkouts.retrieve(tenant, id))
    assert shown["description"] is None
    assert STORE.page(tenant).items == [checkouts.retrieve(tenant, id)]


# --- what it does not do


def test_list_or_retrieve_below_a_parent_is_refused(tenant):
    id = STORE.create(tenant)
    with pytest.raises(TypeError, match="none below team_id"):
        checkouts.list(tenant, STORE.slice(tenant), team_id=id)
    with pytest.raises(TypeError, match="none below team_id"):
        checkouts.retrieve(tenant, id, team_id=id)


@pytest.mark.parametrize("searched", ["filters", "sorts"])
def test_declaring_a_search_fails(searched):
    properties = {"name": {"type": "string", "maxLength": 9}}
    contract = Contract(
        "Odd", description="", properties=properties, **{searched: ["name"]}
    )
    with pytest.raises(ContractError, match="test_redis_repository.py.*name: cannot"):
        RedisRepository("odd", contract, ttl=timedelta(days=1))
