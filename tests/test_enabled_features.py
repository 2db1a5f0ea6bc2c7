"""What ENABLED_FEATURES switches off, and what it cannot leave out."""

import json

import pytest
from sqlalchemy import inspect

from myapp import create_app
from myapp.settings import SettingsError
from tests.samples import FEATURES

NOWHERE = {
    "DATABASE_URL": "sqlite:///nowhere.sqlite",
    "REDIS_URL": "redis://127.0.0.1:1/0",
}
FEW = ["accounts", "users", "api_keys"]


def start(*names):
    """Return the application with these features."""
    return create_app({**NOWHERE, "ENABLED_FEATURES": [*names]}, FEATURES)


@pytest.fixture(scope="module")
def few():
    """A client of an application with few features."""
    return start(*FEW).test_client()


def test_feature_that_is_left_out_has_no_routes(few):
    assert few.get("/v1/sample_customers").status_code == 404
    assert few.get("/v1/users").status_code == 401


def test_feature_that_is_left_out_has_no_pages(few):
    assert few.get("/v1/sample_customers/docs").status_code == 404
    documented = json.loads(few.get("/openapi.json").data)["paths"]
    assert {path.split("/")[2] for path in documented} == {*FEW}


@pytest.mark.parametrize(("names", "is_there"), [(FEW, False), (["*"], True)])
def test_feature_that_is_left_out_has_no_commands(names, is_there):
    assert ("keys" in start(*names).cli.list_commands(None)) is is_there


def test_feature_that_is_left_out_keeps_its_table(databases):
    settings = databases.clone()
    app = create_app(NOWHERE | settings | {"ENABLED_FEATURES": FEW})
    engine = app.extensions["myapp"].engine
    assert "clients" in inspect(engine).get_table_names()
    engine.dispose()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        pytest.param(["moons"], "moons, which is no feature", id="unknown"),
        pytest.param(
            ["accounts", "sessions"], "sessions, which needs clients", id="by-table"
        ),
        pytest.param(["api_keys"], "api_keys, which needs accounts", id="tenant"),
        pytest.param(["well_known"], "well_known, which needs auth", id="as-it-says"),
    ],
)
def test_feature_without_what_it_needs_stops_the_start_by_name(names, said):
    with pytest.raises(SettingsError, match=said):
        start(*names)
