"""Serves the application to its developer: `./run`.

uWSGI with myapp.ini, as on a server, but with embedded stores, demo data and a
reload on save. Whatever is started here is stopped here, by its process id.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

import dotenv
from click import ClickException

from devtools import feature_list, instance_folder, ports, run_lock, secret

ROOT = Path(__file__).resolve().parents[1]
INSTANCE = ROOT / "instance"
SETTINGS = INSTANCE / "config.py"
READY = "WSGI app 0 "
BROKEN = "unable to load app 0 "
RELOADED = "chain reloading complete"
# What uWSGI says while it reloads and ends, beside the application's own output.
CHATTER = re.compile(
    r"(\w+ .* - )?(chain |Gracefully killing worker|SIGINT/SIGTERM received)"
    r"|worker \d+ (killed successfully|buried)|Respawned uWSGI worker|goodbye to uWSGI"
    r"|spawned uWSGI|running \"unix_signal|mapped \d+ bytes|\*\*\* no app loaded"
    r"|--- no python application found"
)


def main() -> None:
    """Serve until Ctrl-C."""
    dotenv.load_dotenv(ROOT / ".env")
    parser = argparse.ArgumentParser(prog="./run")
    parser.add_argument("--port", type=int, default=os.environ.get("PORT", "5000"))
    port = parser.parse_args().port
    url = f"http://127.0.0.1:{port}"
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit())
    refuse(instance_folder.refusal(INSTANCE))
    INSTANCE.mkdir(exist_ok=True)
    with run_lock.held(INSTANCE) as lock:
        warn_of_forgotten_features()
        refuse(ports.refusal(port))
        if os.environ.get("MYAPP_CONFIG") == "development":  # else `prepare` refuses
            secret.kept_in(INSTANCE)  # the application reads it when it is loaded
        server = Server(port, lock)  # loads the application while we prepare
        try:
            lock.write(f"{url} (process {server.process.pid})")
            lock.flush()
            server.greet(prepare(url))
            server.watch()
        except (RuntimeError, ClickException) as error:
            sys.exit(str(error))
        finally:
            server.stop()


def refuse(reason: str | None) -> None:
    """End where there is a reason to."""
    if reason:
        sys.exit(reason)


def warn_of_forgotten_features() -> None:
    """Say which features' folders are not served; a broken list is told by uWSGI."""
    with suppress(SyntaxError):
        for forgotten in feature_list.forgotten(ROOT):
            print(f"./run: {forgotten}", file=sys.stderr, flush=True)


def prepare(url: str) -> str:
    """Bring up the stores; return what to tell the developer once all is up."""
    from devtools import demo, stores
    from myapp import create_app

    app = create_app()
    stores.prepare(app)
    return f"""
myapp runs with demo data; a saved file reloads it, Ctrl-C stops it.

  Docs:     {url}/docs   (Authorize: by oauth as a user below, or with the key)
  Sign in:  {", ".join(map(demo.email, demo.DEMO.roles))}
            Password: {demo.password(app)}   (account: demo)
  Try:      curl {url}/v1/users -H 'Authorization: Bearer {demo.api_key(app)}'
"""


class Server:
    """uWSGI as a child: its output, its reloads, its end."""

    def __init__(self, port: int, lock: IO[str]) -> None:
        self.loaded, self.greeted = threading.Event(), threading.Event()
        self.reloading = threading.Event()
        self.start: list[str] = []  # what it printed until it was loaded
        environment = {"WEB_CONCURRENCY": "1"} | os.environ | {"PORT": str(port)}
        uwsgi = Path(sys.executable).with_name("uwsgi")
        self.process = subprocess.Popen(
            [sys.executable, uwsgi, "--ini", "myapp.ini"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            pass_fds=[lock.fileno()],
            start_new_session=True,  # Ctrl-C is for us: we end it in order
        )
        threading.Thread(target=self._print, daemon=True).start()

    def greet(self, banner: str) -> None:
        """Wait until the application is loaded, and tell the developer."""
        self.loaded.wait()
        if not any(line.startswith(READY) for line in self.start):
            print(*self.start, sep="", end="")
        if self.process.poll() is None:
            print(banner, flush=True)
        self.greeted.set()

    def watch(self) -> None:
        """Reload after every save, until the server ends."""
        seen = snapshot()
        while self.process.poll() is None:
            time.sleep(0.3)
            if not self.reloading.is_set() and (now := snapshot()) != seen:
                self._reload(now, seen)
                seen = now
        status = self.process.returncode
        sys.exit(status and f"uWSGI ended with status {status}: see above")

    def _reload(self, now: dict[Path, int], seen: dict[Path, int]) -> None:
        path, _ = (now.items() ^ seen.items()).pop()
        print(f"\n{path.relative_to(ROOT)} changed, reloading", flush=True)
        self.reloading.set()
        with suppress(OSError):  # it has just ended: nobody reads
            fifo = os.open(INSTANCE / "uwsgi.fifo", os.O_WRONLY | os.O_NONBLOCK)
            os.write(fifo, b"c")
            os.close(fifo)

    def stop(self) -> None:
        """End the server and its workers at once; the stores survive that.

        A uWSGI that is starting or reloading takes a polite signal, forgets it, and is
        deaf to the next.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _print(self) -> None:
        """Pass on the server's output, without what uWSGI says of itself."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.start.append(line)
            if line.startswith((READY, BROKEN)):
                break
        self.loaded.set()
        self.greeted.wait()
        for line in self.process.stdout:
            if RELOADED in line:
                self.reloading.clear()
            elif line.startswith(READY):
                print("reloaded", flush=True)
            elif line.startswith(BROKEN):
                print("not reloaded: mend the file and save it", flush=True)
            elif not CHATTER.match(line):
                print(line, end="", flush=True)


def snapshot() -> dict[Path, int]:
    """Return when each file that the server loads was last saved."""
    times = {}
    for file in (*ROOT.glob("*.py"), *(ROOT / "myapp").rglob("*.py"), SETTINGS):
        if not file.name.startswith("test_"):
            with suppress(FileNotFoundError):  # an editor is about to replace it
                times[file] = file.stat().st_mtime_ns
    return times


if __name__ == "__main__":
    main()
