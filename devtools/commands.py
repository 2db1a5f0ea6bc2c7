"""The flask commands of developers; `myapp.cli` registers them where they are."""

import click

from devtools.clients.commands import client_command, postman_command
from devtools.contracts.commands import contracts_command
from devtools.features.commands import feature_command

COMMANDS: tuple[click.Command, ...] = (
    feature_command,
    contracts_command,
    client_command,
    postman_command,
)
