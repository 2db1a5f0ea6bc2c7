"""What a person sees of the documentation and the consent page, in a real Chromium.

Every request the browser makes is recorded: none may leave this host. Set
MYAPP_SCREENSHOTS to a folder to keep the pictures that docs/ has.
"""

import os
import shutil
import threading
from contextlib import contextmanager
from html import escape
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Error, expect, sync_playwright
from werkzeug.serving import make_server

from devtools import demo
from myapp import create_app, db
from myapp.clients.models import NEW_CLIENT, register
from tests.plain import carts, products
from tests.resources import OPERATIONS
from tests.samples import FEATURES

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
HOMES = {"", "/v1/sample_products", "/v1/sample_carts"}
HOMES |= {operation.home for operation in OPERATIONS}
PAGES = [f"{home}/docs" for home in sorted(HOMES)]
TAKEN = "/problems/not-found"
"""Where the code of the consent page is sent: a page that does nothing with it."""


@pytest.fixture(scope="module")
def app(settings, databases):
    """The application with the demo, and the plain features beside ours."""
    own = databases.clone() | {"DEVELOPMENT_SECRET": "the secret of a test's machine"}
    app = create_app(settings | own, (*FEATURES, products, carts))
    demo.seed(app)
    with db.use(app.extensions["myapp"]):
        own = {"redirect_uris": [f"http://127.0.0.1{TAKEN}"], "confidential": False}
        own |= {
            "grant_types": ["authorization_code"],
            "scopes": ["sample_customers:read"],
        }
        asked = NEW_CLIENT.validate(own | {"name": "Reports & more", "role": "member"})
        register(demo.DEMO.id, asked, client_id="reports")
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


@pytest.fixture(scope="module")
def consent_url(address):
    """What a client asks a user for, with the challenge of RFC 7636, appendix B."""
    asked = {
        "response_type": "code",
        "client_id": "reports",
        "redirect_uri": f"{address}{TAKEN}",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    }
    return f"/v1/auth/authorize?{urlencode(asked)}"


@contextmanager
def browsing(chromium, address, tolerated="", **options):
    """Open a browser; it must stay on this host, and complain of nothing."""
    window = {"viewport": {"width": 1280, "height": 800}} | options
    context = chromium.new_context(base_url=address, **window)
    requested, complaints = [], []
    context.on("request", lambda request: requested.append(request.url))
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    context.on("console", lambda said: complaints.append(f"{said.type}: {said.text}"))
    yield context
    context.close()
    hosts = {urlsplit(url).netloc for url in requested if not url.startswith("data:")}
    assert hosts == {urlsplit(address).netloc}
    harmless = ("verbose:", "info:", "log:", *filter(None, [tolerated]))
    assert [said for said in complaints if not said.startswith(harmless)] == []


@pytest.fixture
def page(chromium, address):
    """A new page."""
    with browsing(chromium, address) as context:
        yield context.new_page()


@pytest.fixture
def refused(chromium, address):
    """A new page, on which a browser may complain of an answer that refuses."""
    with browsing(chromium, address, "error: Failed to load resource:") as context:
        yield context.new_page()


def keep_picture(page, name):
    """Write the picture of a page, if somebody wants it."""
    if folder := os.environ.get("MYAPP_SCREENSHOTS"):
        page.screenshot(path=Path(folder, name))


def operation(page, name):
    """Return the block of one operation, opened."""
    block = page.locator(f"[id$='{name}']").first
    block.locator(".opblock-summary-control").click()
    return block


def execute(page, name):
    """Try an operation out; return the answer that is shown."""
    block = operation(page, name)
    block.get_by_role("button", name="Execute").click()
    return block.locator(".live-responses-table .response").first


def authorize_by_oauth(page):
    """Have Swagger UI ask for a token; return the window that it opens."""
    page.get_by_role("button", name="Authorize").first.click()
    with page.expect_popup() as opened:
        page.get_by_role("button", name="Apply given OAuth2 credentials").click()
    return opened.value


def fill_in(consent, app, *, role="member", password=None):
    """Write on the consent page who one is."""
    consent.get_by_label("E-mail address").fill(demo.email(role))
    consent.get_by_label("Password").fill(password or demo.password(app))


def consented(page, decision="Allow"):
    """Decide on the consent page; return what the client is told."""
    page.get_by_role("button", name=decision).click()
    page.wait_for_url(f"**{TAKEN}?*")
    return parse_qs(urlsplit(page.url).query)


# --- the documentation


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
    # Of many schemas Swagger UI shows those that are in view.
    expect(page.locator(".models")).to_contain_text("AccountWrite")


def test_try_it_out_with_a_key_adds_a_customer(page, app):
    page.goto("/docs")
    page.get_by_role("button", name="Authorize").first.click()
    page.get_by_label("auth-bearer-value").fill(demo.api_key(app))
    page.get_by_role("button", name="Apply credentials").click()
    page.locator(".close-modal").click()

    answer = execute(page, "sample_customers_create")
    expect(answer.locator(".response-col_status")).to_contain_text("201")
    expect(answer).to_contain_text("Ada Lovelace")
    key = {"Authorization": f"Bearer {demo.api_key(app)}"}
    [customer, *_] = (
        app.test_client().get("/v1/sample_customers", headers=key).json["items"]
    )
    assert customer["name"] == "Ada Lovelace"
    page.goto("/v1/sample_customers/docs")
    expect(page.locator(".opblock")).to_have_count(6)
    keep_picture(page, "swagger.png")


# --- signing in by OAuth


def test_sign_in_by_oauth_and_try_a_protected_operation_out(page, app):
    page.goto("/docs")
    consent = authorize_by_oauth(page)
    fill_in(consent, app)
    with consent.expect_event("close"):
        consent.get_by_role("button", name="Allow").click()
    page.get_by_role("button", name="Remove authorization").wait_for()
    page.locator(".close-modal").click()

    answer = execute(page, "sample_customers_list")
    expect(answer.locator(".response-col_status")).to_contain_text("200")
    expect(answer).to_contain_text('"items"')
    me = execute(page, "users_me_retrieve")
    expect(me).to_contain_text("member@example.com")


@pytest.mark.slow
def test_sign_in_on_the_page_of_one_feature_works_too(page, app):
    page.goto("/v1/sample_customers/docs")
    consent = authorize_by_oauth(page)
    fill_in(consent, app, role="viewer")
    with consent.expect_event("close"):
        consent.get_by_role("button", name="Allow").click()
    page.get_by_role("button", name="Remove authorization").wait_for()
    page.locator(".close-modal").click()
    answer = execute(page, "sample_customers_list")
    expect(answer.locator(".response-col_status")).to_contain_text("200")


@pytest.mark.slow
def test_sign_in_that_is_denied_says_so_and_authorizes_nothing(page):
    page.goto("/docs")
    consent = authorize_by_oauth(page)
    with consent.expect_event("close"):
        consent.get_by_role("button", name="Deny").click()
    expect(page.locator(".auth-container .errors")).to_contain_text("access_denied")
    expect(page.get_by_role("button", name="Remove authorization")).to_have_count(0)


@pytest.mark.slow
def test_sign_in_with_a_wrong_password_asks_again(refused, app):
    refused.goto("/docs")
    consent = authorize_by_oauth(refused)
    fill_in(consent, app, password="not the password")
    consent.get_by_role("button", name="Allow").click()
    expect(consent.get_by_role("alert")).to_have_text(
        "The address or the password is wrong."
    )
    expect(consent.get_by_label("E-mail address")).to_have_value("member@example.com")
    expect(consent.get_by_label("Password")).to_have_value("")
    expect(consent.get_by_label("Password")).to_be_focused()

    consent.get_by_label("Password").fill(demo.password(app))
    with consent.expect_event("close"):
        consent.get_by_role("button", name="Allow").click()
    refused.get_by_role("button", name="Remove authorization").wait_for()


# --- the consent page


def test_consent_tells_who_asks_for_what_and_where_it_leads(page, address, consent_url):
    page.goto(consent_url)
    asked = page.get_by_role("main")
    expect(page).to_have_title("Reports & more wants to sign you in")
    expect(asked.get_by_role("heading")).to_have_text(page.title())
    expect(asked).to_contain_text("at most in the role member")
    expect(asked).to_contain_text("with these scopes: sample_customers:read.")
    expect(asked).to_contain_text(f"You go on to {address}.")
    page.set_viewport_size({"width": 640, "height": 560})
    keep_picture(page, "consent.png")


@pytest.mark.slow
def test_consent_by_keyboard_goes_through_address_password_and_decisions(
    page, app, consent_url
):
    page.goto(consent_url)
    expect(page.get_by_label("E-mail address")).to_be_focused()
    page.keyboard.type(demo.email("member"))
    page.keyboard.press("Tab")
    expect(page.get_by_label("Password")).to_be_focused()
    page.keyboard.type(demo.password(app))
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Allow")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Deny")).to_be_focused()


@pytest.mark.slow
def test_consent_by_the_enter_key_allows(page, app, consent_url):
    page.goto(consent_url)
    fill_in(page, app)
    page.get_by_label("Password").press("Enter")
    page.wait_for_url(f"**{TAKEN}?code=*")


@pytest.mark.slow
def test_consent_fits_a_narrow_screen(page, consent_url):
    page.set_viewport_size({"width": 320, "height": 640})
    page.goto(consent_url)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width == 320
    for button in page.get_by_role("button").all():
        expect(button).to_be_in_viewport(ratio=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("decision", "told"), [("Allow", "code"), ("Deny", "error")], ids=["allow", "deny"]
)
def test_consent_works_without_javascript(
    chromium, address, app, decision, told, consent_url
):
    with browsing(chromium, address, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(consent_url)
        fill_in(page, app)
        assert told in consented(page, decision)


@pytest.mark.slow
def test_consent_runs_no_script_that_gets_into_it(chromium, address, consent_url):
    blocked = "error: Executing inline script violates"
    with browsing(chromium, address, blocked) as context:
        page = context.new_page()
        page.goto(consent_url)
        assert page.locator("script").count() == 0
        with pytest.raises(Error, match="Content Security Policy"):
            page.add_script_tag(content="window.ran = true")
        assert page.evaluate("window.ran") is None


@pytest.mark.slow
def test_consent_is_not_shown_in_a_frame(chromium, address, consent_url):
    with browsing(chromium, address, "error: Framing ") as context:
        page = context.new_page()
        framing = f'<iframe src="{escape(consent_url)}"></iframe>'
        page.route("**/framing", lambda route: route.fulfill(body=framing))
        page.goto("/framing")
        [_, frame] = page.frames
        assert frame.url.startswith("chrome-error:")
        expect(frame.get_by_label("Password")).to_have_count(0)


@pytest.mark.slow
def test_consent_with_the_form_of_another_browser_is_refused(
    chromium, address, page, refused, app, consent_url
):
    page.goto(consent_url)
    hidden = "input[name=csrf_token]"
    token = page.locator(hidden).get_attribute("value")
    refused.goto(consent_url)
    refused.locator(hidden).evaluate("(field, token) => field.value = token", token)
    fill_in(refused, app)
    refused.get_by_role("button", name="Allow").click()
    expect(refused.get_by_role("heading")).to_have_text("Forbidden")
    expect(refused.get_by_role("main")).to_contain_text("start again")


def test_consent_of_a_client_with_a_foreign_address_leads_nowhere(refused, consent_url):
    refused.goto(consent_url.replace("http%3A%2F%2F127", "https%3A%2F%2F126"))
    expect(refused.get_by_role("button")).to_have_count(0)
    expect(refused.get_by_role("main")).to_contain_text("invalid_request")
    assert urlsplit(refused.url).path == "/v1/auth/authorize"
