"""What clients send and see of accounts, as types for editors and mypy.

Written by `./run flask contracts types --write` from the contracts: change those.
"""

from typing import TypedDict


class AccountBody(TypedDict):
    """What a body of Account holds."""

    name: str
    slug: str


class AccountDocument(TypedDict):
    """What clients see of Account."""

    id: str
    name: str
    slug: str
    created_at: str
    updated_at: str


class NewAccountBody(TypedDict):
    """What a body of NewAccount holds."""

    name: str
    slug: str
    email: str
    password: str
    captcha: str | None


class NewAccountDocument(TypedDict):
    """What clients see of NewAccount."""

    id: str
    name: str
    slug: str
    created_at: str
    updated_at: str
    api_key: str
