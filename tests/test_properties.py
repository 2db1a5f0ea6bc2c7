"""Whatever two accounts do, a repository holds what a plain dict would hold.

Hypothesis makes up sequences of calls and shortens those that fail. They are the same
in every run; `./run test --all` tries more of them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from myapp import db
from myapp.accounts.models import ACCOUNT, NEW_ACCOUNT, sign_up
from myapp.errors import Forbidden, NotFound, PreconditionFailed, Problem
from myapp.redis_repository import RedisRepository
from myapp.repository import Record
from tests.actors import OWNER, PASSWORD
from tests.stores import Store, on_every_store

SEQUENCES = 25
SEQUENCES_OF_ALL = 100
CALLS = 40

accounts = st.sampled_from([0, 1])
foreign = st.sampled_from([False, False, False, True])
"""Whether the caller is of the other account."""
limits = st.integers(1, 3)
texts = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=120
)
versions = st.sampled_from([None, 0, 0, -1, 1])
"""What is sent as if_match, as seen from the current version."""
admitted = st.sampled_from([None, None, "its own", "another"])
"""The text that `where` asks for."""


class Key(NamedTuple):
    """What leads to a record, as long as there is one."""

    tenant: UUID
    id: UUID


class Walk(NamedTuple):
    """A list that is being paged through while others write."""

    tenant: UUID
    query: dict[str, str]
    alive: set[UUID]
    """What was there at the start, and has neither gone nor moved."""
    seen: list[UUID]
    next: list[str | None]


class Sequences(RuleBasedStateMachine):
    """The calls, each held against the model: tenant → id → document and version."""

    keys: Bundle[Key] = Bundle("keys")

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store, self.repository = store, store.repository
        self.tenants = [open_account() for _ in range(2)]
        self.model: dict[UUID, dict[UUID, tuple[dict[str, Any], int]]] = {
            tenant: {} for tenant in self.tenants
        }
        self.walk: Walk | None = None

    # --- the calls

    @initialize(target=keys)
    def create_some(self) -> Any:
        return multiple(*(self.create(0 if n % 4 else 1, f"{n}") for n in range(8)))

    @rule(target=keys, account=accounts, text=texts)
    def create(self, account: int, text: str) -> Key:
        tenant = self.tenants[account]
        values = self.store.values(text)
        record = self.repository.create(tenant, values, **self.store.assigned)
        id = self.store.id(record)
        self.model[tenant][id] = (self.store.document(record) | values, 1)
        assert record.version == 1
        return Key(tenant, id)

    @rule(key=keys, foreign=foreign)
    def retrieve(self, key: Key, foreign: bool) -> None:
        tenant, id = self.caller(key, foreign), key.id
        with self.expecting(tenant, id, None, None):
            self.compare(tenant, id, self.repository.retrieve(tenant, id))

    @rule(key=keys, foreign=foreign, text=texts, version=versions, where=admitted)
    def replace(
        self,
        key: Key,
        foreign: bool,
        text: str,
        version: int | None,
        where: str | None,
    ) -> None:
        tenant, id = self.caller(key, foreign), key.id
        values = self.store.values(text)
        if_match, condition = self.sent(tenant, id, version, where)
        with self.expecting(tenant, id, if_match, condition):
            record = self.repository.replace(tenant, id, values, if_match, condition)
            self.note_written(tenant, id, record, values)

    @rule(key=keys, foreign=foreign, text=texts, version=versions)
    def update(self, key: Key, foreign: bool, text: str, version: int | None) -> None:
        tenant, id = self.caller(key, foreign), key.id
        if_match, _ = self.sent(tenant, id, version, None)

        def change(document: dict[str, Any]) -> dict[str, Any]:
            return self.store.values((text + document[self.store.text])[:120])

        with self.expecting(tenant, id, if_match, None):
            record = self.repository.update(tenant, id, change, if_match)
            values = change(self.model[tenant][id][0])
            self.note_written(tenant, id, record, values)

    @rule(key=keys, foreign=foreign, version=versions, where=admitted)
    def delete(
        self, key: Key, foreign: bool, version: int | None, where: str | None
    ) -> None:
        tenant, id = self.caller(key, foreign), key.id
        if_match, condition = self.sent(tenant, id, version, where)
        with self.expecting(tenant, id, if_match, condition):
            self.repository.delete(tenant, id, if_match, condition)
            self.note_gone(tenant, id)

    @rule(account=accounts, limit=limits)
    def list_all(self, account: int, limit: int) -> None:
        tenant = self.tenants[account]
        pages = list(self.store.pages(tenant, limit=f"{limit}"))
        records = [record for page in pages for record in page]
        assert {len(page) for page in pages[:-1]} <= {limit}
        assert [self.store.id(record) for record in records] == sorted(
            self.model[tenant], reverse=True
        )
        for record in records:
            self.compare(tenant, self.store.id(record), record)
        assert self.store.page(tenant, count="exact").total == len(records)

    @precondition(lambda self: self.walk is None)
    @rule(account=accounts, limit=limits, data=st.data())
    def start_walk(self, account: int, limit: int, data: st.DataObject) -> None:
        tenant, sorts = self.tenants[account], self.repository.contract.sorts
        orders = [
            {},
            *({"sort": sign + field} for field in sorts for sign in ("", "-")),
        ]
        query = {"limit": f"{limit}"} | data.draw(st.sampled_from(orders))
        self.walk = Walk(tenant, query, set(self.model[tenant]), [], [None])
        self.go_on()

    @precondition(lambda self: self.walk is not None)
    @rule()
    def go_on(self) -> None:
        assert self.walk
        tenant, query, alive, seen, [next] = self.walk
        page = self.store.page(tenant, **query, **({"cursor": next} if next else {}))
        ids = [self.store.id(record) for record in page.items]
        assert set(ids) <= self.model[tenant].keys()
        seen.extend(ids)
        self.walk.next[:] = [page.next]
        if page.next is None:
            assert sorted(id for id in seen if id in alive) == sorted(alive)
            self.walk = None

    # --- the model

    def caller(self, key: Key, foreign: bool) -> UUID:
        """Return the account that calls: the record's own, or the other one."""
        [other] = set(self.tenants) - {key.tenant}
        return other if foreign else key.tenant

    def sent(
        self, tenant: UUID, id: UUID, version: int | None, where: str | None
    ) -> tuple[int | None, dict[str, str] | None]:
        """Return if_match and where, as the current record makes them."""
        document, current = self.model[tenant].get(id, ({self.store.text: ""}, 1))
        wanted = document[self.store.text] + ("" if where == "its own" else "!")
        condition = {self.store.text: wanted} if where else None
        return (None if version is None else current + version), condition

    @contextmanager
    def expecting(
        self, tenant: UUID, id: UUID, if_match: int | None, where: Any
    ) -> Iterator[None]:
        """Let the call in the block fail exactly where the model says so."""
        problem = self.problem(tenant, id, if_match, where)
        try:
            yield
        except Problem as raised:
            assert type(raised) is problem
        else:
            assert problem is None

    def problem(
        self, tenant: UUID, id: UUID, if_match: int | None, where: Any
    ) -> type[Problem] | None:
        """Return what a call on one record raises."""
        if id not in self.model[tenant]:
            return NotFound
        document, version = self.model[tenant][id]
        if where and where[self.store.text] != document[self.store.text]:
            return Forbidden
        return PreconditionFailed if if_match not in (None, version) else None

    def compare(self, tenant: UUID, id: UUID, record: Record) -> None:
        """Hold a record against the model."""
        assert (self.store.document(record), record.version) == self.model[tenant][id]

    def note_written(
        self, tenant: UUID, id: UUID, record: Record, values: dict[str, Any]
    ) -> None:
        """Hold what a write answers against the model, and put it there."""
        held, version = self.model[tenant][id]
        document = self.store.document(record)
        moved = {field: document[field] for field in ("updated_at",) if field in held}
        self.model[tenant][id] = (held | values | moved, version + 1)
        self.compare(tenant, id, record)
        if self.walk and "sort" in self.walk.query:
            self.walk.alive.discard(id)

    def note_gone(self, tenant: UUID, id: UUID) -> None:
        """Take a record out of the model."""
        del self.model[tenant][id]
        if self.walk:
            self.walk.alive.discard(id)


class ExpiringSequences(Sequences):
    """The same calls, while records expire."""

    @rule(key=Sequences.keys)
    def expire(self, key: Key) -> None:
        held = f"{{{key.tenant}}}:sample_checkouts:{key.id}"
        if db.redis_store.pexpire(held, 0):
            self.note_gone(key.tenant, key.id)
        assert key.id not in self.model[key.tenant]


def open_account() -> UUID:
    """Return a new account."""
    owner = {"email": OWNER, "password": PASSWORD}
    named = {"name": "any", "slug": f"any-{uuid4().hex}"}
    record = sign_up(NEW_ACCOUNT.validate(named | owner))
    id: UUID = ACCOUNT.value(record, "id")
    return id


@on_every_store
@pytest.mark.usefixtures("at_work")
def test_any_sequence_of_calls_leaves_what_a_dict_would_hold(
    store: Store, pytestconfig: pytest.Config
):
    expires = isinstance(store.repository, RedisRepository)
    machine = ExpiringSequences if expires else Sequences
    thorough = pytestconfig.getoption("--all")
    run_state_machine_as_test(
        lambda: machine(store),  # type: ignore[arg-type]
        settings=settings(
            max_examples=SEQUENCES_OF_ALL if thorough else SEQUENCES,
            stateful_step_count=CALLS,
            derandomize=True,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
