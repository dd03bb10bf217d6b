"""Remove from package-lock.json what `npm ci` does not use: addresses of packages and of their sponsors."""

from __future__ import annotations

import json
from pathlib import Path

LOCK = Path(__file__).with_name("package-lock.json")

if __name__ == "__main__":
    lock = json.loads(LOCK.read_text(encoding="utf-8"))
    for package in lock["packages"].values():
        for key in ("funding", "resolved"):
            package.pop(key, None)
    LOCK.write_text(json.dumps(lock, indent=2) + "\n", encoding="utf-8")
