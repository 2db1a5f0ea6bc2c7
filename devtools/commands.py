"""The flask commands of developers; `myapp.cli` registers them."""

import click

from devtools.clients.commands import client_command, postman_command
from devtools.contracts.commands import contracts_command
from devtools.doctor.command import doctor_command
from devtools.features.commands import feature_command
from devtools.seed import seed_command

COMMANDS: tuple[click.Command, ...] = (
    feature_command,
    contracts_command,
    client_command,
    postman_command,
    seed_command,
    doctor_command,
)
