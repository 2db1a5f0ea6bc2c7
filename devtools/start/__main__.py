"""`./run start NAME [--without customers,teams]`: from template to product.

All is done in a copy of what git has, and taken over at the end: what fails leaves
nothing.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import click

from devtools.features import removal
from devtools.start import demos, itself, names, tree
from devtools.start.refusal import Refusal


@click.command("start")
@click.argument("name")
@click.option("--without", default="", help=f"Some of {','.join(demos.DEMO)}")
def main(name: str, without: str) -> None:
    """Give the project a name of its own everywhere; take demo features out."""
    unwanted = dict.fromkeys(feature.strip() for feature in without.split(","))
    try:
        start(name, [feature for feature in unwanted if feature])
    except Refusal as refusal:
        raise click.ClickException(str(refusal)) from refusal
    click.echo(f"This is {name} now. Look at it (git diff), then:")
    click.echo(f"  ./run test && git add -A && git commit -m 'Start {name}'")


def start(name: str, unwanted: list[str]) -> None:
    """Make a product of the checkout; raise Refusal with the checkout as it was."""
    names.refuse(name)
    tree.refuse()
    with tempfile.TemporaryDirectory(prefix="start-") as folder:
        copy = Path(folder)
        tree.copy_to(copy)
        with click.progressbar(length=4, label=f"Starting {name}") as steps:
            demos.remove(copy, unwanted)
            steps.update(1)
            run(copy, "devtools.start.derived")
            itself.remove(copy)
            steps.update(1)
            names.rename(copy, name)
            steps.update(1)
            for formatter in ("isort", "black"):
                run(copy, formatter, "--quiet", ".")
            steps.update(1)
        tree.take_over(copy)


def run(copy: Path, module: str, *arguments: str) -> None:
    """Run a module in the copy; raise Refusal with the last that it says."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True)
    if done.returncode:
        raise Refusal(f"nothing has changed: {removal.reason(done)}")


if __name__ == "__main__":
    main()
