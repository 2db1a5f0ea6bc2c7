"""What is wrong with this machine or this folder. Standard library only.

Whatever is said here can be said before .venv is there.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from devtools import environment, feature_list, instance_folder, ports, run_lock
from devtools.doctor.finding import Finding

ROOT = environment.ROOT
INSTANCE = ROOT / "instance"
LEAST_FREE = 500_000_000
"""Bytes; .venv alone takes half of them."""


def findings() -> Iterator[Finding]:
    """Look at Python, the folder, the lock and the port."""
    yield Finding(True, f"Python {environment.VERSION}: {sys.executable}")
    refusal = instance_folder.refusal(INSTANCE)
    yield Finding.of(refusal, "instance/ can be written to")
    for exposed in instance_folder.exposed(INSTANCE):
        yield Finding(False, exposed)
    yield _disk()
    yield from _serving()
    yield from _features()


def packages() -> Finding:
    """Look at .venv."""
    missing = ".venv is missing or not what requirements.txt pins: ./run sets it up."
    unseen = " What needs it (settings, stores, the application) was not looked at."
    wrong = None if environment.up_to_date("runtime") else missing + unseen
    return Finding.of(wrong, ".venv is what requirements.txt pins")


def _disk() -> Finding:
    free = shutil.disk_usage(ROOT).free
    full = f"{ROOT} has {free // 10**6} MB left on its disk: make room"
    enough = f"{free // 10**9} GB are free on the disk"
    return Finding.of(full if free < LEAST_FREE else None, enough)


def _serving() -> Iterator[Finding]:
    """Look at the lock, and at the port where no ./run of this folder has it."""
    holder = run_lock.holder(INSTANCE)
    if holder:
        yield Finding(True, f"./run serves this folder: {holder}")
        return
    port = _setting("PORT", "5000")
    if not port.isdecimal():
        yield Finding(False, f"PORT={port} is no number: correct it, or unset it")
        return
    yield Finding.of(ports.refusal(int(port)), f"port {port} is free")


def _setting(name: str, default: str) -> str:
    """Return a setting as ./run reads it; .env needs python-dotenv, which may lack."""
    try:
        from dotenv import dotenv_values

        default = dotenv_values(Path(ROOT, ".env")).get(name) or default
    except ImportError:
        pass
    return os.environ.get(name, default)


def _features() -> Iterator[Finding]:
    try:
        forgotten = feature_list.forgotten(ROOT)
    except SyntaxError:  # the application says so
        return
    for each in forgotten:
        yield Finding(False, each)
    if not forgotten:
        yield Finding(True, f"every feature is listed in {feature_list.APPLICATION}")
