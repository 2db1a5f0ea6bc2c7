"""What comes about by the way, and no operation creates: sessions, codes, tokens."""

from uuid import UUID

from myapp.auth.models import issue_code
from myapp.clients.models import NEW_CLIENT, find, register
from myapp.sessions.models import Origin, begin
from myapp.users import models as users
from tests.actors import OWNER

CLIENT = {
    "name": "an app",
    "role": "member",
    "scopes": ["*"],
    "grant_types": ["authorization_code"],
    "redirect_uris": ["http://127.0.0.1/"],
    "is_active": True,
    "confidential": False,
}


def put_by_the_way(tenant: UUID) -> None:
    """Begin a session, ask for a new password and consent to a client."""
    record = register(tenant, NEW_CLIENT.validate(CLIENT))
    client = find(NEW_CLIENT.value(record, "client_id"))
    user = users.find(tenant, OWNER)
    assert client is not None and user is not None
    begin(tenant, ["*"], Origin(), user_id=user.id, renewable=True)
    issue_code(client, user, "http://127.0.0.1/", ["*"], "-" * 43)
    users.mail_reset(tenant, OWNER)
