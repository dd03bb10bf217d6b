"""Wait until exactly these circuits are at a position in the ledger on disk; exit with 1 if that never happens.

on_disk.py off tub dryer
"""

import json
import sqlite3
import sys
import time

LEDGER = "file:/var/lib/loadshed/ledger.db?mode=ro"
STUCK_S = 600.0
LOOK_S = 1.0


def main(position: str, wanted: set[str]) -> int:
    """Return the exit code."""
    give_up_at = time.monotonic() + STUCK_S
    while (found := on_disk(position)) != wanted:
        if time.monotonic() > give_up_at:
            print(f"{position} on disk: {found}, and not {wanted}")  # noqa: T201 - the host reads it
            return 1
        time.sleep(LOOK_S)
    return 0


def on_disk(position: str) -> set[str]:
    """Return the circuits that the disk remembers at this position."""
    ledger = sqlite3.connect(LEDGER, uri=True)
    try:
        rows = ledger.execute("SELECT circuit, row FROM entries").fetchall()
    finally:
        ledger.close()
    return {circuit for circuit, row in rows if json.loads(row)["position"] == position}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], {*sys.argv[2:]}))
