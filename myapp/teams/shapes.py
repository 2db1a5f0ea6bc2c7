"""What clients send and see of teams, as types for editors and mypy.

Written by `./run flask contracts types --write` from the contracts: change those.
"""

from typing import TypedDict
from uuid import UUID


class TeamBody(TypedDict):
    """What a body of Team holds."""

    name: str
    description: str | None


class TeamDocument(TypedDict):
    """What clients see of Team."""

    id: str
    name: str
    description: str | None
    created_at: str
    updated_at: str


class TeamMemberBody(TypedDict):
    """What a body of TeamMember holds."""

    is_leader: bool


class TeamMemberDocument(TypedDict):
    """What clients see of TeamMember."""

    id: str
    user_id: str
    is_leader: bool
    created_at: str
    updated_at: str


class NewTeamMemberBody(TypedDict):
    """What a body of NewTeamMember holds."""

    user_id: UUID
    is_leader: bool
