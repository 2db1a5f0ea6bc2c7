"""What the demo of a developer's machine has of teams."""

from collections.abc import Mapping
from uuid import UUID

from myapp.teams.models import TEAM, add_member, create_team


def fill(tenant: UUID, account: str, people: Mapping[str, UUID]) -> None:
    """Add a team that the member leads, where an account of the demo has one.

    `people` is the id of the user of each role.
    """
    if {"member", "viewer"} <= people.keys():
        values = TEAM.validate({"name": "Payments"})
        team = create_team(tenant, values, people["member"])
        id = TEAM.value(team, "id")
        add_member(tenant, id, {"user_id": people["viewer"], "is_leader": False}, None)
