"""The process of the bridge: broker, cloud and files around the core. It runs until it is canceled."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, assert_never

from clients.leviton import signals as sig
from clients.leviton.bridge import Bridge
from clients.leviton.inventory import bindings
from clients.leviton.login_file import LoginError, StoredLogin, load_login
from clients.leviton.orders import CONNECTIONS
from clients.leviton.push import PushLink
from clients.leviton.rest import TIMEOUT_S, CloudAnswer, CloudClient
from controller.bus.topics import SiteTopics
from controller.config.errors import ConfigErrors
from controller.config.loader import CIRCUITS_FILE, load
from hw.broker_socket import BrokerError
from hw.mqtt import MqttConnection
from hw.mqtt_messages import Will
from rules.panel import CircuitId

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from clients.leviton.settings import LevitonSettings
    from controller.config.loader import Configuration
    from hw.broker_socket import Broker
    from rules.json_types import Json

CLIENT = "leviton"
READERS = 4
"""Requests other than commands on their way at the same time."""
ANSWER_S = TIMEOUT_S + 1.0
"""Time in seconds after which an answer no longer counts: a name that cannot be looked up has no limit of its own."""
RECONNECT_S = 2.0
LOOK_AT_FILES_S = 3.0
AGE_S = 3600.0
_WORDS = {b"ON": True, b"OFF": False}

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _FileStamp:
    """What a file looked like: its time and size; None: it was not there."""

    path: Path
    seen: tuple[int, int] | None = None

    def changed(self) -> bool:
        """Return whether the file looks different from the last time."""
        try:
            status = self.path.stat()
            now: tuple[int, int] | None = (status.st_mtime_ns, status.st_size)
        except OSError:
            now = None
        before, self.seen = self.seen, now
        return now != before


class BridgeProcess:
    """One bridge. `house`: its configuration. `login_path`: where the login is stored."""

    def __init__(
        self, config_dir: Path, house: Configuration, broker: Broker, settings: LevitonSettings, login_path: Path
    ) -> None:
        self._config_dir, self._broker, self._settings = config_dir, broker, settings
        self._login_path = login_path
        self._names = SiteTopics(house.site.id)
        bound = bindings(house.panel)
        self._topics = {self._names.breaker_command(circuit): circuit for circuit in bound}
        self._bridge = Bridge(bound.values(), companion=house.site.companion is not None, jitter=_jitter)
        self._events: asyncio.Queue[sig.BridgeEvent] = asyncio.Queue()
        self._client = CloudClient(settings.cloud.api)
        self._commands = ThreadPoolExecutor(CONNECTIONS, "command")
        self._reads = ThreadPoolExecutor(READERS, "read")
        self._login: StoredLogin | None = None
        self._link: MqttConnection | None = None
        self._push: dict[int, tuple[PushLink, asyncio.Task[None]]] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._circuits_file = _FileStamp(config_dir / CIRCUITS_FILE)
        if not bound:
            _log.warning("circuits.toml has no circuit with a Leviton breaker: run `loadshed leviton import`")

    async def run(self) -> None:
        """Run until canceled. Then publish that the bridge is away."""
        self._circuits_file.changed()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._decide())
                tasks.create_task(self._stay_on_bus())
                tasks.create_task(self._watch_files())
        finally:
            for _, task in self._push.values():
                task.cancel()
            for call in self._calls:
                call.cancel()
            self._commands.shutdown(wait=False, cancel_futures=True)
            self._reads.shutdown(wait=False, cancel_futures=True)

    # --- the core ----------------------------------------------------------------------------------------------------

    async def _decide(self) -> None:
        event: sig.BridgeEvent | None = None
        while True:
            for effect in self._bridge.decide(event, time.monotonic()):
                self._carry_out(effect)
            while not self._events.empty():
                for effect in self._bridge.decide(self._events.get_nowait(), time.monotonic()):
                    self._carry_out(effect)
            if self._link is not None:
                self._link.flush()
            now = time.monotonic()
            wait_s = max(0.0, min(self._bridge.deadline(now) - now, 60.0))
            event = None
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    event = await self._events.get()

    def _carry_out(self, effect: sig.BridgeEffect) -> None:
        match effect:
            case sig.CallCloud():
                self._keep(asyncio.ensure_future(self._call(effect)))
            case sig.OpenPush(link):
                push = PushLink(link, self._settings.cloud.socket, self._events.put_nowait)
                self._push[link] = push, asyncio.ensure_future(push.run())
            case sig.SendLogin(link):
                if link in self._push and self._login is not None:
                    self._push[link][0].send({"token": self._login.answer})
            case sig.SendPush(link, message):
                if link in self._push:
                    self._push[link][0].send(message)
            case sig.ClosePush(link):
                if link in self._push:
                    self._push.pop(link)[1].cancel()
            case sig.WriteLog(text):
                _log.info("%s", text)
            case _:
                self._publish_effect(effect)

    def _publish_effect(self, effect: sig.Publication) -> None:
        names = self._names
        match effect:
            case sig.PublishPosition(circuit, position):
                topic, payload = names.breaker_state(circuit), position.name.encode()
            case sig.PublishAvailability(circuit, online):
                topic, payload = names.breaker_availability(circuit), b"online" if online else b"offline"
            case sig.PublishCircuitDetails(circuit, details):
                topic, payload = names.client_circuit(CLIENT, circuit), _json(details)
            case sig.PublishBridge(report):
                topic, payload = names.client_state(CLIENT), _json(report)
            case _:
                assert_never(effect)
        self._publish(topic, payload)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    def _publish(self, topic: str, payload: bytes) -> None:
        if self._link is not None:
            self._link.publish(topic, payload, retain=True)

    # --- the cloud ---------------------------------------------------------------------------------------------------

    async def _call(self, call: sig.CallCloud) -> None:
        pool = self._commands if call.command else self._reads
        token = self._login.token if self._login is not None else None
        loop = asyncio.get_running_loop()
        answer = CloudAnswer(0, reason="no answer in time")
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                answer = await loop.run_in_executor(pool, self._client.call, call.method, call.path, call.body, token)
        self._events.put_nowait(
            sig.CloudAnswered(call.number, answer.status, answer.content, answer.retry_after_s, answer.reason)
        )

    # --- the bus -----------------------------------------------------------------------------------------------------

    async def _stay_on_bus(self) -> None:
        failure = ""
        while True:
            try:
                await self._one_connection()
            except BrokerError as error:
                if str(error) != failure:
                    failure = str(error)
                    _log.warning("not connected to the broker: %s", failure)
            await asyncio.sleep(RECONNECT_S)

    async def _one_connection(self) -> None:
        will = Will(self._names.client_state(CLIENT), _json({"state": "offline"}))
        link = await MqttConnection.open(self._broker, f"loadshed-{CLIENT}-{self._names.site}", will=will)
        self._link = link
        try:
            link.subscribe([*self._topics, self._names.state])
            self._events.put_nowait(sig.BusJoined())
            _log.info("connected to the broker, %d circuits", len(self._topics))
            while True:
                for message in link.read():
                    self._heard(message.topic, message.payload, retained=message.retained)
                await link.wait()
        except asyncio.CancelledError:
            self._publish(self._names.client_state(CLIENT), _json({"state": "offline"}))
            await link.close()
            raise
        finally:
            self._link = None
            link.abort()

    def _heard(self, topic: str, payload: bytes, *, retained: bool) -> None:
        if topic == self._names.state:
            with suppress(ValueError, AttributeError, RecursionError):
                state = json.loads(payload).get("state")
                self._events.put_nowait(sig.HouseReported(state if isinstance(state, str) else None))
        elif (circuit := self._topics.get(topic)) is not None and not retained:
            if (on := _WORDS.get(payload)) is not None:
                self._events.put_nowait(sig.CircuitCommanded(CircuitId(circuit), on))
            elif payload:
                _log.warning("%s: a command must be ON or OFF", circuit)

    # --- files -------------------------------------------------------------------------------------------------------

    async def _watch_files(self) -> None:
        login_file = _FileStamp(self._login_path, seen=(0, -1))
        aged_at = time.monotonic()
        while True:
            if login_file.changed():
                self._read_login()
                aged_at = time.monotonic()
            elif time.monotonic() - aged_at >= AGE_S:
                aged_at = time.monotonic()
                left_s = self._login.expires_in_s(datetime.now(UTC)) if self._login is not None else None
                self._events.put_nowait(sig.LoginAged(left_s))
            if self._circuits_file.changed():
                self._read_circuits()
            await asyncio.sleep(LOOK_AT_FILES_S)

    def _read_login(self) -> None:
        try:
            self._login = load_login(self._login_path)
        except LoginError as error:
            self._login = None
            _log.warning("%s", error)
        if self._login is None:
            self._events.put_nowait(sig.LoginChanged(None))
        else:
            left_s = self._login.expires_in_s(datetime.now(UTC))
            self._events.put_nowait(sig.LoginChanged(self._login.user, left_s))

    def _read_circuits(self) -> None:
        house = load(self._config_dir)
        if isinstance(house, ConfigErrors):
            _log.warning("circuits.toml has errors; the circuits before are served: %s", house.sentences[0])
            return
        bound = bindings(house.panel)
        before, self._topics = self._topics, {self._names.breaker_command(circuit): circuit for circuit in bound}
        self._bridge.set_bindings(bound.values(), time.monotonic())
        if self._link is not None:
            self._link.subscribe([topic for topic in self._topics if topic not in before])
            self._link.unsubscribe([topic for topic in before if topic not in self._topics])
        _log.info("circuits.toml was read again, %d circuits", len(bound))


def _json(fields: Mapping[str, Json]) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode()


def _jitter() -> float:
    return random.uniform(0.8, 1.2)  # noqa: S311  # spreads retries
