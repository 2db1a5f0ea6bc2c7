"""What clients send and see of customers, as types for editors and mypy.

Written by `./run flask contracts types --write` from the contracts: change those.
"""

from typing import TypedDict


class CustomerBody(TypedDict):
    """What a body of Customer holds."""

    name: str
    email: str


class CustomerDocument(TypedDict):
    """What clients see of Customer."""

    id: str
    name: str
    email: str
    created_at: str
    updated_at: str
