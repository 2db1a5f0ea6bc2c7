"""The flask commands of developers; `myapp.cli` registers them where they are."""

import click

from devtools.contracts.command import contracts
from devtools.features.commands import feature_command

COMMANDS: tuple[click.Command, ...] = (contracts, feature_command)
