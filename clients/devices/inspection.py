"""Inspection of devices: position, availability, power, power-on behavior and watchdogs. It switches nothing.

Only questions are published. An answer that does not come is unknown. Reports are read through the same profiles as in
the controller.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from clients.devices.found import Inspection, WatchdogFinding
from controller.bus.device_topics import DeviceTopics
from controller.bus.profiles import json_path
from controller.bus.profiles.registry import FamilySettings
from controller.bus.profiles.schema import OutgoingMessage, fill
from controller.core.effects import QueryDevice
from controller.core.events import AvailabilityReported, BreakerReported, DeviceAlive, PowerReported
from rules.device import Evidence
from rules.panel import CircuitId, Position

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clients.devices.bus import DeviceBus
    from clients.devices.found import Candidate, PowerOnWord, ZigbeeExposes
    from controller.bus.messages import IncomingMessage
    from controller.bus.profiles.registry import DeviceCatalog
    from controller.bus.profiles.schema import Profile, Setting, Watchdog

STORED_S = 1.0
"""Time in seconds for the broker's stored messages."""

BETWEEN_QUESTIONS_S = 0.1
"""Interval in seconds between two questions: a radio network handles a few at a time."""

ANSWER_S = 3.0
SECOND_QUESTION_S = 1.2
"""Time in seconds between two questions to a gateway that may repeat what it remembers: both answers must agree."""


def profile_of_device(catalog: DeviceCatalog, address: str, site: str, number: int) -> Profile:
    """Return the profile of a device for an inspection. Its replies do not come on a topic of a circuit.

    Raises AddressError.
    """
    return fill(catalog.profile(address), {"site": site, "circuit": f"inspection-{number}"})


def with_exposes(profile: Profile, exposes: ZigbeeExposes | None) -> Profile:
    """Return the profile of a Zigbee2MQTT device as far as the device has what the profile reads."""
    if exposes is None:
        return profile
    setting = profile.power_on
    if setting is not None and exposes.power_on_key is None:
        setting = None
    elif setting is not None and exposes.power_on_key is not None:
        setting = _renamed(setting, setting.path, exposes.power_on_key)
        setting = setting if exposes.power_on_readable else setting._replace(read=None)
    evidence = {"evidence": Evidence.DEVICE, "settle_s": 0.0} if exposes.reports_itself else {}
    return profile._replace(
        query=profile.query if exposes.readable else None,
        power_on=setting,
        power_query=profile.power_query if "power" in exposes.properties else None,
        watchdogs=tuple(one for one in profile.watchdogs if one.path in exposes.properties),
        **evidence,  # type: ignore[arg-type]  # two fields of the profile
    )


def _renamed(setting: Setting, old: str, new: str) -> Setting:
    """Return a setting of Zigbee2MQTT under another property. Words of older properties are added."""

    def renamed(message: OutgoingMessage | None) -> OutgoingMessage | None:
        return None if message is None else message._replace(payload=message.payload.replace(f'"{old}"', f'"{new}"'))

    if new == old:
        return setting
    words = {"power_outage_memory": ("off", "restore"), "relay_power_on_state": ("Off", "Restore")}
    off, as_was = next((pair for name, pair in words.items() if new.startswith(name)), ("off", "previous"))

    def value(message: OutgoingMessage | None, before: str, after: str) -> OutgoingMessage | None:
        found = renamed(message)
        return None if found is None else found._replace(payload=found.payload.replace(f':"{before}"', f':"{after}"'))

    return setting._replace(
        read=renamed(setting.read),
        path=new,
        off=(off,),
        as_was=(as_was,),
        on=("on", "On"),
        set_off=value(setting.set_off, "off", off),
        set_as_was=value(setting.set_as_was, "previous", as_was),
    )


def profile_of_candidate(catalog: DeviceCatalog, candidate: Candidate, site: str, number: int) -> Profile:
    """Return the profile of a found device. Raises AddressError."""
    if candidate.settings:
        old = catalog.families.get(candidate.family)
        changed = FamilySettings(values={**(old.values if old is not None else {}), **candidate.settings})
        catalog = replace(catalog, families={**catalog.families, candidate.family: changed})
    return with_exposes(profile_of_device(catalog, candidate.address, site, number), candidate.exposes)


async def inspect(bus: DeviceBus, profiles: Mapping[str, Profile], *, settings: bool = True) -> dict[str, Inspection]:
    """Return what each device reports. Raises BrokerError.

    `profiles`: by any name, such as the address. `settings`: also read power-on behavior and watchdogs. It takes about
    5 s, and 0.1 s more for each question.
    """
    look = _Look(profiles)
    bus.subscribe(look.topics(settings=settings))
    await bus.hear(STORED_S, look.note)
    await look.ask_all(bus, settings=settings)
    await bus.hear(SECOND_QUESTION_S, look.note)
    await look.ask_again(bus)
    await bus.hear(ANSWER_S, look.note, look.complete)
    return {name: look.result(name, settings=settings) for name in profiles}


@dataclass(slots=True)
class _Seen:
    """What arrived of one device. Lists of positions: after each question. `values`: of settings, by topic and path."""

    position: Position = Position.UNKNOWN
    live: bool = False
    alive: bool = False
    asked_at: list[float] = field(default_factory=list)
    answers: list[tuple[float, Position, float | None]] = field(default_factory=list)
    sources: dict[int, bool] = field(default_factory=dict)
    gateway_off: bool = False
    power_w: float | None = None
    values: dict[tuple[str, str], object] = field(default_factory=dict)


class _Look:
    """One look at some devices."""

    def __init__(self, profiles: Mapping[str, Profile]) -> None:
        self._profiles = {CircuitId(name): profile for name, profile in profiles.items()}
        self._topics = DeviceTopics(self._profiles)
        self._seen = {name: _Seen() for name in self._profiles}
        self._places: dict[str, list[tuple[CircuitId, str]]] = defaultdict(list)
        for name, profile in self._profiles.items():
            for one in _settings(profile):
                self._places[one.topic].append((name, one.path))

    def topics(self, *, settings: bool) -> tuple[str, ...]:
        more = self._places if settings else ()
        return (*self._topics.subscriptions(self._profiles), *more)

    async def ask_all(self, bus: DeviceBus, *, settings: bool) -> None:
        """Ask each device for its position, its power and its settings."""
        for name, profile in self._profiles.items():
            questions = [self._question(name), profile.power_query]
            if settings:
                questions += [one.read for one in _settings(profile)]
            self._seen[name].asked_at.append(time.monotonic())
            for question in dict.fromkeys(one for one in questions if one is not None):
                bus.ask(question)
                await bus.hear(BETWEEN_QUESTIONS_S, self.note)

    async def ask_again(self, bus: DeviceBus) -> None:
        """Ask those again whose answers may repeat what a gateway remembers."""
        for name, profile in self._profiles.items():
            question = self._question(name)
            if question is not None and profile.evidence is not Evidence.DEVICE:
                self._seen[name].asked_at.append(time.monotonic())
                bus.ask(question)
                await bus.hear(BETWEEN_QUESTIONS_S, self.note)

    def _question(self, name: CircuitId) -> OutgoingMessage | None:
        found = self._topics.query(QueryDevice(name))
        return None if found is None else OutgoingMessage(found.topic, found.payload.decode())

    def note(self, message: IncomingMessage) -> None:
        """Note what a message says of any device."""
        if self._topics.reads(message.topic):
            for event in self._topics.events(message)[0]:
                self._note_event(event)
        places = self._places.get(message.topic)
        if places and message.payload:
            content = json_path.parse(message.payload)
            for name, path in places:
                value = json_path.look_up(content, json_path.steps(path)) if path else content
                if value is not None:
                    self._seen[name].values[(message.topic, path)] = value

    def _note_event(self, event: object) -> None:
        match event:
            case BreakerReported():
                seen = self._seen[event.circuit]
                if not event.retained or not seen.live:
                    seen.position, seen.live = event.position, not event.retained
                if not event.retained:
                    seen.answers.append((event.at, event.position, event.stamped_at))
            case AvailabilityReported():
                self._seen[event.circuit].sources[event.source] = event.online
                self._seen[event.circuit].alive |= event.online and not event.retained
                if event.gateway:
                    self._seen[event.circuit].gateway_off = not event.online
            case DeviceAlive():
                self._seen[event.circuit].alive = True
            case PowerReported() if event.watts is not None and (event.honest or event.watts > 0):
                self._seen[event.circuit].power_w = event.watts

    def complete(self) -> bool:
        """Return whether every device has answered what it was asked for."""
        return all(self._has_answered(name) for name in self._profiles)

    def _has_answered(self, name: CircuitId) -> bool:
        seen, profile = self._seen[name], self._profiles[name]
        if any((one.topic, one.path) not in seen.values for one in _settings(profile)):
            return False
        return seen.live if profile.evidence is Evidence.DEVICE else self._is_proven(name)

    def _is_proven(self, name: CircuitId) -> bool:
        """Return whether the last position is the device's own and present."""
        seen, profile = self._seen[name], self._profiles[name]
        if profile.evidence is Evidence.DEVICE:
            return seen.live or (profile.resubscribe and seen.alive and seen.position is not Position.UNKNOWN)
        if not seen.asked_at or not seen.answers or profile.query is None:
            return False
        stamp = seen.answers[-1][2]
        if stamp is not None:
            return stamp >= seen.asked_at[0]
        intervals = zip(seen.asked_at, [*seen.asked_at[1:], float("inf")], strict=True)
        groups = [{where for at, where, _ in seen.answers if begin <= at < end} for begin, end in intervals]
        return len(groups) > 1 and all(group == {seen.position} for group in groups)

    def result(self, name: str, *, settings: bool) -> Inspection:
        """Return what is known of a device at the end."""
        circuit = CircuitId(name)
        seen, profile = self._seen[circuit], self._profiles[circuit]
        word, value = self._power_on(seen, profile.power_on)
        return Inspection(
            position=seen.position,
            live=self._is_proven(circuit),
            available=_available(seen, len(profile.available)),
            power_w=seen.power_w,
            power_on=word,
            power_on_value=value,
            can_read_power_on=profile.power_on is not None and profile.power_on.read is not None,
            watchdogs=tuple(_finding(seen, one) for one in profile.watchdogs) if settings else (),
        )

    @staticmethod
    def _power_on(seen: _Seen, setting: Setting | None) -> tuple[PowerOnWord | None, str]:
        if setting is None or (value := seen.values.get((setting.topic, setting.path))) is None:
            return None, ""
        known: tuple[tuple[PowerOnWord, tuple[object, ...]], ...] = (
            ("off", setting.off),
            ("as-was", setting.as_was),
            ("on", setting.on),
        )
        found = next((word for word, values in known if any(_same(value, one) for one in values)), "other")
        return found, str(value)[:32]  # type: ignore[return-value]  # one of the words above


def _same(value: object, known: object) -> bool:
    return isinstance(known, str | bool | int | float) and json_path.same(value, known)


def _settings(profile: Profile) -> Iterable[Setting | Watchdog]:
    return (*((profile.power_on,) if profile.power_on is not None else ()), *profile.watchdogs)


def _available(seen: _Seen, sources: int) -> bool | None:
    """Return whether a device is available: offline if any source says so; None: a source is missing."""
    if seen.gateway_off or not (all(seen.sources.values()) or seen.live):
        return False
    return True if seen.live or (sources and len(seen.sources) == sources) else None


def _finding(seen: _Seen, watchdog: Watchdog) -> WatchdogFinding:
    value = seen.values.get((watchdog.topic, watchdog.path))
    harmless = value is not None and any(json_path.same(value, one) for one in watchdog.harmless)
    return WatchdogFinding(watchdog.what, None if value is None else str(value)[:32], harmless)
