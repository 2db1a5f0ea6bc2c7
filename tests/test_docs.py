"""The pages for people: public, complete, and from no host but this one."""

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from werkzeug.http import parse_csp_header

from myapp import FEATURES, create_app, errors
from tests.declared import DeclaredClient
from tests.plain import carts, products
from tests.resources import OPERATIONS

HOMES = {operation.home for operation in OPERATIONS}
PAGES = {
    "/docs": "/openapi.json",
    **{f"{home}/docs": f"{home}/openapi.json" for home in sorted(HOMES)},
    "/v1/sample_products/docs": "/v1/sample_products/swagger.json",
    "/v1/sample_carts/docs": "/v1/sample_carts/swagger.json",
}
"""Each page of documentation, and the document that it shows."""

PROBLEMS = [errors.slug(problem.title) for problem in errors.problems()]
EACH_PAGE = pytest.mark.parametrize(
    "address", [*PAGES, *(f"/problems/{slug}" for slug in PROBLEMS)]
)


class Page(HTMLParser):
    """What a page refers to, and the scripts written into it."""

    def __init__(self, text):
        super().__init__()
        self.references, self.scripts, self._open = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self._open = tag
        named = dict(attributes)
        names = ("src", "href", "action", "data-document")
        self.references += [named[name] for name in names if name in named]

    def handle_data(self, data):
        if self._open == "script" and data.strip():
            self.scripts.append(data)


@pytest.fixture(scope="module")
def client():
    """A client that knows no key, of an application away from its stores."""
    nowhere = {"DATABASE_URL": "sqlite:///none", "REDIS_URL": "redis://127.0.0.1:1/0"}
    app = create_app(nowhere, (*FEATURES, products, carts))
    app.test_client_class = DeclaredClient
    return app.test_client()


def test_home_leads_to_the_docs(client):
    home = client.get("/")
    assert home.status_code == 302
    assert home.location == "/docs"


@pytest.mark.parametrize(("address", "document"), PAGES.items(), ids=PAGES)
def test_page_is_public_and_shows_its_document(client, address, document):
    page = client.get(address)
    assert page.status_code == 200
    assert page.mimetype == "text/html"
    assert document in Page(page.text).references
    assert client.get(document).status_code == 200


@pytest.mark.parametrize("address", PAGES)
def test_page_refers_to_files_that_are_there(client, address):
    references = Page(client.get(address).text).references
    assert len(references) >= 4
    for reference in references:
        found = client.get(reference, buffered=True)
        assert found.status_code == 200, reference
        assert len(found.get_data()) > 100


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("swagger-ui.css", "text/css"),
        ("swagger-ui-bundle.js", "text/javascript"),
        ("favicon-32x32.png", "image/png"),
    ],
)
def test_asset_is_public_and_may_be_kept(client, name, media_type):
    asset = client.get(f"/docs/assets/{name}", buffered=True)
    assert asset.status_code == 200
    assert asset.mimetype == media_type
    assert asset.cache_control.max_age == 3600


@EACH_PAGE
def test_page_refers_to_no_other_host(client, address):
    text = client.get(address).text
    for reference in Page(text).references:
        assert urlsplit(reference).netloc == ""
    assert not re.search(r"https?:|//", re.sub(r"<!doctype.*?>", "", text))


@EACH_PAGE
def test_page_may_load_from_no_other_host(client, address):
    policy = parse_csp_header(client.get(address).headers["Content-Security-Policy"])
    allowed = {source for sources in policy.values() for source in sources.split()}
    assert policy.default_src == "'self'"
    assert policy.frame_ancestors == "'none'"
    harmless = {"'self'", "'none'", "'unsafe-inline'", "data:"}
    assert all(source in harmless or "sha256-" in source for source in allowed)
    assert "'unsafe-inline'" not in str(policy.script_src)


@pytest.mark.parametrize("address", PAGES)
def test_page_may_run_the_one_script_written_into_it(client, address):
    page = client.get(address)
    [script] = Page(page.text).scripts
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in page.headers["Content-Security-Policy"]


def test_page_that_takes_a_code_may_run_its_script_and_no_other(client):
    page = client.get("/docs/assets/oauth2-redirect.html", buffered=True)
    assert page.status_code == 200
    policy = parse_csp_header(page.headers["Content-Security-Policy"])
    assert "'self'" in str(policy.script_src)
    assert "'unsafe-inline'" not in str(policy.script_src)


def test_page_presets_the_client_of_the_demo_in_development(client):
    assert 'data-client="documentation"' in client.get("/docs").text


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_page_presets_no_client_in_production(start_production):
    page = start_production().test_client().get("/docs")
    assert 'data-client=""' in page.text


@pytest.mark.parametrize("slug", PROBLEMS)
def test_problem_is_explained_at_the_address_that_is_its_type(client, slug):
    page = client.get(f"/problems/{slug}")
    assert page.status_code == 200
    [problem] = [p for p in errors.problems() if errors.slug(p.title) == slug]
    assert f"{problem.status} {problem.title}" in page.text
    assert problem.__doc__ in page.text


@pytest.mark.parametrize(
    "address",
    [
        "/docs/assets/nothing.js",
        "/docs/assets/",
        "/docs/assets/../__init__.py",
        "/docs/assets/..%2f__init__.py",
        "/docs/assets/%2e%2e/__init__.py",
        "/docs/assets//etc/passwd",
        "/docs/nothing",
        "/problems/nothing",
        "/problems/",
        "/v1/nothing/docs",
    ],
)
def test_unknown_page_answers_404(client, address):
    assert client.get(address).status_code == 404
