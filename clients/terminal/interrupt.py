"""Ctrl-C for commands that the user ends with it."""

from __future__ import annotations

import signal


def accept_ctrl_c() -> None:
    """Let Ctrl-C raise KeyboardInterrupt, also if this program was started with SIGINT ignored.

    A script's `command &` and some supervisors ignore SIGINT, and a process inherits that. Python then installs no
    handler, and a drill that holds circuits off could not be ended from its terminal.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
