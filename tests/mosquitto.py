"""A real Mosquitto on loopback, on a free port, in a process of its own: started, frozen, killed and started again."""

from __future__ import annotations

import getpass
import signal
import socket
import subprocess
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Self

from hw.broker_socket import Broker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = "127.0.0.1"
READY_S = 10.0


class Mosquitto:
    """One broker. `folder`: for its configuration. `lines`: more of it (listener options stand after the listener).

    Its port is its own, up or down, until it is closed: other tests may run at once, and are given other ones.
    """

    def __init__(self, folder: Path, *lines: str) -> None:
        self._held = ExitStack()
        self.port = self._held.enter_context(held_port())
        self._config = folder / "mosquitto.conf"
        text = [
            # Started by root it would change to another user, who may not read our files.
            f"user {getpass.getuser()}",
            f"listener {self.port} {HOST}",
            "allow_anonymous true",
            "log_type all",
            "log_dest stderr",
            *lines,
        ]
        self._config.write_text("\n".join(text) + "\n", encoding="utf-8")
        self._process: subprocess.Popen[str] | None = None
        self._drain: threading.Thread | None = None
        self._running = threading.Event()
        self._reloading = threading.Event()
        self.log: list[str] = []

    @property
    def broker(self) -> Broker:
        return Broker(host=HOST, port=self.port)

    def start(self) -> None:
        """Return when it accepts connections."""
        self._running.clear()
        self._process = subprocess.Popen(
            ["mosquitto", "-c", str(self._config)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        self._drain = threading.Thread(target=self._read_log, args=(self._process,), daemon=True)
        self._drain.start()
        if not self._running.wait(READY_S) or self._process.poll() is not None:
            self.kill()
            message = "Mosquitto did not start:\n" + "\n".join(self.log)
            raise RuntimeError(message)

    def stop(self) -> None:
        """End it as systemd would."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """End it for good."""
        self.kill()
        self._held.close()

    def reload(self) -> None:
        """Have it read its lists again; it does so before it takes another connection."""
        self._reloading.clear()
        self._signal(signal.SIGHUP)
        if not self._reloading.wait(READY_S):
            raise RuntimeError("Mosquitto did not reload:\n" + "\n".join(self.log))

    def freeze(self) -> None:
        """Let it hang: the kernel still takes connections and bytes for it."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _end(self, how: signal.Signals) -> None:
        if self._process is None or self._drain is None:
            return
        self._signal(how)
        self._process.wait(READY_S)
        self._drain.join(READY_S)
        if self._process.stderr is not None:
            self._process.stderr.close()
        self._process = None

    def _signal(self, which: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(which)

    def _read_log(self, process: subprocess.Popen[str]) -> None:
        if process.stderr is None:
            return
        for line in process.stderr:
            self.log.append(line.rstrip())
            if "Reloading config" in line:
                self._reloading.set()
            if " running" in line:
                self._running.set()
        self._running.set()  # it has ended: stop waiting


@contextmanager
def held_port() -> Iterator[int]:
    """Yield a reserved port of loopback without a listener."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((HOST, 0))
        yield int(held.getsockname()[1])


def free_port() -> int:
    """Return a port of loopback without a listener."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
