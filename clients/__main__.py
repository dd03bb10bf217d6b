"""`loadshed`, and `python -m clients`."""

from __future__ import annotations

import sys

from clients.cli.cli import main

if __name__ == "__main__":
    sys.exit(main())
