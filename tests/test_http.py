"""HTTP as every answer of the application keeps it, whichever feature gives it."""

import json
import logging
import re
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from werkzeug.test import Client

from myapp import errors
from myapp.kinds import LIST, RETRIEVE
from myapp.request_log import RequestLog
from tests.bodies import TARGETS, url_of
from tests.resources import OPERATIONS, make_everything
from tests.sample_customers import CustomerList

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

OWN_USER = "users_me_retrieve"
"""What a key has none of."""

CUSTOMERS = "/v1/sample_customers"
ADA = {"name": "Ada", "email": "ada@example.com"}
PAGES = ["/docs", "/v1/sample_customers/docs"]
DOCUMENTS = ["/openapi.json", "/v1/sample_customers/openapi.json"]
PUBLIC = [*PAGES, *DOCUMENTS, "/health/live", "/health/ready", "/problems/conflict"]
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
PROBLEMS = [pytest.param(problem, id=problem.__name__) for problem in errors.problems()]


@pytest.fixture
def item(acme):
    """The URL of a customer of acme."""
    return acme.post(CUSTOMERS, json=ADA).location


@pytest.fixture
def ids(acme):
    """One resource of every feature, in acme's account."""
    return make_everything(acme, f"mark-{uuid4().hex[:8]}")


def fail(*_):
    raise ZeroDivisionError("the password is hunter2")


@pytest.fixture
def broken(monkeypatch):
    """Let listing customers fail in a way that nobody foresaw."""
    operation = replace(CustomerList.operations["GET"], handler=fail)
    monkeypatch.setitem(CustomerList.operations, "GET", operation)


def allowed(answer):
    return set(answer.headers["Allow"].split(", "))


# what does not exist


@pytest.mark.parametrize(
    "path",
    ["/nope", "/v1", "/v1/", "/v1/nope", "/v1/sample_customers/nope", "/swagger.json"],
)
def test_unknown_route_answers_404_whoever_asks_without_guessing(client, acme, path):
    for answer in (client.get(path), acme.get(path), acme.post(path, json={})):
        assert answer.status_code == 404
        assert answer.json["type"] == "/problems/not-found"
        assert "/v1" not in answer.text


def urls_of(app, ids):
    """Return every URL of the application with the methods that it has."""
    values = {"name": "nope.css", "filename": "nope.css", "slug": "conflict", **ids}
    for rule in app.url_map.iter_rules():
        url = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: values[found[1]], rule.rule)
        yield url, rule.methods


def test_method_that_a_url_has_not_answers_405_with_those_that_it_has(app, acme, ids):
    for url, methods in urls_of(app, ids):
        for method in {*METHODS, "TRACE", "CONNECT", "PROPFIND"} - methods:
            answer = acme.open(method, url)
            assert answer.status_code == 405, f"{method} {url}"
            assert allowed(answer) == methods, f"{method} {url}"


def test_method_that_allow_lists_is_never_405(app, acme, ids):
    for url, methods in urls_of(app, ids):
        for method in methods - {"DELETE"}:
            assert acme.open(method, url).status_code != 405, f"{method} {url}"


def test_method_in_a_header_is_not_followed(acme, item):
    answer = acme.post(item, {"X-HTTP-Method-Override": "DELETE"})
    assert answer.status_code == 405
    assert acme.get(item).status_code == 200


# what is accepted


ACCEPTED = {
    "none": {},
    "empty": {"Accept": ""},
    "anything": {"Accept": "*/*"},
    "application": {"Accept": "application/*"},
    "json": {"Accept": "application/json"},
    "json_in_capitals": {"Accept": "Application/JSON"},
    "json_in_utf8": {"Accept": "application/json; charset=utf-8"},
    "json_in_utf8_and_more": {"Accept": 'text/csv, application/json;charset="UTF-8"'},
    "json_last": {"Accept": "text/html, application/json;q=0.1"},
    "browser": {"Accept": "text/html,application/xml;q=0.9,*/*;q=0.8"},
    "axios": {"Accept": "application/json, text/plain, */*"},
}
NOT_ACCEPTED = {
    "html": "text/html",
    "xml": "application/xml",
    "problem_only": "application/problem+json",
    "json_excluded": "application/json;q=0",
    "json_excluded_from_all": "application/json;q=0, text/html",
    "json_excluded_in_utf8": "application/json;charset=utf-8;q=0",
    "json_of_another_kind": "application/hal+json",
    "json_with_a_profile": "application/json;profile=x",
    "word": "json",
    "separators": ",;,;",
}


@pytest.mark.parametrize("headers", ACCEPTED.values(), ids=ACCEPTED)
def test_accept_that_admits_json_answers_json(acme, headers):
    answer = acme.get(CUSTOMERS, headers)
    assert answer.status_code == 200
    assert answer.content_type == "application/json"


@pytest.mark.parametrize("accept", NOT_ACCEPTED.values(), ids=NOT_ACCEPTED)
def test_accept_that_excludes_json_answers_406(acme, accept):
    answer = acme.get(CUSTOMERS, {"Accept": accept})
    assert answer.status_code == 406
    assert "application/json" in answer.json["detail"]


def test_accept_that_excludes_json_writes_nothing(acme):
    assert acme.post(CUSTOMERS, {"Accept": "text/html"}, json=ADA).status_code == 406
    assert acme.get(CUSTOMERS).json["items"] == []


def test_foreign_media_type_answers_415_and_names_what_is_read(acme, ids):
    for target in TARGETS:
        answer = target.send(acme, ids, b"{}", {"Content-Type": "text/plain"})
        assert answer.status_code == 415, target.name
        assert target.media_type in answer.json["detail"]
        if target.operation.method == "PATCH":
            assert answer.headers["Accept-Patch"] == (
                "application/merge-patch+json, application/json-patch+json"
            )


# what nobody foresaw


def assert_tells_nothing(answer):
    assert answer.status_code == 500
    assert answer.content_type == "application/problem+json"
    for internal in ("Zero", "hunter2", "Traceback", "File", ".py", "SELECT"):
        assert internal not in answer.text + str(answer.headers)


def tracebacks(caplog):
    """Return the exceptions that were logged with their traceback."""
    return [record.exc_info[0] for record in caplog.records if record.exc_info]


def test_exception_in_a_handler_answers_500_and_is_logged(acme, broken, caplog):
    assert_tells_nothing(acme.get(CUSTOMERS))
    assert tracebacks(caplog) == [ZeroDivisionError]


def test_exception_in_a_page_answers_500_and_is_logged(
    app, client, monkeypatch, caplog
):
    monkeypatch.setitem(app.view_functions, "docs.home", fail)
    assert_tells_nothing(client.get("/"))
    assert tracebacks(caplog) == [ZeroDivisionError]


def test_exception_outside_of_flask_answers_500_and_is_logged(app, caplog):
    caplog.set_level(logging.INFO, "myapp")
    answer = Client(RequestLog(fail, app.extensions["myapp"])).get("/")
    assert_tells_nothing(answer)
    assert tracebacks(caplog) == [ZeroDivisionError]
    assert lines(caplog)[0]["status"] == 500


SETTINGS = {
    "debug": {"DEBUG": True},
    "no_debug": {"DEBUG": False},
    "testing": {"TESTING": True},
    "propagating": {"PROPAGATE_EXCEPTIONS": True},
    "trapping": {"TRAP_HTTP_EXCEPTIONS": True, "TRAP_BAD_REQUEST_ERRORS": True},
    "all": {"DEBUG": True, "TESTING": True, "PROPAGATE_EXCEPTIONS": True},
}


def answers(app, key):
    """Return what an application answers to a request of each kind."""
    client = Client(app)
    signed_in = {"Authorization": f"Bearer {key}"}
    patch = signed_in | {"Content-Type": "application/json-patch+json"}
    for answer in (
        client.get(CUSTOMERS, headers=signed_in),
        client.get("/nope"),
        client.get(f"{CUSTOMERS}/nope", headers=signed_in),
        client.delete(CUSTOMERS, headers=signed_in),
        client.get(CUSTOMERS),
        client.get(CUSTOMERS, headers=signed_in | {"Accept": "text/html"}),
        client.post(CUSTOMERS, data=b"{", headers=signed_in),
        client.post(CUSTOMERS, json={"x": 1}, headers=signed_in),
        client.patch(f"{CUSTOMERS}/{'0' * 8}", data=b"[]", headers=patch),
        client.get(f"{CUSTOMERS}?x=1", headers=signed_in),
        client.get("/"),
    ):
        text = answer.text.replace(answer.headers["X-Request-Id"], "")
        headers = [pair for pair in answer.headers if pair[0] != "X-Request-Id"]
        yield answer.status_code, text, headers


@pytest.mark.parametrize("own", SETTINGS.values(), ids=SETTINGS)
def test_flask_settings_do_not_change_an_answer(
    app, start_app, monkeypatch, acme, broken, own
):
    expected = list(answers(app, acme.key))
    assert expected[0][0] == 500
    assert list(answers(start_app(**own), acme.key)) == expected


def test_production_answers_as_development_does(app, start_production, acme, broken):
    production = start_production()
    assert production.config["DEBUG"] is False
    assert list(answers(production, acme.key)) == list(answers(app, acme.key))


# HEAD and OPTIONS


def headers_of(answer):
    changing = ("X-Request-Id", "Date")
    return sorted(pair for pair in answer.headers if pair[0] not in changing)


def test_head_answers_what_get_does_without_the_body(client, acme, ids):
    own = [
        url_of(operation, ids)
        for operation in OPERATIONS
        if operation.kind in (LIST, RETRIEVE)
    ]
    for url in (*own, *PUBLIC, "/", "/nope", f"{CUSTOMERS}?x=1", "/docs/assets/nope"):
        for actor in (client, acme):
            got, head = actor.get(url), actor.head(url)
            assert head.status_code == got.status_code, url
            assert headers_of(head) == headers_of(got), url
            assert head.data == b"", url


def test_head_of_a_failing_operation_answers_500_without_a_body(acme, broken):
    answer = acme.head(CUSTOMERS)
    assert answer.status_code == 500
    assert answer.data == b""


OPTIONS = {
    "owner": ("owner", ["*"], {"GET", "HEAD", "POST"}, METHODS),
    "member": ("member", ["*"], {"GET", "HEAD", "POST"}, METHODS),
    "viewer": ("viewer", ["*"], {"GET", "HEAD"}, ["GET"]),
    "reader": ("owner", ["sample_customers:read"], {"GET", "HEAD"}, ["GET"]),
    "writer": (
        "owner",
        ["sample_customers:write"],
        {"POST"},
        ["PUT", "PATCH", "DELETE"],
    ),
    "foreign_scope": ("owner", ["accounts:read"], set(), []),
}


@pytest.mark.parametrize(
    ("role", "scopes", "on_list", "on_item"), OPTIONS.values(), ids=OPTIONS
)
def test_options_lists_what_the_caller_may_do(
    acme, item, role, scopes, on_list, on_item
):
    caller = acme.with_key(role, scopes)
    expected = {*on_item, "OPTIONS"} - {"POST"}
    expected |= {"HEAD"} if "GET" in on_item else set()
    answer = caller.options(item)
    assert answer.status_code == 204
    assert allowed(answer) == expected
    assert ("Accept-Patch" in answer.headers) == ("PATCH" in expected)
    assert allowed(caller.options(CUSTOMERS)) == {*on_list, "OPTIONS"}


def test_options_without_a_token_answers_401_on_what_is_private(client, item):
    for url in (CUSTOMERS, item):
        answer = client.options(url)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="myapp"'


def test_options_with_a_bad_token_answers_401(client):
    answer = client.options(CUSTOMERS, headers={"Authorization": "Bearer nobody"})
    assert answer.status_code == 401


def test_options_without_a_token_lists_what_is_public(client):
    assert allowed(client.options("/v1/accounts")) == {"POST", "OPTIONS"}
    assert allowed(client.options("/health/live")) == {"GET", "HEAD", "OPTIONS"}
    assert allowed(client.options("/docs")) == {"GET", "HEAD", "OPTIONS"}


def test_options_of_an_unknown_route_answers_404(acme):
    assert acme.options("/v1/nope").status_code == 404


# other origins


SHOP = "https://shop.example"
EXPOSED = {
    "RateLimit",
    "RateLimit-Policy",
    "ETag",
    "Location",
    "Link",
    "Retry-After",
    "X-Request-Id",
    "X-Total-Count",
}


def preflight(client, origin, url=CUSTOMERS):
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization, content-type, if-match",
    }
    return client.options(url, headers=asked)


def cors(answer):
    """Return the headers of an answer that speak to a browser of another origin."""
    return {name for name, _ in answer.headers if name.startswith("Access-Control-")}


@pytest.fixture
def shop(start_app, acme):
    """Acme's key on an application that one origin may call."""
    return replace(acme, client=start_app(CORS_ORIGINS=[SHOP]).test_client())


def test_allowed_origin_may_read_the_answer_and_its_headers(shop):
    answer = shop.get(CUSTOMERS, {"Origin": SHOP})
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP
    exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
    assert set(exposed) == EXPOSED
    assert "Origin" in answer.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    ("url", "status"), [("/nope", 404), (f"{CUSTOMERS}?x=1", 400), ("/docs", 200)]
)
def test_allowed_origin_may_read_errors_and_pages_too(shop, url, status):
    answer = shop.get(url, {"Origin": SHOP})
    assert answer.status_code == status
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP


def test_allowed_origin_may_read_that_it_failed(shop, broken):
    answer = shop.get(CUSTOMERS, {"Origin": SHOP})
    assert answer.status_code == 500
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://shop.example",
        "https://shop.example.evil.example",
        "https://shop.example:8443",
        "https://evilshop.example",
        "https://shopxexample",
        "null",
        "*",
    ],
)
def test_foreign_origin_gets_no_header(shop, origin):
    assert cors(shop.get(CUSTOMERS, {"Origin": origin})) == set()
    assert cors(preflight(shop.client, origin)) == set()


def test_without_an_origin_there_is_no_header_of_another_origin(shop):
    answer = shop.get(CUSTOMERS)
    assert cors(answer) == set()
    assert "Origin" in answer.headers["Vary"]


def test_preflight_of_an_allowed_origin_needs_no_token(shop):
    answer = preflight(shop.client, SHOP)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP
    assert answer.headers["Access-Control-Max-Age"] == "600"
    methods = answer.headers["Access-Control-Allow-Methods"].split(", ")
    assert set(METHODS) <= set(methods)
    headers = answer.headers["Access-Control-Allow-Headers"].split(", ")
    assert headers == ["authorization", "content-type", "if-match"]


def test_preflight_tells_every_method_of_the_resource(shop, item):
    answer = preflight(shop.client, SHOP, item)
    assert allowed(answer) == {"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"}


def test_no_origin_is_allowed_unless_the_settings_say_so(start_app, acme):
    closed = replace(acme, client=start_app(CORS_ORIGINS=[]).test_client())
    assert cors(closed.get(CUSTOMERS, {"Origin": SHOP})) == set()
    assert cors(preflight(closed.client, SHOP)) == set()


def test_development_is_open_to_every_origin(app, acme):
    assert app.config["CORS_ORIGINS"] == ["*"]
    answer = acme.get(CUSTOMERS, {"Origin": SHOP})
    assert answer.headers["Access-Control-Allow-Origin"] in ("*", SHOP)
    assert cors(acme.get(CUSTOMERS)) == set()


# addresses


def test_trailing_slash_changes_nothing(acme, ids):
    for operation in OPERATIONS:
        if operation.kind in (LIST, RETRIEVE) and operation.id != OWN_USER:
            url = url_of(operation, ids)
            plain, slashed = acme.get(url), acme.get(f"{url}/")
            assert slashed.status_code == plain.status_code == 200, url
            assert slashed.json["items" if operation.kind is LIST else "id"]
            assert headers_of(slashed) == headers_of(plain), url


@pytest.mark.parametrize("url", [CUSTOMERS, f"{CUSTOMERS}/"])
def test_create_answers_alike_with_and_without_a_trailing_slash(acme, url):
    made = acme.post(url, json=ADA)
    assert made.status_code == 201
    assert made.location == f"{CUSTOMERS}/{made.json['id']}"
    assert acme.get(made.location).json == made.json


@pytest.mark.parametrize(
    "path", ["//v1/sample_customers", "/v1//sample_customers", "//", "//docs"]
)
def test_two_slashes_answer_404_and_name_no_other_host(acme, path):
    for method in ("GET", "POST"):
        answer = acme.open(method, "/", json=ADA, environ_overrides={"PATH_INFO": path})
        assert answer.status_code == 404
        assert "Location" not in answer.headers


def test_only_the_root_redirects(app, acme, ids):
    for url, _ in urls_of(app, ids):
        for asked in {url, url.rstrip("/"), url.rstrip("/") + "/"} - {"/", ""}:
            assert acme.get(asked).status_code not in (301, 302, 303, 307, 308), asked


def test_root_leads_to_the_documentation(client):
    answer = client.get("/", headers={"Host": "evil.example"})
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/docs"


def test_location_is_usable_as_it_stands(acme, ids):
    for operation in OPERATIONS:
        if operation.kind is RETRIEVE and operation.id != OWN_USER:
            url = url_of(operation, ids)
            assert acme.get(urlsplit(url).path).status_code == 200


def link_of(answer):
    found = re.fullmatch(r'<([^>]+)>; rel="next"', answer.headers["Link"])
    assert found
    return found[1]


def test_link_is_usable_as_it_stands_and_keeps_the_query(acme):
    name = 'Zoë & <Ada>; rel="x" +100%'
    made = [acme.post(CUSTOMERS, json=ADA | {"name": name}).json for _ in range(3)]
    asked = {"name": name, "sort": "created_at", "limit": 1}
    page = acme.get(CUSTOMERS, query_string=asked)
    found = page.json["items"]
    while page.json["next"]:
        link = link_of(page)
        assert parse_qs(urlsplit(link).query)["cursor"] == [page.json["next"]]
        page = acme.get(link)
        found += page.json["items"]
    assert found == made
    assert "Link" not in page.headers


def test_addresses_carry_the_prefix_that_the_application_is_mounted_at(acme):
    mounted = {"SCRIPT_NAME": "/api"}
    made = acme.post(CUSTOMERS, json=ADA, environ_overrides=mounted)
    assert made.location.startswith("/api/v1/sample_customers/")
    acme.post(CUSTOMERS, json=ADA)
    page = acme.get(f"{CUSTOMERS}?limit=1", environ_overrides=mounted)
    assert link_of(page).startswith("/api/v1/sample_customers?")


def test_addresses_name_no_host(acme):
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    made = acme.post(CUSTOMERS, evil, json=ADA)
    acme.post(CUSTOMERS, json=ADA)
    page = acme.get(f"{CUSTOMERS}?limit=1", evil)
    for answer in (made, page):
        assert "evil" not in answer.text + str(answer.headers)


# headers of every answer


def test_answers_of_an_account_are_for_its_own_cache_and_revalidated(acme, item):
    tag = acme.get(item).headers["ETag"]
    for answer in (
        acme.get(item),
        acme.get(CUSTOMERS),
        acme.put(item, json=ADA),
        acme.get(item, {"If-None-Match": "*"}),
    ):
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert answer.headers["Vary"] == "Accept, Authorization, Origin"
    assert acme.get(item, {"If-None-Match": tag}).status_code == 200, "it was replaced"


def test_answers_to_post_which_may_show_a_secret_once_are_not_stored(acme):
    made = acme.post(CUSTOMERS, json=ADA)
    assert made.headers["Cache-Control"] == "no-store"


def test_problems_are_not_stored(client, acme):
    for answer in (client.get("/nope"), client.get(CUSTOMERS), acme.put(CUSTOMERS)):
        assert answer.headers["Cache-Control"] == "no-store"


def test_not_modified_has_the_headers_of_the_answer_it_stands_for(acme, item):
    shown = acme.get(item)
    unchanged = acme.get(item, {"If-None-Match": shown.headers["ETag"]})
    assert unchanged.status_code == 304
    assert unchanged.data == b""
    for name in ("ETag", "Cache-Control", "Vary"):
        assert unchanged.headers[name] == shown.headers[name]
    assert "Content-Length" not in unchanged.headers


def test_no_content_has_neither_a_body_nor_its_headers(acme, item):
    answer = acme.delete(item)
    assert answer.status_code == 204
    assert answer.data == b""
    assert "Content-Type" not in answer.headers
    assert "Content-Length" not in answer.headers


def every_kind_of_answer(client, acme, item):
    tag = acme.get(item).headers["ETag"]
    yield from (client.get(url) for url in PUBLIC)
    yield client.get("/")
    yield client.get("/docs/assets/swagger-ui.css", buffered=True)
    yield client.get("/docs/assets/nope")
    yield client.get("/nope")
    yield client.get("//nope")
    yield client.get(CUSTOMERS)
    yield client.delete("/docs")
    yield client.options("/docs")
    yield preflight(client, SHOP)
    yield acme.options(item)
    yield acme.post(CUSTOMERS, json=ADA)
    yield acme.post(CUSTOMERS, json={})
    yield acme.get(item, {"If-None-Match": tag})
    yield acme.head(item)
    yield acme.delete(item)
    yield acme.put(item, json=ADA)


def test_every_answer_has_the_security_headers_once(client, acme, item):
    for answer in every_kind_of_answer(client, acme, item):
        assert answer.headers.getlist("X-Content-Type-Options") == ["nosniff"]
        assert answer.headers.getlist("X-Frame-Options") == ["DENY"]
        assert answer.headers.getlist("Referrer-Policy") == ["no-referrer"]
        [policy] = answer.headers.getlist("Content-Security-Policy")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-inline" not in re.findall(r"script-src[^;]*", policy + ";")
        assert "Server" not in answer.headers


def test_failure_has_the_security_headers(acme, broken):
    answer = acme.get(CUSTOMERS)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_every_answer_has_a_request_id_of_its_own(client, acme, item):
    seen = [
        answer.headers["X-Request-Id"]
        for answer in every_kind_of_answer(client, acme, item)
    ]
    assert len(set(seen)) == len(seen)
    assert all(re.fullmatch(r"[0-9a-f]{32}", id) for id in seen)


@pytest.mark.parametrize("id", ["abcdefgh", "A1-b_2.c" * 8, "00000000-0000"])
def test_request_id_of_the_caller_is_kept(client, id):
    answer = client.get("/nope", headers={"X-Request-Id": id})
    assert answer.headers["X-Request-Id"] == id
    assert answer.json["request_id"] == id


# problems explain themselves


@pytest.mark.parametrize("problem", PROBLEMS)
def test_type_of_a_problem_is_the_address_of_its_explanation(client, problem):
    type = json.loads(errors.respond(_example(problem), "request-1").body)["type"]
    answer = client.get(type)
    assert answer.status_code == 200
    assert answer.content_type == "text/html; charset=utf-8"
    assert f"{problem.status} {problem.title}" in answer.text


def _example(problem):
    takes_detail = problem is errors.Unauthorized
    return problem("Sign in.") if takes_detail else problem()


# the log


def lines(caplog):
    """Return the log lines of requests, each of which is one JSON object."""
    texts = [r.getMessage() for r in caplog.records if r.name == "myapp.requests"]
    assert not any("\n" in text for text in texts)
    return [json.loads(text) for text in texts]


@pytest.fixture
def log(caplog):
    """The log of requests, from here on."""

    def since():
        found = lines(caplog)
        caplog.clear()
        return found

    caplog.set_level(logging.INFO, "myapp")
    return since


def test_request_is_one_line_with_who_asked_what_and_the_answer(acme, item, log):
    log()
    answer = acme.get(item)
    [line] = log()
    assert line.keys() == {
        *("time", "request_id", "method", "path", "status", "ms", "peer"),
        *("account_id", "subject"),
    }
    assert line["request_id"] == answer.headers["X-Request-Id"]
    assert (line["method"], line["path"], line["status"]) == ("GET", item, 200)
    assert line["peer"] == "127.0.0.1"
    assert line["account_id"] == acme.account_id
    assert line["subject"].startswith("api_key:")
    assert line["ms"] >= 0


@pytest.mark.parametrize(
    ("method", "url", "status"),
    [
        ("GET", "/nope", 404),
        ("GET", "/docs", 200),
        ("GET", "/", 302),
        ("GET", CUSTOMERS, 401),
        ("DELETE", CUSTOMERS, 405),
        ("HEAD", "/health/live", 200),
        ("OPTIONS", CUSTOMERS, 401),
    ],
)
def test_request_of_nobody_is_one_line_too(client, log, method, url, status):
    client.open(url, method=method)
    [line] = log()
    assert (line["method"], line["path"], line["status"]) == (method, url, status)
    assert line["account_id"] is None
    assert line["subject"] is None


def test_request_that_fails_is_one_line_beside_the_traceback(acme, broken, log, caplog):
    log()
    acme.get(CUSTOMERS)
    assert tracebacks(caplog) == [ZeroDivisionError]
    [line] = log()
    assert line["status"] == 500
    assert line["account_id"] == acme.account_id


def test_request_that_is_refused_late_still_says_who_asked(acme, log):
    reader = acme.with_key("viewer", ["*"])
    log()
    reader.post(CUSTOMERS, json=ADA)
    [line] = log()
    assert line["status"] == 403
    assert line["account_id"] == acme.account_id


def test_log_holds_neither_query_nor_headers_nor_body(client, acme, log, caplog):
    secrets = {
        "query": f"{CUSTOMERS}?token=s3cret-in-the-query",
        "cookie": "session=s3cret-in-the-cookie",
        "body": {"name": "s3cret-in-the-body"},
        "basic": "Basic s3cret-in-the-header",
    }
    acme.get(secrets["query"], {"Cookie": secrets["cookie"]})
    acme.post(CUSTOMERS, json=secrets["body"])
    client.get(CUSTOMERS, headers={"Authorization": secrets["basic"]})
    assert "s3cret" not in caplog.text
    assert acme.key not in caplog.text
    assert len(log()) >= 3


def test_line_cannot_be_broken_or_forged_by_a_path(client, log):
    path = '/nope\r\n{"status": 200}\x1b[31m\u2028'
    sent = path.encode().decode("latin-1")
    client.get("/", environ_overrides={"PATH_INFO": sent})
    [line] = log()
    assert line["status"] == 404
