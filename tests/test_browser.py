"""What a person sees of the documentation, in a real Chromium.

Every request the browser makes is recorded: none may leave this host. Set
MYAPP_SCREENSHOT to a file name to keep the picture that the README shows.
"""

import os
import shutil
import threading
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect, sync_playwright
from werkzeug.serving import make_server

from myapp import FEATURES, create_app
from tests.actors import sign_up
from tests.plain import carts, products

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH: install one"),
    pytest.mark.parametrize("engine", ["sqlite"], indirect=True),
]
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PAGES = ["/docs", "/health/docs", "/v1/products/docs", "/v1/carts/docs"] + [
    f"/v1/{name}/docs"
    for feature in FEATURES
    if (name := feature.__name__.rpartition(".")[2]) != "health"
]


@pytest.fixture(scope="module")
def app(databases, redis_url):
    """The application with the plain features beside ours."""
    settings = {**databases.clone(), "REDIS_URL": redis_url}
    app = create_app(settings, (*FEATURES, products, carts))
    yield app
    app.extensions["myapp"].engine.dispose()


@pytest.fixture(scope="module")
def address(app):
    """Where the application is served, on a free port of loopback."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def chromium():
    """One browser for all tests, with nothing remembered."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, address):
    """A new page; it must have spoken with this host only, and without an error."""
    context = chromium.new_context(
        base_url=address, viewport={"width": 1280, "height": 800}
    )
    page = context.new_page()
    requested, complaints = [], []
    page.on("request", lambda request: requested.append(request.url))
    page.on("pageerror", lambda error: complaints.append(("error", str(error))))
    page.on("console", lambda said: complaints.append((said.type, said.text)))
    yield page
    context.close()
    hosts = {urlsplit(url).netloc for url in requested if not url.startswith("data:")}
    assert hosts == {urlsplit(address).netloc}
    assert [said for said in complaints if said[0] == "error"] == []


def operation(page, name):
    """Return the block of one operation, opened."""
    block = page.locator(f"[id$='{name}']").first
    block.locator(".opblock-summary-control").click()
    return block


@pytest.mark.parametrize("url", PAGES)
def test_page_shows_every_operation_of_its_document(page, url):
    page.goto(url)
    document = page.request.get(page.locator("html").get_attribute("data-document"))
    described = [
        method
        for path in document.json()["paths"].values()
        for method in path
        if method in ("get", "post", "put", "patch", "delete")
    ]
    expect(page.locator(".opblock")).to_have_count(len(described))
    expect(page.locator(".info .title")).to_contain_text(
        document.json()["info"]["title"]
    )
    expect(page.locator(".errors-wrapper")).to_have_count(0)


def test_page_of_everything_shows_openapi_3_1_and_the_schemas(page):
    page.goto("/docs")
    expect(page.locator(".version-stamp").last).to_have_text("OAS 3.1")
    expect(page.locator(".models")).to_contain_text("CustomerWrite")


def test_try_it_out_with_a_key_adds_a_customer(page, app):
    acme = sign_up(app.test_client(), "acme")
    page.goto("/docs")
    page.get_by_role("button", name="Authorize").first.click()
    page.locator(".auth-container input").fill(acme.key)
    page.locator(".auth-container").get_by_role("button", name="Apply").click()
    page.get_by_role("button", name="Close", exact=True).click()

    adding = operation(page, "customers_create")
    adding.get_by_role("button", name="Execute").click()
    answer = adding.locator(".live-responses-table .response").first
    expect(answer.locator(".response-col_status")).to_contain_text("201")
    expect(answer).to_contain_text("Ada Lovelace")
    [customer] = acme.get("/v1/customers").json["items"]
    assert customer["name"] == "Ada Lovelace"
    if wanted := os.environ.get("MYAPP_SCREENSHOT"):
        page.goto("/v1/customers/docs")
        expect(page.locator(".opblock")).to_have_count(6)
        page.screenshot(path=wanted)
