"""The limit: PostgreSQL's own client with the statements of the operations.

It has no strings to draw at random, so it draws one of SCRIPTS scripts; each has a
tenant and a customer of its own as parameters. Writers of so few rows would wait for
each other, so PUT looks its row up in a table of numbers first. Its pages are text,
where others may fetch binary, so it is no lower bound there.
"""

import re
import resource
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench.database import Database
from bench.load import CONNECTIONS
from bench.population import Tenant, put_back
from bench.processes import SERVER_CORE, cpu_seconds
from bench.samples import WRITES, Sample

TITLES = {
    "pgbench": "pgbench: the statement alone",
    "pgbench_fenced": "pgbench: set_config and the statement in one pipeline",
}
SCRIPTS = 25
"""Each is prepared on each connection, so more of them would cost more."""
SHOWN = "id, name, email, created_at, updated_at, version"
WRITTEN = "'Grace Hopper ' || :number, 'grace.hopper.' || :number || '@example.com'"
STATEMENTS = {
    "get": (
        f"SELECT {SHOWN} FROM sample_customers"
        " WHERE account_id = :account AND id = :id;"
    ),
    "page": (
        f"SELECT {SHOWN} FROM sample_customers WHERE account_id = :account"
        " ORDER BY id DESC LIMIT 51;"
    ),
    "post": (
        "INSERT INTO sample_customers"
        " (account_id, id, version, created_at, updated_at, name, email)"
        f" VALUES (:account, {{uuid}}(), 1, now(), now(), {WRITTEN}) RETURNING {SHOWN};"
    ),
    "put": (
        f"UPDATE sample_customers SET (name, email) = ({WRITTEN}),"
        " version = version + 1,"
        " updated_at = now() FROM numbered"
        " WHERE tenant_id = :account AND row_number = :row"
        f" AND account_id = :account AND id = customer_id RETURNING {SHOWN};"
    ),
}
NUMBERED = (
    "CREATE TABLE numbered AS SELECT account_id AS tenant_id, id AS customer_id,"
    " row_number() OVER (PARTITION BY account_id ORDER BY id) FROM sample_customers",
    "ALTER TABLE numbered ADD PRIMARY KEY (tenant_id, row_number)",
    "GRANT SELECT ON numbered TO application, bare",
    "VACUUM (ANALYZE) numbered",
)
DRAW = "\\set number random(100000, 999999)\n\\set row random(1, {rows})\n"
FENCED = (
    "\\startpipeline\nSELECT set_config('app.account_id', :account, true);\n"
    "{statement}\n\\endpipeline\n"
)
COUNTED = re.compile(r"transactions actually processed: (\d+)")
RATE = re.compile(r"tps = ([\d.]+) \(without")


class Pgbench(NamedTuple):
    """A pgbench that is `fenced`: the tenant is set in the same pipeline, or not."""

    program: str
    folder: Path
    database: Database
    tenants: Sequence[Tenant]
    fenced: bool

    def warm_up(self, operation: str, seconds: int) -> None:
        """Run transactions that nobody counts."""
        self._run(operation, seconds, 0)

    def sample(self, operation: str, seconds: int, seed: int) -> Sample:
        """Run transactions for some seconds; its own processor time is the client's."""
        before = _children_seconds(), cpu_seconds(self.database.server.pid)
        said = self._run(operation, seconds, seed)
        after = _children_seconds(), cpu_seconds(self.database.server.pid)
        if operation in WRITES:
            put_back(self.database)
        counted, rate = COUNTED.search(said), RATE.search(said)
        if counted is None or rate is None or not int(counted[1]):
            raise RuntimeError(f"pgbench did nothing:\n{said}")
        cpu_us, pg_us = (
            (now - then) * 1e6 / int(counted[1])
            for now, then in zip(after, before, strict=True)
        )
        return Sample(float(rate[1]), cpu_us, pg_us)

    def _run(self, operation: str, seconds: int, seed: int) -> str:
        options = f"-n -M prepared -c {CONNECTIONS} -j 1 -T {seconds}".split()
        role = "application" if self.fenced else "bare"
        done = subprocess.run(
            ["taskset", "-c", str(SERVER_CORE), self.program, *options]
            + [f"--random-seed={seed}", *self._scripts(operation)]
            + [self.database.url(role)],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"pgbench failed:\n{done.stderr}")
        return done.stdout

    def _scripts(self, operation: str) -> list[str]:
        """Write the scripts of an operation; return the options that name them."""
        options = []
        self.folder.mkdir(exist_ok=True)
        for number, tenant in enumerate(self.tenants[:SCRIPTS]):
            file = self.folder / f"{operation}{number}.sql"
            script = self._script(operation, len(tenant.customers))
            file.write_text(script.replace("#", str(number)))
            customer = tenant.customers[number % len(tenant.customers)]
            options += [f"-f{file}", f"-Daccount{number}={tenant.id}"]
            options += [f"-Did{number}={customer}"]
        return options

    def _script(self, operation: str, rows: int) -> str:
        """Return a script; `#` is its number, which tells its parameters apart."""
        uuid = "uuidv7" if self.database.major >= 18 else "gen_random_uuid"
        statement = STATEMENTS[operation].replace("{uuid}", uuid)
        text = FENCED.format(statement=statement) if self.fenced else f"{statement}\n"
        text = text.replace(":account", ":account#").replace(":id", ":id#")
        return (DRAW.format(rows=rows) if ":number" in text else "") + text


def _children_seconds() -> float:
    """Return the processor time of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
