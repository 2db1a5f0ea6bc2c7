"""The features that the tests have: those of the product, and samples to stand on.

A product drops the features that it was shown with, and gets others. The samples stay.
"""

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from flask import Flask
from sqlalchemy import Engine, Table, create_engine

import myapp
from myapp.row_security import protect
from tests import sample_checkouts, sample_customers

FEATURES = (*myapp.FEATURES, sample_customers, sample_checkouts)


def owner_of(app: Flask) -> Engine:
    """Return who may make and drop tables; to be disposed of."""
    return create_engine(app.config["MIGRATION_DATABASE_URL"])


def drop_tables(app: Flask) -> None:
    """Leave of a database what the migrations have made."""
    owner = owner_of(app)
    with owner.begin() as connection:
        sample_customers.Customer.__table__.drop(connection)
    owner.dispose()


def make_table(app: Flask, table: Table) -> None:
    """Do what the migration of a real feature does, as the owner of the tables."""
    owner = owner_of(app)
    with app.app_context(), owner.begin() as connection:
        table.create(connection)
        with Operations.context(MigrationContext.configure(connection)):
            protect(table.name)
    owner.dispose()
