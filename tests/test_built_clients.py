"""What the built clients do, with a real uWSGI, in a program of their own language.

On one engine: what they are sent is the same on both.
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any

import pytest
from click import ClickException

from devtools import demo
from devtools.clients import python_client
from devtools.clients.postman import values
from myapp import create_app, openapi
from myapp.access import MEMBER
from myapp.api import FeatureApi, Resource
from myapp.contract import Contract
from myapp.operations import operation
from tests.actors import sign_up
from tests.built_clients import (
    command,
    install_newman,
    install_python,
    install_typescript,
    run,
    said,
)
from tests.oauth import CLIENTS, REPORTS
from tests.samples import FEATURES
from tests.servers import environment_of
from tests.stores import on_sqlite
from tests.uwsgi_server import serving

pytestmark = pytest.mark.once

QUOTA = 3
INSTALL = {"python": install_python, "typescript": install_typescript}


@pytest.fixture(scope="module", params=INSTALL)
def built(app, tmp_path_factory, request):
    """A client in an environment of its own."""
    return INSTALL[request.param](app, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def server(settings, tmp_path_factory):
    """A uWSGI on the stores of the application of the tests."""
    folder = tmp_path_factory.mktemp("uwsgi")
    with serving(folder, environment_of(settings), workers=1) as server:
        yield server


@pytest.fixture(scope="module")
def limited(settings, tmp_path_factory):
    """The same with few requests a minute."""
    own = environment_of(settings, MYAPP_RATE_LIMIT=str(QUOTA))
    with serving(tmp_path_factory.mktemp("uwsgi"), own, workers=1) as server:
        yield server


def url_of(server):
    return f"http://127.0.0.1:{server.port}"


# what they do


@on_sqlite
@pytest.mark.slow
def test_version_is_that_of_the_document(built):
    assert built.version == openapi.VERSION


@on_sqlite
@pytest.mark.slow
def test_client_reads_writes_turns_pages_and_names_the_invalid_field(
    built, server, acme
):
    assert built.run("tour", url_of(server), acme.key) == {
        "created": ["Ada", "Grace", "Edsger"],
        "read": "Ada",
        "listed": ["Edsger", "Grace", "Ada"],
        "changed": "Ada Lovelace",
        "etag": True,
        "deleted": [404, []],
        "invalid": [400, ["/name"]],
    }


@on_sqlite
@pytest.mark.slow
def test_client_fetches_a_token_with_its_secret(built, server, acme):
    made = acme.post(CLIENTS, json=REPORTS).json
    credentials = f"{made['client_id']} {made['client_secret']}"
    assert built.run("reads", url_of(server), credentials) == 4


@on_sqlite
@pytest.mark.slow
def test_examples_of_the_page_do_what_it_says(built, server, acme):
    printed = built.run_example(url_of(server), acme.key)
    assert re.search(r"^Ada 20\d\d-", printed, re.MULTILINE)
    assert "/name" in printed


# when they try again


def caller_of(server, client):
    """Return a key of which two requests, and at most three seconds, are left."""
    while True:
        acme = sign_up(client, "acme")
        answer = server.get("/v1/sample_customers", acme.headers)
        (seconds,) = re.findall(r"t=(\d+)", answer.headers["RateLimit"])
        if int(seconds) in (2, 3):
            return acme.key


@on_sqlite
@pytest.mark.slow
@pytest.mark.parametrize("name", ["reads", "writes"])
def test_request_beyond_the_quota_is_sent_again_when_the_answer_says(
    built, limited, client, name
):
    with built.running(name, url_of(limited)) as process:
        assert said(process, caller_of(limited, client)) == QUOTA + 1


@contextmanager
def hanging_up() -> Iterator[tuple[str, list[str]]]:
    """A server that ends the first connection without an answer; what it was sent."""
    methods: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            methods.append(self.command)
            if len(methods) > 1:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b'{"items": [], "next": null}')

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", methods
        finally:
            server.shutdown()
            thread.join()


@on_sqlite
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "fails", "sent"),
    [("read", False, ["GET", "GET"]), ("write", True, ["POST"])],
    ids=["idempotent", "not-idempotent"],
)
def test_request_without_an_answer_is_sent_again_if_that_is_harmless(
    built, name, fails, sent
):
    with hanging_up() as (url, methods):
        assert built.run(name, url, "key") is fails
    assert methods == sent


# their types


@on_sqlite
@pytest.mark.slow
def test_types_are_strict_and_know_every_field(built):
    assert built.check() == ""
    body, misspelt = {
        "programs.py": ("name=name, email", "nmae=name, email"),
        "programs.ts": ("{ name, email", "{ nmae: name, email"),
    }[built.source]
    assert "nmae" in built.check(body, misspelt)


# what cannot be built


@on_sqlite
def test_typescript_without_npm_says_what_to_install(app, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    result = app.test_cli_runner().invoke(args=["client", "typescript"])
    assert result.exit_code == 1
    assert "sudo apt install nodejs npm" in result.output
    assert [*tmp_path.iterdir()] == []


def test_python_names_the_schema_that_cannot_be_built(tmp_path):
    document = openapi.document([], "myapp")
    document["components"]["schemas"]["Orders"] = {"type": "array"}
    with pytest.raises(ClickException, match="(?s)Orders.*Correct the contract"):
        python_client.build(document, tmp_path / "python")


@on_sqlite
def test_postman_names_the_request_that_nothing_provides_for(
    app, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(values.CAPTURES, "clients_create")
    monkeypatch.delitem(values.CAPTURES, "clients_secret")
    result = app.test_cli_runner().invoke(args=["postman"])
    assert result.exit_code == 1
    lacking = "No answer provides oauth_client, oauth_secret, which auth_token needs."
    assert lacking in result.output
    assert "devtools/clients/postman/values.py" in result.output


# Postman


def requests_of(folder):
    """Return the names of the requests of the collection that was written there."""
    written = json.loads((folder / "clients" / "postman.json").read_text())
    return [item["name"] for group in written["item"] for item in group["item"]]


@on_sqlite
def test_collection_has_every_operation_or_the_reason_why_not(app, tmp_path):
    printed = command(app, tmp_path, "postman")
    assert "clients/postman.json" in printed
    sent = requests_of(tmp_path)
    operations = app.extensions["operations"]
    assert {operation.summary.rstrip(".") for operation in operations} - {*sent} == {
        operation.summary.rstrip(".")
        for operation in operations
        if operation.id in values.LEFT_OUT
    }


class Trials(Resource):
    @operation.create(MEMBER)
    def post(self, request):
        """Try the product."""


def trials():
    """Return a feature whose fields are not called as what they hold."""
    id = {"type": "string", "format": "uuid"}
    properties: dict[str, dict[str, Any]] = {
        "id": {**id, "readOnly": True},
        "payer": id,
        "program_id": id,
        "parent_id": {**id, "type": ["string", "null"]},
        "tax_id": {"type": "string", "maxLength": 40, "examples": ["12/345"]},
        "slug": {"type": "integer", "minimum": 1, "maximum": 3},
    }
    contract = Contract("SampleTrial", description="A trial.", properties=properties)
    # As the table would say.
    tables = {"payer": "users", "program_id": "clients", "parent_id": "sample_trials"}
    contract.references = tables
    api = FeatureApi("sample_trials", contract)
    api.route("")(Trials)
    module = ModuleType("sample_trials")
    vars(module)["blueprint"] = api.blueprint
    return module


@on_sqlite
def test_body_has_ids_where_the_table_refers_to_another_and_else_the_example(
    settings, tmp_path
):
    app = create_app(settings, (*FEATURES, trials()))
    command(app, tmp_path, "postman")
    app.extensions["myapp"].engine.dispose()
    written = json.loads((tmp_path / "clients" / "postman.json").read_text())
    [folder] = [group for group in written["item"] if group["name"] == "sample_trials"]
    [sent] = [item["request"] for item in folder["item"]]
    assert json.loads(sent["body"]["raw"]) == {
        "payer": "{{user_id}}",
        "program_id": "{{client_id}}",
        "parent_id": None,
        "tax_id": "12/345",
        "slug": 1,
    }


@pytest.fixture
def demo_app(settings, databases):
    """An application with a database of its own, and the demo in it."""
    own = {"DEVELOPMENT_SECRET": "the secret of a test's machine"}
    app = create_app(settings | databases.clone() | own, FEATURES)
    demo.seed(app)
    yield app
    app.extensions["myapp"].engine.dispose()


@on_sqlite
@pytest.mark.slow
def test_every_request_of_the_collection_passes_as_it_stands(
    demo_app, settings, tmp_path
):
    command(demo_app, tmp_path, "postman")
    newman = install_newman(tmp_path)
    stores = settings | {"DATABASE_URL": demo_app.config["DATABASE_URL"]}
    report = tmp_path / "report.json"
    reported = ["--reporters", "json", "--reporter-json-export", report]
    (tmp_path / "uwsgi").mkdir()
    with serving(tmp_path / "uwsgi", environment_of(stores), workers=1) as server:
        there = ["--env-var", f"baseUrl={url_of(server)}"]
        run(newman, "run", "clients/postman.json", *there, *reported, folder=tmp_path)
    found = json.loads(report.read_text())["run"]
    assert found["failures"] == []
    assert found["stats"]["assertions"]["total"] == len(found["executions"])
    assert len(found["executions"]) == len(requests_of(tmp_path))
