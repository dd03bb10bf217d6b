"""Exit codes of the commands. Scripts and units rely on them."""

from __future__ import annotations

DONE = 0
NOT_DONE = 1
"""The command could not be carried out. The reason is on stderr."""
WRONG_USE = 2
"""The command line is wrong. argparse exits with this code."""
NOT_READY = 3
"""`ready` assessed the house and the score is below 60."""
WRONG_CONFIGURATION = 78
"""installer.toml or circuits.toml has errors (EX_CONFIG of sysexits.h)."""
INTERRUPTED = 130
"""The user pressed Ctrl-C (128 + SIGINT)."""

HELP = """exit codes:
    0  done
    1  not done; the reason is on stderr
    2  wrong command or option
    3  `ready` only: the house is not ready
   78  wrong configuration
  130  interrupted with Ctrl-C"""
