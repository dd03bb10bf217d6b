"""Circuits of a random house that are switched by devices of MQTT families: which, with which models and lies."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from controller.bus.profiles.registry import DeviceCatalog, FamilySettings
from hw.simulated.device_catalog import FAMILIES
from hw.simulated.zigbee2mqtt import ZigbeeModel
from rules.panel import CircuitId, Kind, Panel, Position
from tests.virtual.device import Device

if TYPE_CHECKING:
    from random import Random

    from hw.simulated.device_faults import DeviceFaults
    from hw.simulated.mqtt_device import Relay, SimulatedDevice

LIES: dict[str, dict[str, Any]] = {
    "answers_only_changes": {"answers_only_changes": True},
    "false_watts": {"false_watts": True},
    "keeps_online": {"keeps_online": True},
    "missing_state_key": {"missing_state_key": True},
    "never_announces": {"never_announces": True},
    "repeats_messages": {"repeats_messages": True},
    "retained ON": {"retained_set": "ON"},
    "retained OFF": {"retained_set": "OFF"},
    "silent_after_broker": {"silent_after_broker": True},
    "trip: word first": {"splits_trip": "word-first"},
    "trip: state first": {"splits_trip": "state-first"},
    "two_formats": {"two_formats": True},
    "unretained_online": {"unretained_online": True},
    "wakes_on": {"wakes_on": True},
    "cannot_be_queried": {"cannot_be_queried": True},
    "welded": {"welded": True},
}
"""What a device may do beside what its family does as shipped.

Not in it: a device with its own connection that reports what it has not done. Only its power could prove that.
"""

_KINDS = (
    *("tasmota", "tasmota", "shelly", "esphome", "homie", "span", "zwave", "zwave"),
    *("zigbee", "zigbee", "zigbee-own-reports", "zigbee-gang", "TS011F", "TS0601", "TS0601-own-reports"),
)
_MODELS = {"TS011F": ZigbeeModel.TS011F, "TS0601": ZigbeeModel.TS0601, "TS0601-own-reports": ZigbeeModel.TS0601}
_SHARED = 0.5
DECEIVED = ("esphome",)
"""Families that report their output, not the relay: only its power could show that a relay is stuck. Here none is."""

STUCK = 0.08
"""Share of relays that do not move, from the beginning until everything is repaired."""


def possible(family: str, lie: str) -> bool:
    """Return whether a device of this family can tell this lie."""
    return {*LIES[lie]} <= FAMILIES[family].POSSIBLE_FAULTS


@dataclass
class DrawnDevices:
    """Devices of a night. `devices`: by circuit, as in circuits.toml. `faults`: by device. `models`: by Zigbee name."""

    devices: dict[CircuitId, str] = field(default_factory=dict)
    faults: dict[str, DeviceFaults] = field(default_factory=dict)
    models: dict[str, ZigbeeModel] = field(default_factory=dict)
    own_reports: tuple[str, ...] = ()
    off: tuple[str, ...] = ()

    @property
    def catalog(self) -> DeviceCatalog:
        """Return the families with the settings of this house."""
        return DeviceCatalog({"zigbee2mqtt": FamilySettings(values={"own_reports": self.own_reports})})

    @property
    def families(self) -> set[str]:
        """Return the names of the families."""
        return {device.partition("/")[0] for device in self.devices.values()}

    def on(self, panel: Panel) -> Panel:
        """Return the panel whose circuits name these devices."""
        catalog = self.catalog
        return Panel.of(
            *(
                replace(one, device=catalog.traits(self.devices[one.id])) if one.id in self.devices else one
                for one in panel
            )
        )


def draw(random: Random, panel: Panel) -> DrawnDevices:
    """Return devices for some of the circuits that can be switched."""
    drawn = DrawnDevices()
    for circuit in panel:
        if circuit.kind in (Kind.GEN2, Kind.RELAY) and random.random() < 0.6:
            _draw_one(random, circuit.id, drawn)
    return drawn


def _draw_one(random: Random, circuit: CircuitId, drawn: DrawnDevices) -> None:
    kind = random.choice(_KINDS)
    device = _address(random, kind, circuit, drawn)
    family, _, name = device.partition("/")
    faults = FAMILIES[family].FACTORY_FAULTS
    if kind.endswith("own-reports"):
        drawn.own_reports += (name,)
        faults = replace(faults, remembers=False, echoes_before_switching=False)
    if kind in _MODELS:
        drawn.models[name] = _MODELS[kind]
    for lie, change in LIES.items():
        rare = lie.startswith(("retained", "cannot")) or lie == "welded"
        if possible(family, lie) and random.random() < (0.03 if rare else 0.12):
            faults = replace(faults, **change)
    if random.random() < STUCK and family not in DECEIVED:
        faults = replace(faults, stuck=True)
    drawn.devices[circuit] = device
    drawn.faults[device] = faults
    if random.random() < 0.2:
        drawn.off += (device,)


def _address(random: Random, kind: str, circuit: CircuitId, drawn: DrawnDevices) -> str:
    """Return an address; some devices have several relays, and so several circuits."""
    taken = {*drawn.devices.values()}
    shares = random.random() < _SHARED
    shared = {
        "tasmota": [f"tasmota/board#{number}" for number in (1, 2, 3)],
        "shelly": [f"shelly/shellypro4pm-a1b2#{number}" for number in (0, 1, 2, 3)],
        "esphome": [f"esphome/panel/relay_{number}" for number in (1, 2, 3)],
        "zigbee-gang": ["zigbee2mqtt/duo#l1", "zigbee2mqtt/duo#l2"],
    }.get(kind, [])
    if kind == "zigbee-gang" or shares:
        for one in shared:
            if one not in taken:
                return one
    own = {
        "tasmota": f"tasmota/{circuit}",
        "shelly": f"shelly/{circuit}",
        "esphome": f"esphome/{circuit}/relay",
        "homie": f"homie/{circuit}/relay/power",
        "span": f"span/{circuit}",
        "zwave": f"zwave/{circuit}",
    }
    return own.get(kind, f"zigbee2mqtt/The {circuit}")


@dataclass(slots=True, kw_only=True)
class FamilyDevice(Device):
    """A circuit's relay in the messages of its family. `position` and `moved_by` follow the actual contacts.

    `text`: as in circuits.toml. `born`: its faults without those of the night. `told`: lies of the night, by name.
    `off_bus`: its radio or network is down. `moves_seen`: movements of the relay that are accounted for. `on_at`: when
    it was last found on. `welded_at`: when it was last welded. `clear_since`: since when nothing keeps it from being
    heard, in the world's seconds. `disturbed_at`: when a message was last late, lost or repeated. `applied`: the faults
    that its relay has.
    """

    text: str
    unit: SimulatedDevice
    relay: Relay
    born: DeviceFaults
    told: set[str] = field(default_factory=set)
    off_bus: bool = False
    moves_seen: int = 0
    on_at: float = float("-inf")
    welded_at: float = float("-inf")
    clear_since: float = float("inf")
    disturbed_at: float = float("-inf")
    applied: tuple[object, ...] = ()

    @property
    def family(self) -> str:
        """Return the name of its family."""
        return self.text.partition("/")[0]

    @property
    def fault_key(self) -> tuple[object, ...]:
        """Return what `wanted_faults` depends on: computing them at each look would take most of a night."""
        wrong = (self.silent, self.off_bus, self.mute, self.refuses, self.lies, self.slow_s, self.wakes)
        return (id(self.born), len(self.told), *wrong)

    @property
    def wanted_faults(self) -> DeviceFaults:
        """Return its faults as they must be now."""
        faults = self.born
        for lie in sorted(self.told):
            faults = replace(faults, **LIES[lie])
        welded = faults.welded or (self.lies and possible(self.family, "welded"))
        return replace(
            faults,
            stuck=self.family not in DECEIVED and (faults.stuck or self.refuses or (self.lies and not welded)),
            mute=self.mute,
            unreachable=self.silent or self.off_bus,
            slow_s=self.slow_s,
            wakes_on=faults.wakes_on or self.wakes is Position.ON,
            welded=welded,
            retained_set="",
        )

    def heal(self) -> None:
        """End every fault but those that it was born with."""
        Device.heal(self)
        self.told.clear()
        self.off_bus = False
