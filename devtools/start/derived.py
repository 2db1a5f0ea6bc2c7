"""Writes what is derived from the features: rights, and what clients are given.

Run in a copy of the project, by a Python of its own: python -m devtools.start.derived
"""

import flask_migrate

from devtools.contracts import changelog, documents
from devtools.contracts.verdict import judge
from devtools.features import derived


def main() -> None:
    """Write all into the current folder, where migrations and models agree."""
    app = derived.application()
    with app.app_context():
        flask_migrate.upgrade()
        flask_migrate.check()
    derived.write_rights(app)
    documents.release(documents.current())  # a product has given clients nothing yet
    changelog.write(judge(documents.current()))


if __name__ == "__main__":
    main()
