"""What clients send and see of clients, as types for editors and mypy.

Written by `./run flask contracts types --write` from the contracts: change those.
"""

from typing import Literal, TypedDict


class ClientBody(TypedDict):
    """What a body of Client holds."""

    name: str
    role: Literal["viewer", "member", "admin", "owner"]
    scopes: list[str]
    grant_types: list[
        Literal["authorization_code", "client_credentials", "refresh_token"]
    ]
    redirect_uris: list[str]
    is_active: bool


class ClientDocument(TypedDict):
    """What clients see of Client."""

    id: str
    name: str
    role: Literal["viewer", "member", "admin", "owner"]
    scopes: list[str]
    grant_types: list[
        Literal["authorization_code", "client_credentials", "refresh_token"]
    ]
    redirect_uris: list[str]
    is_active: bool
    client_id: str
    confidential: bool
    created_at: str


class NewClientBody(TypedDict):
    """What a body of NewClient holds."""

    name: str
    role: Literal["viewer", "member", "admin", "owner"]
    scopes: list[str]
    grant_types: list[
        Literal["authorization_code", "client_credentials", "refresh_token"]
    ]
    redirect_uris: list[str]
    is_active: bool
    confidential: bool


class NewClientDocument(TypedDict):
    """What clients see of NewClient."""

    id: str
    name: str
    role: Literal["viewer", "member", "admin", "owner"]
    scopes: list[str]
    grant_types: list[
        Literal["authorization_code", "client_credentials", "refresh_token"]
    ]
    redirect_uris: list[str]
    is_active: bool
    client_id: str
    confidential: bool
    created_at: str
    client_secret: str | None
