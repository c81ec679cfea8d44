"""`python -m e2e.chaos`; see `cli.py`."""

import sys

from e2e.chaos.cli import main

if __name__ == "__main__":
    sys.exit(main())
