"""`device` in both files, [families.NAME] and [profiles.NAME]: what is read, and what is said of each mistake."""

from __future__ import annotations

import tomllib

import jsonschema
import pytest

from controller.bus.profiles.registry import FAMILY_NAMES
from controller.config.advice import advice
from controller.config.errors import ConfigErrors
from controller.config.loader import Configuration, Sources, parse, parse_circuits, parse_installer
from controller.config.model import DeviceContact
from controller.config.schema import circuits_schema, installer_schema
from rules.device import Evidence
from rules.panel import CircuitId

SITE = '[site]\nid = "home"\n'
GPIO = '[contact]\nsource = "gpio"\npin = 17\n'
TUB = '[circuits.hot-tub]\nspace = [9, 11]\nbreaker = "relay"\ntag = "nonessential"\n'
PROFILE = (
    "[profiles.workshop]\n"
    'command = { topic = "shop/{address}/cmd", on = "1", off = "0" }\n'
    'state = [{ topic = "shop/{address}", path = "relay.state", on = [1], off = [0] }]\n'
)
"""Its lines are 6, 7 and 8 of installer.toml."""


def good(more: str = "", circuits: str = TUB, contact: str = GPIO) -> Configuration:
    """Return the configuration of two files that are right."""
    configuration = parse(Sources(SITE + contact + more, circuits))
    assert isinstance(configuration, Configuration), [*configuration]
    return configuration


def only(more: str = "", circuits: str = TUB, contact: str = GPIO) -> str:
    """Return the one sentence that is said of two files."""
    mistakes = parse(Sources(SITE + contact + more, circuits))
    assert isinstance(mistakes, ConfigErrors)
    assert len(mistakes) == 1, mistakes.sentences
    return mistakes.sentences[0]


def device(text: str, breaker: str = "relay") -> str:
    """Return a circuits.toml whose fifth line is this device."""
    return f"{TUB.replace('relay', breaker)}device = {text}\n"


@pytest.mark.parametrize(
    "address",
    [
        "shelly/shellypro2pm-aabbccddeeff#0",
        "tasmota/heater#2",
        "zigbee2mqtt/Water Heater",
        "zigbee2mqtt/pool/duo#l2",
        "esphome/garage-panel/relay_2",
        "zwave/Hot Tub#1",
        "zwave/nodeID_3",
        "homie/boiler-relay/relay/power",
        "span/c-heater",
        "homeassistant/pump",
        "workshop/pump",
    ],
)
def test_a_device_of_each_family_reaches_the_panel(address: str) -> None:
    """With what its reports prove."""
    tub = good(PROFILE, device(f'"{address}"')).panel[CircuitId("hot-tub")]
    assert tub.device is not None
    assert tub.device.address == address
    assert tub.device.remembers is address.startswith(("zigbee2mqtt", "zwave"))


def test_settings_of_a_family_and_of_a_device_in_it_count() -> None:
    """`own_reports` names the devices whose state is their own word; `confirm_s` is the family's."""
    more = '[families.zigbee2mqtt]\nbase = "z2m"\nown_reports = ["Water Heater"]\nconfirm_s = 8\n'
    tub = good(more, device('"zigbee2mqtt/Water Heater"')).panel[CircuitId("hot-tub")].device
    assert tub is not None
    assert (tub.evidence, tub.confirm_s, tub.gateway) == (Evidence.DEVICE, 8.0, "z2m")
    other = good(more, device('"zigbee2mqtt/Other"')).panel[CircuitId("hot-tub")].device
    assert other is not None
    assert other.evidence is Evidence.CACHE


@pytest.mark.parametrize("breaker", ["gen2", "relay"])
def test_what_can_be_switched_may_have_a_device(breaker: str) -> None:
    """The electrical kind stays as it is."""
    assert good(circuits=device('"shelly/x"', breaker)).panel[CircuitId("hot-tub")].kind.value == breaker


WRONG_DEVICES = (
    ('"shely/x"', 'unknown family "shely"; did you mean "shelly"?'),
    ('"z2m/Tank"', 'did you mean "zigbee2mqtt"?'),
    ('"zwave-js-ui/Tub"', 'did you mean "zwave"?'),
    ('"garage/x"', "known: zigbee2mqtt, tasmota, shelly"),
    ('"garage/x"', "A family of your own is a table [profiles.garage] in installer.toml"),
    ('"shelly"', 'write "family/address" or "family/address#channel"'),
    ('"shelly/"', 'write "family/address"'),
    ('"shelly//x"', 'write "family/address"'),
    ('" shelly/x"', 'write it without blanks at its ends: "shelly/x"'),
    ('"shelly/x#"', "write a channel after the #, or leave the # out"),
    ('"shelly/x#0#1"', "only one #"),
    ('"shelly/+"', "no +"),
    ('"shelly/x#16"', "a number from 0 to 15, not '16'"),
    ('"tasmota/heater#0"', "a number from 1 to 32, not '0'"),
    ('"tasmota/cmnd/heater"', "without a slash"),
    ('"esphome/node"', '"esphome/garage-panel/relay_2"'),
    ('"esphome/node/relay#1"', "leave #1 out"),
    ('"zigbee2mqtt/duo#2"', "a gang such as l1 or l2, not '2'"),
    ('"zigbee2mqtt/Tank/set"', "write the device's friendly name"),
    ('"homie/boiler/power"', '"homie/boiler-relay/relay/power"'),
    ('"span/panel/c-heater"', '"span/c-heater"'),
    ('"homeassistant/switch.pump"', '"homeassistant/pump" for switch.pump'),
    ('["shelly/x#0", "shelly/x#1"]', "write one device: it must switch both poles"),
    ("7", 'use "family/address"'),
    (f'"shelly/{"x" * 200}"', "at most 200 signs"),
)


@pytest.mark.parametrize(("text", "says"), WRONG_DEVICES)
def test_a_wrong_device_is_named_with_file_and_line_and_what_to_write(text: str, says: str) -> None:
    """One sentence for each."""
    sentence = only(circuits=device(text))
    assert sentence.startswith("circuits.toml:5: [circuits.hot-tub] device = ")
    assert says in sentence


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("device = shelly/x", 'circuits.toml:5:10: a text needs straight quotation marks: write device = "shelly/x"'),
        ("device = tasmota/x#2", 'write device = "tasmota/x#2"'),
        ("device = tasmota/x#2  # the tub", 'write device = "tasmota/x#2"'),
        ("device: zigbee2mqtt/Water Heater#l1", 'write device = "zigbee2mqtt/Water Heater#l1"'),
        ("device = \u201cshelly/x#1\u201d", 'straight ones: device = "shelly/x#1"'),
        ('device "shelly/x#1"', 'write device = "shelly/x#1"'),
        ('devise = "shelly/x#1"', 'unknown; did you mean "device"?'),
    ],
)
def test_a_slip_in_a_device_line_is_corrected_with_its_channel(line: str, says: str) -> None:
    """Without quotation marks, the sign before a channel looks like a comment: the channel must not get lost."""
    assert says in only(circuits=f"{TUB}{line}\n")


@pytest.mark.parametrize("breaker", ["gen1", "standard"])
def test_a_breaker_that_nothing_can_switch_has_no_device(breaker: str) -> None:
    """Leave the line out, or write the kind of the device."""
    sentence = only(circuits=device('"shelly/x"', breaker))
    assert sentence.startswith('circuits.toml:5: [circuits.hot-tub] device = "shelly/x": nothing can switch this kind')


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("shelly/x", "shelly/x#0"),
        ("tasmota/x#1", "tasmota/x"),
        ("zwave/Hot Tub", "zwave/Hot_Tub#0"),
        ("zigbee2mqtt/duo#l1", "zigbee2mqtt/duo#l1"),
        ("esphome/node/relay", "esphome/node/relay"),
    ],
)
def test_two_circuits_on_one_relay_are_refused(one: str, other: str) -> None:
    """Also if the channel is written once and left out once: the second line is the wrong one."""
    second = f'[circuits.dryer]\nspace = 1\nbreaker = "relay"\ntag = "essential"\ndevice = "{other}"\n'
    sentence = only(circuits=device(f'"{one}"') + second)
    assert sentence == (
        f'circuits.toml:10: [circuits.dryer] device = "{other}": use another device: [circuits.hot-tub] has this one'
    )


def test_two_channels_of_one_device_are_two_relays() -> None:
    """Each may have a circuit."""
    second = '[circuits.dryer]\nspace = 1\nbreaker = "relay"\ntag = "essential"\ndevice = "shelly/x#1"\n'
    assert len(good(circuits=device('"shelly/x"') + second).panel) == 2


# --- [families.NAME] -------------------------------------------------------------------------------------------------

WRONG_FAMILIES = (
    # lines from the sixth on, place, what is said
    ('[families.zigbe2mqtt]\nbase = "z"', "6: [families] zigbe2mqtt", 'did you mean "zigbee2mqtt"?'),
    ('[families.zigbee2mqtt]\nbas = "z"', '7: [families.zigbee2mqtt] bas = "z"', 'did you mean "base"?'),
    ('[families.zigbee2mqtt]\nbase = "z/#"', '7: [families.zigbee2mqtt] base = "z/#"', "without + and #"),
    ('[families.zigbee2mqtt]\nbase = "z/"', "7: [families.zigbee2mqtt] base", 'without a slash at its ends: "z"'),
    ("[families.zigbee2mqtt]\nbase = 5", "7: [families.zigbee2mqtt] base = 5", "use a part of a topic"),
    (
        '[families.zigbee2mqtt]\nown_reports = "Tank"',
        "7: [families.zigbee2mqtt] own_reports",
        '["Water heater", "Pool"]',
    ),
    ("[families.zigbee2mqtt]\nconfirm_s = 0", "7: [families.zigbee2mqtt] confirm_s = 0", "from 0.1 to 60"),
    ('[families.tasmota]\nfull_topic = "%topic%/"', "7: [families.tasmota] full_topic", '"%prefix%/%topic%/"'),
    ("[families.homie]\nversion = 5", "7: [families.homie] version = 5", 'use "4" or "5" (did you mean "5"?)'),
    ('[families.zwave]\nnames = "nodes"', "7: [families.zwave] names", 'use "value-id" or "named"'),
    ('[families.shelly]\nprefix = "x"', "7: [families.shelly] prefix", "unknown; known here: confirm_s"),
    ('[families]\nzigbee2mqtt = "z"', "7: [families] zigbee2mqtt", "[families.zigbee2mqtt]"),
    ("families = 5", "6: [contact] families = 5", "unknown"),
    ('[zigbee2mqtt]\nbase = "z"', "6: zigbee2mqtt", "write this table as [families.zigbee2mqtt]"),
    ('[family.zigbee2mqtt]\nbase = "z"', "6: family", 'did you mean "families"?'),
    # not TOML
    ('[families zigbee2mqtt]\nbase = "z"', "6:1", "write [families.zigbee2mqtt]"),
    ("[families.zigbee2mqtt]\nbase: z2m", "7:7", 'write base = "z2m"'),
    ("[families.zigbee2mqtt]\nbase = z2m", "7:8", 'write base = "z2m"'),
    ('[families.zwave]\nnames "named"', "7:6", 'write names = "named"'),
)


@pytest.mark.parametrize(("lines", "place", "says"), WRONG_FAMILIES)
def test_a_mistake_in_the_table_of_a_family_is_named_with_its_place(lines: str, place: str, says: str) -> None:
    """With the line, the key and what to write."""
    sentence = only(f"{lines}\n")
    assert sentence.startswith(f"installer.toml:{place}")
    assert says in sentence


# --- [profiles.NAME] -------------------------------------------------------------------------------------------------

WRONG_PROFILES = (
    # text that replaces another, place, what is said
    ("workshop]", "Workshop]", "6: [profiles.Workshop]", 'a-z, 0-9, "-" and "_"'),
    ("workshop]", "shelly]", "6: [profiles.shelly]", "the program has a family of this name"),
    ("profiles", "profile", "6: profile", 'did you mean "profiles"?'),
    ('on = "1", ', "", "7: [profiles.workshop.command] on", "missing"),
    ("/cmd", "/#", "7: [profiles.workshop.command] topic", "without + and #"),
    ("{address}/cmd", "{adress}/cmd", "7: [profiles.workshop.command] topic", "{adress} stands for nothing"),
    (
        "shop/{address}/cmd",
        "loadshed/x",
        "7: [profiles.workshop.command] topic",
        "belongs to the broker or to loadshed",
    ),
    ("shop/{address}/cmd", "shop/{address}", "8: [profiles.workshop.state] topic", "the controller itself publishes"),
    ("off = [0]", "off = [1]", "8: [profiles.workshop.state] off = [1]", 'another value than for "on"'),
    ("off = [0]", "off = 0", "8: [profiles.workshop.state] off = 0", 'a list such as ["ON", "on"]'),
    ("off = [0]", "of = [0]", "8: [profiles.workshop.state] off", "missing"),
    ("relay.state", "relay..state", "8: [profiles.workshop.state] path", "dots between them"),
    ("state = [", "stat = [", "6: [profiles.workshop]", "missing: state"),
    ("state = [", 'evidence = "cash"\nstate = [', "8: [profiles.workshop] evidence", '(did you mean "cache"?)'),
    ("state = [", "settle_s = 61\nstate = [", "8: [profiles.workshop] settle_s", "from 0 to 60"),
    ("state = [", 'query = "shop/get"\nstate = [', "8: [profiles.workshop] query", "[profiles.workshop.query]"),
    (
        "state = [",
        'query = { topic = "shop/{address}" }\nstate = [',
        "9: [profiles.workshop.state] topic",
        "publishes on this one (query)",
    ),
    (
        "state = [",
        'available = { topic = "shop/lwt", online = ["up"], offline = ["up"] }\nstate = [',
        "8: [profiles.workshop.available] offline",
        'another value than for "online"',
    ),
    (
        "state = [",
        'power = { topic = "shop/w", scale = 0 }\nstate = [',
        "8: [profiles.workshop.power] scale",
        "above 0",
    ),
    # not TOML
    ("{ topic = ", '{ "topic": ', "7:11", 'write command = { topic = "shop/{address}/cmd", on = "1", off = "0" }'),
    ("on = [1]", "on: [1]", "8:9", "a table in braces: write state = [{ topic ="),
    ('"1", off = "0" }', '"1", off = "0"', "7:11", "has its end on the same line"),
)


@pytest.mark.parametrize(("old", "new", "place", "says"), WRONG_PROFILES)
def test_a_mistake_in_a_profile_is_named_with_its_place(old: str, new: str, place: str, says: str) -> None:
    """Each part is judged alone; a profile with a mistake does not hide the others."""
    assert old in PROFILE
    mistakes = parse_installer(SITE + GPIO + PROFILE.replace(old, new, 1))
    assert isinstance(mistakes, ConfigErrors)
    assert any(one.startswith(f"installer.toml:{place}") and says in one for one in mistakes.sentences), mistakes.found


def test_a_profile_of_ones_own_becomes_topics() -> None:
    """Address and channel are filled in; lists may be one table."""
    more = PROFILE + 'available = { topic = "shop/{address}/lwt", online = ["up"], offline = ["down"] }\n'
    profile = good(more).installer.devices.profile("workshop/saw")
    assert (profile.command.topic, profile.command.off) == ("shop/saw/cmd", "0")
    assert profile.topics() == ("shop/saw/lwt", "shop/saw")


# --- [contact] device ------------------------------------------------------------------------------------------------


def contact(lines: str) -> str:
    """Return [contact] of an MQTT device; its lines are from the fifth on."""
    return f'[contact]\nsource = "mqtt"\n{lines}\n'


@pytest.mark.parametrize(
    "address",
    ["shelly/shellyplus1-a1#input:0", "shelly/shellyplus1-a1", "esphome/ats-node/contact", "zigbee2mqtt/ATS contact"],
)
def test_the_contact_may_be_at_a_device(address: str) -> None:
    """With the keys that do not depend on the family."""
    read = good(contact=contact(f'device = "{address}"\non_lost = "shed"\nexpect_every_s = 60')).contact
    assert read == DeviceContact("mqtt", address, on_lost="shed", expect_every_s=60.0)


@pytest.mark.parametrize(
    ("lines", "place", "says"),
    [
        ('device = "shely/x"', '5: [contact] device = "shely/x"', 'unknown family "shely"; did you mean "shelly"?'),
        ('device = "tasmota/x"', "5: [contact] device", "does not know the inputs of Tasmota: write topic = …"),
        ('device = "shelly/x#input:77"', "5: [contact] device", "a number from 0 to 15"),
        ('device = "shelly/x"\ntopic = "a"', "6: [contact] topic", "leave it out: the family of the device decides"),
        ('device = "shelly/x"\nopen = "a"', "6: [contact] open", "leave it out"),
        ('device = "shelly/x"\npin = 4', "6: [contact] pin", 'only where source = "gpio"'),
        ('device = "shelly/x"\nnormaly = "open"', "6: [contact] normaly", 'did you mean "normally"?'),
        ("device = shelly/x#input:0", "5:10", 'write device = "shelly/x#input:0"'),
    ],
)
def test_a_mistake_in_the_contacts_device_is_named(lines: str, place: str, says: str) -> None:
    """Also keys of a contact with topics of its own."""
    sentence = only(contact=contact(lines))
    assert sentence.startswith(f"installer.toml:{place}")
    assert says in sentence


def test_a_device_needs_the_source_mqtt() -> None:
    """On a pin there is no device."""
    assert 'device = "shelly/x": only where source = "mqtt"' in only(contact=f'{GPIO}device = "shelly/x"\n')


@pytest.mark.parametrize(
    ("lines", "more", "says"),
    [
        ('device = "shelly/x"', "", "answers questions"),
        ('device = "esphome/node/contact"', "", "discover_ip"),
        ('device = "zigbee2mqtt/ATS"', "", 'own_reports = ["ATS"]'),
        ('device = "zigbee2mqtt/ATS"', '[families.zigbee2mqtt]\nown_reports = ["ATS"]\n', "cannot be asked"),
        ('device = "zigbee2mqtt/ATS"\non_lost = "shed"', "", "then sheds the house after 15 s"),
        ('device = "zigbee2mqtt/ATS"\nexpect_every_s = 60', "", "silent for hours"),
    ],
)
def test_check_explains_what_the_contact_can_prove_and_what_it_cannot(lines: str, more: str, says: str) -> None:
    """It is not an error."""
    sentences = [str(one) for one in advice(good(more, contact=contact(lines)))]
    assert any("[contact]" in one and says in one for one in sentences), sentences


# --- schemas ---------------------------------------------------------------------------------------------------------


def judged(text: str, schema: dict[str, object]) -> bool:
    """Return whether an editor accepts a text."""
    try:
        jsonschema.validate(tomllib.loads(text), schema)
    except jsonschema.ValidationError:
        return False
    return True


def test_an_editor_accepts_what_the_program_accepts() -> None:
    """The schemas hold every family with its keys, profiles and the contact's device."""
    more = PROFILE + "".join(f"[families.{name}]\nconfirm_s = 7\n" for name in FAMILY_NAMES)
    assert judged(SITE + GPIO + more, installer_schema())
    assert judged(SITE + contact('device = "shelly/x#input:0"'), installer_schema())
    assert judged(device('"zigbee2mqtt/Water Heater#l1"'), circuits_schema())


@pytest.mark.parametrize(
    "more",
    [
        '[families.zigbe2mqtt]\nbase = "z"\n',
        '[families.zigbee2mqtt]\nbas = "z"\n',
        '[families.zigbee2mqtt]\nbase = "z/#"\n',
        '[families.homie]\nversion = "3"\n',
        '[families.tasmota]\nfull_topic = "x"\n',
        PROFILE.replace("off = [0]", "off = []"),
        PROFILE.replace('on = "1", ', ""),
        PROFILE.replace("state =", "states ="),
        PROFILE + 'evidence = "cash"\n',
    ],
)
def test_an_editor_marks_what_the_program_refuses(more: str) -> None:
    """Where the schema can say it."""
    assert not judged(SITE + GPIO + more, installer_schema())
    assert isinstance(parse_installer(SITE + GPIO + more), ConfigErrors)


def test_an_editor_marks_a_wrong_device() -> None:
    """A text without a family, and a list."""
    for text in ('"shelly"', '["shelly/x#0", "shelly/x#1"]'):
        assert not judged(device(text), circuits_schema())
        assert isinstance(parse_circuits(device(text)), ConfigErrors)
