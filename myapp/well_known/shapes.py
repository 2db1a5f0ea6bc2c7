"""What clients send and see of well known, as types for editors and mypy.

Written by `./run flask contracts types --write` from the contracts: change those.
"""

from typing import TypedDict


class AuthorizationServerDocument(TypedDict):
    """What clients see of AuthorizationServer."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    revocation_endpoint: str
    introspection_endpoint: str
    jwks_uri: str
    service_documentation: str
    response_types_supported: list[str]
    response_modes_supported: list[str]
    code_challenge_methods_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]
    revocation_endpoint_auth_methods_supported: list[str]
    introspection_endpoint_auth_methods_supported: list[str]
    grant_types_supported: list[str]
    scopes_supported: list[str]
    authorization_response_iss_parameter_supported: bool
