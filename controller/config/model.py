"""The tables of both configuration files: each key with its default and what it may hold.

These classes are the one definition: the reader, the advice of `check` and the JSON Schemas are made from them.
"""
# Annotations are read at run time here, so they are not postponed.

from dataclasses import dataclass
from typing import Annotated, Literal

from controller.config.addresses import CA_FILE, FILE, METER_PORT, DeviceAddressValue, HostName, Topic
from controller.config.validators import (
    ID_PATTERN,
    Boolean,
    EnumValue,
    Integer,
    Number,
    OneOf,
    Spaces,
    TextValue,
    TimeZone,
)
from rules.device import DeviceTraits
from rules.outage_class import WEEKDAYS
from rules.panel import Circuit, CircuitId, Kind, Override, Restore, ShedBy, Tag, Wakes

NAME = TextValue(ID_PATTERN, 'a-z, 0-9 and "-" between them, at most 64 signs')
WORDS = TextValue(r".*\S.*", "a text of printable signs")
ANY_TEXT = TextValue(r".*", "a text of printable signs; it may be empty")
TOPIC = Topic()
# The 40-pin header of every Pi.
PIN = Integer(0, 27, "a BCM pin number")
SECONDS_TO_A_MINUTE = Number(0.1, 60)
SECONDS_TO_AN_HOUR = Number(0, 3600)
INTERVAL_S = Number(0.1, 3600)
HOURS_TO_A_YEAR = Number(0, 8760)


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """The house. `id` is in every topic. `timezone`, `clock`: of times that people read; None: the system's.

    `companion`: energy monitor that sheds circuits itself. `companion_confirm_s`: time in seconds in which a circuit
    that it sheds must report off.
    """

    id: Annotated[str, NAME]
    timezone: Annotated[str | None, TimeZone()] = None
    clock: Annotated[Literal["12h", "24h"] | None, OneOf(("12h", "24h"))] = None
    companion: Annotated[Literal["lwhem-2"] | None, OneOf(("lwhem-2",))] = None
    companion_confirm_s: Annotated[float, Number(1, 3600)] = 60.0


@dataclass(frozen=True, slots=True)
class GpioContact:
    """The auxiliary contact between a GPIO pin and ground.

    `pin`: BCM number. `normally`: position of the contact on utility. `settle_s`: time in seconds it must hold.
    `open_alarm_h`: time in hours it may be open before an alarm; 0: no alarm.
    """

    source: Annotated[Literal["gpio"], OneOf(("gpio", "mqtt"))]
    pin: Annotated[int, PIN]
    normally: Annotated[Literal["closed", "open"], OneOf(("closed", "open"))] = "closed"
    settle_s: Annotated[float, Number(0, 5)] = 0.1
    open_alarm_h: Annotated[float, HOURS_TO_A_YEAR] = 24.0


@dataclass(frozen=True, slots=True)
class MqttContact:
    """The auxiliary contact as a device on the bus reports it.

    `open`, `closed`: its payloads. `availability_topic`: None where the device has none; `available`, `unavailable`:
    the payloads there; they are also understood on `topic`. `on_lost`: whether a lost device counts as standby ("shed")
    or as unknown ("hold"). `expect_every_s`: a device that is silent for longer counts as lost; 0: never.
    `query_topic`: where the device is asked for its position, with `query_payload`; None: it is not asked.
    """

    source: Annotated[Literal["mqtt"], OneOf(("gpio", "mqtt"))]
    topic: Annotated[str, TOPIC]
    open: Annotated[str, WORDS] = "open"
    closed: Annotated[str, WORDS] = "closed"
    availability_topic: Annotated[str | None, TOPIC] = None
    available: Annotated[str, WORDS] = "online"
    unavailable: Annotated[str, WORDS] = "offline"
    on_lost: Annotated[Literal["hold", "shed"], OneOf(("hold", "shed"))] = "hold"
    expect_every_s: Annotated[float, Number(0, 86_400)] = 0.0
    query_topic: Annotated[str | None, TOPIC] = None
    query_payload: Annotated[str, ANY_TEXT] = ""
    normally: Annotated[Literal["closed", "open"], OneOf(("closed", "open"))] = "closed"
    settle_s: Annotated[float, Number(0, 5)] = 0.1
    open_alarm_h: Annotated[float, HOURS_TO_A_YEAR] = 24.0


@dataclass(frozen=True, slots=True)
class DeviceContact:
    """The auxiliary contact at the input of a device of a known family, `device = "family/address#channel"`.

    The family decides on topics and payloads. `on_lost`, `expect_every_s`: as for `MqttContact`.
    """

    source: Annotated[Literal["mqtt"], OneOf(("gpio", "mqtt"))]
    device: Annotated[str, DeviceAddressValue('"family/address#input", such as "shelly/shellyplus1-a1b2c3#input:0"')]
    on_lost: Annotated[Literal["hold", "shed"], OneOf(("hold", "shed"))] = "hold"
    expect_every_s: Annotated[float, Number(0, 86_400)] = 0.0
    normally: Annotated[Literal["closed", "open"], OneOf(("closed", "open"))] = "closed"
    settle_s: Annotated[float, Number(0, 5)] = 0.1
    open_alarm_h: Annotated[float, HOURS_TO_A_YEAR] = 24.0


ContactSettings = GpioContact | MqttContact | DeviceContact


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """Address and login of the MQTT broker. `ca_file` set: TLS. `version`: of MQTT. None: not used."""

    host: Annotated[str, HostName()] = "127.0.0.1"
    port: Annotated[int, Integer(1, 65535, "a port")] = 1883
    username: Annotated[str | None, WORDS] = None
    password_file: Annotated[str | None, FILE] = None
    ca_file: Annotated[str | None, CA_FILE] = None
    version: Annotated[Literal["5", "3.1.1"], OneOf(("5", "3.1.1"))] = "5"


@dataclass(frozen=True, slots=True)
class ShedSettings:
    """Times of acknowledgment and retry of a shed, in seconds."""

    confirm_s: Annotated[float, SECONDS_TO_A_MINUTE] = 5.0
    eager_s: Annotated[float, SECONDS_TO_AN_HOUR] = 180.0


@dataclass(frozen=True, slots=True)
class RestoreSettings:
    """Times of restoring, in seconds. `flap_transfers`: 0 is off."""

    utility_stable_s: Annotated[float, SECONDS_TO_AN_HOUR] = 10.0
    stagger_s: Annotated[float, SECONDS_TO_AN_HOUR] = 5.0
    flap_transfers: Annotated[int, Integer(0, 100)] = 3
    flap_window_s: Annotated[float, Number(0, 86_400)] = 600.0
    flap_wait_max_s: Annotated[float, SECONDS_TO_AN_HOUR] = 600.0


@dataclass(frozen=True, slots=True)
class MeterSettings:
    """The house's own meter. `port`: a serial device, tcp://host:port (RTU over TCP) or tcp+modbus://host:port.

    Pins: BCM numbers, None where not wired. `pulse_pin`: the 10 Wh output. `pulse_kwh_pin`: the 1 kWh output.
    `poll_s`, `sample_s`: in s.
    """

    port: Annotated[str, METER_PORT]
    model: Annotated[str, WORDS] = "2N208-021"
    device_id: Annotated[int, Integer(1, 247)] = 1
    poll_s: Annotated[float, INTERVAL_S] = 5.0
    pulse_pin: Annotated[int | None, PIN] = None
    pulse_kwh_pin: Annotated[int | None, PIN] = None
    sample_s: Annotated[float, INTERVAL_S] = 5.0


@dataclass(frozen=True, slots=True)
class ExtraMeterSettings:
    """A further meter on the same bus."""

    device_id: Annotated[int, Integer(1, 247)]
    model: Annotated[str, WORDS] = "2N208-021"


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Retention of samples, in days."""

    samples_days: Annotated[int, Integer(1, 36_500)] = 400


@dataclass(frozen=True, slots=True)
class GeneratorSettings:
    """The generator's rated power in kW, shown beside demand."""

    kw: Annotated[float, Number(0, above=True)] = 22.0


@dataclass(frozen=True, slots=True)
class OutageSettings:
    """Class of an outage. `blink_s`: a shorter one is a blink, in seconds."""

    blink_s: Annotated[float, SECONDS_TO_AN_HOUR] = 30.0


@dataclass(frozen=True, slots=True)
class ExerciseSettings:
    """Weekly exercise of the generator with a transfer: it sets the class of an outage, and never sends a command.

    `at`: local time, `HH:MM`. `for_min`: duration in minutes.
    """

    weekday: Annotated[str, OneOf(WEEKDAYS)]
    at: Annotated[str, TextValue(r"(?:[01]\d|2[0-3]):[0-5]\d", "a time of day such as 10:00")]
    for_min: Annotated[float, Number(1, 240)] = 20.0


@dataclass(frozen=True, slots=True)
class UpsSettings:
    """Uninterruptible power supply of controller, network and hub. `present`: there is one, seen or not."""

    present: Annotated[bool, Boolean()]


@dataclass(frozen=True, slots=True)
class CircuitSettings:
    """One `[circuits.ID]` as the homeowner writes it. `name`: None means the id.

    `shed_by`: None means the controller, or the panel for a 2nd Gen breaker in a house with a companion. `device`: the
    device that switches it, `family/address#channel`; None: it uses loadshed's own topics.
    """

    space: Annotated[tuple[int, ...], Spaces()]
    breaker: Annotated[Kind, EnumValue(Kind)]
    tag: Annotated[Tag, EnumValue(Tag)]
    name: Annotated[str | None, WORDS] = None
    amps: Annotated[float | None, Number(0, above=True)] = None
    rank: Annotated[int, Integer(1, 9)] = 5
    min_off_s: Annotated[float, SECONDS_TO_AN_HOUR] = 0.0
    restore: Annotated[Restore, EnumValue(Restore)] = Restore.AUTO
    override: Annotated[Override, EnumValue(Override)] = Override.ALLOW
    wakes: Annotated[Wakes, EnumValue(Wakes)] = Wakes.AS_WAS
    protected: Annotated[bool, Boolean()] = False
    shed_by: Annotated[ShedBy | None, EnumValue(ShedBy)] = None
    device: Annotated[str | None, DeviceAddressValue()] = None

    def circuit(self, name: CircuitId) -> Circuit:
        """Return the circuit of this id."""
        return Circuit(
            id=name,
            name=self.name or name,
            spaces=self.space,
            kind=self.breaker,
            tag=self.tag,
            amps=self.amps,
            rank=self.rank,
            min_off_s=self.min_off_s,
            restore=self.restore,
            override=self.override,
            wakes=self.wakes,
            protected=self.protected,
            shed_by=self.shed_by,
            device=None if self.device is None else DeviceTraits(self.device),
        )


# The tables of installer.toml that stand alone. [contact] is one of three, [meters.NAME] are many.
REQUIRED_TABLES = ("site", "contact")
CONTACTS: dict[str, type[ContactSettings]] = {"gpio": GpioContact, "mqtt": MqttContact, "device": DeviceContact}
"""Kinds of `[contact]`: by its source, and an MQTT device of a known family."""
SINGLE_TABLES = {
    "site": SiteSettings,
    "broker": BrokerSettings,
    "shed": ShedSettings,
    "restore": RestoreSettings,
    "meter": MeterSettings,
    "store": StoreSettings,
    "generator": GeneratorSettings,
    "outage": OutageSettings,
    "exercise": ExerciseSettings,
    "ups": UpsSettings,
}
