"""The flask commands of developers; `myapp.cli` registers them where they are."""

import click

from devtools.features.commands import feature_command

COMMANDS: tuple[click.Command, ...] = (feature_command,)
