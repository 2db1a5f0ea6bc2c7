"""The migrations: they lead to the tables that the models declare, there and back."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import flask_migrate
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import (
    Connection,
    Inspector,
    MetaData,
    create_engine,
    func,
    inspect,
    make_url,
    select,
    text,
)

from myapp import create_app, db
from myapp.tables import Base
from tests.databases import MIGRATIONS

ROOT = MIGRATIONS.parent
NOW = db.now() if hasattr(db, "now") else None
