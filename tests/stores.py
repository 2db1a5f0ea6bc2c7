"""The engines and the repositories that a test may ask for."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, NoReturn
from uuid import UUID

import pytest

from myapp import openapi
from myapp.pagination import Slice, read_slice
from myapp.repository import Page, Record, Repository
from tests.sample_checkouts import checkouts
from tests.sample_customers import customers


class Store(NamedTuple):
    """A repository, and what a test needs to know to write to it."""

    repository: Repository
    text: str
    """A field that takes any text."""
    assigned: Mapping[str, Any] = {}
    """What the feature assigns to a new record."""

    def values(self, text: str) -> dict[str, Any]:
        """Return values that the contract admits, with a text of the test's own."""
        contract = self.repository.contract
        sent = openapi.example(contract) | {self.text: text}
        values: dict[str, Any] = contract.validate(sent)
        return values

    def create(self, tenant: UUID, text: str = "new") -> UUID:
        """Store a record; return its id."""
        record = self.repository.create(tenant, self.values(text), **self.assigned)
        return self.id(record)

    def id(self, record: Record) -> UUID:
        """Return the id of a record."""
        return UUID(self.document(record)["id"])

    def document(self, record: Record) -> dict[str, Any]:
        """Return a record as clients see it."""
        document: dict[str, Any] = self.repository.contract.document(record)
        return document

    def texts(self, records: list[Record]) -> list[str]:
        """Return the text of each record."""
        return [self.document(record)[self.text] for record in records]

    def slice(self, tenant: UUID, **query: str) -> Slice:
        """Return the part of the list that a query asks for."""
        return read_slice(self.repository.contract, query, tenant)

    def page(self, tenant: UUID, **query: str) -> Page:
        """Return the page that a query asks for."""
        return self.repository.list(tenant, self.slice(tenant, **query))

    def pages(self, tenant: UUID, **query: str) -> Iterator[list[Record]]:
        """Follow the cursors from the first page to the last."""
        page = self.page(tenant, **query)
        yield page.items
        followed = set()
        while page.next:
            assert page.next not in followed, "the cursor leads to where it came from"
            followed.add(page.next)
            page = self.page(tenant, cursor=page.next, **query)
            yield page.items


def never(document: Any) -> NoReturn:
    """Stand for a change that must not be asked for."""
    pytest.fail("the change was asked for")


CUSTOMERS = Store(customers, "name")
CHECKOUTS = Store(checkouts, "description", {"status": "open"})

on_sqlite, on_postgresql = (
    pytest.mark.parametrize("engine", [engine], indirect=True, scope="session")
    for engine in ("sqlite", "postgresql")
)
on_postgresql_only_with_all = pytest.mark.parametrize(
    "engine",
    ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)],
    indirect=True,
    scope="session",
)
"""For what takes long and differs little from one engine to the other."""
on_every_store = pytest.mark.parametrize(
    ("engine", "store"),
    [
        pytest.param("sqlite", CUSTOMERS, id="customers-sqlite"),
        pytest.param("postgresql", CUSTOMERS, id="customers-postgresql"),
        # The accounts are in SQLite here; what is tested is in Redis.
        pytest.param("sqlite", CHECKOUTS, id="checkouts-redis"),
    ],
    indirect=["engine"],
    scope="session",
)
