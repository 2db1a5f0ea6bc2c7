"""The flask commands of developers; `myapp.cli` registers them where they are."""

import click

from devtools.contracts.commands import contracts_command
from devtools.features.commands import feature_command

COMMANDS: tuple[click.Command, ...] = (contracts_command, feature_command)
