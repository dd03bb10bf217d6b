"""The real peers are tested by `make test-peers`, which installs them and sets LOADSHED_PEERS."""

from __future__ import annotations

import os

collect_ignore_glob = [] if "LOADSHED_PEERS" in os.environ else ["test_*.py"]
