"""The pages for people: Swagger UI, the OpenAPI documents and the problem types.

Everything is served from this host, from the flask-swagger-ui package.
"""

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from html import escape
from pathlib import Path

import flask_swagger_ui
import msgspec
from flask import Blueprint, Response, current_app, redirect, send_from_directory
from werkzeug.wrappers import Response as AnyResponse

from myapp import errors, openapi
from myapp.operations import Operation

ASSETS = Path(flask_swagger_ui.__file__).parent / "dist"
CLIENT = "documentation"
"""The OAuth client of these pages, in development: `./run` registers it."""
SCRIPT = """
const { document: url, client: clientId } = document.documentElement.dataset;
window.ui = SwaggerUIBundle({
  url,
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: true,
  tryItOutEnabled: true,
  oauth2RedirectUrl: `${location.origin}/docs/assets/oauth2-redirect.html`,
});
ui.initOAuth({ clientId, usePkceWithAuthorizationCodeGrant: true });
"""
ICON = '<link rel="icon" href="/docs/assets/favicon-32x32.png">'
PAGE = """<!doctype html>
<html lang="en" data-document="{document}" data-client="{client}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
{icon}
<body>
<div id="swagger-ui"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script>{script}</script>
</body>
</html>
"""
_HASH = b64encode(sha256(SCRIPT.encode()).digest()).decode()
PAGE_POLICY = (
    f"default-src 'self'; script-src 'self' 'sha256-{_HASH}';"
    " style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
)


def blueprint(operations: Sequence[Operation]) -> Blueprint:
    """Return the pages of everything and of each feature, written once, now."""
    pages = Blueprint("docs", __name__)
    pages.add_url_rule("/", "home", lambda: redirect("/docs"))
    pages.add_url_rule("/docs/assets/<path:name>", "assets", _asset)
    pages.add_url_rule("/problems/<slug>", "problem", _problem)
    _add(pages, "", "myapp", operations)
    for feature in dict.fromkeys(operation.feature for operation in operations):
        own = [op for op in operations if op.feature == feature]
        _add(pages, own[0].home, feature, own)
    return pages


def _add(
    pages: Blueprint, prefix: str, title: str, operations: Sequence[Operation]
) -> None:
    document = msgspec.json.encode(openapi.document(operations, title))
    address = f"{prefix}/openapi.json"
    pages.add_url_rule(
        address,
        f"{title}_document",
        lambda: Response(document, mimetype="application/json"),
    )
    pages.add_url_rule(
        f"{prefix}/docs", f"{title}_page", lambda: page(address, f"{title} API")
    )


def page(document: str, title: str) -> Response:
    """Return the page that shows the OpenAPI or Swagger document at an address."""
    names = {"document": escape(document), "title": escape(title)}
    client = CLIENT if current_app.debug else ""
    return _html(PAGE.format(script=SCRIPT, icon=ICON, client=client, **names))


def _html(page: str) -> Response:
    headers = {"Content-Security-Policy": PAGE_POLICY}
    return Response(page, mimetype="text/html", headers=headers)


def _asset(name: str) -> AnyResponse:
    asset = send_from_directory(ASSETS, name, max_age=3600)
    if asset.mimetype == "text/html":  # the one that takes a code runs a script
        asset.headers["Content-Security-Policy"] = PAGE_POLICY
    return asset


def _problem(slug: str) -> AnyResponse:
    """Explain the problem that a `type` names."""
    for problem in errors.problems():
        if errors.slug(problem.title) == slug:
            text = f"<h1>{problem.status} {problem.title}</h1><p>{problem.__doc__}</p>"
            title = escape(problem.title)
            return _html(f"<!doctype html><title>{title}</title>{ICON}{text}")
    raise errors.NotFound()
