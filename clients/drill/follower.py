"""Client of a live drill: requests it, and follows it on the bus until restoring is complete."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from clients.bus_client.request import send_request
from clients.bus_client.status import remembered
from clients.drill import messages
from clients.drill.progress import utc_s
from clients.drill.result import SETTLE_S
from clients.setup.breaker_client import RefusedError
from controller.bus import topics
from controller.bus.topics import SiteTopics
from hw.broker_socket import BrokerError
from hw.mqtt import MqttConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from clients.bus_client.site import Site
    from clients.drill.demand_readings import DemandReadings
    from clients.drill.progress import DrillProgress
    from rules.json_types import Json
    from rules.requests import AskKind

LOOK_S = 0.2
AGAIN_S = 1.0

BEGINS_S = 15.0
"""Time in seconds after the controller's acceptance in which a drill begins, or never will."""

METER_S = 20.0
"""Time in seconds after the last circuit is restored in which the meter may still report its load.

An edge at 1 kW takes 18 s.
"""

CLOCK_SET_S = 30.0

GONE_S = 600.0
"""Time in seconds without the controller after which following ends."""

QUIET_S = 20.0
"""Time in seconds without a line after which the user is shown what is being waited for."""


class ClockAlignment:
    """Converts times of the controller's clock to the listener's clock, so that late messages keep their times."""

    def __init__(self) -> None:
        self._ahead_s: float | None = None

    def at(self, fields: Mapping[str, Json], now: float) -> float:
        """Return the time of a message, in seconds of our clock.

        `now`: when it arrived. A message without a time counts as now.
        """
        sent_s = utc_s(fields)
        if sent_s is None:
            return now
        ahead_s = now - sent_s
        # The smallest offset seen is nearest to no delay; a much larger one is a clock that was set.
        if self._ahead_s is None or not 0 <= ahead_s - self._ahead_s < CLOCK_SET_S:
            self._ahead_s = ahead_s
        return sent_s + self._ahead_s


class Follower:
    """Follows one drill. `say`: called with each line for the user. `by`: name of the user."""

    def __init__(
        self, site: Site, course: DrillProgress, readings: DemandReadings, by: str, say: Callable[[str], object]
    ) -> None:
        self._site = site
        self._topics = SiteTopics(site.id)
        self._course = course
        self._readings = readings
        self._by = by
        self._write = say
        self._clock = ClockAlignment()
        self._answer: asyncio.Task[tuple[bool, str]] | None = None
        self._ending: asyncio.Task[tuple[bool, str]] | None = None
        self._agreed_at: float | None = None
        self._asked_to_end = 0
        self._here_at = time.monotonic()
        self._here = False
        self._connected = False
        self._shown_at = time.monotonic()
        self._meter_awaited = False

    @property
    def abandoned(self) -> bool:
        """Return whether the user stopped following before the end."""
        return self._asked_to_end > 1

    def end(self) -> None:
        """End the drill, and follow the restoring; the second call ends the following."""
        self._asked_to_end += 1
        if self._answer is None:
            return  # nothing has been requested yet, and nothing will be
        if self.abandoned:
            self._say(messages.LEFT)
        elif self._ending is None and not self._course.done:
            self._say(messages.ENDING)
            self._ending = asyncio.create_task(self._ask("drill-end", {"by": self._by}))

    async def run(self, for_s: float, note: str, *, restore_all: bool) -> None:
        """Request the drill. Return when it has ended and the meter has reported, or when neither can be known.

        `restore_all`: at its end, circuits that otherwise wait for a user are restored, too.

        Raises RefusedError, and BrokerError if the controller cannot be reached at first.
        """
        link = await self._connect()
        link = await self._measured(link)
        if self._asked_to_end:
            await link.close()
            raise RefusedError(messages.INTERRUPTED)
        fields: dict[str, Json] = {"by": self._by, "for_s": for_s, **({"note": note} if note else {})}
        fields |= {"restore_all": True} if restore_all else {}
        self._answer = asyncio.create_task(self._ask("drill", fields))
        try:
            while not self._enough():
                link = await self._heard(link)
                self._explain_silence()
        finally:
            self._answer.cancel()
            await link.close()
            if self._ending is not None and not self.abandoned:
                await self._ending

    async def _measured(self, link: MqttConnection) -> MqttConnection:
        """Listen until the meter has reported the present demand, if it can do so soon."""
        since = time.monotonic()
        if self._readings.by_pulses:
            self._say(messages.listening(METER_S))
        while self._readings.by_pulses and not self._asked_to_end and time.monotonic() - since < METER_S:
            if self._readings.steady(since - LOOK_S, time.monotonic()) is not None:
                break
            link = await self._heard(link)
        return link

    def _say(self, text: str) -> None:
        self._shown_at = time.monotonic()
        self._write(text)

    def _explain_silence(self) -> None:
        """Show what the drill waits for if nothing was shown for QUIET_S."""
        now = time.monotonic()
        if now - self._shown_at >= QUIET_S and self._connected and self._here and not self._course.done:
            self._say(self._course.waiting_for(now))

    # --- the bus -----------------------------------------------------------------------------------------------------

    async def _connect(self) -> MqttConnection:
        link = await MqttConnection.open(self._site.broker, f"loadshed-drill-{secrets.token_hex(4)}")
        try:
            await remembered(link, self._site.id, self._take, self._filters(), take_live=self._take_power)
        except BrokerError:
            link.abort()
            raise
        self._connected = True
        return link

    def _filters(self) -> Iterable[str]:
        return (*self._topics.status_filters(), self._topics.events)

    async def _heard(self, link: MqttConnection) -> MqttConnection:
        """Process messages for a moment. Return the connection to use next: another one if it had ended."""
        try:
            if not self._connected:
                link = await self._connect()
                self._say(messages.BROKER_BACK)
            for heard in link.read():
                self._take(self._topics.name_of(heard.topic), heard.payload)
                if not heard.retained:
                    self._take_power(self._topics.name_of(heard.topic), heard.payload)
            await link.wait(LOOK_S)
        except BrokerError as error:
            if self._connected:
                self._say(messages.broker_lost(str(error)))
            self._connected = self._here = False
            self._course.away()
            await asyncio.sleep(AGAIN_S)
        return link

    def _take(self, name: str, payload: bytes) -> None:
        now = time.monotonic()
        if name == topics.AVAILABILITY:
            word = payload.decode("utf-8", "replace")
            self._here = word == "online"
            self._tell(self._course.availability(word))
            return
        with suppress(ValueError, RecursionError):
            fields = json.loads(payload)
            if not isinstance(fields, dict):
                return
            if name == topics.DEMAND:
                self._readings.take(fields, self._clock.at(fields, now))
            elif name == topics.EVENTS:
                self._agreed(fields)
                self._tell(self._course.event(fields, self._clock.at(fields, now)))
            elif name == topics.STATE:
                self._tell(self._course.state(fields, now))
            elif name.startswith(f"{topics.CIRCUITS}/"):
                self._course.circuit(name.removeprefix(f"{topics.CIRCUITS}/"), fields)

    def _take_power(self, name: str, payload: bytes) -> None:
        """Process the power of a circuit in a message that is published now: the age in a retained one is not known."""
        circuit = name.removeprefix(f"{topics.CIRCUITS}/")
        if circuit == name:
            return
        with suppress(ValueError, RecursionError):
            fields = json.loads(payload)
            if isinstance(fields, dict):
                self._course.measured(circuit, fields, time.monotonic())

    def _tell(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._say(line)

    # --- the user's two requests --------------------------------------------------------------------------------------

    async def _ask(self, request: AskKind, fields: dict[str, Json]) -> tuple[bool, str]:
        return await send_request(self._site.broker, self._site.id, request, fields)

    def _agreed(self, fields: dict[str, Json]) -> None:
        """Read the result of the request from the logged event: MQTT 3.1.1 has no reply."""
        if fields.get("event") == "request_received" and fields.get("request") == "drill" and self._agreed_at is None:
            if fields.get("ok") is not True:
                raise RefusedError(str(fields.get("reason")))
            self._agreed_at = time.monotonic()
            self._say(messages.accepted(str(fields.get("reason"))))

    def _answered(self) -> None:
        """Process the replies that have arrived."""
        carried = self._site.broker.version == "5"
        if self._answer is not None and self._answer.done() and self._agreed_at is None and carried:
            done, reason = self._answer.result()
            if not done:
                raise RefusedError(reason)
            self._agreed_at = time.monotonic()
            self._say(messages.accepted(reason))
        if self._ending is not None and self._ending.done():
            done, reason = self._ending.result()
            self._ending = None
            if not done and not self._course.done and self._site.broker.version == "5":
                self._say(messages.end_refused(reason))

    # --- the end -----------------------------------------------------------------------------------------------------

    def _enough(self) -> bool:
        """Return whether no more messages are needed."""
        self._answered()
        now, course = time.monotonic(), self._course
        if self._here:
            self._here_at = now
        if self.abandoned or course.dropped or course.taken_over:
            return True
        if course.ended_at is not None:
            return self._meter_has_reported(course.ended_at, now)
        if now - self._here_at > GONE_S:
            self._say(messages.controller_gone(GONE_S))
            return True
        if course.id is None and self._here and now - (self._agreed_at or now) > BEGINS_S:
            course.dropped = messages.no_start_reported(BEGINS_S)
        return False

    def _meter_has_reported(self, ended_at: float, now: float) -> bool:
        last_on_at = self._course.last_on_at
        if last_on_at is None or not self._readings.by_pulses or now > ended_at + METER_S:
            return True
        if self._readings.steady(last_on_at + SETTLE_S, now) is not None:
            return True
        if not self._meter_awaited:
            self._meter_awaited = True
            self._say(messages.waiting_for_meter(METER_S))
        return False
