"""The OpenAPI document: what the contracts and the operations say, word for word."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from myapp import api, create_app, db, openapi
from myapp.access import MEMBER
from myapp.api import FeatureApi
from myapp.contract import Contract
from myapp.kinds import UPDATE
from myapp.negotiation import JSON_API
from myapp.operations import operation
from tests import resources
from tests.actors import sign_up

ROOT = Path(__file__).parents[1]
NAMES = sorted({operation.feature for operation in resources.OPERATIONS})
NOWHERE = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
}
"""The settings of an application that reaches no store."""


@pytest.fixture(scope="module")
def unconnected():
    """The application as shipped, away from its stores."""
    return create_app(NOWHERE)


@pytest.fixture
def operations(unconnected):
    """Every operation of the application."""
    return unconnected.extensions["operations"]


@pytest.fixture
def document(unconnected):
    """The document of the whole application."""
    return fetch(unconnected, "/openapi.json")


def fetch(app, address):
    response = app.test_client().get(address)
    assert response.status_code == 200
    assert response.mimetype == "application/json"
    return json.loads(response.get_data())  # more values than a body may have


def described(document):
    """Return every described operation, by URL and method."""
    return {
        (url, method.upper()): described
        for url, path in document["paths"].items()
        for method, described in path.items()
    }


def key_of(declared):
    url = declared.url.replace("<uuid:", "{").replace(">", "}")
    return url, declared.method


# the document as a whole


def test_document_is_valid_openapi_3_1(document):
    assert document["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document).validate()


@pytest.mark.parametrize("name", NAMES)
def test_document_of_a_feature_is_valid_and_holds_its_operations(
    unconnected, operations, name
):
    own = [declared for declared in operations if declared.feature == name]
    document = fetch(unconnected, f"{own[0].home}/openapi.json")
    OpenAPIV31SpecValidator(document).validate()
    assert described(document).keys() == set(map(key_of, own))


def test_document_holds_every_operation_and_nothing_else(unconnected, document):
    served = {
        (rule.rule.replace("<uuid:", "{").replace(">", "}"), method)
        for rule in unconnected.url_map.iter_rules()
        for view in [unconnected.view_functions[rule.endpoint]]
        if issubclass(getattr(view, "view_class", object), api.Resource)
        for method in view.view_class.operations
    }
    assert described(document).keys() == served


def test_components_are_the_schemas_of_the_contracts_verbatim(document, operations):
    schemas = document["components"]["schemas"]
    for declared in operations:
        if (accepted := declared.accepts) and declared.kind is not UPDATE:
            assert schemas[f"{accepted.name}Write"] == accepted.write_schema
        if answered := declared.answers:
            assert schemas[answered.name] == answered.read_schema


def test_components_are_all_referred_to(document):
    components = {
        f"#/components/{kind}/{name}"
        for kind in ("schemas", "headers")
        for name in document["components"][kind]
    }
    assert set(references(document)) == components


def references(part):
    """Yield the target of every reference in a part of a document."""
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"]
        part = list(part.values())
    if isinstance(part, list):
        for child in part:
            yield from references(child)


# each operation


def test_operation_ids_are_unique(document):
    ids = [found["operationId"] for found in described(document).values()]
    assert len(ids) == len(set(ids))


def test_operation_has_a_summary_and_says_who_may_call_it(document, operations):
    for declared in operations:
        found = described(document)[key_of(declared)]
        assert found["summary"] == declared.summary != ""
        public = found["security"] == []
        named = {declared.rule.text, f"`{declared.scope}`"}
        assert public or all(name in found["description"] for name in named)


def test_operation_asks_for_a_token_unless_its_rule_admits_anyone(
    unconnected, document, operations
):
    with db.use(unconnected.extensions["myapp"]):
        for declared in operations:
            found = described(document)[key_of(declared)]
            public = declared.rule.allows(None)
            schemes = [{"bearer": []}, {"oauth": [declared.scope]}]
            assert found["security"] == ([] if public else schemes)
            assert public or {"401", "403"} <= found["responses"].keys()


@pytest.mark.parametrize("is_open", [True, False], ids=["open", "closed"])
def test_sign_up_asks_for_a_token_where_it_is_closed(is_open):
    app = create_app({**NOWHERE, "OPEN_SIGN_UP": is_open})
    found = fetch(app, "/openapi.json")["paths"]["/v1/accounts"]["post"]
    schemes = [{"bearer": []}, {"oauth": ["accounts:write"]}]
    assert found["security"] == ([] if is_open else schemes)


def test_operation_declares_each_problem_in_its_protocol(document, operations):
    for declared in operations:
        responses = described(document)[key_of(declared)]["responses"]
        expected: dict[str, list[str]] = {}
        for each in filter(None, (declared, declared.translated)):
            for status in {problem.status for problem in each.problems}:
                expected.setdefault(str(status), []).append(each.speaks.problems)
        assert expected == {
            status: list(responses[status]["content"])
            for status in responses
            if status >= "400"
        }


def test_every_parameter_has_a_schema_with_a_bound(document):
    for found in described(document).values():
        for parameter in found["parameters"]:
            bounds = {"maxLength", "maximum", "enum", "format"}
            schema = parameter["schema"]
            assert schema["type"] == "boolean" or bounds & schema.keys(), schema


# examples


def bodies(document):
    """Yield every body that is described: operation id, media type, its entry."""
    for found in described(document).values():
        content = found.get("requestBody", {}).get("content", {})
        for media_type, entry in content.items():
            yield found["operationId"], media_type, entry


def test_examples_keep_their_schemas(document):
    for name, media_type, entry in bodies(document):
        schema = {**entry["schema"], "components": document["components"]}
        checker = Draft202012Validator.FORMAT_CHECKER
        validator = Draft202012Validator(schema, format_checker=checker)
        broken = [error.message for error in validator.iter_errors(entry["example"])]
        assert broken == [], f"{name} {media_type}"


REFERRING = {
    openapi.operation_id(each)
    for each in resources.OPERATIONS
    if resources.references(each)
}
BODIES = [
    pytest.param(*key, media_type, id=f"{found['operationId']} {media_type}")
    for key, found in described(fetch(create_app(NOWHERE), "/openapi.json")).items()
    for media_type in found.get("requestBody", {}).get("content", {})
    # Neither what needs a secret, nor what is below another resource, or refers to one.
    if found["operationId"] not in REFERRING
    if ("201" in found["responses"] and "{" not in key[0])
    or (key[1] != "POST" and key[0].count("{") == 1)
]


@pytest.mark.parametrize(("url", "method", "media_type"), BODIES)
def test_example_sent_as_it_stands_is_accepted(
    databases, start_app, url, method, media_type
):
    app = start_app(**databases.clone())
    acme = sign_up(app.test_client(), "acme")
    paths = fetch(app, "/openapi.json")["paths"]

    def send(url, method, media_type, address):
        content = paths[url][method.lower()]["requestBody"]["content"]
        example = content[media_type]["example"]
        headers = {"Content-Type": media_type}
        if media_type == JSON_API and method == "PATCH":
            example["data"]["id"] = address.rpartition("/")[2]
        if method != "POST":
            headers["If-Match"] = acme.get(address).headers["ETag"]
        return acme.open(method, address, headers, json=example)

    if method == "POST":
        assert send(url, method, media_type, url).status_code == 201
        return
    collection = url.rpartition("/")[0]
    address = f"{collection}/{acme.account_id}"
    if collection != "/v1/accounts":
        made = send(collection, "POST", "application/json", collection)
        address = made.location
    assert send(url, method, media_type, address).status_code == 200


# features to come


def feature(name, contract, resources):
    """Return a feature as a module of its own would be one."""
    made = FeatureApi(name, contract)
    for url, resource in resources.items():
        made.route(url)(resource)
    module = ModuleType(name)
    vars(module)["blueprint"] = made.blueprint
    return module


def thing(name="Thing"):
    id: dict[str, Any] = {"type": "string", "format": "uuid", "readOnly": True}
    return Contract(name, description="A thing.", properties={"id": id})


class Things(api.Resource):
    @operation.list(MEMBER)
    def get(self, request):
        """List."""

    @operation.create(MEMBER)
    def post(self, request):
        """Add."""


def test_two_contracts_of_one_name_are_refused_with_the_remedy():
    features = [
        feature("things", thing(), {"": type("ThingList", (Things,), {})}),
        feature("others", thing(), {"": type("OtherList", (Things,), {})}),
    ]
    with pytest.raises(TypeError) as refused:
        create_app(NOWHERE, features)
    message = str(refused.value)
    assert message.startswith(f"{__file__}:")
    assert f": Thing: the contract at {__file__}:" in message
    assert message.endswith(" has the same name: rename one of the two")


def test_contract_that_is_named_as_a_schema_of_another_is_refused_with_the_remedy():
    documents = {"": type("DocumentList", (Things,), {})}
    features = [
        feature("thing_documents", thing("ThingDocument"), documents),
        feature("things", thing(), {"": type("ThingList", (Things,), {})}),
    ]
    with pytest.raises(TypeError) as refused:
        create_app(NOWHERE, features)
    assert str(refused.value) == (
        "things_create: its schema ThingDocument is another than that of"
        " thing_documents_list: rename the contract of one of the two"
    )


def test_operations_below_a_resource_get_ids_of_their_own():
    resources = {
        "": type("ThingList", (Things,), {}),
        "/<uuid:thing_id>/parts": type("PartList", (Things,), {}),
    }
    app = create_app(NOWHERE, [feature("things", thing(), resources)])
    ids = {
        found["operationId"]
        for found in described(fetch(app, "/openapi.json")).values()
    }
    assert ids == {
        "things_list",
        "things_create",
        "things_parts_list",
        "things_parts_create",
    }


# `flask openapi`


def run_flask(*arguments):
    """Run the flask command in a process of its own, without a store in reach."""
    environment = {**os.environ, **NOWHERE, "MYAPP_CONFIG": "development"}
    command = [sys.executable, "-m", "flask", "--app", "myapp", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True
    )


def test_flask_openapi_without_a_server_prints_the_same_document(document):
    done = run_flask("openapi")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == document


def test_flask_openapi_of_a_feature_prints_its_document(unconnected):
    done = unconnected.test_cli_runner().invoke(args=["openapi", "--feature", "health"])
    assert done.exit_code == 0
    assert json.loads(done.output) == fetch(unconnected, "/health/openapi.json")


def test_flask_openapi_of_an_unknown_feature_says_so(unconnected):
    done = unconnected.test_cli_runner().invoke(args=["openapi", "--feature", "moon"])
    assert done.exit_code == 2
    assert "there is no feature moon" in done.output
