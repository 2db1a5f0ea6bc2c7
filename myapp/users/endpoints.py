"""The endpoints of users."""

from myapp.access import ADMIN, PUBLIC, VIEWER, self_or_admin
from myapp.api import FeatureApi, Resource
from myapp.errors import Conflict, NotFound, TooManyRequests, Unprocessable
from myapp.operations import operation
from myapp.reach import remove_within
from myapp.repository import Page, Record
from myapp.request import Request
from myapp.users.models import (
    ACCEPTANCE,
    NEW_USER,
    USER,
    accept,
    change_user,
    invite,
    invite_again,
    users,
)
from myapp.users.shapes import AcceptanceBody, InvitationBody, UserChange

api = FeatureApi("users", USER)
blueprint = api.blueprint

SELF_OR_ADMIN = self_or_admin("id")


@api.route("")
class UserList(Resource):
    @operation.list(ADMIN)
    def get(self, request: Request) -> Page:
        """List the users of your account."""
        return users.list(request.tenant, request.page)

    @operation.create(ADMIN, accepts=NEW_USER)
    def post(self, request: Request[InvitationBody]) -> Record:
        """Invite a user, up to your own role; the invitation is mailed."""
        return invite(request.principal, request.tenant, request.body)


@api.route("/invitations/accept")
class InvitationAcceptance(Resource):
    @operation.action(
        PUBLIC, accepts=ACCEPTANCE, answers=USER, problems=(Unprocessable,)
    )
    def post(self, request: Request[AcceptanceBody]) -> Record:
        """Accept an invitation by choosing a password."""
        return accept(**request.body)


@api.route("/me")
class OwnUser(Resource):
    @operation.retrieve(VIEWER)
    def get(self, request: Request) -> Record:
        """Show who you are; 404 for a key or a client, which is no user."""
        if request.principal.user_id is None:
            raise NotFound("This credential belongs to no user.")
        return users.retrieve(request.tenant, request.principal.user_id)


@api.route("/<uuid:user_id>")
class UserItem(Resource):
    @operation.retrieve(SELF_OR_ADMIN)
    def get(self, request: Request) -> Record:
        """Show a user."""
        id = request.path["user_id"]
        return users.retrieve(request.tenant, id, request.where)

    @operation.update(SELF_OR_ADMIN, problems=(TooManyRequests,))
    def patch(self, request: Request[UserChange]) -> Record:
        """Change a user; `current_password` is asked for where it matters."""
        return change_user(
            request.principal,
            request.tenant,
            request.path["user_id"],
            request.change,
            request.if_match,
            request.where,
        )

    @operation.delete(ADMIN)
    def delete(self, request: Request) -> None:
        """Remove a user, up to your own role: all access ends within a second."""
        id = request.path["user_id"]
        principal, tenant = request.principal, request.tenant
        remove_within(users, principal, tenant, id, request.if_match)


@api.route("/<uuid:user_id>/invitation")
class UserInvitation(Resource):
    @operation.action(ADMIN, problems=(NotFound, Conflict))
    def post(self, request: Request) -> None:
        """Mail another invitation to who has not accepted; the last one ends."""
        invite_again(request.principal, request.tenant, request.path["user_id"])
