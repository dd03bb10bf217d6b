"""Exit codes of the commands."""

from __future__ import annotations

DONE, NOT_DONE, WRONG_CONFIGURATION = 0, 1, 78
