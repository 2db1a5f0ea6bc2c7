"""What a run of the collection must know that the OpenAPI document does not say."""

FIRST = ("accounts_create", "auth_login", "auth_login")
"""A run has an account of its own. Two sign-ins: one of the sessions is ended alone."""

LEFT_OUT = {
    "auth_authorize": "the form of a page, which a browser sends",
    "auth_authorize_get": "a page for a browser",
    "auth_password_reset_confirm": "its token comes by mail",
    "users_invitations_accept": "its token comes by mail",
}
"""The operations without a request, and why."""

AS_USER = {
    "sessions_delete",
    "sessions_delete_all",
    "sessions_list",
    "users_me_retrieve",
}
"""The operations of a person: the API key of the account is none."""

_OAUTH_CLIENT = {
    "client_id": "{{oauth_client}}",
    "client_secret": "{{oauth_secret}}",
}
BODIES = {
    "accounts_create": {"slug": "{{slug}}"},
    "accounts_replace": {"slug": "{{slug}}"},
    "auth_introspect": {**_OAUTH_CLIENT, "token": "{{client_token}}"},
    "auth_login": {"account": "{{slug}}"},
    "auth_password_reset": {"account": "{{slug}}"},
    "auth_revoke": {**_OAUTH_CLIENT, "token": "{{client_token}}"},
    "auth_token": {**_OAUTH_CLIENT, "grant_type": "client_credentials"},
    "users_create": {"email": "grace@example.com"},
}
"""The values of an operation's body, where its example will not do."""

CAPTURES = {
    "accounts_create": {"token": "api_key"},
    "auth_login": {"access_token": "access_token"},
    "auth_token": {"client_token": "access_token"},
    "clients_create": {"oauth_client": "client_id", "oauth_secret": "client_secret"},
    "clients_secret": {"oauth_secret": "client_secret"},
}
"""Which fields of an answer later requests use, by the name of the variable."""

GIVEN = {"baseUrl": "http://127.0.0.1:5000", "token": "", "slug": ""}
"""The variables of the collection, at first."""

BEFORE = {
    "accounts_create": "pm.collectionVariables.set"
    '("slug", `acme-${Date.now().toString(36)}`);'
}
"""What is done before a request is sent."""
