"""What a client finds out by itself (RFC 8414), and that it is so."""

import pytest

from tests.oauth import AUTHORIZE, INTROSPECT, REVOKE, TOKEN

URL = "/.well-known/oauth-authorization-server"


@pytest.fixture
def metadata(client):
    """What the server says of itself."""
    shown = client.get(URL)
    assert shown.status_code == 200
    return shown.json


def test_metadata_names_the_issuer_and_the_endpoints(app, metadata):
    here = app.config["PUBLIC_URL"]
    assert metadata["issuer"] == here
    assert metadata["authorization_endpoint"] == here + AUTHORIZE
    assert metadata["token_endpoint"] == here + TOKEN
    assert metadata["revocation_endpoint"] == here + REVOKE
    assert metadata["introspection_endpoint"] == here + INTROSPECT
    assert metadata["jwks_uri"] == here + "/.well-known/jwks.json"


def test_metadata_names_endpoints_that_are_there(client, metadata):
    for name in metadata:
        if name.endswith(("_endpoint", "_uri", "_documentation")):
            path = metadata[name].removeprefix(metadata["issuer"])
            assert client.get(path).status_code != 404, name


def test_metadata_promises_no_more_than_there_is(metadata):
    assert metadata["response_types_supported"] == ["code"]
    assert metadata["response_modes_supported"] == ["query"]
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert metadata["authorization_response_iss_parameter_supported"] is True
    with_secret = ["client_secret_basic", "client_secret_post"]
    methods = "endpoint_auth_methods_supported"
    assert metadata[f"token_{methods}"] == ["none", *with_secret]
    assert metadata[f"revocation_{methods}"] == ["none", *with_secret]
    assert metadata[f"introspection_{methods}"] == with_secret


def test_metadata_names_the_scopes(metadata):
    assert {"sample_customers:read", "sample_customers:write"} <= set(
        metadata["scopes_supported"]
    )
    assert metadata["scopes_supported"] == sorted(metadata["scopes_supported"])


@pytest.mark.parametrize("on", [True, False])
def test_metadata_names_the_password_grant_where_it_is_on(start_app, on):
    client = start_app(PASSWORD_GRANT=on).test_client()
    grants = client.get(URL).json["grant_types_supported"]
    assert ("password" in grants) is on
    assert set(grants) - {"password"} == {
        "authorization_code",
        "client_credentials",
        "refresh_token",
    }


def test_metadata_with_a_query_answers_400(client):
    assert client.get(URL, query_string={"x": "1"}).status_code == 400


def test_metadata_for_a_caller_who_takes_no_json_answers_406(client):
    assert client.get(URL, headers={"Accept": "text/html"}).status_code == 406
