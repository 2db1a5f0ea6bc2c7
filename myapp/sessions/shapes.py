"""What clients send and see of sessions, as types for editors and mypy.

Written by `./run flask contracts types --write` from the contracts: change those.
"""

from typing import TypedDict


class SessionDocument(TypedDict):
    """What clients see of Session."""

    id: str
    user_id: str | None
    client_id: str | None
    scopes: list[str]
    address: str
    user_agent: str
    created_at: str
    expires_at: str
