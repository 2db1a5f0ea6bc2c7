"""What clients send and see of checkout sessions, as types for editors and mypy.

Written by `./run flask contracts types --write` from the contracts: change those.
"""

from typing import Literal, TypedDict


class CheckoutSessionBody(TypedDict):
    """What a body of CheckoutSession holds."""

    amount: int
    currency: str
    description: str | None
    success_url: str


class CheckoutSessionDocument(TypedDict):
    """What clients see of CheckoutSession."""

    id: str
    status: Literal["open", "complete"]
    amount: int
    currency: str
    description: str | None
    success_url: str
    created_at: str
    expires_at: str
