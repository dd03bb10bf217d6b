"""The broker of the demo, on loopback: amqtt in this process, or a separate Mosquitto if amqtt is missing.

amqtt is sufficient for a demo, not for a house: it supports MQTT 3.1.1 only, leaks retained messages between clients,
and never publishes the last will of a client whose connection was cut. An installed house uses Mosquitto.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hw.broker_socket import Broker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

HOST = "127.0.0.1"
READY_S = 10.0


def broker_program() -> str | None:
    """Return the path of Mosquitto; None if it is not installed. Debian keeps it outside a regular user's PATH."""
    return shutil.which("mosquitto", path=os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin")))


def can_run() -> bool:
    """Return whether a broker can be run."""
    return find_spec("amqtt") is not None or broker_program() is not None


class _Snapshots(dict[str, Any]):
    """A dictionary that may change while it is iterated over."""

    def __iter__(self) -> Iterator[str]:
        return iter([*super().__iter__()])

    def items(self) -> Any:  # noqa: ANN401  # a view, to all callers
        return [(key, self[key]) for key in self]


@asynccontextmanager
async def demo_broker() -> AsyncIterator[Broker]:
    """Run one of the two brokers on a free port of loopback, and yield its address."""
    async with embedded_broker() if find_spec("amqtt") is not None else own_mosquitto() as broker:
        yield broker


@asynccontextmanager
async def embedded_broker() -> AsyncIterator[Broker]:
    """Run amqtt on a free port of loopback, and yield its address."""
    # It takes hundreds of milliseconds to import: only a demo pays for it.
    from amqtt.broker import Broker as Amqtt  # noqa: PLC0415

    port = _free_port()
    broker = Amqtt(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    # It iterates over its subscriptions while other clients subscribe.
    broker._subscriptions = _Snapshots()  # noqa: SLF001  # it has no other way
    await broker.start()
    try:
        yield Broker(host=HOST, port=port, version="3.1.1")
    finally:
        await broker.shutdown()
        await asyncio.sleep(0)  # it leaves its transports to close in the loop's next turn


@asynccontextmanager
async def own_mosquitto() -> AsyncIterator[Broker]:
    """Run a Mosquitto on a free port of loopback, beside the house's own, and yield its address."""
    program, port = broker_program(), _free_port()
    if program is None:
        raise FileNotFoundError("mosquitto")
    with tempfile.TemporaryDirectory(prefix="loadshed-broker-") as folder:
        # Started by root it would change to another user, who may not read this file.
        text = f"user {getpass.getuser()}\nlistener {port} {HOST}\nallow_anonymous true\nlog_type none\n"
        (configuration := Path(folder) / "mosquitto.conf").write_text(text, encoding="ascii")
        # It takes a moment, and nothing moves yet.
        with subprocess.Popen([program, "-c", configuration], stderr=subprocess.DEVNULL) as process:  # noqa: ASYNC220, S603
            try:
                await _listens(port)
                yield Broker(host=HOST, port=port, version="3.1.1")
            finally:
                process.terminate()


async def _listens(port: int) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + READY_S * 1000  # the demo's clock runs faster than the broker
    while loop.time() < until:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection((HOST, port)):
            return
        await asyncio.sleep(0.01)
    raise TimeoutError(f"Mosquitto does not listen on port {port}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
