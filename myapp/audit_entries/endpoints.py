"""The endpoints of the audit: it is only read."""

from myapp.access import ADMIN
from myapp.api import FeatureApi, Resource
from myapp.audit_entries.models import AUDIT_ENTRY, audit_entries
from myapp.operations import operation
from myapp.repository import Page, Record
from myapp.request import Request

api = FeatureApi("audit_entries", AUDIT_ENTRY)
blueprint = api.blueprint


@api.route("")
class AuditEntryList(Resource):
    @operation.list(ADMIN)
    def get(self, request: Request) -> Page:
        """List who changed what in your account."""
        return audit_entries.list(request.tenant, request.page)


@api.route("/<uuid:audit_entry_id>")
class AuditEntryItem(Resource):
    @operation.retrieve(ADMIN)
    def get(self, request: Request) -> Record:
        """Show who made one change."""
        id = request.path["audit_entry_id"]
        return audit_entries.retrieve(request.tenant, id)
