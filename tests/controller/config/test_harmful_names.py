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
    ("Aquarium", "animals may die"),
    ("Router and modem", "breakers"),
)


@pytest.mark.parametrize(("name", "consequence"), HARMFUL)
def test_a_nonessential_circuit_whose_loss_may_do_harm_is_named_with_the_harm(name: str, consequence: str) -> None:
    """In four languages; what is right to do stands beside it."""
    text = advised(name)
    assert consequence in text
    assert 'tag = "essential" keeps it on' in text


HARMLESS = ("Hot tub", "Dwelling lights", "Swell machine", "Pool pump", "EV charger", "Torch", "Gateleg lamp", "Dryer")


@pytest.mark.parametrize("name", HARMLESS)
def test_a_name_that_only_contains_such_a_word_is_left_alone(name: str) -> None:
    """A warning that is wrong makes the next one unread."""
    assert "keeps it on" not in advised(name)


def test_an_essential_circuit_is_left_alone() -> None:
    """It is not switched off."""
    assert "keeps it on" not in advised("Sump pump", tag='"essential"')


IMPLAUSIBLE = (("space", "200", "no panel has this many spaces"), ("amps", "1000", "read it from the handle"))


@pytest.mark.parametrize(("key", "value", "text"), IMPLAUSIBLE)
def test_a_value_that_no_house_has_is_named(key: str, value: str, text: str) -> None:
    """A slip of the finger, or another unit."""
    assert text in advised("Hot tub", **{key: value})


PORTS = (("port = 8883\n", "without ca_file"), ('port = 1883\nca_file = "/x"\n', "usually has port 8883"))


@pytest.mark.parametrize(("lines", "text"), PORTS)
def test_a_port_that_does_not_fit_to_tls_is_named(lines: str, text: str) -> None:
    """The connection would not be made, and the error would not say why."""
    assert text in advised("Hot tub", INSTALLER + "[broker]\n" + lines)


HOSTS = (
    ("192.168.1.10:1883", 'host = "192.168.1.10" and port = 1883'),
    ("mqtt://192.168.1.10", 'host = "192.168.1.10"'),
    ("mqtts://me:secret@broker.local:8883/x", 'host = "broker.local"'),
    (" broker", "without blanks"),
    ("broker ", "without blanks"),
    ("[fe80::1]", "a host name or an address"),
    ("my broker", "a host name or an address"),
    ("fe80::zz", "without brackets"),
)


@pytest.mark.parametrize(("host", "text"), HOSTS)
def test_a_host_that_can_never_be_reached_is_refused_with_what_to_write(host: str, text: str) -> None:
    """The program would try for ever."""
    errors = parse_installer(f'{INSTALLER}[broker]\nhost = "{host}"\n')
    assert isinstance(errors, ConfigErrors)
    assert text in errors.found[0].message


@pytest.mark.parametrize("host", ["broker", "broker.local", "127.0.0.1", "::1", "fe80::1", "2001:db8::8a2e:370:7334"])
def test_a_host_or_an_address_is_accepted(host: str) -> None:
    """Also an IPv6 address, which has colons."""
    assert not isinstance(parse_installer(f'{INSTALLER}[broker]\nhost = "{host}"\n'), ConfigErrors)


@pytest.mark.parametrize("topic", ["ats/contact ", " ats/contact", "ats/#", "ats/+/contact", ""])
def test_a_topic_on_which_nothing_can_be_published_is_refused(topic: str) -> None:
    """A trailing blank is not seen, and another topic."""
    text = INSTALLER.replace('source = "gpio"\npin = 17', f'source = "mqtt"\ntopic = "{topic}"')
    errors = parse_installer(text)
    assert isinstance(errors, ConfigErrors)
    assert "an MQTT topic without + and #" in errors.found[0].message
