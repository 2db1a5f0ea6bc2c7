"""Programs that use the Python client: `programs.py <name> <url>`.

Each says that it is ready, reads its credentials, and prints what it was told, as JSON.
programs.ts does the same with the TypeScript client.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

from myapp_client.api.sample_customers import (
    sample_customers_create,
    sample_customers_delete,
    sample_customers_list,
    sample_customers_retrieve,
    sample_customers_update,
)
from myapp_client.client import AuthenticatedClient
from myapp_client.connection import (
    ProblemError,
    checked,
    connect,
    connect_by_secret,
    every,
)
from myapp_client.models import (
    SampleCustomer,
    SampleCustomerMergePatch,
    SampleCustomerWrite,
)


def create(client: AuthenticatedClient, name: str) -> SampleCustomer:
    """Add a customer."""
    body = SampleCustomerWrite(name=name, email="ada@example.com")
    return checked(sample_customers_create.sync(client=client, body=body))


def tour(client: AuthenticatedClient) -> Any:
    """Create, read, list two pages, change, delete, and send what is not valid."""
    made = [create(client, name) for name in ("Ada", "Grace", "Edsger")]
    first = made[0].id
    read = checked(sample_customers_retrieve.sync(first, client=client))
    listed = [*every(sample_customers_list.sync, client=client, limit=2)]
    change = SampleCustomerMergePatch(name="Ada Lovelace")
    answer = sample_customers_update.sync_detailed(first, client=client, body=change)
    changed = checked(answer.parsed)
    checked(sample_customers_delete.sync(first, client=client))
    return {
        "created": [customer.name for customer in made],
        "read": read.name,
        "listed": [customer.name for customer in listed],
        "changed": changed.name,
        "etag": "ETag" in answer.headers,
        "deleted": refusal(
            lambda: sample_customers_retrieve.sync(first, client=client)
        ),
        "invalid": refusal(lambda: create(client, "")),
    }


def refusal(call: Callable[[], object]) -> Any:
    """Return the status and the fields of the problem that a call ends in."""
    try:
        checked(call())
    except ProblemError as error:
        errors = error.problem.errors or []
        return [error.problem.status, [broken.at for broken in errors]]
    return None


def reads(client: AuthenticatedClient) -> Any:
    """Read a list four times."""
    pages = [checked(sample_customers_list.sync(client=client)) for _ in range(4)]
    return len(pages)


def writes(client: AuthenticatedClient) -> Any:
    """Add four customers."""
    return len([create(client, "Ada") for _ in range(4)])


def read(client: AuthenticatedClient) -> Any:
    """Read a list, whatever comes."""
    return failure(lambda: sample_customers_list.sync(client=client))


def write(client: AuthenticatedClient) -> Any:
    """Add a customer, whatever comes."""
    return failure(lambda: create(client, "Ada"))


def failure(call: Callable[[], object]) -> bool:
    """Tell whether a call raises."""
    try:
        call()
    except Exception:
        return True
    return False


def main(name: str, url: str) -> None:
    """Run one program; `id secret` are those of an OAuth client, else it is a key."""
    print("ready", flush=True)
    client_id, _, secret = input().rpartition(" ")
    if client_id:
        client = connect_by_secret(url, client_id, secret)
    else:
        client = connect(url, secret)
    programs = {each.__name__: each for each in (tour, reads, writes, read, write)}
    print(json.dumps(programs[name](client)))


if __name__ == "__main__":
    main(*sys.argv[1:])
