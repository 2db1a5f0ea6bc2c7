"""Nobody changes or removes what reaches further than they do, by role or scopes."""

from uuid import UUID

from myapp.access import Principal, refuse_beyond
from myapp.repository import Change, D, Record, Repository, Values


def change_within(
    repository: Repository[D],
    principal: Principal,
    tenant: UUID,
    id: UUID,
    change: Change[D],
    if_match: int | None,
) -> Record[D]:
    """Write a change between two states that are both within the caller's reach."""

    def within(document: D) -> Values:
        refuse_beyond(principal, document)
        values = change(document)
        refuse_beyond(principal, values)
        return values

    return repository.update(tenant, id, within, if_match)


def remove_within(
    repository: Repository[D],
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
