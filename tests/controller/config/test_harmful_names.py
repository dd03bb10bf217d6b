"""Advice about nonessential circuits whose loss may do harm, and about values that no house has."""

from __future__ import annotations

import pytest

from controller.config.advice import advice
from controller.config.errors import ConfigErrors
from controller.config.loader import Configuration, Sources, parse, parse_installer

INSTALLER = '[site]\nid = "home"\n[contact]\nsource = "gpio"\npin = 17\n'
ROUTER = '[circuits.router]\nspace = 40\nbreaker = "gen2"\ntag = "essential"\nprotected = true\n'


def advised(name: str, installer: str = INSTALLER, **more: str) -> str:
    """Return the advice about a nonessential circuit of this name."""
    values = {"space": "2", "amps": "20", "tag": '"nonessential"', **more}
    keys = "\n".join(f"{key} = {value}" for key, value in values.items())
    circuits = f'{ROUTER}[circuits.one]\nname = "{name}"\nbreaker = "gen2"\n{keys}\n'
    configuration = parse(Sources(installer, circuits))
    assert isinstance(configuration, Configuration), configuration
    return "\n".join(map(str, advice(configuration)))


HARMFUL = (
    ("Sump pump", "flood"),
    ("Sewage ejector", "flood"),
    ("Septic pumps", "flood"),
    ("Tauchpumpe Keller", "flood"),
    ("Pompe de relevage", "flood"),
    ("Well", "no water"),
    ("Brunnenpumpe", "no water"),
    ("Furnace", "freeze"),
    ("Oil boiler", "freeze"),
    ("Heizungsanlage", "freeze"),
    ("Chaudière", "freeze"),
    ("Garage freezer", "food spoils"),
    ("Refrigerators", "food spoils"),
    ("Gefriertruhe", "food spoils"),
    ("Congelador", "food spoils"),
    ("CO detector", "carbon monoxide"),
    ("Smoke detectors", "carbon monoxide"),
    ("Medical oxygen", "depend on it"),
    ("Stair lift", "depend on it"),
    ("Alarm panel", "guarded"),
    ("Driveway gate", "guarded"),
    ("Aquarium", "animals or plants may die"),
    ("Router and modem", "breakers"),
    ("SUMP_PUMP #2", "flood"),
    ("Sewage lift pump", "flood"),
    ("Klaeranlage", "flood"),
    ("Bomba sumergible", "flood"),
    ("Vide-cave", "flood"),
    ("Pressure pump", "no water"),
    ("Pompe de puits", "no water"),
    ("Fu\u00dfbodenheizung", "freeze"),
    ("Gasheizung", "freeze"),
    ("Calefaccion", "freeze"),
    ("Chaudiere a gaz", "freeze"),
    ("Deep freeze", "food spoils"),
    ("Kuehlschrank", "food spoils"),
    ("Tiefk\u00fchltruhe", "food spoils"),
    ("Frigorifico", "food spoils"),
    ("CO alarm", "carbon monoxide"),
    ("CO-Melder", "carbon monoxide"),
    ("Detecteur de fumee", "carbon monoxide"),
    ("Radon fan", "carbon monoxide"),
    ("Oxygen concentrator", "depend on it"),
    ("Beatmungsger\u00e4t", "depend on it"),
    ("Hospital bed", "depend on it"),
    ("Hoftor", "guarded"),
    ("Security cameras", "guarded"),
    ("Koi pond", "may die"),
    ("Gallinero", "may die"),
    ("Wi-Fi", "breakers"),
)


@pytest.mark.parametrize(("name", "consequence"), HARMFUL)
def test_a_nonessential_circuit_whose_loss_may_do_harm_is_named_with_the_harm(name: str, consequence: str) -> None:
    """In four languages; what is right to do stands beside it."""
    text = advised(name)
    assert consequence in text
    assert 'tag = "essential" keeps it on' in text


HARMLESS = (
    *("Bedroom four", "Redwood deck", "Smoker grill", "Installation bench", "Gatehouse lights", "Fibreglass kiln"),
    *(
        "Wellness room",
        "Bargain corner",
        "Storage",
        "Cocktail bar",
        "Stallion room",
        "Red room",
        "Leaf blower",
        "Pool booster pump",
    ),
    *("Hot tub", "Dwelling lights", "Swell machine", "Pool pump", "EV charger", "Torch", "Gateleg lamp", "Dryer"),
)


@pytest.mark.parametrize("name", HARMLESS)
def test_a_name_that_only_contains_such_a_word_is_left_alone(name: str) -> None:
    """A warning that is wrong makes the next one unread."""
    assert "keeps it on" not in advised(name)


def test_an_essential_circuit_is_left_alone() -> None:
    """It is not switched off."""
    assert "keeps it on" not in advised("Sump pump", tag='"essential"')


IMPLAUSIBLE = (
    ("space", "200", "no panel has this many spaces"),
    ("amps", "1000", "read it from the handle"),
    ("amps", "0.5", "read it from the handle"),
    ("amps", "20.5", "rated in whole amperes"),
    ("min_off_s", "3600", "longer than any compressor needs"),
)


def test_values_of_the_installer_that_no_house_has_are_named() -> None:
    """Minutes for seconds, watts for kilowatts."""
    shown = advised(
        "Hot tub", f"{INSTALLER}[restore]\nstagger_s = 3600\n[store]\nsamples_days = 36500\n[generator]\nkw = 0.022\n"
    )
    assert "stagger_s = 3600.0: more than 100 times what is usual (5)" in shown
    assert "samples_days = 36500" not in shown
    assert "kw = 0.022: less than any house has" in shown


def test_two_circuits_of_one_name_are_named() -> None:
    """An alarm about it would be about either."""
    assert "[circuits.router] has the same name" in advised("router")


@pytest.mark.parametrize(("key", "value", "text"), IMPLAUSIBLE)
def test_a_value_that_no_house_has_is_named(key: str, value: str, text: str) -> None:
    """A slip of the finger, or another unit."""
    assert text in advised("Hot tub", **{key: value})


PORTS = (
    ("port = 8883\n", "without ca_file"),
    ('port = 1883\nca_file = "/x"\n', "usually has port 8883"),
    ("port = 9001\n", "MQTT over WebSocket"),
    ("port = 8123\n", "Home Assistant's page: MQTT has 1883"),
    ('password_file = "/x"\n', "without username most brokers refuse the password"),
    ('username = "ann "\npassword_file = "/x"\n', 'username = "ann"'),
    ('host = "fe80::1"\n', "as in fe80::1%eth0"),
)


@pytest.mark.parametrize(("lines", "text"), PORTS)
def test_a_port_or_login_that_cannot_work_is_named(lines: str, text: str) -> None:
    """The connection would not be made, and the error would not say why."""
    assert text in advised("Hot tub", INSTALLER + "[broker]\n" + lines)


HOSTS = (
    ("192.168.1.10:1883", 'host = "192.168.1.10" and port = 1883'),
    ("mqtt://192.168.1.10", 'host = "192.168.1.10"'),
    ("mqtts://me:secret@broker.local:8883/x", 'host = "broker.local"'),
    (" broker", "without blanks"),
    ("broker ", "without blanks"),
    ("[fe80::1]", 'write the host alone: host = "fe80::1"'),
    ("[::1]:1883", 'host = "::1" and port = 1883'),
    ("broker.local:", 'host = "broker.local"'),
    ("tcp://broker.local:1883", 'host = "broker.local" and port = 1883'),
    ("http://homeassistant.local:8123/lovelace", 'host = "homeassistant.local"'),
    ("//broker", 'host = "broker"'),
    ("ann@broker", 'host = "broker" and username = "ann"'),
    ("192.168.1.10/24", 'host = "192.168.1.10"'),
    ("192.168.1", "four numbers up to 255"),
    ("192.168.1.256", "four numbers up to 255"),
    ("1883", "four numbers up to 255"),
    ("192.168.001.010", 'host = "192.168.1.10"'),
    ("192.168.1.10.", 'host = "192.168.1.10"'),
    ("192.168.1.10,", "a host name or an address"),
    ("broker;", "a host name or an address"),
    ("255.255.255.255", "no machine has this address"),
    ("::", "no machine has this address"),
    ("broker..local", "a host name or an address"),
    ("my broker", "a host name or an address"),
    ("fe80::zz", "without brackets"),
)


@pytest.mark.parametrize(("host", "text"), HOSTS)
def test_a_host_that_can_never_be_reached_is_refused_with_what_to_write(host: str, text: str) -> None:
    """The program would try for ever."""
    errors = parse_installer(f'{INSTALLER}[broker]\nhost = "{host}"\n')
    assert isinstance(errors, ConfigErrors)
    assert text in errors.found[0].message


@pytest.mark.parametrize(
    "host",
    [
        "broker",
        "broker.local",
        "127.0.0.1",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "10.0.0.7",
        "my_broker",
        "b\u00fccher.lan",
    ],
)
def test_a_host_or_an_address_is_accepted(host: str) -> None:
    """Also an IPv6 address, which has colons."""
    assert not isinstance(parse_installer(f'{INSTALLER}[broker]\nhost = "{host}"\n'), ConfigErrors)


TOPICS = (
    ("/ats/contact", '"ats/contact" is usual'),
    ("ats/contact/", '"ats/contact" is usual'),
    ("ats//contact", '"ats/contact" is usual'),
    ("ats /contact", 'a blank beside a slash makes another topic: "ats/contact" is usual'),
    ("loadshed/home/controller/state", "the controller uses this topic"),
)


@pytest.mark.parametrize("key", ["topic", "availability_topic"])
@pytest.mark.parametrize(("topic", "text"), TOPICS)
def test_a_topic_on_which_no_device_publishes_is_named(topic: str, text: str, key: str) -> None:
    """It is legal, and would be waited for in vain."""
    topics = {"topic": "ats/contact", "availability_topic": "ats/online", key: topic}
    lines = "\n".join(f'{name} = "{value}"' for name, value in topics.items())
    shown = advised("Hot tub", INSTALLER.replace('source = "gpio"\npin = 17', f'source = "mqtt"\n{lines}'))
    assert f"[contact] {key} = " in shown
    assert text in shown


def test_one_topic_for_position_and_availability_is_named() -> None:
    """The last will would take the place of the position."""
    mqtt = 'source = "mqtt"\ntopic = "ats/contact"\navailability_topic = "ats/contact"'
    shown = advised("Hot tub", INSTALLER.replace('source = "gpio"\npin = 17', mqtt))
    assert 'use a topic of its own if the device can, such as "ats/contact/availability"' in shown


def test_a_usual_contact_gets_no_advice_about_its_topics() -> None:
    """The bridge's own state is below $SYS."""
    mqtt = (
        'source = "mqtt"\ntopic = "loadshed/home/contact"\n'
        'availability_topic = "$SYS/broker/connection/garage/state"\navailable = "1"\nunavailable = "0"'
    )
    shown = advised("Hot tub", INSTALLER.replace('source = "gpio"\npin = 17', mqtt))
    assert "[contact] topic" not in shown
    assert "[contact] availability_topic" not in shown


@pytest.mark.parametrize("port", ["/dev/ttyUSB0 ", "tcp://gateway:0", "tcp://gateway:99999", "tcp://gateway", "COM3"])
def test_a_meter_port_that_can_never_be_opened_is_refused(port: str) -> None:
    """With what to write."""
    errors = parse_installer(f'{INSTALLER}[meter]\nport = "{port}"\n')
    assert isinstance(errors, ConfigErrors)
    assert "use a device such as /dev/ttyUSB0, or tcp://host:port" in errors.found[0].message


@pytest.mark.parametrize("topic", ["ats/contact ", " ats/contact", "ats/#", "ats/+/contact", "", "mqtt://broker/ats"])
def test_a_topic_on_which_nothing_can_be_published_is_refused(topic: str) -> None:
    """A trailing blank is not seen, and another topic."""
    text = INSTALLER.replace('source = "gpio"\npin = 17', f'source = "mqtt"\ntopic = "{topic}"')
    errors = parse_installer(text)
    assert isinstance(errors, ConfigErrors)
    assert "an MQTT topic without + and #" in errors.found[0].message
