"""The check of `./run lint`: says what may not stay so, and nothing else."""

import sys

import click

from devtools.contracts import changelog, documents
from devtools.contracts.verdict import judge


def main() -> None:
    """End with 1 where a change of a contract stands in the way."""
    try:
        verdict = judge(documents.current())
        complaints = verdict.complaints + changelog.complaints(verdict)
    except click.ClickException as error:
        complaints = [error.format_message()]
    if complaints:
        print(*complaints, sep="\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
