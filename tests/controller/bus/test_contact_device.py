"""Messages of the contact's device: a Shelly input, an ESPHome binary sensor, a Zigbee contact sensor."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from controller.bus.contact_device import ContactDevice
from controller.bus.messages import IncomingMessage, Rejection
from controller.bus.profiles.family import AddressError
from controller.bus.profiles.registry import DeviceCatalog, FamilySettings, profile_of
from controller.bus.profiles.schema import fill
from controller.bus.topics import Topics
from controller.core.events import AvailabilityReported, BreakerReported, ContactAlive, ContactChanged, ContactLost
from rules.contact_evidence import ContactEvidence
from rules.device import DeviceTraits
from rules.panel import Circuit, CircuitId, Kind, Position, Tag

if TYPE_CHECKING:
    from controller.core.events import Event

SHELLY, ESPHOME, ZIGBEE = "shelly/plus1-a1#input:1", "esphome/hall/ats/contact", "zigbee2mqtt/ATS contact"
OWN = DeviceCatalog({"zigbee2mqtt": FamilySettings(None, {"own_reports": ("ATS contact",)})})
AT = 7.0
TUB = CircuitId("tub")


def reader(device: str, *, closed_on_utility: bool = True, reports_life: bool = False) -> ContactDevice:
    """Return the reader of a contact."""
    profile = fill(DeviceCatalog().contact(device), {"site": "home"})
    return ContactDevice(profile, closed_on_utility=closed_on_utility, reports_life=reports_life)


def message(topic: str, payload: object, *, retained: bool = False) -> IncomingMessage:
    """Return a message; a text is the payload as it is, anything else is sent as JSON."""
    content = payload if isinstance(payload, str) else json.dumps(payload)
    return IncomingMessage(AT, topic, content.encode(), retained)


def notice(**inputs: object) -> dict[str, object]:
    """Return a notice of a Shelly about one input."""
    return {"method": "NotifyStatus", "params": {"ts": 1.0, "input:1": {"id": 1, **inputs}}}


OPEN, CLOSED, ALIVE = ContactChanged(AT, open=True), ContactChanged(AT, open=False), ContactAlive(AT)
ANSWERED = ContactAlive(AT, returned=False)


@pytest.mark.parametrize(
    ("device", "topic", "payload", "events"),
    [
        (SHELLY, "plus1-a1/events/rpc", notice(state=True), [CLOSED]),
        (SHELLY, "plus1-a1/events/rpc", notice(state=False), [OPEN]),
        (SHELLY, "plus1-a1/events/rpc", notice(state=None), []),
        (SHELLY, "plus1-a1/events/rpc", {"params": {"input:0": {"id": 0, "state": False}}}, []),
        (SHELLY, "plus1-a1/events/rpc", {"params": {"switch:1": {"id": 1, "output": False}}}, []),
        (SHELLY, "plus1-a1/status/input:1", {"id": 1, "state": True}, [CLOSED]),
        (SHELLY, "loadshed/home/replies/contact/rpc", {"id": 1, "result": {"id": 1, "state": False}}, [OPEN]),
        (SHELLY, "loadshed/home/replies/contact/rpc", {"id": 1, "error": {"code": -105, "message": "no"}}, []),
        (SHELLY, "plus1-a1/online", "true", [ALIVE]),
        (SHELLY, "plus1-a1/events/rpc", "", []),
        (SHELLY, "plus1-a1/events/rpc", "[[[", []),
        (ESPHOME, "hall/ats/binary_sensor/contact/state", "ON", [CLOSED]),
        (ESPHOME, "hall/ats/binary_sensor/contact/state", "OFF", [OPEN]),
        (ESPHOME, "hall/ats/status", "online", [ALIVE]),
        (ESPHOME, "esphome/discover/ats", {"ip": "192.0.2.7"}, [ANSWERED]),
        (ZIGBEE, "zigbee2mqtt/ATS contact", {"contact": True, "battery": 97}, [CLOSED]),
        (ZIGBEE, "zigbee2mqtt/ATS contact", {"contact": False}, [OPEN]),
        (ZIGBEE, "zigbee2mqtt/ATS contact", {"battery": 97}, []),
        (ZIGBEE, "zigbee2mqtt/bridge/state", {"state": "online"}, [ALIVE]),
        (ZIGBEE, "zigbee2mqtt/ATS contact/availability", {"state": "online"}, [ALIVE]),
    ],
)
def test_a_message_says_what_the_family_means(device: str, topic: str, payload: object, events: list[Event]) -> None:
    """An active input is a closed contact. A missing value says nothing: it is never an open contact."""
    assert reader(device).events(message(topic, payload)) == (events, None)


@pytest.mark.parametrize(
    ("device", "topic", "payload"),
    [
        (SHELLY, "plus1-a1/online", "false"),
        (ESPHOME, "hall/ats/status", "offline"),
        (ZIGBEE, "zigbee2mqtt/bridge/state", {"state": "offline"}),
        (ZIGBEE, "zigbee2mqtt/ATS contact/availability", {"state": "offline"}),
    ],
)
@pytest.mark.parametrize("retained", [True, False])
def test_a_lost_device_or_gateway_makes_the_position_unknown(
    device: str, topic: str, payload: object, *, retained: bool
) -> None:
    """Also by a retained word: it was the last one."""
    (event,), rejection = reader(device).events(message(topic, payload, retained=retained))
    assert isinstance(event, ContactLost)
    assert rejection is None


@pytest.mark.parametrize(
    ("device", "topic", "payload"),
    [
        (SHELLY, "plus1-a1/online", "true"),
        (ESPHOME, "hall/ats/status", "online"),
        (ESPHOME, "esphome/discover/ats", {"ip": "192.0.2.7"}),
        (ZIGBEE, "zigbee2mqtt/bridge/state", {"state": "online"}),
    ],
)
def test_a_retained_online_is_no_sign_of_life(device: str, topic: str, payload: object) -> None:
    """A dead device leaves it at the broker."""
    assert reader(device).events(message(topic, payload, retained=True)) == ([], None)


@pytest.mark.parametrize("payload", ["on", "1", "true", {"contact": "true"}, {"contact": 1}])
def test_another_value_is_refused_and_moves_nothing(payload: object) -> None:
    """Compared with its type: `true` is not `"true"`."""
    device, topic = (
        (ZIGBEE, "zigbee2mqtt/ATS contact")
        if isinstance(payload, dict)
        else (ESPHOME, "hall/ats/binary_sensor/contact/state")
    )
    events, rejection = reader(device).events(message(topic, payload))
    assert events == []
    assert isinstance(rejection, Rejection)


def test_an_inverted_contact_is_open_on_utility() -> None:
    """What the rules call open is standby."""
    inverted = reader(SHELLY, closed_on_utility=False)
    assert inverted.events(message("plus1-a1/events/rpc", notice(state=True))) == ([OPEN], None)


def test_any_report_shows_life_if_silence_is_watched() -> None:
    """A sensor's battery report counts for expect_every_s; what the broker keeps does not."""
    watched = reader(ZIGBEE, reports_life=True)
    battery = message("zigbee2mqtt/ATS contact", {"battery": 97})
    assert watched.events(battery) == ([ANSWERED], None)
    assert watched.events(battery._replace(retained=True)) == ([], None)


def test_a_shelly_and_a_node_are_asked_and_a_sensor_is_not() -> None:
    """The reply of the Shelly comes on a topic of the house, which is subscribed to."""
    asked = reader(SHELLY).query()
    assert asked is not None
    request = json.loads(asked.payload)
    assert (asked.topic, asked.retain, request["method"], request["params"]) == (
        "plus1-a1/rpc",
        False,
        "Input.GetStatus",
        {"id": 1},
    )
    assert f"{request['src']}/rpc" in reader(SHELLY).topics()
    ping = reader(ESPHOME).query()
    assert ping is not None
    assert ping.topic == "esphome/ping/ats"
    assert reader(ZIGBEE).query() is None


def test_a_sensor_that_reports_itself_is_proven_by_its_reports() -> None:
    """`own_reports` in [families.zigbee2mqtt] names it; another stays as shipped."""
    assert OWN.contact(ZIGBEE).evidence is ContactEvidence.DEVICE
    assert OWN.contact("zigbee2mqtt/Other").evidence is ContactEvidence.CACHE
    assert DeviceCatalog().contact(ESPHOME).evidence is ContactEvidence.RETAINED
    assert DeviceCatalog().contact(SHELLY).evidence is ContactEvidence.DEVICE


def test_one_message_may_be_about_the_contact_and_a_circuit() -> None:
    """Of one Shelly, or of the gateway of both; the contact comes first."""
    device = DeviceTraits("shelly/plus1-a1#1")
    tub = Circuit(TUB, "Hot tub", (9, 11), Kind.RELAY, Tag.NONESSENTIAL, device=device)
    profiles = {TUB: profile_of(tub, "home", DeviceCatalog())}
    topics = Topics("home", [TUB], profiles=profiles, contact_device=reader(SHELLY))
    both = {"params": {"input:1": {"id": 1, "state": False}, "switch:1": {"id": 1, "output": False}}}
    assert [*topics.read(message("plus1-a1/events/rpc", both))] == [OPEN, BreakerReported(AT, TUB, Position.OFF)]
    assert [*topics.read(message("plus1-a1/online", "true"))] == [ALIVE, AvailabilityReported(AT, TUB, online=True)]
    assert {*topics.contact_topics()} <= {*reader(SHELLY).topics()}


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        ("tasmota/ats", "does not know the inputs of Tasmota"),
        ("zwave/ats", "does not know the inputs"),
        ("shelly/plus1-a1#input:x", "a number from 0 to 15"),
        ("esphome/ats", "object id of the switch or sensor"),
        ("zigbee2mqtt/ATS contact#l1", "no channel"),
        ("zigbee2mqtt/bridge/state", "friendly name"),
        ("workshop/ats", "unknown family"),
    ],
)
def test_a_device_without_a_contact_is_refused_with_what_to_write(device: str, reason: str) -> None:
    """At the start, not at the first transfer."""
    with pytest.raises(AddressError, match=reason):
        DeviceCatalog().contact(device)
