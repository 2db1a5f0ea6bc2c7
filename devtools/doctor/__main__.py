"""`./run doctor`: ends with 1 where something is wrong.

Needs nothing but the standard library as long as .venv is not there.
"""

import sys

from devtools.doctor import examination

if __name__ == "__main__":
    sys.exit(not examination.told(examination.of_checkout()))
