"""Teams: the contracts, the tables, who may change one, and how members come and go.

Whoever changes the members of a team waits for its row, so that of many leaders who
step down at once the last one is refused. Only a user who leaves the account is not
kept: then admins look after a team that is left without a leader.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    ForeignKeyConstraint,
    Index,
    Select,
    String,
    UniqueConstraint,
    select,
)
from sqlalchemy.orm import Mapped, mapped_column

from myapp import db
from myapp.access import ADMIN, MEMBER, VIEWER, Principal, Rule
from myapp.contract import Contract
from myapp.contract_rules import Schema
from myapp.db import sql
from myapp.errors import BrokenRule, Conflict, NotFound
from myapp.repository import Change, Condition, Record
from myapp.sql_repository import SqlRepository
from myapp.tables import TenantOwned
from myapp.teams import shapes
from myapp.users.models import users

USER_ID: Schema = {"type": "string", "format": "uuid"}

TEAM = Contract[shapes.TeamBody, shapes.TeamDocument](
    "Team",
    description="Users of an account who work together.",
    properties={
        "id": {"type": "string", "format": "uuid", "readOnly": True},
        "name": {
            "type": "string",
            "minLength": 3,
            "maxLength": 120,
            "description": "Unique in the account.",
            "examples": ["Payments"],
        },
        "description": {
            "type": ["string", "null"],
            "maxLength": 500,
            "default": None,
            "examples": ["Whoever is on call for payments."],
        },
        "created_at": {"type": "string", "format": "date-time", "readOnly": True},
        "updated_at": {"type": "string", "format": "date-time", "readOnly": True},
    },
    filters=("name",),
    sorts=("name",),
)
TEAM_MEMBER = Contract[shapes.TeamMemberBody, shapes.TeamMemberDocument](
    "TeamMember",
    description="A user in a team. A team that has members has a leader.",
    properties={
        "id": {"type": "string", "format": "uuid", "readOnly": True},
        "user_id": {**USER_ID, "readOnly": True},
        "is_leader": {"type": "boolean", "examples": [True]},
        "created_at": {"type": "string", "format": "date-time", "readOnly": True},
        "updated_at": {"type": "string", "format": "date-time", "readOnly": True},
    },
    filters=("user_id", "is_leader"),
)
NEW_TEAM_MEMBER = Contract[shapes.NewTeamMemberBody](
    "NewTeamMember",
    description="Whom to add to a team; its first member leads in any case.",
    properties={
        "user_id": USER_ID,
        "is_leader": {"type": "boolean", "default": False},
    },
)


class Team(TenantOwned, sql.Model):
    """A row of teams."""

    __tablename__ = "teams"
    __table_args__ = (
        UniqueConstraint("account_id", "name"),
        Index(None, "account_id", "name", "id"),
    )

    name: Mapped[str] = mapped_column(String(120))
    description: Mapped[str | None] = mapped_column(String(500))


class TeamMember(TenantOwned, sql.Model):
    """A row of team_members; it goes with its team and with its user."""

    __tablename__ = "team_members"
    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "team_id"],
            ["teams.account_id", "teams.id"],
            ondelete="CASCADE",
        ),
        # A user who has to go goes at once, without a look at the teams first.
        ForeignKeyConstraint(
            ["account_id", "user_id"],
            ["users.account_id", "users.id"],
            ondelete="CASCADE",
        ),
        UniqueConstraint("account_id", "team_id", "user_id"),
        Index(None, "account_id", "user_id"),
    )

    team_id: Mapped[UUID]
    user_id: Mapped[UUID]
    is_leader: Mapped[bool]


teams = SqlRepository(Team, TEAM)
members = SqlRepository(TeamMember, TEAM_MEMBER)


def _of(principal: Principal) -> ColumnElement[bool]:
    """Return the condition of the caller's memberships; a key or client has none."""
    own = TeamMember.account_id == principal.account_id
    return own & (TeamMember.user_id == principal.user_id)


def _led_by(principal: Principal) -> Select[Any]:
    leading = _of(principal) & TeamMember.is_leader
    return select(TeamMember.team_id).where(leading).correlate(None)


def _is_led(principal: Principal) -> Condition:
    return {} if ADMIN.allows(principal) else {"id": _led_by(principal)}


def _is_own_or_led(principal: Principal) -> Condition:
    if ADMIN.allows(principal):
        return {}
    reached = _of(principal)
    if MEMBER.allows(principal):
        reached |= TeamMember.team_id.in_(_led_by(principal))
    return {"id": select(TeamMember.id).where(reached).correlate(None)}


LED = "member or above for teams they lead, admin or above for all"
LEADER = Rule(LED, MEMBER.allows, _is_led)
"""Who leads a team; its condition is about the team, also where members change."""
SELF_OR_LEADER = Rule(
    f"viewer or above for oneself, {LED}", VIEWER.allows, _is_own_or_led
)
"""Who leads a team, and each of its members; its condition is about the member."""


def create_team(tenant: UUID, values: shapes.TeamBody, founder: UUID | None) -> Record:
    """Store a team; the user who makes it is its first member, and leads."""
    with db.transaction(tenant):
        team = teams.create(tenant, values)
        if founder:
            leader = {"user_id": founder, "is_leader": True}
            members.create(tenant, leader, team_id=TEAM.value(team, "id"))
    return team


def add_member(
    tenant: UUID,
    team_id: UUID,
    values: shapes.NewTeamMemberBody,
    where: Condition | None,
) -> Record:
    """Add a user to a team; raise NotFound, or Conflict for one who is in it."""
    with _held(tenant, team_id, where) as connection:
        _check_user(tenant, values["user_id"])
        leads = values["is_leader"] or not _kinds(connection, tenant, team_id)
        new = {**values, "is_leader": leads}
        return members.create(tenant, new, team_id=team_id)


def change_member(
    tenant: UUID,
    team_id: UUID,
    id: UUID,
    change: Change[shapes.TeamMemberDocument],
    if_match: int | None,
    where: Condition | None,
) -> Record:
    """Let a member lead or not; raise Conflict where no leader would be left."""
    with _held(tenant, team_id, where):
        members.retrieve(tenant, id, team_id=team_id)
        return members.update(tenant, id, change, if_match)


def remove_member(
    tenant: UUID,
    team_id: UUID,
    id: UUID,
    if_match: int | None,
    where: Condition | None,
) -> None:
    """Take a member out of a team; raise Conflict where no leader would be left."""
    with _held(tenant, team_id):
        members.retrieve(tenant, id, where, team_id=team_id)
        members.delete(tenant, id, if_match)


@contextmanager
def _held(
    tenant: UUID, team_id: UUID, where: Condition | None = None
) -> Iterator[Connection]:
    """Let one change of a team's members follow the other, and leave it a leader."""
    with db.transaction(tenant) as connection:
        held = select(Team.id).where(Team.account_id == tenant, Team.id == team_id)
        connection.execute(held.with_for_update())
        teams.retrieve(tenant, team_id, where)
        led = True in _kinds(connection, tenant, team_id)
        yield connection
        if led and _kinds(connection, tenant, team_id) == {False}:
            raise Conflict("A team that has members has a leader: name another first.")


def _kinds(connection: Connection, tenant: UUID, team_id: UUID) -> set[bool]:
    """Return which members a team has: leaders (True), others (False), or neither."""
    own = (TeamMember.account_id == tenant, TeamMember.team_id == team_id)
    found = select(TeamMember.is_leader).where(*own).distinct()
    return set(connection.scalars(found))


def _check_user(tenant: UUID, user_id: UUID) -> None:
    try:
        users.retrieve(tenant, user_id)
    except NotFound:
        rule = BrokenRule("/user_id", "exists", "names no user of your account")
        raise NotFound("There is no such user.", [rule]) from None
