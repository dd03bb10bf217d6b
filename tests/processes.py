"""Child processes of the tests and benches: default signal dispositions, and a time limit for each wait."""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

LIMIT_S = 60.0
"""Time limit of a wait for another process, in seconds; on a loaded machine a start takes some seconds."""


def use_default_signals_in_children() -> None:
    """Have every process started from here on begin with default signal dispositions and an empty signal mask.

    A process inherits ignored and blocked signals: `nohup` ignores SIGHUP, and a script's `command &` ignores SIGINT.
    Programs under test would then never see the Ctrl-C that a test sends. A handler, unlike an ignored signal, is reset
    by exec. This process goes on ignoring the signal.
    """
    for which in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
        if signal.getsignal(which) is signal.SIG_IGN:
            signal.signal(which, _ignore)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _ignore(*_: object) -> None:
    """Ignore a signal by a handler, which exec resets to the default."""


@contextmanager
def killed_after(process: subprocess.Popen[str] | subprocess.Popen[bytes], limit_s: float = LIMIT_S) -> Iterator[None]:
    """Kill the process after a time, so that a blocking read of its output comes to an end.

    Raises TimeoutError at the end of the block if the process was killed.
    """
    killed = threading.Event()

    def kill() -> None:
        killed.set()
        process.kill()

    timer = threading.Timer(limit_s, kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception as error:
        if killed.is_set():
            raise TimeoutError(f"killed after {limit_s:g} s: {process.args!r}") from error
        raise
    finally:
        timer.cancel()
    if killed.is_set():
        raise TimeoutError(f"killed after {limit_s:g} s: {process.args!r}")


async def output(process: asyncio.subprocess.Process, limit_s: float = LIMIT_S) -> bytes:
    """Return what a process writes to its stdout until it ends. Raises TimeoutError, and kills it, after a time."""
    try:
        async with asyncio.timeout(limit_s):
            return (await process.communicate())[0]
    finally:
        with suppress(ProcessLookupError):
            process.kill()
