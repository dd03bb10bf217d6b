"""The breakers during setup: which ones report on MQTT, and switching one of them for a test."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from clients.bus_client.request import send_request
from controller.bus.topics import ANY, SiteTopics
from hw.broker_socket import BrokerError
from hw.mqtt import MqttConnection
from rules.drill import NOTICE_S, TEST_LONGEST_S
from rules.panel import CircuitId, Position
from rules.shed import MAX_ATTEMPTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hw.broker_socket import Broker
    from rules.json_types import Json
    from rules.requests import AskKind

RETAINED_S = 5.0
WORDS = {"ON": Position.ON, "OFF": Position.OFF, "TRIPPED": Position.TRIPPED}


class RefusedError(Exception):
    """The running controller will not do it. The text says why."""


async def circuits_on_bus(broker: Broker, site: str) -> frozenset[str]:
    """Return the circuits whose device has reported its position. Raises BrokerError."""
    async with breaker_client(broker, site) as heard:
        return frozenset(heard.positions)


@asynccontextmanager
async def breaker_client(
    broker: Broker,
    site: str,
    circuits: tuple[str, ...] = (ANY,),
    *,
    through_controller: bool = False,
    confirm_s: float = 5.0,
) -> AsyncIterator[BreakerClient]:
    """Be on the bus with the breakers of a house, and know where each said last that it is. Raises BrokerError.

    `circuits`: their ids. Some brokers send no retained message to a subscription with a wildcard.
    """
    link = await MqttConnection.open(broker, f"loadshed-setup-{secrets.token_hex(4)}")
    found = BreakerClient(broker, site, link, circuits, through_controller=through_controller, confirm_s=confirm_s)
    listening = asyncio.create_task(found.listen())
    try:
        await found.remembered()
        yield found
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
        await link.close()


class BreakerClient:
    """Breakers on one connection. Created by `breaker_client`.

    `positions`: the last report of each. `available`: if the device publishes it. `through_controller`: the daemon runs
    and switches on user request; else setup sends the commands.
    """

    def __init__(
        self,
        broker: Broker,
        site: str,
        link: MqttConnection,
        circuits: tuple[str, ...],
        *,
        through_controller: bool = False,
        confirm_s: float = 5.0,
    ) -> None:
        self.positions: dict[CircuitId, Position] = {}
        self.available: dict[CircuitId, bool] = {}
        self._said: dict[CircuitId, Position] = {}
        self._broker, self._site, self._link = broker, site, link
        self._topics = SiteTopics(site)
        self._circuits = circuits
        self._echo = self._topics.answers(secrets.token_hex(8))
        self._through_controller, self._confirm_s = through_controller, confirm_s
        self._news = asyncio.Event()
        self._complete = asyncio.Event()
        self._lost: str | None = None

    async def listen(self) -> None:
        """Hear them until cancelled, or the connection ends."""
        try:
            topics, circuits = self._topics, self._circuits
            reports = *map(topics.breaker_state, circuits), *map(topics.breaker_availability, circuits)
            self._link.subscribe([*reports, self._echo])
            self._link.publish(self._echo, b"", qos=0)
            self._link.flush()
            while True:
                for heard in self._link.read():
                    self._take(heard.topic, heard.payload.decode("utf-8", "replace"), live=not heard.retained)
                await self._link.wait()
        except BrokerError as error:
            self._lost = str(error)
        finally:
            self._complete.set()
            self._news.set()

    async def remembered(self) -> None:
        """Wait until all that the broker remembers has come. Raises BrokerError."""
        with suppress(TimeoutError):  # the access list may forbid the echo
            async with asyncio.timeout(RETAINED_S):
                await self._complete.wait()
        self._check()

    async def switch(self, circuit: CircuitId, wanted: Position) -> float | None:
        """Switch a circuit, and return how many seconds its own report took; None: three commands brought none.

        Raises BrokerError, and RefusedError where the running controller will not.
        """
        began = time.monotonic()
        # Only what is said from now on: what was said before may be undone by a command still under way.
        self._said.pop(circuit, None)
        # The controller tries again by itself.
        tries, within_s = (
            (1, NOTICE_S + MAX_ATTEMPTS * self._confirm_s)
            if self._through_controller
            else (MAX_ATTEMPTS, self._confirm_s)
        )
        for _ in range(tries):
            await self._command(circuit, wanted)
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._reports(circuit, wanted)
                return time.monotonic() - began
        # If it was already in that position, the controller may have sent nothing.
        there = self._through_controller and self.positions.get(circuit) is wanted
        return time.monotonic() - began if there else None

    async def _command(self, circuit: CircuitId, wanted: Position) -> None:
        self._check()
        if not self._through_controller:
            expiry_s = max(1, math.floor(self._confirm_s))
            self._link.publish(self._topics.breaker_command(circuit), wanted.name.encode(), expiry_s=expiry_s)
            self._link.flush()
            return
        if wanted is Position.OFF:
            # A test of the controller's own: it switches the circuit on again, also if setup is killed.
            await self._request("test", {"circuit": circuit, "for_s": TEST_LONGEST_S})
            return
        try:
            await self._request("drill-end", {})
        except RefusedError:  # the test is over: its time was up
            await self._request("on", {"circuit": circuit, "now": True})

    async def _request(self, request: AskKind, fields: dict[str, Json]) -> None:
        done, reason = await send_request(self._broker, self._site, request, {"by": "setup", **fields})
        if not done:
            raise RefusedError(reason)

    async def _reports(self, circuit: CircuitId, wanted: Position) -> None:
        while self._said.get(circuit) is not wanted:
            self._news.clear()
            self._check()
            await self._news.wait()

    def _check(self) -> None:
        if self._lost is not None:
            raise BrokerError(self._lost)

    def _take(self, topic: str, word: str, *, live: bool) -> None:
        if topic == self._echo:
            self._complete.set()
            return
        circuit = CircuitId(self._topics.circuit_of(topic))
        if topic == self._topics.breaker_availability(circuit):
            self.available[circuit] = word != "offline"
        elif word in WORDS:
            self.positions[circuit] = WORDS[word]
            if live:
                self._said[circuit] = WORDS[word]
        self._news.set()
