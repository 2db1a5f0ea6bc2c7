"""The check of `./run lint`: says what may not stay so, and nothing else."""

import sys

import click

from devtools.contracts.stand_ins import instead_of_shapes

with instead_of_shapes():  # they may be what is wrong
    from devtools.contracts import changelog, documents, shapes
    from devtools.contracts.verdict import judge


def main() -> None:
    """End with 1 where a change of a contract stands in the way, or types are stale."""
    try:
        verdict = judge(documents.current())
        complaints = verdict.complaints + changelog.complaints(verdict)
        complaints += shapes.complaints(documents.application())
    except click.ClickException as error:
        complaints = [error.format_message()]
    if complaints:
        print(*complaints, sep="\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
