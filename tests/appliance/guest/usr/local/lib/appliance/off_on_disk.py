"""Wait until the ledger on disk says that just the circuits named are off; end with 1 where it never does."""

import json
import sqlite3
import sys
import time

LEDGER = "file:/var/lib/loadshed/ledger.db?mode=ro"
STUCK_S = 600.0
LOOK_S = 1.0


def main(wanted: set[str]) -> int:
    """Return the exit code."""
    give_up_at = time.monotonic() + STUCK_S
    while (off := off_on_disk()) != wanted:
        if time.monotonic() > give_up_at:
            print(f"off on disk: {off}, and not {wanted}")  # noqa: T201 - the host reads it
            return 1
        time.sleep(LOOK_S)
    return 0


def off_on_disk() -> set[str]:
    """Return the circuits that the disk remembers as off."""
    ledger = sqlite3.connect(LEDGER, uri=True)
    try:
        rows = ledger.execute("SELECT circuit, row FROM entries").fetchall()
    finally:
        ledger.close()
    return {circuit for circuit, row in rows if json.loads(row)["position"] == "off"}


if __name__ == "__main__":
    sys.exit(main({*sys.argv[1:]}))
