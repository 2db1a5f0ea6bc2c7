"""The application as shipped, with the samples of the tests: a product keeps those."""

from myapp import create_app
from tests.samples import FEATURES

app = create_app(features=FEATURES)
