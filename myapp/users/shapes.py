"""What clients send and see of users, as types for editors and mypy.

Written by `./run flask contracts types --write` from the contracts: change those.
"""

from typing import Literal, NotRequired, TypedDict


class UserBody(TypedDict):
    """What a body of User holds."""

    name: str
    email: str
    role: Literal["viewer", "member", "admin", "owner"]
    is_active: bool
    password: str
    current_password: str


class UserDocument(TypedDict):
    """What clients see of User."""

    id: str
    name: str
    email: str
    role: Literal["viewer", "member", "admin", "owner"]
    is_active: bool
    created_at: str
    updated_at: str


class UserChange(TypedDict):
    """What a change of User writes; what is hidden, where it was sent."""

    name: str
    email: str
    role: Literal["viewer", "member", "admin", "owner"]
    is_active: bool
    password: NotRequired[str]
    current_password: NotRequired[str]


class InvitationBody(TypedDict):
    """What a body of Invitation holds."""

    name: str
    email: str
    role: Literal["viewer", "member", "admin", "owner"]


class ReadyUserBody(TypedDict):
    """What a body of ReadyUser holds."""

    email: str
    password: str
    name: str | None
    role: Literal["viewer", "member", "admin", "owner"]


class AcceptanceBody(TypedDict):
    """What a body of Acceptance holds."""

    token: str
    password: str
