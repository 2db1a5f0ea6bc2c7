"""What clients send and see of api keys, as types for editors and mypy.

Written by `./run flask contracts types --write` from the contracts: change those.
"""

from typing import Literal, TypedDict


class ApiKeyBody(TypedDict):
    """What a body of ApiKey holds."""

    name: str
    role: Literal["viewer", "member", "admin", "owner"]
    scopes: list[str]


class ApiKeyDocument(TypedDict):
    """What clients see of ApiKey."""

    id: str
    name: str
    role: Literal["viewer", "member", "admin", "owner"]
    scopes: list[str]
    last_used_at: str | None
    created_at: str


class NewApiKeyBody(TypedDict):
    """What a body of NewApiKey holds."""

    name: str
    role: Literal["viewer", "member", "admin", "owner"]
    scopes: list[str]


class NewApiKeyDocument(TypedDict):
    """What clients see of NewApiKey."""

    id: str
    name: str
    role: Literal["viewer", "member", "admin", "owner"]
    scopes: list[str]
    last_used_at: str | None
    created_at: str
    key: str
