"""Search of the broker for devices, by the topics on which each family describes itself."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from paho.mqtt.client import topic_matches_sub

from clients.devices.found import Candidate, ZigbeeExposes
from controller.bus.profiles.family import Address, AddressError
from controller.bus.profiles.registry import family
from controller.bus.profiles.schema import OutgoingMessage
from controller.bus.topics import SiteTopics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from clients.devices.bus import DeviceBus
    from controller.bus.messages import IncomingMessage
    from controller.bus.profiles.registry import DeviceCatalog

LISTEN_S = 3.0
"""Time in seconds for stored descriptions, and for the first answers."""

ANSWER_S = 2.0
MOST_DEVICES = 300
GET, SET = 4, 2
"""Bits of `access` in Zigbee2MQTT's descriptions."""

_POWER_ON_KEYS = ("power_on_behavior", "power_outage_memory", "relay_power_on_state")


@dataclass(slots=True)
class Discovery:
    """What a search found. `notes`: what the reader must know about the search, in sentences."""

    candidates: list[Candidate] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


async def discover(bus: DeviceBus, catalog: DeviceCatalog, site: str, shellies: Iterable[str] = ()) -> Discovery:
    """Return the devices that the broker knows. It takes some seconds. Raises BrokerError.

    `shellies`: topic prefixes of known Shelly devices: these do not describe themselves, but answer questions.
    """
    search = _Search(catalog, f"{SiteTopics(site).base}replies/devices")
    search.shellies |= set(shellies)
    bus.subscribe(search.topics())
    bus.ask(OutgoingMessage("esphome/discover"))
    await bus.hear(LISTEN_S, search.note)
    if search.shellies:
        for prefix in sorted(search.shellies)[:MOST_DEVICES]:
            bus.ask(_shelly_status(prefix, search.reply))
        await bus.hear(ANSWER_S, search.note, lambda: set(search.shelly_switches) >= search.shellies)
    found = Discovery(notes=search.notes())
    for candidate in search.candidates():
        if len(found.candidates) == MOST_DEVICES:
            found.notes.append(f"More than {MOST_DEVICES} devices: the rest is not shown.")
            break
        found.candidates.append(candidate)
    if bus.flooded:
        found.notes.append("The broker sent more messages than are read here: the list may be incomplete.")
    return found


def _shelly_status(prefix: str, reply: str) -> OutgoingMessage:
    return OutgoingMessage(f"{prefix}/rpc", json.dumps({"id": 1, "src": reply, "method": "Shelly.GetStatus"}))


class _Search:
    """Descriptions that arrived. `reply`: topic prefix for answers of Shelly devices."""

    def __init__(self, catalog: DeviceCatalog, reply: str) -> None:
        self.reply = reply
        self._catalog = catalog
        self._settings = {
            name: family(name).settings | (catalog.families[name].values if name in catalog.families else {})
            for name in ("zigbee2mqtt", "zwave", "homie", "homeassistant")
        }
        self.shellies: set[str] = set()
        self.shelly_switches: dict[str, tuple[int, ...]] = {}
        self._zigbee: object = None
        self._zigbee_info: object = None
        self._zigbee_seen = False
        self._tasmota: dict[str, dict[str, object]] = {}
        self._esphome: dict[str, str] = {}
        self._esphome_nodes: set[str] = set()
        self._zwave: dict[str, str] = {}
        self._homie: dict[str, dict[str, object]] = {}
        self._homie4: dict[str, dict[str, str]] = defaultdict(dict)
        self._span: dict[str, dict[str, object]] = {}
        self._homeassistant: set[str] = set()
        self._handlers = self._table()

    def _text(self, name: str, setting: str) -> str:
        return str(self._settings[name][setting])

    # --- in ----------------------------------------------------------------------------------------------------------

    def topics(self) -> Iterator[str]:
        """Yield the topics of all families' descriptions."""
        yield from self._handlers

    def _table(self) -> dict[str, Callable[[str, bytes], None]]:
        """Return what reads the messages of each topic filter."""
        zigbee, zwave = self._text("zigbee2mqtt", "base"), self._text("zwave", "base")
        homie, ha = self._text("homie", "domain"), family("homeassistant")
        switches = ha.profile(Address(ha.name, "+"), self._settings[ha.name]).states[0].topic
        return {
            **dict.fromkeys((f"{zigbee}/bridge/{one}" for one in ("state", "info", "devices")), self._note_zigbee),
            "tasmota/discovery/+/config": partial(self._note_described, self._tasmota),
            f"{self.reply}/rpc": self._note_shelly_answer,
            "+/online": self._note_shelly,
            "+/events/rpc": self._note_shelly,
            "homeassistant/switch/+/+/config": self._note_esphome,
            "esphome/discover/+": lambda topic, _payload: self._esphome_nodes.add(topic.rpartition("/")[2]),
            # With and without the location of a node.
            **{
                f"{zwave}/{place}/{values}/+/currentValue": self._note_zwave
                for place in ("+", "+/+")
                for values in ("37", "switch_binary")
            },
            "ebus/5/+/$description": partial(self._note_described, self._span),
            f"{homie}/5/+/$description": partial(self._note_described, self._homie),
            **{f"{homie}/+/+/+/{attribute}": self._note_homie4 for attribute in ("$settable", "$datatype")},
            switches: lambda topic, _payload: self._homeassistant.add(topic.split("/")[-2]),
        }

    def note(self, message: IncomingMessage) -> None:
        """Note what a message describes. What is not understood describes nothing."""
        if not message.payload:
            return
        for topic_filter, read in self._handlers.items():
            if topic_matches_sub(topic_filter, message.topic):
                read(message.topic, message.payload)
                return

    def _note_zigbee(self, topic: str, payload: bytes) -> None:
        self._zigbee_seen = True
        if topic.endswith("/devices"):
            self._zigbee = _json(payload)
        elif topic.endswith("/info"):
            self._zigbee_info = _json(payload)

    def _note_shelly(self, topic: str, payload: bytes) -> None:
        prefix = topic.partition("/")[0]
        if topic.endswith("/events/rpc") or payload in (b"true", b"false"):
            self.shellies.add(prefix)

    def _note_homie4(self, topic: str, payload: bytes) -> None:
        *_, device, node, name, attribute = topic.split("/")
        self._homie4[f"{device}/{node}/{name}"][attribute] = payload[:16].decode("utf-8", "replace")

    @staticmethod
    def _note_described(known: dict[str, dict[str, object]], topic: str, payload: bytes) -> None:
        described = _json(payload)
        if isinstance(described, dict):
            known[topic.split("/")[-2]] = described

    def _note_shelly_answer(self, _topic: str, payload: bytes) -> None:
        answer = _json(payload)
        if not isinstance(answer, dict) or not isinstance(answer.get("result"), dict):
            return
        names = (re.fullmatch(r"switch:(\d{1,2})", str(key)) for key in answer["result"])
        self.shelly_switches[str(answer.get("src", ""))] = tuple(sorted(int(one[1]) for one in names if one))

    def _note_esphome(self, _topic: str, payload: bytes) -> None:
        config = _json(payload)
        if not isinstance(config, dict):
            return
        topic = config.get("stat_t", config.get("state_topic"))
        prefix, _, rest = topic.rpartition("/switch/") if isinstance(topic, str) else ("", "", "")
        address = f"esphome/{prefix}/{rest.partition('/')[0]}"
        if prefix and self._reports_on(address, topic):
            device = config.get("dev", config.get("device"))
            model = device.get("mdl", device.get("model", "")) if isinstance(device, dict) else ""
            self._esphome[address] = str(model)

    def _reports_on(self, address: str, topic: object) -> bool:
        """Return whether a device with this address reports its position on this topic."""
        try:
            return any(state.topic == topic for state in self._catalog.profile(address).states)
        except AddressError:
            return False

    def _note_zwave(self, topic: str, _payload: bytes) -> None:
        """Note a value: `<node>/37/0/currentValue` or `<node>/switch_binary/endpoint_0/currentValue`."""
        parts = topic.split("/")
        base = self._text("zwave", "base").split("/")
        node, values, endpoint = "/".join(parts[len(base) : -3]), parts[-3], parts[-2]
        number = endpoint.removeprefix("endpoint_")
        if node and number.isdecimal():
            self._zwave[f"zwave/{node}#{number}"] = "named" if values == "switch_binary" else "value-id"

    # --- out ---------------------------------------------------------------------------------------------------------

    def notes(self) -> list[str]:
        """Return what is to be said about the search."""
        said = []
        if self._zigbee_seen and not isinstance(self._zigbee, list):
            said.append(
                "Zigbee2MQTT is there, but its list of devices was not received: the broker may keep no retained "
                "messages, forbid reading, or the list is larger than 2 MB."
            )
        prefixes = {address.split("/")[1] for address in self._esphome}
        if silent := sorted(self._esphome_nodes - prefixes):
            said.append(
                f"ESPHome nodes that do not list their switches ({', '.join(silent)}): set `discovery: true` under "
                "`mqtt:`, or write the object id of the switch yourself."
            )
        return said

    def candidates(self) -> Iterator[Candidate]:
        """Yield the switches, family by family, in the order of their addresses."""
        yield from self._of_zigbee()
        yield from self._of_tasmota()
        for prefix in sorted(self.shellies):
            for channel in self.shelly_switches.get(prefix, ()):
                yield Candidate(f"shelly/{prefix}#{channel}")
        for address in sorted(self._esphome):
            yield Candidate(address, self._esphome[address])
        for address in sorted(self._zwave):
            names = self._zwave[address]
            yield Candidate(address, settings={} if names == self._text("zwave", "names") else {"names": names})
        yield from self._of_homie()
        yield from self._of_span()
        for name in sorted(self._homeassistant):
            yield Candidate(f"homeassistant/{name}")

    def _of_zigbee(self) -> Iterator[Candidate]:
        options = _zigbee_options(self._zigbee_info)
        for device in self._zigbee if isinstance(self._zigbee, list) else ():
            if isinstance(device, dict) and isinstance(device.get("definition"), dict):
                name, definition = str(device.get("friendly_name", "")), device["definition"]
                model = f"{definition.get('vendor', '')} {definition.get('model', '')}".strip()
                for gang, exposes in zigbee_switches(definition, None if options is None else options.get(name)):
                    yield Candidate(f"zigbee2mqtt/{name}" + (f"#{gang}" if gang else ""), model, exposes=exposes)

    def _of_tasmota(self) -> Iterator[Candidate]:
        for config in sorted(self._tasmota.values(), key=lambda one: str(one.get("t", ""))):
            topic, relays = config.get("t"), config.get("rl")
            if not isinstance(topic, str) or not topic or "/" in topic or not isinstance(relays, list):
                continue
            numbers = [number for number, kind in enumerate(relays, 1) if kind == 1]
            settings: dict[str, str | float | bool | tuple[str, ...]] = {}
            if isinstance(config.get("ft"), str) and config["ft"] != "%prefix%/%topic%/":
                settings["full_topic"] = str(config["ft"])
            for number in numbers:
                suffix = f"#{number}" if len(numbers) > 1 else ""
                yield Candidate(f"tasmota/{topic}{suffix}", str(config.get("md", "")), settings)

    def _of_homie(self) -> Iterator[Candidate]:
        for device in sorted(self._homie):
            for node, name, about in _homie_properties(self._homie[device]):
                if about.get("settable") is True and about.get("datatype") == "boolean":
                    settings = {} if self._text("homie", "version") == "5" else {"version": "5"}
                    yield Candidate(f"homie/{device}/{node}/{name}", settings={**settings})
        for path in sorted(self._homie4):
            if self._homie4[path] == {"$settable": "true", "$datatype": "boolean"}:
                settings = {} if self._text("homie", "version") == "4" else {"version": "4"}
                yield Candidate(f"homie/{path}", settings={**settings})

    def _of_span(self) -> Iterator[Candidate]:
        for circuit in sorted(self._span):
            described = self._span[circuit]
            for node, name, _ in _homie_properties(described):
                if (node, name) == ("switch", "relay"):
                    yield Candidate(f"span/{circuit}", str(described.get("name", "")))


def _homie_properties(described: dict[str, object]) -> Iterator[tuple[str, str, dict[str, object]]]:
    nodes = described.get("nodes")
    for node, about in nodes.items() if isinstance(nodes, dict) else ():
        properties = about.get("properties") if isinstance(about, dict) else None
        for name, one in properties.items() if isinstance(properties, dict) else ():
            if isinstance(one, dict):
                yield str(node), str(name), one


def _zigbee_options(info: object) -> dict[str, dict[str, object]] | None:
    """Return the options of each device by its name, as in bridge/info; None: they were not received."""
    config = info.get("config") if isinstance(info, dict) else None
    devices = config.get("devices") if isinstance(config, dict) else None
    if not isinstance(config, dict) or not isinstance(devices, dict):
        return None
    common = config.get("device_options")
    shared = common if isinstance(common, dict) else {}
    return {
        str(one.get("friendly_name", ieee)): {**shared, **one} for ieee, one in devices.items() if isinstance(one, dict)
    }


def zigbee_switches(
    definition: dict[str, object], options: dict[str, object] | None
) -> Iterator[tuple[str, ZigbeeExposes]]:
    """Yield the switches in the definition of a device in bridge/devices: the gang (empty: the only one), and facts."""
    exposes = definition.get("exposes")
    features = (
        [one for entry in exposes if isinstance(entry, dict) for one in _features(entry)]
        if isinstance(exposes, list)
        else []
    )
    access = {str(one.get("property")): bits for one in features if isinstance(bits := one.get("access"), int)}
    switches = [
        one
        for entry in (exposes if isinstance(exposes, list) else ())
        if isinstance(entry, dict) and entry.get("type") == "switch"
        for one in _features(entry)
        if one.get("name") == "state"
    ]
    for switch in switches:
        key = str(switch.get("property", "state"))
        gang = key.removeprefix("state_") if key.startswith("state_") else ""
        if not access.get(key, 0) & SET:
            continue
        keys = [f"{one}_{gang}" if gang else one for one in _POWER_ON_KEYS]
        power_on = next((one for one in (*keys, *_POWER_ON_KEYS) if one in access), None)
        yield (
            gang,
            ZigbeeExposes(
                key,
                readable=bool(access[key] & GET),
                power_on_key=power_on,
                power_on_readable=power_on is not None and bool(access[power_on] & GET),
                properties=frozenset(access),
                options=options,
            ),
        )


def _features(entry: dict[str, object]) -> list[dict[str, object]]:
    features = entry.get("features")
    return [one for one in features if isinstance(one, dict)] if isinstance(features, list) else [entry]


def _json(payload: bytes) -> object:
    try:
        parsed: object = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return parsed
