"""Who may call what, as a table: docs/permissions.md, from the declarations alone.

`flask permissions` prints it. It decides nothing: a request is admitted in `access`,
and tests/test_permissions.py asks the service whether it does as the table says.
"""

import re
from collections.abc import Iterable, Sequence
from uuid import UUID

from myapp.access import EVERY_SCOPE, Principal, Role, Rule
from myapp.operations import Operation

COMMAND = "MYAPP_OPEN_SIGN_UP=false ./run flask permissions > docs/permissions.md"
CREDENTIALS = 16
"""How many kinds of credentials the tests try (tests/credentials.py lists them)."""

YES, OWN, NO = "yes", "own", "no"
COLUMNS: dict[str, Role | None] = {
    "anyone": None,
    "viewer": Role.VIEWER,
    "member": Role.MEMBER,
    "admin": Role.ADMIN,
    "owner": Role.OWNER,
    "operator": Role.OPERATOR,
}
SOMEBODY = UUID(int=0)

INTRODUCTION = """\
# Permissions

Who may call what. Each operation declares it once, in its feature's `endpoints.py`
(`@operation.replace(MEMBER)`); that line decides every request, and writes the
security of the OpenAPI document, the `Allow` of OPTIONS, the tests and this table.

Do not edit it. After a change of rights write it anew, and let the diff be reviewed;
the tests fail while it differs. It shows production, where sign-up is closed.

```console
$ {command}
```

- **yes**: on everything in the caller's account. **own**: on what the rule calls
  theirs (403 on the rest). **no**: 403, and 401 without a credential.
- `anyone` sends no credential, and one that is sent is not looked at. Of the roles of
  an account each includes those to its left. The `operator` is in no account.
- A credential also needs the scope, or `*`: 403 without. One that is unknown, revoked
  or expired, or whose account is closed, is nobody's: 401.
- What belongs to another account is absent, like what never was: 404.

{operations} operations, each tried with {credentials} kinds of credentials, and where
the URL names a record, on one of the caller's account, on another account's and on a
missing one: {cells} cells, on both engines. `tests/credentials.py` lists the
credentials, `tests/permissions.py` by name the cells that are left out, and why.

"""


def grant(rule: Rule, role: Role | None) -> str:
    """Return what a rule grants a role, or None for nobody: YES, OWN or NO."""
    principal = role if role is None else _principal(role)
    if not rule.allows(principal):
        return NO
    narrowed = principal and rule.where and rule.where(principal)
    return OWN if narrowed else YES


def _principal(role: Role) -> Principal:
    account_id = None if role is Role.OPERATOR else SOMEBODY
    return Principal(account_id, f"user:{SOMEBODY}", role, frozenset({EVERY_SCOPE}))


def document(operations: Sequence[Operation]) -> str:
    """Return docs/permissions.md: how to read the table, its size, and the table."""
    introduction = INTRODUCTION.format(
        command=COMMAND,
        operations=len(operations),
        credentials=CREDENTIALS,
        cells=CREDENTIALS * sum(map(objects, operations)),
    )
    return introduction + table(operations)


def objects(operation: Operation) -> int:
    """Count the objects that an operation is tried on: own, another's and missing."""
    return 3 if "<" in operation.url else 1


def table(operations: Iterable[Operation]) -> str:
    """Return the rights as a Markdown table, a row for each operation."""
    head = ["method", "URL", "what it does", "scope", "rule", *COLUMNS]
    rows = [head, ["---"] * len(head), *map(_row, operations)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(operation: Operation) -> list[str]:
    rule = operation.rule
    url = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", operation.url)
    scope = "–" if rule.allows(None) else f"`{operation.scope}`"
    texts = [operation.method, f"`{url}`", operation.summary, scope, rule.text]
    grants = [grant(rule, role) for role in COLUMNS.values()]
    return [text.replace("|", r"\|") for text in texts] + grants
