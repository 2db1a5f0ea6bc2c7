"""What makes a feature in plain Flask-RESTX style safe beside the others.

It is private by default, reads JSON as strictly, and its document is shown on the same
page. (`http_errors` gives its errors the one shape.)
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import flask_restx
from flask import Flask, g, request
from flask.json.provider import DefaultJSONProvider
from flask_restx.api import SwaggerView
from werkzeug.routing import Rule

from myapp import audit, db, docs, strict_json
from myapp.access import MEMBER, SAFE, VIEWER, admit, authenticate, scope_of
from myapp.api import Resource

View = Callable[..., Any]
PAGES = ("docs.", "dev_mail.")
"""How the endpoints of the pages for people begin."""


def install(app: Flask) -> None:
    """Close every view that is no operation and no page of documentation."""
    app.json = StrictJson(app)
    _free_prefixes(app)
    for endpoint, view in app.view_functions.items():
        _show_documentation(view)
        if not is_public(endpoint, view) and not is_operation(view):
            app.view_functions[endpoint] = _private(view)


class StrictJson(DefaultJSONProvider):
    """Reads the JSON of plain Flask-RESTX features as strictly as ours."""

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Parse JSON text; raise BadRequest."""
        return strict_json.loads(s.encode() if isinstance(s, str) else s)


def _free_prefixes(app: Flask) -> None:
    """Let a plain resource answer at its feature's prefix, where RESTX puts a 404."""
    views, rules = app.view_functions, list(app.url_map.iter_rules())
    resources = {
        _place(rule): views[rule.endpoint]
        for rule in rules
        if hasattr(views[rule.endpoint], "view_class") and rule.methods
        if "GET" in rule.methods
    }
    for rule in rules:
        if _api_of(views[rule.endpoint]) and _place(rule) in resources:
            views[rule.endpoint] = resources[_place(rule)]


def _place(rule: Rule) -> str:
    return rule.rule.rstrip("/")


def _show_documentation(view: View) -> None:
    """Show a plain feature's document as ours, unless it has a page of its own."""
    api = _api_of(view)
    if api is not None and api._doc_view is None:
        api.documentation(lambda: docs.page(api.specs_url, api.title))


def _api_of(view: View) -> flask_restx.Api | None:
    """Return whose own view this is: RESTX's page of documentation, or its 404."""
    owner = getattr(view, "__self__", None)
    return owner if isinstance(owner, flask_restx.Api) else None


def is_public(endpoint: str, view: View) -> bool:
    """Tell whether a view needs no token: the pages for people, and RESTX's 404."""
    view_class = getattr(view, "view_class", object)
    is_page = endpoint.startswith(PAGES) or view_class is SwaggerView
    return is_page or _api_of(view) is not None


def is_operation(view: View) -> bool:
    """Tell whether a view hands over to our operations."""
    view_class = getattr(view, "view_class", None)
    return view_class is not None and issubclass(view_class, Resource)


def _private(view: View) -> View:
    """Ask for a token, a role and the feature's scope before a plain view."""

    @wraps(view)
    def guarded(**path: Any) -> Any:
        principal = authenticate(request.headers.get("Authorization"))
        rule = VIEWER if request.method in SAFE else MEMBER
        admit(principal, rule, scope_of(str(request.blueprint), request.method))
        assert principal is not None, "no rule of a role admits nobody"
        g.principal = principal
        cause = audit.caused_by(
            principal.subject,
            operation=request.endpoint,
            request_id=request.environ["myapp.request_id"],
        )
        with db.acting_for(principal.account_id), cause:
            return view(**path)

    return guarded
