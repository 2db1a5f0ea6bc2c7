"""The interface that both stores keep, and the values that pass through it.

A repository serves one contract for all tenants; the tenant is the first argument
of every method and has no default. Each method is atomic by itself.
Imports `errors`; `contract` and `pagination` import this file.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Generic, NamedTuple
from uuid import UUID

import msgspec
from typing_extensions import TypeVar

from myapp.errors import Conflict, PreconditionFailed

if TYPE_CHECKING:
    from myapp.contract import Contract
    from myapp.pagination import Slice

Values = Mapping[str, Any]
D = TypeVar("D", bound=Values, default=Any)
Shown = TypeVar("Shown", bound=Values, default=Any, covariant=True)
"""The document that clients see of a record; a feature's `shapes` have its type."""
Change = Callable[[D], Values]
"""From the document that clients see to the fields to write."""
Condition = Mapping[str, Any]
"""Field → the value it must have, or those it may have: a collection, or a query."""

ATTEMPTS = 3


def is_choice(wanted: Any) -> bool:
    """Tell whether a condition names several values, any of which will do."""
    return isinstance(wanted, Collection) and not isinstance(wanted, str)


class Record(msgspec.Struct, Generic[Shown], frozen=True, gc=False):
    """One resource: its shown values in the contract's order, and its version.

    Version 0 says that there is none, and so no entity tag.
    """

    values: tuple[Any, ...]
    version: int = 0


class Page(NamedTuple, Generic[Shown]):
    """Some records of a list, the cursor of the next ones, and the count if asked."""

    items: list[Record[Shown]]
    next: str | None = None
    total: int | None = None


class Repository(ABC, Generic[D]):
    """Where the records of one contract are kept."""

    contract: "Contract[Any, D]"

    @abstractmethod
    def list(self, tenant: UUID, slice: "Slice", **parent: Any) -> Page[D]:
        """Return one page of the tenant's records."""

    @abstractmethod
    def create(self, tenant: UUID, values: Values, **assigned: Any) -> Record[D]:
        """Store new values, with what the server assigns; raise Conflict."""

    @abstractmethod
    def retrieve(
        self, tenant: UUID, id: UUID, where: Condition | None = None, **parent: Any
    ) -> Record[D]:
        """Return one record; raise NotFound, Forbidden where it is not `where`."""

    @abstractmethod
    def replace(
        self,
        tenant: UUID,
        id: UUID,
        values: Values,
        if_match: int | None = None,
        where: Condition | None = None,
    ) -> Record[D]:
        """Write the given fields of a record.

        Raises NotFound, Forbidden where the record does not meet `where`,
        PreconditionFailed where `if_match` is not its version, and Conflict.
        """

    @abstractmethod
    def delete(
        self,
        tenant: UUID,
        id: UUID,
        if_match: int | None = None,
        where: Condition | None = None,
    ) -> None:
        """Remove a record; raise as `replace` does."""

    def update(
        self,
        tenant: UUID,
        id: UUID,
        change: Change[D],
        if_match: int | None = None,
        where: Condition | None = None,
    ) -> Record[D]:
        """Write what `change` makes of the current document; raise as `replace`.

        The write carries the version that was read. Without `if_match` a lost race
        is tried again, then it is a Conflict.
        """
        for _ in range(1 if if_match is not None else ATTEMPTS):
            record = self.retrieve(tenant, id, where)
            if if_match not in (None, record.version):
                raise PreconditionFailed()
            values = change(self.contract.document(record))
            try:
                return self.replace(tenant, id, values, record.version, where)
            except PreconditionFailed:
                if if_match is not None:
                    raise
        raise Conflict("Others changed this at the same time: try again.")
