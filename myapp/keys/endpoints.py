"""The endpoint of the signing keys: their public parts."""

from myapp.access import PUBLIC
from myapp.api import FeatureApi, Resource
from myapp.contract import MEDIA_TYPE
from myapp.errors import Reply
from myapp.keys.models import KEY_SET, PUBLISHED_SECONDS, key_set
from myapp.operations import operation
from myapp.request import Request

api = FeatureApi("keys", KEY_SET, home="/.well-known/jwks.json")
blueprint = api.blueprint


@api.route("")
class KeySet(Resource):
    @operation.action(PUBLIC, answers=KEY_SET)
    def get(self, request: Request) -> Reply:
        """Show the keys that verify access tokens (RFC 7517)."""
        kept = f"public, max-age={PUBLISHED_SECONDS}"
        headers = {"Content-Type": MEDIA_TYPE, "Cache-Control": kept}
        return Reply(200, KEY_SET.represent(key_set()), headers)
