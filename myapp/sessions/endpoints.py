"""The endpoints of sessions: who is signed in, and how to end it."""

from myapp.access import VIEWER, Role, self_or_admin
from myapp.api import FeatureApi, Resource
from myapp.operations import operation
from myapp.repository import Page
from myapp.request import Request
from myapp.sessions.models import SESSION, end_all, remove, sessions

api = FeatureApi("sessions", SESSION, home="/v1/auth/sessions")
blueprint = api.blueprint


@api.route("")
class SessionList(Resource):
    @operation.list(VIEWER)
    def get(self, request: Request) -> Page:
        """List your sessions; an admin sees those of the account."""
        if request.principal.role >= Role.ADMIN:
            return sessions.list(request.tenant, request.page)
        own = request.principal.user_id
        return sessions.list(request.tenant, request.page, user_id=own)

    @operation.action(VIEWER)
    def delete(self, request: Request) -> None:
        """Sign out everywhere: end all sessions of yours."""
        if request.principal.user_id:
            end_all(request.tenant, request.principal.user_id)


@api.route("/<uuid:session_id>")
class SessionItem(Resource):
    @operation.delete(self_or_admin("user_id"))
    def delete(self, request: Request) -> None:
        """End a session, up to your own role: its tokens die within a second."""
        remove(
            request.principal,
            request.tenant,
            request.path["session_id"],
            request.if_match,
            request.where,
        )
