"""Build simulated devices and gateways from their addresses, as they are written in circuits.toml."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple, get_args, get_type_hints

from hw.simulated.device_faults import DeviceFaults
from hw.simulated.esphome import SimulatedEsphome
from hw.simulated.homie import SimulatedHomie, SimulatedSpan
from hw.simulated.mqtt_device import Relay
from hw.simulated.shelly import SimulatedShelly
from hw.simulated.tasmota import SimulatedTasmota
from hw.simulated.zigbee2mqtt import SimulatedZigbee2Mqtt, ZigbeeDevice, ZigbeeModel
from hw.simulated.zwave import SimulatedZwaveGateway, ZwaveNode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from hw.simulated.mqtt_device import SimulatedDevice

FAMILIES: dict[str, type[SimulatedDevice]] = {
    kind.FAMILY: kind
    for kind in (
        *(SimulatedZigbee2Mqtt, SimulatedTasmota, SimulatedShelly, SimulatedEsphome, SimulatedZwaveGateway),
        *(SimulatedHomie, SimulatedSpan),
    )
}
_OWN_CONNECTION = {kind.FAMILY: kind for kind in (SimulatedTasmota, SimulatedShelly, SimulatedEsphome, SimulatedHomie)}
SPAN_SERIAL = "nt-2024-00001"


class RelayAddress(NamedTuple):
    """Address of a relay. `unit`: the device that it belongs to. `channel`: relay, gang, endpoint or property."""

    family: str
    unit: str
    channel: str

    @property
    def text(self) -> str:
        """Return the address in full, with its channel where the family has channels."""
        if self.family in ("esphome", "homie"):
            return f"{self.family}/{self.unit}/{self.channel}"
        return f"{self.family}/{self.unit}" + (f"#{self.channel}" if self.channel else "")


def parse_address(text: str) -> RelayAddress:
    """Return the parts of `FAMILY/ADDRESS[#CHANNEL]`. Raises ValueError with what to write instead."""
    family, _, rest = text.partition("/")
    if family not in FAMILIES:
        near = get_close_matches(family, FAMILIES, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ValueError(f"{text}: there is no family {family}.{hint} Families: {', '.join(FAMILIES)}")
    name, _, channel = rest.partition("#")
    if not name or "+" in rest or "#" in channel:
        raise ValueError(f"{text}: write {family}/ADDRESS or {family}/ADDRESS#CHANNEL")
    match family:
        case "tasmota" | "shelly" | "zwave":
            channel = channel or ("1" if family == "tasmota" else "0")
            if not channel.isdigit() or (family == "tasmota" and not 1 <= int(channel) <= 32):
                raise ValueError(f"{text}: the channel of {family} is a number")
        case "esphome" | "homie":
            levels = 1 if family == "esphome" else 2
            parts = name.rsplit("/", levels)
            if channel or len(parts) != levels + 1 or not all(parts):
                example = "PREFIX/OBJECT" if family == "esphome" else "DEVICE/NODE/PROPERTY"
                raise ValueError(f"{text}: write {family}/{example}")
            name, channel = parts[0], "/".join(parts[1:])
        case "span" if channel:
            raise ValueError(f"{text}: a circuit of span has no channel")
    return RelayAddress(family, name, channel)


def simulated_devices(
    addresses: Iterable[str],
    *,
    faults: Mapping[str, DeviceFaults] | None = None,
    models: Mapping[str, ZigbeeModel] | None = None,
    on: bool = True,
    off: Collection[str] = (),
    load_w: float = 0.0,
    epoch_s: float = 0.0,
) -> list[SimulatedDevice]:
    """Return the devices and gateways with these relays, as shipped.

    Relays of one device are one client; all of Zigbee2MQTT, of Z-Wave and of SPAN are behind one gateway each. Missing
    relays in between are added (`tasmota/heater#3` alone is a device with three).

    `faults`: by address as given; others have the factory faults of their family. `models`: of Zigbee devices, by name.
    `on` and `load_w`: initial state and load of each; `off`: those that are off all the same. Raises ValueError for an
    address or a fault that cannot be.
    """
    units: dict[tuple[str, str], dict[str, Relay]] = defaultdict(dict)
    given = {parse_address(address): address for address in addresses}
    for address, text in _completed(given).items():
        fault = (faults or {}).get(text) or FAMILIES[address.family].FACTORY_FAULTS
        relay = Relay(address.text, switched_on=on and text not in off, load_w=load_w if text else 0.0, faults=fault)
        units[address.family, address.unit][address.channel] = relay
    return _clients(units, models or {}, epoch_s)


def _completed(given: Mapping[RelayAddress, str]) -> dict[RelayAddress, str]:
    """Return the addresses in order, with the relays in between that a real device has too, with an empty text."""
    found: dict[RelayAddress, str] = {}
    for address, text in given.items():
        if address.family in ("tasmota", "shelly"):
            first = 1 if address.family == "tasmota" else 0
            for channel in range(first, int(address.channel)):
                between = RelayAddress(address.family, address.unit, str(channel))
                found.setdefault(between, given.get(between, ""))
        found[address] = text
    return found


def _clients(
    units: Mapping[tuple[str, str], dict[str, Relay]], models: Mapping[str, ZigbeeModel], epoch_s: float
) -> list[SimulatedDevice]:
    clients: list[SimulatedDevice] = []
    zigbee: list[ZigbeeDevice] = []
    nodes: list[ZwaveNode] = []
    circuits: list[Relay] = []
    for (family, unit), by_channel in units.items():
        if family == "zigbee2mqtt":
            model = models.get(unit, ZigbeeModel.TS0002 if len(by_channel) > 1 else ZigbeeModel.ZCL)
            zigbee.append(ZigbeeDevice(unit, by_channel, model))
        elif family == "zwave":
            number = unit.removeprefix("nodeID_")
            node_id = int(number) if number.isdigit() else len(nodes) + 2
            nodes.append(ZwaveNode(unit, node_id, {int(channel): one for channel, one in by_channel.items()}))
        elif family == "span":
            circuits += by_channel.values()
        else:
            clients.append(_OWN_CONNECTION[family](unit, by_channel.values(), epoch_s=epoch_s))
    if zigbee:
        clients.append(SimulatedZigbee2Mqtt(zigbee, epoch_s=epoch_s))
    if nodes:
        clients.append(SimulatedZwaveGateway(nodes, epoch_s=epoch_s))
    if circuits:
        clients.append(SimulatedSpan(SPAN_SERIAL, circuits, epoch_s=epoch_s))
    return clients


def faults_from(family: str, settings: Sequence[str]) -> DeviceFaults:
    """Return the factory faults of a family, changed by `NAME` or `NAME=VALUE` texts.

    Raises ValueError with the names or values that are allowed.
    """
    kind = FAMILIES[family]
    faults = kind.FACTORY_FAULTS
    types = get_type_hints(DeviceFaults)
    for setting in settings:
        name, _, value = setting.partition("=")
        name = name.strip().replace("-", "_")
        if name not in kind.POSSIBLE_FAULTS:
            raise ValueError(f"{family} has no fault {name}: use one of {', '.join(sorted(kind.POSSIBLE_FAULTS))}")
        chosen: Any = {name: _value(name, value.strip(), types[name])}
        faults = replace(faults, **chosen)
    return faults


def _value(name: str, value: str, kind: object) -> bool | float | str:
    if kind is bool:
        words = {"": True, "yes": True, "true": True, "no": False, "false": False}
        if value not in words:
            raise ValueError(f"fault {name} = {value}: use yes or no")
        return words[value]
    if allowed := [choice for choice in get_args(kind) if choice]:
        if value not in allowed:
            raise ValueError(f"fault {name} = {value or 'nothing'}: use {' or '.join(allowed)}")
        return value
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0.0 <= number < 1e6:
        raise ValueError(f"fault {name} = {value or 'nothing'}: use a number of seconds, 0 or more")
    return number
