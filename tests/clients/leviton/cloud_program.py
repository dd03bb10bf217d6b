"""The simulated cloud as a process of its own, which can be frozen: then it answers nothing, as a dead line.

It prints its two addresses. Each line of its input sets a fault, as JSON: `{"status": 500}`.
"""

from __future__ import annotations

import json
import sys

from hw.simulated.leviton_cloud import LevitonCloud
from hw.simulated.leviton_panel import simulated_hub
from hw.simulated.leviton_server import LevitonServer


def main() -> None:
    """Serve until the input ends."""
    cloud = LevitonCloud([simulated_hub(int(sys.argv[1]))], code="123456" if "code" in sys.argv else None)
    with LevitonServer(cloud) as server:
        sys.stdout.write(json.dumps({"api": server.api, "socket": server.socket, "login": cloud.issue_token()}) + "\n")
        sys.stdout.flush()
        for line in sys.stdin:
            with server.lock:
                for name, value in json.loads(line).items():
                    setattr(cloud.faults, name, value)


if __name__ == "__main__":
    main()
