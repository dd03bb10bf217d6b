"""The `loadshed` command: one file per command, and one dispatcher."""

from clients.cli.dispatcher import main

__all__ = ["main"]
