"""Features in the plain Flask-RESTX style work beside ours: private, with problems.

`tests/plain/products` keeps its rows in SQL, `tests/plain/carts` its values in Redis.
"""

import json
from uuid import UUID, uuid4

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, select
from sqlalchemy.exc import ProgrammingError

from myapp import create_app, db
from myapp.row_security import protect
from tests.declared import DeclaredClient
from tests.plain import carts, oddities, products
from tests.plain.oddities import SECRET
from tests.plain.products.models import Product
from tests.samples import FEATURES

PRODUCT = {"name": "Kettle", "price": 4200}
CART = {"items": [{"name": "Kettle", "quantity": 2}], "note": "a gift"}
FEATURE = pytest.mark.parametrize(
    ("url", "body", "change"),
    [
        pytest.param(
            "/v1/sample_products", PRODUCT, {"name": "Pot", "price": 1}, id="sql"
        ),
        pytest.param("/v1/sample_carts", CART, {"items": []}, id="redis"),
    ],
)

POSTGRESQL = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
"""Where row-level security alone keeps accounts apart."""


@pytest.fixture(scope="module")
def app(databases, redis_url):
    """The application with the plain features beside ours."""
    settings = {**databases.clone(), "REDIS_URL": redis_url, "SQL_TIMEOUT": 30.0}
    settings |= {"RATE_LIMIT": 0, "RATE_LIMIT_ANONYMOUS": 0}
    app = create_app(settings, (*FEATURES, products, carts, oddities))
    app.test_client_class = DeclaredClient
    make_products(app)
    yield app
    app.extensions["myapp"].engine.dispose()


def make_products(app):
    """Do what the migration of a real feature does, as the owner of the tables."""
    owner = create_engine(app.config["MIGRATION_DATABASE_URL"])
    with app.app_context(), owner.begin() as connection:
        Product.__table__.create(connection)
        with Operations.context(MigrationContext.configure(connection)):
            protect("sample_products")
    owner.dispose()


# what they do


@FEATURE
def test_create_answers_201_and_retrieve_shows_it(acme, url, body, change):
    made = acme.post(url, json=body)
    assert made.status_code == 201
    assert made.json == {"id": made.json["id"], **body}
    assert acme.get(f"{url}/{made.json['id']}").json == made.json


@FEATURE
def test_put_writes_and_retrieve_shows_it(acme, url, body, change):
    made = acme.post(url, json=body).json
    changed = acme.put(f"{url}/{made['id']}", json=change)
    assert changed.status_code == 200
    assert changed.json == made | change
    assert acme.get(f"{url}/{made['id']}").json == changed.json


@FEATURE
def test_delete_answers_204_and_it_is_gone(acme, url, body, change):
    item = f"{url}/{acme.post(url, json=body).json['id']}"
    gone = acme.delete(item)
    assert gone.status_code == 204
    assert gone.get_data() == b""
    for again in (acme.get(item), acme.put(item, json=change), acme.delete(item)):
        assert again.status_code == 404


@pytest.mark.parametrize("url", ["/v1/sample_products", "/v1/sample_products/"])
def test_list_at_the_prefix_with_and_without_a_slash_answers_200(acme, url):
    made = [acme.post(url, json=PRODUCT).json, acme.post(url, json=PRODUCT).json]
    assert acme.get(url).json == made


def test_ours_work_beside_them(acme):
    assert acme.get("/v1/sample_customers").status_code == 200
    assert acme.get("/health/ready").status_code == 200


# their documentation


@FEATURE
def test_docs_page_and_swagger_document_are_public(client, url, body, change):
    page = client.get(f"{url}/docs")
    assert page.status_code == 200
    assert f'data-document="{url}/swagger.json"' in page.text
    document = client.get(f"{url}/swagger.json").json
    assert document["swagger"] == "2.0"
    assert len(document["paths"]) == len(document["definitions"]) == 2


def test_swagger_document_holds_the_schemas_and_summaries_as_written(client):
    document = client.get("/v1/sample_products/swagger.json").json
    assert document["definitions"]["Product"] == Product.read_schema
    assert document["definitions"]["WriteProduct"] == Product.write_schema
    assert document["paths"]["/"]["post"]["summary"] == "Add a product"


def test_their_operations_are_in_their_own_document_only(client):
    paths = json.loads(client.get("/openapi.json").get_data())["paths"]
    assert not [
        path
        for path in paths
        if path.startswith(("/v1/sample_products", "/v1/sample_cart"))
    ]


# private by default

ITEM = str(uuid4())
PRIVATE = [
    "GET /v1/sample_products",
    "HEAD /v1/sample_products",
    "POST /v1/sample_products",
    "GET /v1/sample_products/<id>",
    "PUT /v1/sample_products/<id>",
    "DELETE /v1/sample_products/<id>",
    "POST /v1/sample_carts",
    "GET /v1/sample_carts/<id>",
    "PUT /v1/sample_carts/<id>",
    "DELETE /v1/sample_carts/<id>",
    "GET /v1/oddities/view",
    "GET /v1/oddities/crash",
    "GET /v1/oddities/doc",
    "GET /swaggerui/swagger-ui.css",
]


@pytest.mark.parametrize("view", PRIVATE)
@pytest.mark.parametrize("token", [None, "Bearer nobody"], ids=["without", "unknown"])
def test_any_view_without_a_live_token_answers_401(client, view, token):
    method, url = view.replace("<id>", ITEM).split()
    headers = {"Authorization": token} if token else {}
    assert client.open(url, method=method, headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("scope", "reads", "writes"),
    [
        ("sample_products:read", 200, 403),
        ("sample_products:write", 403, 201),
        ("sample_customers:read", 403, 403),
        ("sample_carts:write", 403, 403),
        ("*", 200, 201),
    ],
)
def test_a_key_reaches_as_far_as_its_scope(acme, scope, reads, writes):
    key = acme.with_key("owner", [scope])
    assert key.get("/v1/sample_products").status_code == reads
    made = key.post("/v1/sample_products", json=PRODUCT)
    assert made.status_code == writes
    if writes == 403:
        assert 'scope="sample_products:write"' in made.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("role", "writes"),
    [("viewer", 403), ("member", 201), ("admin", 201), ("owner", 201)],
)
def test_a_viewer_reads_and_a_member_writes(acme, role, writes):
    key = acme.with_key(role, ["*"])
    assert key.get("/v1/sample_products").status_code == 200
    assert key.post("/v1/sample_products", json=PRODUCT).status_code == writes
    assert key.post("/v1/sample_carts", json=CART).status_code == writes


def test_a_preflight_needs_no_token(client):
    headers = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    allowed = client.options("/v1/sample_products", headers=headers)
    assert allowed.status_code == 200
    assert "Access-Control-Allow-Origin" in allowed.headers


# problems


@FEATURE
def test_an_unknown_object_answers_404_with_the_words_of_the_feature(
    acme, url, body, change
):
    refused = acme.get(f"{url}/{uuid4()}")
    assert refused.status_code == 404
    assert refused.json["detail"].startswith("There is no ")


@FEATURE
def test_another_method_answers_405_with_those_allowed(acme, url, body, change):
    refused = acme.patch(f"{url}/{uuid4()}", json=body)
    assert refused.status_code == 405
    assert set(refused.headers["Allow"].split(", ")) >= {"GET", "PUT", "DELETE"}


INVALID = [
    pytest.param({"name": SECRET * 9, "price": 1}, {"/name"}, id="too-long"),
    pytest.param({"name": "x", "price": SECRET}, {"/price"}, id="type"),
    pytest.param({"name": "x", "price": -77123}, {"/price"}, id="minimum"),
    pytest.param({"name": "x"}, {"/price"}, id="missing"),
    pytest.param({"name": "", "price": SECRET}, {"/name", "/price"}, id="two-at-once"),
    pytest.param(PRODUCT | {"note": SECRET}, {""}, id="extra"),
    pytest.param([SECRET], {""}, id="array"),
]


@pytest.mark.parametrize(("body", "at"), INVALID)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_body_that_validate_refuses_answers_400_without_its_values(
    acme, method, body, at
):
    url = "/v1/sample_products"
    if method == "PUT":
        url += "/" + acme.post(url, json=PRODUCT).json["id"]
    refused = acme.open(method, url, json=body)
    assert refused.status_code == 400
    assert {error["at"] for error in refused.json["errors"]} == at
    assert SECRET not in refused.text
    assert "77123" not in refused.text


def test_a_body_that_the_feature_itself_refuses_answers_400_in_its_words(acme):
    body = {"items": [{"name": "Kettle", "quantity": 100}]}
    refused = acme.post("/v1/sample_carts", json=body)
    assert refused.status_code == 400
    assert refused.json["detail"] == "$.items[0].quantity breaks the rule maximum"


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        pytest.param(b"", 400, id="empty"),
        pytest.param(b"{", 400, id="malformed"),
        pytest.param(b'{"name": "a", "name": "b", "price": 1}', 400, id="twice"),
        pytest.param(b'{"name": "a", "price": NaN}', 400, id="nan"),
        pytest.param(b'{"name": "a\\u0000", "price": 1}', 400, id="nul"),
        pytest.param(b'{"name": "\\ud800", "price": 1}', 400, id="lone-surrogate"),
        pytest.param(b"\xef\xbb\xbf{}", 400, id="byte-order-mark"),
        pytest.param('{"name": "ä", "price": 1}'.encode("latin-1"), 400, id="latin-1"),
        pytest.param(b"[" * 9999, 400, id="deep"),
        pytest.param(b" " * (1024 * 1024 + 1), 413, id="too-large"),
    ],
)
@FEATURE
def test_a_body_that_is_not_strict_json_is_refused(
    acme, url, body, change, raw, status
):
    refused = acme.post(url, data=raw, content_type="application/json")
    assert refused.status_code == status


@FEATURE
def test_a_body_of_another_media_type_answers_415(acme, url, body, change):
    assert acme.post(url, data=b"a=1", content_type="text/csv").status_code == 415


def test_an_unexpected_exception_answers_500_and_says_nothing_of_it(acme, caplog):
    failed = acme.get("/v1/oddities/crash")
    assert failed.status_code == 500
    assert failed.json["title"] == "Internal error"
    assert SECRET not in failed.text
    assert SECRET in caplog.text


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (400, "Bad request"),
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (404, "Not found"),
        (409, "Conflict"),
        (422, "Unprocessable"),
        (500, "Internal error"),
        (503, "Service unavailable"),
    ],
)
def test_abort_answers_the_problem_of_its_status(acme, client, status, title):
    refused = acme.get(f"/v1/oddities/abort/{status}")
    assert refused.status_code == status
    assert refused.json["title"] == title
    assert client.get(refused.json["type"]).status_code == 200


def test_abort_of_restx_answers_its_message(acme):
    refused = acme.get("/v1/oddities/abort-restx")
    assert refused.status_code == 409
    assert refused.json["detail"] == "The shop is closed."


def test_an_exception_of_a_status_without_a_page_has_no_page_as_its_type(acme):
    refused = acme.get("/v1/oddities/gone")
    assert refused.status_code == 410
    assert refused.json["type"] == "about:blank"
    assert refused.json["title"] == "Gone"
    assert refused.json["detail"] == "It was sold."
    assert acme.get("/v1/oddities/abort/418").json["title"] == "I'm a teapot"


def test_a_plain_view_knows_who_calls(acme):
    shown = acme.get("/v1/oddities/view")
    assert shown.json == {"account_id": acme.account_id}


@pytest.mark.parametrize("mask", ["{", "{other", "*}", "{name}"])
def test_a_field_mask_never_fails(acme, mask):
    shown = acme.get("/v1/oddities/marshalled", {"X-Fields": mask})
    assert shown.status_code in (200, 400)


def test_an_unknown_url_below_a_prefix_answers_404(acme):
    assert acme.get("/v1/sample_products/nothing/here").status_code == 404
    assert acme.get("/v1/oddities").status_code == 404


# isolation


@FEATURE
def test_another_account_answers_as_if_it_were_unknown(acme, rival, url, body, change):
    id = acme.post(url, json=body).json["id"]
    item = f"{url}/{id}"
    for refused in (rival.get(item), rival.put(item, json=change), rival.delete(item)):
        assert refused.status_code == 404
        unknown = rival.get(f"{url}/{uuid4()}").json["detail"]
        assert refused.json["detail"].split()[:-1] == unknown.split()[:-1]
    assert acme.get(item).json == {"id": id, **body}


def test_a_list_shows_nothing_of_another_account(acme, rival):
    acme.post("/v1/sample_products", json=PRODUCT)
    assert rival.get("/v1/sample_products").json == []


@POSTGRESQL
def test_sessions_without_a_tenant_condition_see_one_account(app, acme, rival):
    mine = acme.post("/v1/sample_products", json=PRODUCT).json["id"]
    yours = rival.post("/v1/sample_products", json=PRODUCT).json["id"]
    assert seen_by(app, acme.account_id) == {mine}
    assert seen_by(app, rival.account_id) == {yours}
    assert seen_by(app, None) == set()


def seen_by(app, account_id):
    """Return the ids that a query without any condition finds for an account."""
    with app.app_context(), db.acting_for(account_id and UUID(account_id)):
        return {str(id) for id in db.sql.session.scalars(select(Product.id))}


@POSTGRESQL
def test_sessions_cannot_write_for_another_account(app, acme, rival):
    foreign = Product(account_id=UUID(rival.account_id), **PRODUCT)
    with app.app_context(), db.acting_for(UUID(acme.account_id)):
        db.sql.session.add(foreign)
        with pytest.raises(ProgrammingError, match="row-level security"):
            db.sql.session.flush()
