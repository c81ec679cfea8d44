"""`python -m e2e.wpt`; see `cli.py`."""

import sys

from e2e.wpt.cli import main

if __name__ == "__main__":
    sys.exit(main())
