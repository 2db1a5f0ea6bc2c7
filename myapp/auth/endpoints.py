"""The endpoints of signing in: by password, and by OAuth 2 (RFC 6749)."""

from myapp.access import PUBLIC
from myapp.api import FeatureApi, Resource
from myapp.auth import consent, shapes
from myapp.auth.consent import PAGES
from myapp.auth.forms import (
    AUTHORIZATION_FIELDS,
    CONSENT,
    INTROSPECTION,
    REVOCATION,
    TOKEN_REQUEST,
    TOKEN_STATE,
)
from myapp.auth.models import (
    LOGIN,
    NEW_PASSWORD,
    PASSWORD_RESET,
    TOKENS,
    ask_for_reset,
    sign_in,
)
from myapp.auth.parties import OAuthRequest, origin_of
from myapp.auth.protocol import NOT_STORED, OAUTH
from myapp.auth.server import server
from myapp.errors import Forbidden, Reply, TooManyRequests, Unauthorized, Unprocessable
from myapp.operations import operation
from myapp.repository import Record
from myapp.request import Request
from myapp.users.models import reset_password

api = FeatureApi("auth", TOKENS)
blueprint = api.blueprint


@api.route("/login")
class Login(Resource):
    @operation.action(
        PUBLIC, accepts=LOGIN, answers=TOKENS, problems=(Unauthorized, TooManyRequests)
    )
    def post(self, request: Request[shapes.LoginBody]) -> Record:
        """Sign in with a password."""
        return sign_in(**request.body, origin=origin_of(request))


@api.route("/password-reset")
class PasswordReset(Resource):
    @operation.action(
        PUBLIC, accepts=PASSWORD_RESET, problems=(TooManyRequests,), status=202
    )
    def post(self, request: Request[shapes.PasswordResetBody]) -> Reply:
        """Have a way to a new password mailed; 202 whoever asks."""
        ask_for_reset(**request.body, address=request.peer)
        return Reply(202)


@api.route("/password-reset/confirm")
class PasswordResetConfirmation(Resource):
    @operation.action(PUBLIC, accepts=NEW_PASSWORD, problems=(Unprocessable,))
    def post(self, request: Request[shapes.NewPasswordBody]) -> None:
        """Choose another password; every session of the user ends."""
        reset_password(**request.body)


@api.route("/token")
class Token(Resource):
    @operation.action(
        PUBLIC,
        accepts=TOKEN_REQUEST,
        answers=TOKENS,
        problems=(Unauthorized, TooManyRequests),
        speaks=OAUTH,
    )
    def post(self, request: Request[shapes.TokenRequestBody]) -> Reply:
        """Exchange a code, a refresh token or a client's credentials for a token."""
        reply: Reply = server.create_token_response(OAuthRequest(request, request.body))
        return reply


@api.route("/authorize")
class Authorization(Resource):
    @operation.action(PUBLIC, parameters=AUTHORIZATION_FIELDS, speaks=PAGES, status=200)
    def get(self, request: Request) -> Reply:
        """Show a user what a client asks for."""
        return consent.ask(request)

    @operation.action(
        PUBLIC,
        accepts=CONSENT,
        problems=(Unauthorized, Forbidden, TooManyRequests),
        speaks=PAGES,
        status=303,
    )
    def post(self, request: Request[shapes.ConsentBody]) -> Reply:
        """Carry out what the user has decided, and send the client a code."""
        return consent.answer(request)


@api.route("/revoke")
class Revocation(Resource):
    @operation.action(
        PUBLIC, accepts=REVOCATION, problems=(Unauthorized,), speaks=OAUTH, status=200
    )
    def post(self, request: Request[shapes.RevocationBody]) -> Reply:
        """End the session of a token (RFC 7009); 200 for an unknown token, too."""
        reply = _endpoint("revocation", request)
        return Reply(200, headers=NOT_STORED) if reply.status == 200 else reply


@api.route("/introspect")
class Introspection(Resource):
    @operation.action(
        PUBLIC,
        accepts=INTROSPECTION,
        answers=TOKEN_STATE,
        problems=(Unauthorized,),
        speaks=OAUTH,
    )
    def post(self, request: Request[shapes.IntrospectionBody]) -> Reply:
        """Tell a client about a token of its own (RFC 7662)."""
        return _endpoint("introspection", request)


def _endpoint(name: str, request: Request) -> Reply:
    oauth = OAuthRequest(request, request.body)
    reply: Reply = server.create_endpoint_response(name, oauth)
    return reply
