"""docs/signing-in.md: each of its lines does what the page says, from top to bottom.

Its lines (tests/pages.py) are run by a shell, against a server of this test's own. What
an answer brings is kept in a variable of that name, as the page asks its reader to.
"""

import os
import re
import shlex
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from werkzeug.serving import make_server

from devtools import demo
from myapp import background, mail_folder
from tests.oauth import answer_of, form_of
from tests.pages import Line, as_told, found_in, lines

PAGE = Path(__file__).parents[1] / "docs" / "signing-in.md"
SERVER = "http://127.0.0.1:5000"
CURL = "curl --silent --show-error --fail-with-body --noproxy '*' "
PATIENCE = 30  # seconds that one line may take
pytestmark = pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("openssl")),
    reason="no curl or openssl on PATH: install them",
)


def typed() -> Iterator[Line]:
    """Yield the lines of the page in order."""
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL):
        yield from lines(block)


class Reader:
    """Somebody who types the lines, and keeps what the answers bring."""

    def __init__(self, app: Flask, address: str) -> None:
        self.app, self.address = app, address
        self.known = {"PASSWORD": demo.password(app), "KEY": demo.api_key(app)}

    def type(self, typed: str) -> str:
        """Run a line; return what it prints."""
        typed = typed.replace(SERVER, self.address)
        if typed.startswith("./run flask "):
            said = self.run_flask(typed)
        else:
            said = self.run_shell(typed.replace("curl ", CURL))
        self.known |= found_in(said)
        if said.startswith(f"{self.address}/v1/auth/authorize?"):
            self.known["CODE"] = self.consent(said.strip())
        self.read_mail()
        return said.replace(self.address, SERVER)

    def run_flask(self, typed: str) -> str:
        """Run a command of `./run flask` on the application that is served."""
        _, _, *arguments = shlex.split(typed.replace("\\\n", ""))
        done = self.app.test_cli_runner().invoke(args=arguments)
        assert done.exit_code == 0, done.output
        return done.output

    def run_shell(self, typed: str) -> str:
        """Run a line in a shell that knows the variables, or one that sets another."""
        name = re.match(r"(\w+)=", typed)
        shown = f'\nprintf %s "${name[1]}"' if name else ""
        done = subprocess.run(
            ["sh", "-euc", typed + shown],
            env=self.known | {"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, f"{typed}\n{done.stdout}{done.stderr}"
        if name is None:
            return done.stdout
        self.known[name[1]] = done.stdout
        return ""

    def consent(self, question: str) -> str:
        """Open an address in a browser and allow what it asks; return the code."""
        browser, asked = self.app.test_client(), urlsplit(question)
        page = browser.get(asked.path, query_string=asked.query)
        filled = {"username": demo.email("member"), "decision": "allow"}
        filled |= {"password": self.known["PASSWORD"], **form_of(page)}
        return answer_of(browser.post(asked.path, data=filled))["code"]

    def read_mail(self) -> None:
        """Take the token out of the newest mail, if there is one."""
        background.drain()
        for mail in mail_folder.kept(self.app.config["MAIL_URL"])[:1]:
            [token] = re.findall(r"myapp_once_\S+", mail.get_content())
            self.known["TOKEN"] = token


@pytest.fixture
def app(start_app: Any, databases: Any, tmp_path: Path) -> Flask:
    """The application with the demo, as `./run` serves it."""
    own = {"DEVELOPMENT_SECRET": "of this test", "MAIL_URL": tmp_path.as_uri()}
    app: Flask = start_app(**databases.clone(), **own)
    demo.seed(app)
    return app


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """Where it is served, on a free port of loopback."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_lines_of_the_page_do_what_it_says(app, address):
    reader = Reader(app, address)
    for line in typed():
        said = reader.type(line.typed)
        assert as_told(said, line.told), f"{line.typed}\nanswers {said}"
    assert reader.known.keys() >= {"CODE", "TOKEN", "CLIENT_SECRET", "ID"}
