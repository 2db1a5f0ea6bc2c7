"""`flask client python`, `flask client typescript` and `flask postman`."""

from pathlib import Path

import click
import msgspec
from flask import current_app
from flask.cli import with_appcontext

from devtools.clients import python_client, typescript_client
from devtools.clients.description import description
from devtools.clients.postman.collection import collection
from myapp.cli import at_work

FOLDER = Path("clients")
"""Where they are written, seen from where the command runs."""

PYTHON = """\
from myapp_client.api.users import users_list
from myapp_client.connection import connect, every
[*every(users_list.sync, client=connect("http://127.0.0.1:5000", "<token>"))]"""
TYPESCRIPT = """\
import { checked, connect } from "myapp-client";
const client = connect("http://127.0.0.1:5000", "<token>");
checked(await client.GET("/v1/users"));"""


@click.group("client")
def client_command() -> None:
    """Build a typed client from the OpenAPI document."""


@client_command.command("python")
@with_appcontext
@at_work
def python_command() -> None:
    """Write an installable Python package to clients/python."""
    folder = FOLDER / "python"
    python_client.build(description(), folder)
    click.echo(f"Written to {folder}. To use it: pip install {folder}\n\n{PYTHON}")


@client_command.command("typescript")
@with_appcontext
@at_work
def typescript_command() -> None:
    """Write an installable npm package to clients/typescript."""
    folder = FOLDER / "typescript"
    typescript_client.build(description(), folder)
    click.echo(f"Written to {folder}. To use it: npm install {folder}\n\n{TYPESCRIPT}")


@click.command("postman")
@with_appcontext
@at_work
def postman_command() -> None:
    """Write a Postman collection to clients/postman.json."""
    file = FOLDER / "postman.json"
    file.parent.mkdir(exist_ok=True)
    written = collection(description(), current_app.extensions["operations"])
    file.write_bytes(msgspec.json.format(msgspec.json.encode(written)))
    click.echo(f"Written to {file}: import it into Postman, or npx newman run {file}")
