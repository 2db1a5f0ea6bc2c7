"""The endpoints of accounts: each caller sees its own, and no other."""

from myapp.access import ADMIN, OWNER, VIEWER
from myapp.accounts.models import (
    ACCOUNT,
    NEW_ACCOUNT,
    SIGN_UP,
    accounts,
    check_captcha,
    close,
    sign_up,
)
from myapp.accounts.shapes import AccountBody, NewAccountBody
from myapp.api import FeatureApi, Resource
from myapp.operations import operation
from myapp.repository import Page, Record
from myapp.request import Request

api = FeatureApi("accounts", ACCOUNT)
blueprint = api.blueprint


@api.route("")
class AccountList(Resource):
    @operation.list(VIEWER)
    def get(self, request: Request) -> Page:
        """List the accounts you belong to: your own."""
        return accounts.list(request.tenant, request.page)

    @operation.create(SIGN_UP, accepts=NEW_ACCOUNT, answers=NEW_ACCOUNT)
    def post(self, request: Request[NewAccountBody]) -> Record:
        """Open an account with its owner; a first API key is shown only here."""
        authorization = request.environ.get("HTTP_AUTHORIZATION")
        check_captcha(authorization, request.body["captcha"], request.peer)
        return sign_up(request.body)


@api.route("/<uuid:account_id>")
class AccountItem(Resource):
    @operation.retrieve(VIEWER)
    def get(self, request: Request) -> Record:
        """Show your account."""
        return accounts.retrieve(request.tenant, request.path["account_id"])

    @operation.replace(ADMIN, requires_match=True)
    def put(self, request: Request[AccountBody]) -> Record:
        """Replace the name and slug of your account; needs If-Match."""
        id = request.path["account_id"]
        return accounts.replace(request.tenant, id, request.body, request.if_match)

    @operation.update(ADMIN)
    def patch(self, request: Request[AccountBody]) -> Record:
        """Change the name or slug of your account."""
        id = request.path["account_id"]
        return accounts.update(request.tenant, id, request.change, request.if_match)

    @operation.delete(OWNER)
    def delete(self, request: Request) -> None:
        """Close your account: all access ends within a second."""
        close(request.tenant, request.path["account_id"], request.if_match)
