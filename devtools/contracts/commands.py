"""`flask contracts`: show what has changed for clients, and release it."""

from collections.abc import Iterator, Sequence

import click

from devtools.contracts import changelog, documents
from devtools.contracts.verdict import COLUMNS, Verdict, judge, rows


@click.group("contracts")
def contracts_command() -> None:
    """Compare the contracts with those that clients were given."""


@contracts_command.command("diff")
@click.option("--write", is_flag=True, help="List the changes in CHANGELOG.md.")
def diff(write: bool) -> None:
    """Show what has changed for clients since docs/openapi.json was released."""
    verdict = judge(documents.current())
    if write:
        changelog.write(verdict)
    if verdict.changes:
        click.echo("\n".join(_table([COLUMNS, *rows(verdict)])))
    else:
        click.echo(f"Nothing has changed since {documents.RELEASED} was released.")
    _end_with(verdict)


@contracts_command.command("types")
@click.option("--write", is_flag=True, help="Write what is stale or missing.")
def types(write: bool) -> None:
    """Compare each feature's shapes.py with its contracts."""
    # It formats what it writes; a server, which imports this file, cannot.
    from devtools.contracts import shapes

    app = documents.application()
    for file in shapes.write(app) if write else ():
        click.echo(f"{file.relative_to(documents.ROOT)} is written.")
    complaints = [*shapes.complaints(app)]
    if complaints:
        raise click.ClickException("\n".join(complaints))
    click.echo("Every contract has its types, and every body is typed by them.")


@contracts_command.command("release")
def release() -> None:
    """Write docs/openapi.json anew, unless a breaking change has no cover."""
    document = documents.current()
    if (documents.ROOT / documents.RELEASED).exists():
        _end_with(judge(document))
    documents.release(document)
    version = document["info"]["version"]
    click.echo(f"{documents.RELEASED} is that of version {version} now: commit it.")


def _end_with(verdict: Verdict) -> None:
    if verdict.complaints:
        raise click.ClickException("\n".join(verdict.complaints))


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table for people."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, widths, strict=True)
        yield "  ".join(cell.ljust(width) for cell, width in cells).rstrip()
