"""The application as shipped, but for the audit entry of a change of a customer.

A measurement serves this file as `wsgi.py`: what an entry costs is the difference.
"""

from myapp import create_app
from myapp.sql_repository import SqlRepository
from tests.sample_customers import CUSTOMER, Customer, customers
from tests.samples import FEATURES

# The endpoints hold the repository already, so it is made anew where it is.
SqlRepository.__init__(customers, Customer, CUSTOMER, audited=False)

app = create_app(features=FEATURES)
