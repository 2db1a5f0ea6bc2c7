"""Nobody changes or removes what reaches further than they do, by role or scopes."""

from typing import Any
from uuid import UUID

from myapp.access import Principal, refuse_beyond
from myapp.repository import Change, Record, Repository, Values


def change_within(
    repository: Repository,
    principal: Principal,
    tenant: UUID,
    id: UUID,
    change: Change,
    if_match: int | None,
) -> Record:
    """Write a change between two states that are both within the caller's reach."""

    def within(document: dict[str, Any]) -> Values:
        refuse_beyond(principal, document)
        values = change(document)
        refuse_beyond(principal, values)
        return values

    return repository.update(tenant, id, within, if_match)


def remove_within(
    repository: Repository,
    principal: Principal,
    tenant: UUID,
    id: UUID,
    if_match: int | None,
) -> None:
    """Remove a record, in the state in which it is within the caller's reach."""
    record = repository.retrieve(tenant, id)
    refuse_beyond(principal, repository.contract.document(record))
    version = record.version if if_match is None else if_match
    repository.delete(tenant, id, version)
