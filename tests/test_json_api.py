"""JSON:API 1.1 of every top-level resource, and what the specification asks of it.

The client holds each answer against the OpenAPI document. The specification's own JSON
Schema and a client library from npm are in tests/json_api; what needs them is slow.
"""

import json
from collections import defaultdict
from functools import partial
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest
from jsonschema import Draft6Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from devtools.examples import marked
from myapp import create_app
from myapp.access import MEMBER, OPEN
from myapp.api import FeatureApi, Resource
from myapp.contract import Contract
from myapp.json_api import RESERVED
from myapp.json_api_documents import ResourceType
from myapp.kinds import CREATE, LIST, REPLACE, REST, RETRIEVE, UPDATE
from myapp.negotiation import JSON_API
from myapp.operations import operation
from tests import json_api
from tests.actors import sign_up
from tests.bodies import url_of
from tests.declared import DeclaredClient
from tests.json_api import invoices
from tests.resources import (
    CHANGED,
    OPERATIONS,
    make_everything,
    make_named,
    named,
    references,
)
from tests.servers import environment_of
from tests.uwsgi_server import serving

SPOKEN = [operation for operation in OPERATIONS if operation.translated]
OTHERS = [op for op in OPERATIONS if not op.translated and op.speaks is REST]
EVERY = pytest.mark.parametrize("operation", named(SPOKEN))
ON_SQLITE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

URL = "/v1/sample_customers"
ADA = {"name": "Ada", "email": "ada@example.com"}
ASKING = {"Accept": JSON_API}
SENDING = {"Accept": JSON_API, "Content-Type": JSON_API}
NOBODY = str(UUID(int=0))
NOWHERE: defaultdict[str, str] = defaultdict(lambda: NOBODY)
"""The path parameters that lead to nothing."""


def data_of(operation, fields, id=None):
    """Return the document with these fields, as an operation reads it."""
    known = operation.translated.resource.relationships
    data = {"type": operation.feature, "attributes": {}, "relationships": {}}
    for field, value in fields.items():
        if field not in known:
            data["attributes"][field] = value
            continue
        linkage = value and {"type": known[field].type.name, "id": value}
        data["relationships"][known[field].name] = {"data": linkage}
    return {"data": data | ({"id": id} if id else {})}


def send(actor, operation, path):
    """Carry out an operation in JSON:API, on what is there."""
    body, headers = None, dict(ASKING)
    if operation.accepts:
        fields = marked(operation.accepts, f"mark-{uuid4().hex[:8]}")
        named = references(operation).items()
        fields |= {field: path[name] for field, name in named if name in path}
        chosen = CHANGED.get(operation.id, fields)
        id = url_of(operation, path).rpartition("/")[2]
        sent = {field: fields[field] for field in chosen}
        body = data_of(operation, sent, id if operation.kind is UPDATE else None)
        headers |= SENDING
    url = url_of(operation, path)
    return actor.open(operation.method, url, headers, data=body and json.dumps(body))


def flat(data):
    """Return the fields of a resource object, as JSON without JSON:API has them."""
    related = {
        name: linked["data"] and linked["data"]["id"]
        for name, linked in data.get("relationships", {}).items()
    }
    return {"id": data["id"], **data["attributes"]}, related


def errors_of(response):
    """Return code and source of each error."""
    return {
        (error["code"], *error.get("source", {}).items())
        for error in json.loads(response.get_data())["errors"]
    }


@pytest.fixture(scope="module")
def closed(settings):
    """The application where nobody but the operator may open an account."""
    app = create_app({**settings, "OPEN_SIGN_UP": False})
    app.test_client_class = DeclaredClient
    yield app
    app.extensions["myapp"].engine.dispose()


@pytest.fixture
def post(acme):
    """Send a document to the customers of acme."""

    def post(document, **headers):
        text = document if isinstance(document, bytes) else json.dumps(document)
        return acme.post(URL, headers=SENDING | headers, data=text)

    return post


@pytest.fixture
def ada(post):
    """The answer to the creation of a customer of acme's."""
    return post({"data": {"type": "sample_customers", "attributes": ADA}})


@pytest.fixture
def patch(acme, ada):
    """Send a change of ada."""

    def patch(attributes=None, headers=None, **data):
        own = {"type": "sample_customers", "id": ada.json["data"]["id"]}
        document = {"data": {**own, "attributes": attributes or {}, **data}}
        sent = SENDING | (headers or {})
        return acme.patch(ada.location, headers=sent, data=json.dumps(document))

    return patch


# every top-level resource


def test_every_feature_with_a_list_and_an_item_speaks_it():
    names = {
        op.feature
        for op in OPERATIONS
        if op.kind is CREATE and op.url == op.home
        # What has a field of a name that the specification keeps is silent.
        if op.accepts and RESERVED.isdisjoint(op.accepts.properties)
    }
    assert names <= {operation.feature for operation in SPOKEN}


@EVERY
def test_operation_on_what_was_just_made_succeeds(acme, operation):
    made = make_named(acme, f"mark-{uuid4().hex[:8]}", operation)
    answer = send(acme, operation, made)
    assert answer.status_code == operation.status, answer.get_data()
    if answer.status_code == 204:
        assert answer.get_data() == b""
        return
    assert answer.headers["Content-Type"] == JSON_API
    assert "Accept" in answer.headers["Vary"]
    assert answer.json["jsonapi"] == {"version": "1.1"}
    shown = answer.json["data"]
    found = shown if operation.kind is LIST else [shown]
    assert {data["type"] for data in found} <= {operation.feature}


@pytest.mark.parametrize("operation", named(op for op in SPOKEN if op.kind is RETRIEVE))
def test_retrieve_shows_the_fields_of_the_plain_answer(acme, operation):
    made = make_named(acme, f"mark-{uuid4().hex[:8]}", operation)
    url = url_of(operation, made)
    plain, answer = acme.get(url), acme.get(url, headers=ASKING)
    known = operation.translated.resource.relationships
    fields, related = flat(answer.json["data"])
    fields |= {field: related[each.name] for field, each in known.items()}
    assert fields == plain.json
    assert answer.json["links"] == answer.json["data"]["links"] == {"self": url}
    assert answer.headers["ETag"] != plain.headers["ETag"]


@pytest.mark.parametrize("operation", named(op for op in SPOKEN if op.kind is LIST))
def test_list_shows_the_resources_of_the_plain_answer(acme, operation):
    make_everything(acme, f"mark-{uuid4().hex[:8]}")
    ids = [item["id"] for item in acme.get(operation.url).json["items"]]
    answer = acme.get(operation.url, headers=ASKING)
    assert [data["id"] for data in answer.json["data"]] == ids != []
    links = [data.get("links", {}).get("self") for data in answer.json["data"]]
    for link in filter(None, links):
        assert acme.get(link, headers=ASKING).status_code == 200


@pytest.mark.parametrize("operation", named(op for op in SPOKEN if op.rule not in OPEN))
def test_operation_without_a_token_answers_401_in_json_api(closed, operation):
    url = url_of(operation, NOWHERE)
    refused = closed.test_client().open(url, method=operation.method, headers=ASKING)
    assert refused.status_code == 401
    assert refused.headers["Content-Type"] == JSON_API
    assert "WWW-Authenticate" in refused.headers


@ON_SQLITE
@pytest.mark.parametrize("operation", named(OTHERS))
def test_operation_that_does_not_speak_it_answers_406(acme, operation):
    url = url_of(operation, NOWHERE)
    refused = acme.open(operation.method, url, ASKING)
    assert refused.status_code == 406
    if operation.accepts and operation.kind is REPLACE:
        sent = {"Content-Type": JSON_API, "If-Match": "*"}
        assert acme.put(url, headers=sent, data="{}").status_code == 415


@pytest.mark.parametrize(("field", "speaks"), [("type", False), ("kind", True)])
def test_field_whose_name_the_specification_keeps_makes_a_feature_silent(field, speaks):
    id = {"type": "string", "format": "uuid", "readOnly": True}
    contract = Contract(
        "Thing", description="A thing.", properties={"id": id, field: id}
    )

    class Things(Resource):
        @operation.list(MEMBER)
        def get(self, request):
            """List the things."""

    api = FeatureApi("things", contract)
    api.route("")(Things)
    assert (api.operations[0].translated is not None) == speaks


# negotiation


@pytest.mark.parametrize(
    ("accept", "status", "media_type"),
    [
        pytest.param(JSON_API, 200, JSON_API, id="alone"),
        pytest.param(f"text/html, {JSON_API};q=0.5", 200, JSON_API, id="with-another"),
        pytest.param(f"application/json, {JSON_API}", 200, JSON_API, id="as-much"),
        pytest.param(
            f"{JSON_API};q=0.4, application/json", 200, "application/json", id="less"
        ),
        pytest.param(
            f"{JSON_API};q=0, application/json", 200, "application/json", id="not"
        ),
        pytest.param("*/*", 200, "application/json", id="any"),
        pytest.param("application/*", 200, "application/json", id="any-application"),
        pytest.param(f'{JSON_API}; profile="a b"', 200, JSON_API, id="profile"),
        pytest.param("Application/VND.API+json", 200, JSON_API, id="capitals"),
        pytest.param(f"{JSON_API}; charset=utf-8", 406, JSON_API, id="parameter"),
        pytest.param(f'{JSON_API}; ext="http://x.org"', 406, JSON_API, id="extension"),
        pytest.param(
            f"{JSON_API}; a=b, {JSON_API}; c=d, */*", 406, JSON_API, id="all-modified"
        ),
        pytest.param(f"{JSON_API}; a=b, {JSON_API}", 200, JSON_API, id="one-plain"),
    ],
)
def test_accept_decides_what_is_answered(acme, accept, status, media_type):
    answer = acme.get(URL, headers={"Accept": accept})
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, media_type)


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        pytest.param(JSON_API, 201, id="plain"),
        pytest.param(f'{JSON_API}; profile="http://x.org"', 201, id="profile"),
        pytest.param(f"{JSON_API}; charset=utf-8", 415, id="charset"),
        pytest.param(f'{JSON_API}; ext="http://x.org"', 415, id="extension"),
        pytest.param("application/json", 415, id="json"),
        pytest.param("", 415, id="none"),
    ],
)
def test_content_type_takes_no_parameter_but_a_profile(post, content_type, status):
    document = {"data": {"type": "sample_customers", "attributes": ADA}}
    answer = post(document, **{"Content-Type": content_type})
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == JSON_API


@pytest.mark.parametrize(
    ("accept", "status"), [("*/*", 201), ("application/json", 415)], ids=repr
)
def test_body_in_json_api_is_answered_in_it_unless_json_is_asked_for(
    post, accept, status
):
    answer = post(
        {"data": {"type": "sample_customers", "attributes": ADA}}, Accept=accept
    )
    assert answer.status_code == status
    assert (answer.headers["Content-Type"] == JSON_API) == (status == 201)


def test_body_with_a_content_encoding_answers_415(post):
    assert post(b"{}", **{"Content-Encoding": "gzip"}).status_code == 415


# create


def test_create_answers_201_and_where_it_is(ada, acme):
    assert ada.status_code == 201
    assert ada.location == f"{URL}/{ada.json['data']['id']}"
    assert ada.json["data"]["links"]["self"] == ada.location
    shown = acme.get(ada.location, headers=ASKING)
    assert shown.json == ada.json
    assert shown.headers["ETag"] == ada.headers["ETag"]


def test_create_ignores_what_the_specification_does_not_know(post):
    data = {"type": "sample_customers", "attributes": ADA | {"@context": 1}, "lid": "1"}
    data["relationships"] = {"@context": 1}
    assert post({"data": data, "meta": {}, "colour": "red"}).status_code == 201


CUSTOMER = {"type": "sample_customers", "attributes": ADA}


@pytest.mark.parametrize(
    ("document", "status", "errors"),
    [
        pytest.param(b"{", 400, {("bad-request",)}, id="no-json"),
        pytest.param([], 400, {("type", ("pointer", ""))}, id="array"),
        pytest.param({}, 400, {("required", ("pointer", ""))}, id="no-data"),
        pytest.param(
            {"data": [CUSTOMER]}, 400, {("type", ("pointer", "/data"))}, id="two"
        ),
        pytest.param(
            {"data": {"attributes": ADA}},
            400,
            {("required", ("pointer", "/data"))},
            id="no-type",
        ),
        pytest.param(
            {"data": {"type": "sample_customers"}},
            400,
            {("required", ("pointer", "/data"))},
            id="no-attributes",
        ),
        pytest.param(
            {"data": CUSTOMER | {"attributes": []}},
            400,
            {("type", ("pointer", "/data/attributes"))},
            id="attributes-array",
        ),
        pytest.param(
            {"data": CUSTOMER | {"type": "users"}},
            409,
            {("type", ("pointer", "/data/type"))},
            id="another-type",
        ),
        pytest.param(
            {"data": CUSTOMER | {"id": NOBODY}},
            403,
            {("id", ("pointer", "/data/id"))},
            id="an-id",
        ),
        pytest.param(
            {"data": CUSTOMER | {"relationships": {"boss": {"data": None}}}},
            400,
            {("additionalProperties", ("pointer", "/data/relationships/boss"))},
            id="no-relationship",
        ),
        pytest.param(
            {
                "data": CUSTOMER
                | {"attributes": {"name": "", "a/b": 1, "created_at": "x"}}
            },
            400,
            {
                ("minLength", ("pointer", "/data/attributes/name")),
                ("additionalProperties", ("pointer", "/data/attributes/a~1b")),
                ("readOnly", ("pointer", "/data/attributes/created_at")),
                ("required", ("pointer", "/data/attributes")),
            },
            id="every-error-at-once",
        ),
    ],
)
def test_create_with_an_unfit_document_says_where(post, document, status, errors):
    refused = post(document)
    assert refused.status_code == status
    assert errors_of(refused) == errors


def test_error_never_quotes_what_was_sent(post):
    attributes = {"name": "secret" * 100, "email": "secret"}
    refused = post({"data": CUSTOMER | {"attributes": attributes}})
    assert refused.status_code == 400
    assert "secret" not in refused.get_data(as_text=True)


def test_create_of_what_is_taken_answers_409_and_says_which_attribute(acme):
    attributes = ADA | {"role": "member"}
    document = json.dumps({"data": {"type": "users", "attributes": attributes}})
    assert acme.post("/v1/users", headers=SENDING, data=document).status_code == 201
    refused = acme.post("/v1/users", headers=SENDING, data=document)
    assert refused.status_code == 409
    assert errors_of(refused) == {("unique", ("pointer", "/data/attributes/email"))}


# retrieve, conditions


def test_retrieve_of_what_has_not_changed_answers_304_to_its_own_tag(acme, ada):
    own = {"If-None-Match": ada.headers["ETag"]}
    assert acme.get(ada.location, headers=ASKING | own).status_code == 304
    assert acme.get(ada.location, headers=own).status_code == 200


def test_retrieve_of_what_is_not_there_or_anothers_answers_404(acme, rival, ada):
    for actor, url in ((acme, f"{URL}/{NOBODY}"), (rival, ada.location)):
        refused = actor.get(url, headers=ASKING)
        assert refused.status_code == 404
        assert errors_of(refused) == {("not-found",)}


def test_head_answers_as_get_does(acme, ada):
    headers = acme.head(ada.location, headers=ASKING).headers
    assert headers["Content-Type"] == JSON_API
    assert headers["ETag"] == ada.headers["ETag"]


# update, delete


def test_update_changes_the_attributes_that_are_sent(acme, ada, patch):
    changed = patch({"name": "Grace"}, {"If-Match": ada.headers["ETag"]})
    assert changed.status_code == 200
    assert (
        changed.json["data"]["attributes"].items() >= (ADA | {"name": "Grace"}).items()
    )
    assert changed.json == acme.get(ada.location, headers=ASKING).json


def test_update_takes_the_whole_resource_back(ada, patch):
    shown = ada.json["data"]["attributes"]
    assert patch(shown | {"name": "Grace"}).status_code == 200


def test_update_sets_null_and_does_not_take_it_for_a_default(acme, patch):
    assert errors_of(patch({"name": None})) == {
        ("type", ("pointer", "/data/attributes/name"))
    }


@pytest.mark.parametrize(
    ("data", "status", "error"),
    [
        pytest.param({"id": NOBODY}, 409, ("id", ("pointer", "/data/id")), id="id"),
        pytest.param(
            {"type": "users"}, 409, ("type", ("pointer", "/data/type")), id="type"
        ),
        pytest.param({"id": 1}, 400, ("type", ("pointer", "/data/id")), id="number"),
        pytest.param(
            {"attributes": {"created_at": "2020-01-01T00:00:00Z"}},
            422,
            ("readOnly", ("pointer", "/data/attributes/created_at")),
            id="assigned",
        ),
        pytest.param(
            {"attributes": {"colour": 1}},
            400,
            ("additionalProperties", ("pointer", "/data/attributes/colour")),
            id="unknown",
        ),
    ],
)
def test_update_with_an_unfit_document_says_where(patch, data, status, error):
    refused = patch(**data)
    assert refused.status_code == status
    assert errors_of(refused) == {error}


def test_update_without_an_id_in_the_document_answers_400(acme, ada):
    document = json.dumps({"data": {"type": "sample_customers", "attributes": {}}})
    refused = acme.patch(ada.location, headers=SENDING, data=document)
    assert errors_of(refused) == {("required", ("pointer", "/data"))}


def test_update_with_an_old_tag_answers_412_and_with_the_plain_one_succeeds(
    acme, ada, patch
):
    plain = acme.get(ada.location).headers["ETag"]
    assert patch({"name": "Grace"}, {"If-Match": plain}).status_code == 200
    assert patch({"name": "Bob"}, {"If-Match": plain}).status_code == 412


def test_header_that_cannot_be_read_is_the_source_of_its_error(patch):
    refused = patch({"name": "Grace"}, {"If-Match": "1"})
    assert errors_of(refused) == {("format", ("header", "If-Match"))}


def test_delete_answers_204_and_it_is_gone(acme, ada):
    assert acme.delete(ada.location, headers=ASKING).status_code == 204
    assert acme.get(ada.location, headers=ASKING).status_code == 404


# list


@pytest.fixture
def names(acme):
    """Make ada, bob and eve; return what finds their names in an answer."""
    for name in ("ada", "bob", "eve"):
        acme.post(URL, json={"name": name, "email": f"{name}@example.com"})
    return lambda answer: [data["attributes"]["name"] for data in answer.json["data"]]


def test_list_in_pages_follows_next_to_the_end(acme, names):
    query = "page[limit]=2&sort=name&filter[name][gte]=a"
    first = acme.get(f"{URL}?{query}", headers=ASKING)
    second = acme.get(first.json["links"]["next"], headers=ASKING)
    assert (names(first), names(second)) == (["ada", "bob"], ["eve"])
    assert second.json["links"] == {"self": first.json["links"]["next"]}
    sent = parse_qs(urlsplit(first.json["links"]["self"]).query)
    assert sent == {k: [v] for k, v in (each.split("=") for each in query.split("&"))}


def test_list_takes_a_cursor_of_the_plain_list(acme, names):
    cursor = acme.get(f"{URL}?limit=2").json["next"]
    rest = acme.get(f"{URL}?page[cursor]={cursor}", headers=ASKING)
    assert names(rest) == ["ada"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("sort=-name", ["eve", "bob", "ada"], id="descending"),
        pytest.param("filter[name]=bob", ["bob"], id="filter"),
        pytest.param("sort=name&filter[name][gt]=ada", ["bob", "eve"], id="compared"),
    ],
)
def test_list_is_sorted_and_filtered(acme, names, query, expected):
    assert names(acme.get(f"{URL}?{query}", headers=ASKING)) == expected


def test_list_counts_when_asked(acme, names):
    answer = acme.get(f"{URL}?page[limit]=1&page[count]=exact", headers=ASKING)
    assert answer.json["meta"] == {"total": 3}


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        pytest.param("include=accounts", "include", id="include"),
        pytest.param(
            "fields[sample_customers]=name", "fields[sample_customers]", id="fields"
        ),
        pytest.param("limit=1", "limit", id="plain-limit"),
        pytest.param("name=ada", "name", id="plain-filter"),
        pytest.param("page[limit]=0", "page[limit]", id="limit"),
        pytest.param("page[size]=1", "page[size]", id="unknown-page"),
        pytest.param("page[count]=some", "page[count]", id="count"),
        pytest.param("sort=email", "sort", id="no-sort"),
        pytest.param("sort=name,-created_at", "sort", id="two-sorts"),
        pytest.param("filter[id]=x", "filter[id]", id="no-filter"),
        pytest.param("filter[created_at]=x", "filter[created_at]", id="no-time"),
        pytest.param("page[limit]=1&page[limit]=2", "page[limit]", id="twice"),
    ],
)
def test_list_with_a_bad_query_names_the_parameter(acme, query, parameter):
    refused = acme.get(f"{URL}?{query}", headers=ASKING)
    assert refused.status_code == 400
    [(_, source)] = errors_of(refused)
    assert source == ("parameter", parameter)


def test_include_is_refused_on_one_resource_too(acme, ada):
    refused = acme.get(f"{ada.location}?include=x", headers=ASKING)
    assert refused.status_code == 400


# other errors


def test_what_no_route_leads_to_answers_in_json_api(acme, ada):
    assert acme.get("/v1/nowhere", headers=ASKING).status_code == 404
    refused = acme.post(ada.location, headers=SENDING, data="{}")
    assert refused.status_code == 405
    assert errors_of(refused) == {("method-not-allowed",)}


def test_role_that_does_not_suffice_answers_403(acme):
    viewer = acme.with_key("viewer", ["*"])
    refused = viewer.post(URL, headers=SENDING, data=json.dumps({"data": CUSTOMER}))
    assert refused.status_code == 403
    assert errors_of(refused) == {("forbidden",)}


def test_body_that_is_too_large_answers_413(app, post):
    refused = post(b" " * (app.config["MAX_CONTENT_LENGTH"] + 1))
    assert errors_of(refused) == {("payload-too-large",)}


def test_quota_that_is_used_up_answers_429(start_app):
    client = start_app(RATE_LIMIT=1).test_client()
    acme = sign_up(client, "acme")
    answers = [acme.get(URL, headers=ASKING) for _ in range(2)]
    assert answers[1].status_code == 429
    assert errors_of(answers[1]) == {("too-many-requests",)}
    assert "Retry-After" in answers[1].headers


def test_store_that_does_not_answer_is_a_503(start_app, acme):
    app = start_app(DATABASE_URL="sqlite:////nowhere/none.sqlite")
    refused = app.test_client().get(URL, headers=acme.headers | ASKING)
    assert refused.status_code == 503
    assert errors_of(refused) == {("service-unavailable",)}


# relationships


@pytest.fixture(scope="module")
def billing(databases, redis_url):
    """The application with a feature whose resources refer to others."""
    settings = {**databases.clone(), "REDIS_URL": redis_url, "SQL_TIMEOUT": 30.0}
    settings |= {"RATE_LIMIT": 0, "RATE_LIMIT_ANONYMOUS": 0}
    app = invoices.start(settings)
    app.test_client_class = DeclaredClient
    yield app
    app.extensions["myapp"].engine.dispose()


@pytest.fixture
def owner(billing):
    """The owner of an account there."""
    return sign_up(billing.test_client(), "owner")


@pytest.fixture
def customer(owner):
    """The id of a customer of the owner's."""
    return owner.post(URL, json=ADA).json["id"]


@pytest.fixture
def bill(owner, customer):
    """Send an invoice with these relationships."""

    def bill(attributes=None, **linkages):
        related = {name: {"data": linkage} for name, linkage in linkages.items()}
        data = {
            "type": "sample_invoices",
            "attributes": {"total": 1} | (attributes or {}),
        }
        document = json.dumps({"data": data | {"relationships": related}})
        return owner.post("/v1/sample_invoices", headers=SENDING, data=document)

    return bill


def test_foreign_keys_are_relationships(owner, customer, bill):
    made = bill(customer={"type": "sample_customers", "id": customer})
    assert made.status_code == 201
    data = made.json["data"]
    assert data["attributes"] == {"total": 1}
    related = f"{URL}/{customer}"
    assert data["relationships"] == {
        "customer": {
            "data": {"type": "sample_customers", "id": customer},
            "links": {"related": related},
        },
        "approver": {"data": None},
    }
    assert owner.get(related, headers=ASKING).json["data"]["id"] == customer
    plain = owner.get(made.location).json
    assert plain == {
        "id": data["id"],
        "total": 1,
        "customer_id": customer,
        "approver": None,
    }


@pytest.mark.parametrize(
    ("field", "other", "name"),
    [
        pytest.param("owner_id", "total", "owner", id="free"),
        pytest.param("owner_id", "owner", "owner_id", id="another-field"),
        pytest.param("type_id", "total", "type_id", id="type"),
    ],
)
def test_relationship_is_called_by_the_field_where_its_short_name_is_taken(
    field, other, name
):
    id = {"type": "string", "format": "uuid"}
    properties = {field: id, other: id}
    contract = Contract("Thing", description="A thing.", properties=properties)
    contract.references = {field: "users"}  # as the table would say
    found = ResourceType("things", "/v1/things", contract).relationships
    assert found[field].name == name


def test_relationships_are_described(billing):
    document = json.loads(
        billing.test_client().get("/v1/sample_invoices/openapi.json").data
    )
    OpenAPIV31SpecValidator(document).validate()
    schemas = document["components"]["schemas"]
    shown = schemas["SampleInvoiceResource"]["properties"]
    assert shown["attributes"]["properties"].keys() == {"total"}
    assert shown["relationships"]["properties"].keys() == {"customer", "approver"}
    body = schemas["SampleInvoiceNewDocument"]["properties"]["data"]
    assert body["properties"]["relationships"]["required"] == ["customer"]


def test_update_sets_a_relationship_and_leaves_the_others(owner, customer, bill):
    made = bill(customer={"type": "sample_customers", "id": customer})
    user = owner.get("/v1/users").json["items"][0]["id"]
    for linkage in ({"type": "users", "id": user}, None):
        data = {"type": "sample_invoices", "id": made.json["data"]["id"]}
        data["relationships"] = {"approver": {"data": linkage}}
        changed = owner.patch(
            made.location, headers=SENDING, data=json.dumps({"data": data})
        )
        assert changed.status_code == 200
        fields, related = flat(changed.json["data"])
        assert fields["total"] == 1
        assert related == {"customer": customer, "approver": linkage and user}


@pytest.mark.parametrize(
    ("linkage", "status", "error"),
    [
        pytest.param(
            {"type": "users", "id": NOBODY},
            400,
            ("type", ("pointer", "/data/relationships/customer/data/type")),
            id="type",
        ),
        pytest.param(
            {"type": "sample_customers", "id": "x"},
            400,
            ("format", ("pointer", "/data/relationships/customer")),
            id="no-id",
        ),
        pytest.param(
            None, 400, ("type", ("pointer", "/data/relationships/customer")), id="null"
        ),
        pytest.param(
            [],
            400,
            ("type", ("pointer", "/data/relationships/customer/data")),
            id="many",
        ),
        pytest.param(
            {"type": "sample_customers", "id": NOBODY}, 404, ("not-found",), id="gone"
        ),
    ],
)
def test_unfit_linkage_says_where(bill, linkage, status, error):
    refused = bill(customer=linkage)
    assert refused.status_code == status
    assert errors_of(refused) == {error}


def test_update_that_refers_to_nothing_answers_404(owner, customer, bill):
    made = bill(customer={"type": "sample_customers", "id": customer})
    linkage = {"data": {"type": "users", "id": NOBODY}}
    data = {"type": "sample_invoices", "id": made.json["data"]["id"]}
    document = json.dumps({"data": data | {"relationships": {"approver": linkage}}})
    refused = owner.patch(made.location, headers=SENDING, data=document)
    assert refused.status_code == 404


def test_delete_of_what_is_referred_to_answers_409(owner, customer, bill):
    assert (
        bill(customer={"type": "sample_customers", "id": customer}).status_code == 201
    )
    refused = owner.delete(f"{URL}/{customer}", headers=ASKING)
    assert refused.status_code == 409


REFERRING = [op for op in SPOKEN if op.kind is CREATE and references(op)]


@pytest.mark.parametrize("operation", named(REFERRING))
def test_create_that_refers_to_nothing_answers_404(acme, operation):
    assert send(acme, operation, NOWHERE).status_code == 404


def test_relationship_among_the_attributes_is_refused(bill, customer):
    refused = bill({"customer_id": customer})
    place = ("pointer", "/data/attributes/customer_id")
    assert errors_of(refused) == {("relationship", place)}


def test_relationship_that_is_missing_is_pointed_to_from_above(bill):
    assert errors_of(bill()) == {("required", ("pointer", "/data"))}


# what is not ours


@pytest.fixture(scope="session")
def specification():
    """The JSON Schema of the specification."""
    json_api.install()
    return Draft6Validator(json_api.schema())


@pytest.mark.slow
@ON_SQLITE
@EVERY
def test_answer_keeps_the_schema_of_the_specification(acme, specification, operation):
    made = make_named(acme, f"mark-{uuid4().hex[:8]}", operation)
    call = partial(send, acme, operation)
    url = f"{url_of(operation, made)}?include=x"
    refused = acme.open(operation.method, url, ASKING)
    assert refused.status_code == 400
    for answer in (refused, call(made), call(NOWHERE)):
        if answer.status_code != 204:
            specification.validate(json.loads(answer.get_data()))


@pytest.mark.slow
def test_relationships_keep_the_schema_of_the_specification(
    specification, customer, bill
):
    for linkage in ({"type": "sample_customers", "id": customer}, None):
        specification.validate(bill(customer=linkage).json)


@pytest.mark.slow
@ON_SQLITE
def test_client_library_does_everything_on_a_live_server(
    tmp_path, settings, acme, specification
):
    with serving(tmp_path, environment_of(settings), workers=2) as server:
        seen = json_api.run_client(f"http://127.0.0.1:{server.port}", acme.key)
    ada, bob, _ = seen["created"]
    assert [made["name"] for made in seen["created"]] == ["Ada", "Bob", "Eve"]
    assert seen["read"] == ada
    assert seen["pages"] == [["Ada", "Bob"], ["Eve"]]
    assert seen["ends"] is True
    assert seen["changed"]["name"] == "Grace"
    assert acme.get(f"{URL}/{ada['id']}").json["name"] == "Grace"
    assert seen["left"] == 0
    assert acme.get(f"{URL}/{bob['id']}").status_code == 404
    pointers = {error["source"]["pointer"] for error in seen["refused"]}
    assert pointers == {"/data/attributes/name", "/data/attributes/email"}
    assert [error["status"] for error in seen["gone"]] == ["404"]
