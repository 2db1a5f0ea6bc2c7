"""The endpoints of teams and of their members."""

from myapp.access import MEMBER, VIEWER
from myapp.api import FeatureApi, Resource
from myapp.errors import NotFound
from myapp.operations import operation
from myapp.repository import Page, Record
from myapp.request import Request
from myapp.teams.models import (
    LEADER,
    NEW_TEAM_MEMBER,
    SELF_OR_LEADER,
    TEAM,
    TEAM_MEMBER,
    add_member,
    change_member,
    create_team,
    members,
    remove_member,
    teams,
)
from myapp.teams.shapes import NewTeamMemberBody, TeamBody, TeamMemberBody

api = FeatureApi("teams", TEAM)
blueprint = api.blueprint


@api.route("")
class TeamList(Resource):
    @operation.list(VIEWER)
    def get(self, request: Request) -> Page:
        """List the teams."""
        return teams.list(request.tenant, request.page)

    @operation.create(MEMBER)
    def post(self, request: Request[TeamBody]) -> Record:
        """Add a team; you lead it, unless you call with a key or as a client."""
        return create_team(request.tenant, request.body, request.principal.user_id)


@api.route("/<uuid:team_id>")
class TeamItem(Resource):
    @operation.retrieve(VIEWER)
    def get(self, request: Request) -> Record:
        """Show a team."""
        return teams.retrieve(request.tenant, request.path["team_id"])

    @operation.replace(LEADER)
    def put(self, request: Request[TeamBody]) -> Record:
        """Replace a team's name and description; its members stay."""
        id, body = request.path["team_id"], request.body
        return teams.replace(request.tenant, id, body, request.if_match, request.where)

    @operation.update(LEADER)
    def patch(self, request: Request[TeamBody]) -> Record:
        """Change a team."""
        id, change = request.path["team_id"], request.change
        return teams.update(request.tenant, id, change, request.if_match, request.where)

    @operation.delete(LEADER)
    def delete(self, request: Request) -> None:
        """Remove a team; its members remain users."""
        id = request.path["team_id"]
        teams.delete(request.tenant, id, request.if_match, request.where)


@api.route("/<uuid:team_id>/members")
class MemberList(Resource):
    @operation.list(VIEWER, answers=TEAM_MEMBER, problems=(NotFound,))
    def get(self, request: Request) -> Page:
        """List the members of a team."""
        team_id = request.path["team_id"]
        teams.retrieve(request.tenant, team_id)
        return members.list(request.tenant, request.page, team_id=team_id)

    @operation.create(
        LEADER, accepts=NEW_TEAM_MEMBER, answers=TEAM_MEMBER, problems=(NotFound,)
    )
    def post(self, request: Request[NewTeamMemberBody]) -> Record:
        """Add a user to a team; the first one leads it."""
        team_id = request.path["team_id"]
        return add_member(request.tenant, team_id, request.body, request.where)


@api.route("/<uuid:team_id>/members/<uuid:member_id>")
class MemberItem(Resource):
    @operation.retrieve(VIEWER, answers=TEAM_MEMBER)
    def get(self, request: Request) -> Record:
        """Show a member of a team."""
        team_id, id = request.path["team_id"], request.path["member_id"]
        return members.retrieve(request.tenant, id, team_id=team_id)

    @operation.update(LEADER, accepts=TEAM_MEMBER, answers=TEAM_MEMBER)
    def patch(self, request: Request[TeamMemberBody]) -> Record:
        """Let a member lead the team, or not any more."""
        return change_member(
            request.tenant,
            request.path["team_id"],
            request.path["member_id"],
            request.change,
            request.if_match,
            request.where,
        )

    @operation.delete(SELF_OR_LEADER)
    def delete(self, request: Request) -> None:
        """Take a member out of a team; everybody may leave."""
        remove_member(
            request.tenant,
            request.path["team_id"],
            request.path["member_id"],
            request.if_match,
            request.where,
        )
