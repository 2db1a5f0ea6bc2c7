"""What clients send and see of audit entries, as types for editors and mypy.

Written by `./run flask contracts types --write` from the contracts: change those.
"""

from typing import TypedDict


class AuditEntryDocument(TypedDict):
    """What clients see of AuditEntry."""

    id: str
    created_at: str
    principal: str
    operation: str | None
    resource: str
    object_id: str
    version: int
    fields: list[str]
    request_id: str | None
