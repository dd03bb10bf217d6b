"""Run the daemon: `python -m controller --config DIR --state DIR`. `loadshed run` calls the same function."""

from __future__ import annotations

import argparse
import gc
import logging
import signal
import sys
from pathlib import Path


def run_daemon(config_dir: Path, state_dir: Path) -> int:
    """Run the daemon in the foreground, with its log on stderr; return its exit code (`controller.daemon.run`)."""
    # Imported modules stay in memory: garbage collection over them takes 4 % of the start. The daemon enables it again
    # after the first shed.
    gc.disable()
    # Until the event loop handles it: a program that is stopped while it starts has done nothing, and exits with 0.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    from controller.daemon import run  # after the two steps above: these imports are the cold start
    from controller.runtime.privileges import drop_privileges  # the same

    # No time and no unit name: the journal adds both.
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("transitions").setLevel(logging.WARNING)  # it logs every callback
    if (owner := drop_privileges(state_dir)) is not None:
        logging.getLogger("loadshed").info("running as user %s, the owner of %s", owner, state_dir)
    return run(config_dir.absolute(), state_dir.absolute())


def main() -> int:
    """Read the command line and run the daemon."""
    parser = argparse.ArgumentParser(prog="python -m controller", description="Run the loadshed daemon.")
    parser.add_argument("--config", metavar="DIR", type=Path, required=True, help="folder of the two TOML files")
    parser.add_argument("--state", metavar="DIR", type=Path, required=True, help="folder of the databases")
    arguments = parser.parse_args()
    return run_daemon(arguments.config, arguments.state)


if __name__ == "__main__":
    sys.exit(main())
