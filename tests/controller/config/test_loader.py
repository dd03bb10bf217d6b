"""Both configuration files: what is read, and what is said of what is wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import jsonschema
import pytest

from controller import config
from controller.config.errors import ConfigErrors
from controller.config.loader import (
    Configuration,
    Sources,
    load,
    parse,
    parse_circuits,
    parse_installer,
    reload_circuits,
)
from controller.config.model import GpioContact, MqttContact, RestoreSettings, ShedSettings
from controller.config.schema import circuits_schema, installer_schema, written
from rules.panel import Circuit, CircuitId, Kind, Override, Panel, Restore, Tag, Wakes
from tests.pages import ROOT

EXAMPLES = ROOT / "docs" / "examples"
INSTALLER = '[site]\nid = "home"\n[contact]\nsource = "gpio"\npin = 17\n'
CIRCUITS = '[circuits.hot-tub]\nspace = [9, 11]\nbreaker = "gen2"\ntag = "nonessential"\n'


def good(installer: str = INSTALLER, circuits: str = CIRCUITS) -> Configuration:
    """Return the configuration of two texts that are right."""
    configuration = parse(Sources(installer, circuits))
    assert isinstance(configuration, Configuration), [*configuration]
    return configuration


def said(installer: str = INSTALLER, circuits: str = CIRCUITS) -> list[str]:
    """Return what is said of two texts, at least one of them wrong."""
    mistakes = parse(Sources(installer, circuits))
    assert isinstance(mistakes, ConfigErrors)
    return [*mistakes.sentences]


def only(sentences: list[str]) -> str:
    """Return the one sentence there is."""
    assert len(sentences) == 1, sentences
    return sentences[0]


def circuit(more: str) -> str:
    """Return a circuits.toml of one circuit with more lines in its table."""
    return f"{CIRCUITS}{more}\n"


def test_what_is_not_written_has_the_default_of_the_contract() -> None:
    """Five lines are a whole installer.toml."""
    configuration = good()
    assert configuration.site.id == "home"
    assert configuration.contact == GpioContact("gpio", 17, "closed", 0.1)
    assert (configuration.broker.host, configuration.broker.port, configuration.broker.version) == (
        "127.0.0.1",
        1883,
        "5",
    )
    assert configuration.shed == ShedSettings(5.0, 180.0)
    assert configuration.restore == RestoreSettings(10.0, 5.0, 3, 600.0, 600.0)
    assert configuration.meter is None
    assert configuration.generator is None
    assert configuration.store.samples_days == 400
    assert configuration.panel == Panel.of(
        Circuit(CircuitId("hot-tub"), "hot-tub", (9, 11), Kind.GEN2, Tag.NONESSENTIAL)
    )


def test_every_key_of_a_circuit_reaches_the_panel() -> None:
    """What the homeowner wrote is what the rules see."""
    more = """name = "Hot tub"\namps = 50\nrank = 8\nmin_off_s = 300\nrestore = "ask"\noverride = "never"\nwakes = "off"
protected = false"""
    assert good(circuits=circuit(more)).panel[CircuitId("hot-tub")] == Circuit(
        CircuitId("hot-tub"),
        "Hot tub",
        (9, 11),
        Kind.GEN2,
        Tag.NONESSENTIAL,
        amps=50.0,
        rank=8,
        min_off_s=300.0,
        restore=Restore.ASK,
        override=Override.NEVER,
        wakes=Wakes.OFF,
    )


def test_a_contact_on_the_bus_has_its_own_keys() -> None:
    """An MQTT contact is defined by its topics and payloads."""
    table = '[site]\nid = "home"\n[contact]\nsource = "mqtt"\ntopic = "ats/contact"\non_lost = "shed"\n'
    assert good(table).contact == MqttContact("mqtt", "ats/contact", on_lost="shed")


def test_several_meters_share_the_bus_of_the_first() -> None:
    """Each further meter has an id of its own."""
    configuration = good(
        f'{INSTALLER}[meter]\nport = "/dev/ttyUSB0"\n[meters.shop]\ndevice_id = 2\nmodel = "1N240-021"\n'
    )
    assert configuration.meter is not None
    assert configuration.meter.device_id == 1
    assert configuration.meters["shop"].device_id == 2


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("[shed]\nconfirm_s = 61", "installer.toml:7: [shed] confirm_s = 61: use a number from 0.1 to 60"),
        ("[shed]\nconfirm_s = nan", "installer.toml:7: [shed] confirm_s = nan: use a number from 0.1 to 60"),
        ("[shed]\neager_s = inf", "installer.toml:7: [shed] eager_s = inf: use a number from 0 to 3600"),
        ("[shed]\neager_s = true", "installer.toml:7: [shed] eager_s = true: use a number from 0 to 3600"),
        ("[shed]\neager_s = 1979-05-27", "installer.toml:7: [shed] eager_s = 1979-05-27: use a number from 0 to 3600"),
        ("[shed]\nconfrim_s = 1", 'installer.toml:7: [shed] confrim_s = 1: unknown; did you mean "confirm_s"?'),
        ("[shed]\nstagger_s = 1", "installer.toml:7: [shed] stagger_s = 1: belongs in [restore]"),
        ("[shed]\nx = 1", "installer.toml:7: [shed] x = 1: unknown; known here: confirm_s, eager_s"),
        ("[sehd]\nconfirm_s = 1", 'installer.toml:6: sehd: unknown; did you mean "shed"?'),
        ("[[shed]]\nconfirm_s = 1", "write it as a table of its own: [shed]"),
        ("[store]\nsamples_days = 1.5", "installer.toml:7: [store] samples_days = 1.5: use a whole number from 1 to"),
        ('[broker]\nport = "1883"', 'installer.toml:7: [broker] port = "1883": use a port from 1 to 65535'),
        ("[broker]\nversion = 5", 'installer.toml:7: [broker] version = 5: use "5" or "3.1.1"'),
        ('[broker]\npassword_file = "secret"', "use a path from the root"),
        ('[broker]\nversion = "3.1.1"\npassword_file = "/a"', "MQTT 3.1.1 sends no password without a username"),
        ("[generator]\nkw = 0", "installer.toml:7: [generator] kw = 0: use a number above 0"),
        ("[meter]\npoll_s = 1", "installer.toml:6: [meter] port: missing: use a device such as /dev/ttyUSB0, or tcp"),
        ('[meter]\nport = "tcp://box"', 'installer.toml:7: [meter] port = "tcp://box": use a device such as'),
        ('[meter]\nport = "/dev/x"\ndevice_id = 248', "device_id = 248: use a whole number from 1 to 247"),
        ('[meter]\nport = "/dev/x"\npulse_pin = 17', "[meter] pulse_pin = 17: use another pin: [contact] pin has this"),
        ('[meter]\nport = "/dev/x"\npulse_pin = 2\npulse_kwh_pin = 2', "[meter] pulse_pin has this one"),
        ("[meters.shop]\ndevice_id = 2", "installer.toml:6: [meters]: needs [meter], whose port these meters share"),
        ('[meter]\nport = "/dev/x"\n[meters.shop]\ndevice_id = 1', "[meters.shop] device_id = 1: use another id"),
        ('[meter]\nport = "/dev/x"\n[meters."A b"]\ndevice_id = 2', '[meters."A b"]: use a-z, 0-9'),
    ],
)
def test_an_error_of_the_installer_has_its_place(table: str, sentence: str) -> None:
    """File, line, table, key, value, and what is allowed."""
    assert sentence in only(said(f"{INSTALLER}{table}\n"))


@pytest.mark.parametrize(
    ("contact", "sentence"),
    [
        ("", '[contact] source: missing: use "gpio" or "mqtt"'),
        ('source = "gpoi"', 'source = "gpoi": use "gpio" or "mqtt" (did you mean "gpio"?)'),
        ("source = 1", 'source = 1: use "gpio" or "mqtt"'),
        ('source = "gpio"', "[contact] pin: missing: use a BCM pin number from 0 to 27"),
        ('source = "gpio"\npin = 28', "pin = 28: use a BCM pin number from 0 to 27"),
        ('source = "gpio"\npin = 1\ntopic = "a"', 'topic = "a": only where source = "mqtt"; here it is "gpio"'),
        ('source = "mqtt"\ntopic = "a"\npin = 4', 'pin = 4: only where source = "gpio"; here it is "mqtt"'),
        ('source = "mqtt"\ntopic = "a/#"', 'topic = "a/#": use an MQTT topic without + and #'),
        ('source = "mqtt"', "[contact] topic: missing: use an MQTT topic without + and #"),
        (
            'source = "mqtt"\ntopic = "a"\navailability_topic = "a"\nclosed = "offline"',
            'unavailable = "offline": use another word than for "closed": both are on one topic',
        ),
        (
            'source = "mqtt"\ntopic = "a"\navailability_topic = "a"\navailable = "open"',
            'available = "open": use another word than for "open": both are on one topic',
        ),
        ('source = "mqtt"\ntopic = "a"\nquery_topic = "a"', 'query_topic = "a": use another topic'),
        (
            'source = "mqtt"\ntopic = "a"\nquery_topic = "loadshed/home/breakers/tub/set"',
            'use a topic outside "loadshed/", such as "contact/get"',
        ),
        ('source = "mqtt"\ntopic = "a"\nquery_payload = "?"', 'query_payload = "?": needs query_topic'),
        ('source = "mqtt"\ntopic = "a"\nexpect_every_s = -1', "expect_every_s = -1: use a number from 0 to 86400"),
        ('source = "mqtt"\ntopic = "a"\nopen = "1"\nclosed = "1"', 'closed = "1": use another word than for "open"'),
        ('source = "mqtt"\ntopic = "a"\navailable = "offline"', 'use another word than for "available"'),
    ],
)
def test_an_error_of_the_contact_is_reported(contact: str, sentence: str) -> None:
    """The keys of one source are unknown to the other."""
    assert sentence in only(said(f'[site]\nid = "home"\n[contact]\n{contact}\n'))


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ("rank = 0", "circuits.toml:5: [circuits.hot-tub] rank = 0: use a whole number from 1 to 9"),
        ("rank = 5.0", "rank = 5.0: use a whole number from 1 to 9"),
        ("amps = 0", "amps = 0: use a number above 0"),
        ("amp = 20", 'amp = 20: unknown; did you mean "amps"?'),
        ('name = "a\\u0007b"', "use a text of printable signs"),
        ('name = " "', "use a text of printable signs"),
        ("protected = 1", "protected = 1: use true or false"),
        ("protected = true", "[circuits.hot-tub] protected = true: a protected circuit is never shed"),
        ('restore = "automatic"', 'use "auto", "ask" or "never" (did you mean "auto"?)'),
        ("min_off_s = 3601", "use a number from 0 to 3600"),
        ("spaces = 3", 'spaces = 3: unknown; did you mean "space"?'),
        ('[circuits.Sauna]\nspace = 1\nbreaker = "gen1"\ntag = "essential"', "[circuits.Sauna]: use a-z, 0-9 and"),
        ('[circuits.all]\nspace = 1\nbreaker = "gen1"\ntag = "essential"', '"all" means every circuit'),
        ("[panel]", 'panel: unknown; did you mean "circuits"?'),
        ("[xyz]", "xyz: write a circuit's table as [circuits.xyz]"),
        ('[circuits.b]\nspace = 9\nbreaker = "gen1"\ntag = "essential"', "[circuits.b] space = 9: use another space"),
        ('[circuits.b]\nspace = 9\nbreaker = "gen1"\ntag = "x"\nrank = 1', "space = 9"),
    ],
)
def test_an_error_of_the_homeowner_has_its_place(more: str, sentence: str) -> None:
    """What else is wrong does not hide it."""
    assert any(sentence in told for told in said(circuits=circuit(more)))


@pytest.mark.parametrize(
    "space", ["0", "-1", "10000", "true", "1.0", '"9"', "[]", "[9, 9]", "[1, 2, 3]", "[true]", "{}"]
)
def test_a_space_is_a_number_from_1_or_two_of_them(space: str) -> None:
    """Two poles take two different spaces."""
    text = f'[circuits.a]\nspace = {space}\nbreaker = "gen2"\ntag = "essential"\n'
    assert "use a space number from 1, or two of them for two poles: [9, 11]" in only(said(circuits=text))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('contact = 3\nsite.id = "home"', "installer.toml:1: contact = 3: write it as a table of its own: [contact]"),
        (f"meters = 3\n{INSTALLER}", "installer.toml:1: meters = 3: write each meter as a table of its own"),
        (f"shed = [1, {{a = true}}]\n{INSTALLER}", "shed = [1, { a = true }]: write it as a table of its own: [shed]"),
        (f'site = "{"x" * 70}"\n{INSTALLER[19:]}', f'site = "{"x" * 58}…: write it as a table of its own: [site]'),
        ("", "installer.toml:1: [contact]: missing: write this table"),
    ],
)
def test_a_value_in_place_of_a_table_is_reported(text: str, sentence: str) -> None:
    """Also where the table is not there at all."""
    assert sentence in said(text)[-1]


@pytest.mark.parametrize("host", ["192.168.1..5", ".lan", "[::1]", f"{'x' * 64}.lan", ""])
def test_a_host_that_can_be_none_is_refused(host: str) -> None:
    """At the desk, not during an outage."""
    assert "use a host name or an address" in only(said(f'{INSTALLER}[broker]\nhost = "{host}"\n'))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "::1", "fe80::1%eth0", "my_pi.local", "broker.lan.", "bröker.lan"]
)
def test_a_host_is_a_name_or_an_address(host: str) -> None:
    """As the resolver takes them."""
    assert good(f'{INSTALLER}[broker]\nhost = "{host}"\n').broker.host == host


def test_a_misspelled_word_shows_the_closest_match() -> None:
    """An error states what to do next."""
    text = CIRCUITS.replace('"nonessential"', '"nonesential"')
    expected = 'circuits.toml:4: [circuits.hot-tub] tag = "nonesential": use "essential" or "nonessential"'
    assert only(said(circuits=text)).startswith(expected)


def test_all_mistakes_of_both_files_come_at_once_in_the_order_of_their_lines() -> None:
    """All errors at once: one run of `check` is enough."""
    sentences = said(
        '[site]\nid = "A"\n[shed]\neager_s = -1\nconfirm_s = 0\n', CIRCUITS.replace("gen2", "gen3") + "rank = 10\n"
    )
    places = [re.match(r"\w+\.toml:\d+", sentence) for sentence in sentences]
    assert [place.group() for place in places if place] == [
        "installer.toml:1",
        "installer.toml:2",
        "installer.toml:4",
        "installer.toml:5",
        "circuits.toml:3",
        "circuits.toml:5",
    ]


@pytest.mark.parametrize("text", ["", "circuits = 5\n", "[circuits]\n", "# all gone\n"])
def test_a_file_without_circuits_is_wrong(text: str) -> None:
    """A power cut can leave a file empty: it must not disarm the house."""
    assert "holds no circuit" in only(said(circuits=text))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\xef\xbb\xbf[site]", "installer.toml:1:1: begins with a byte-order mark"),
        (b'[site]\nid = "\xff"\n', "installer.toml:2:7: is not UTF-8 text"),
        (b"[site\n", "installer.toml:1:1: the head of a table has brackets around it and no blanks: write [site]"),
        (b'[site]\nid = "a"\nid = "b"\n', "installer.toml:3:1: id is there twice in this table"),
        (b"[site]\n[shed]\n[site]\n", "installer.toml:3:1: the table [site] is there twice"),
        (b"a = " + b"[" * 100_000, "is nested too deep"),
        (b"a = " + b"9" * 5_000, "not TOML"),
        (b"#" * 1_000_001, "is longer than 1000000 bytes"),
    ],
)
def test_invalid_toml_is_reported_as_such(tmp_path: Path, content: bytes, sentence: str) -> None:
    """The other file is looked at all the same."""
    (tmp_path / "installer.toml").write_bytes(content)
    (tmp_path / "circuits.toml").write_text("", encoding="utf-8")
    mistakes = load(tmp_path)
    assert isinstance(mistakes, ConfigErrors)
    assert sentence in mistakes.sentences[0]
    assert mistakes.sentences[-1].startswith("circuits.toml:1: [circuits]")


def test_a_number_of_more_digits_than_python_prints_is_reported() -> None:
    """Hexadecimal numbers have no limit of digits."""
    assert "a number of many digits" in only(said(circuits=circuit(f"rank = 0x{'f' * 9000}")))


def test_a_missing_folder_a_folder_a_pipe_and_a_file_out_of_reach_are_mistakes(tmp_path: Path) -> None:
    """Whatever stands in the way, the start goes on and says so."""
    missing = load(tmp_path / "nowhere")
    (tmp_path / "installer.toml").mkdir()
    os.mkfifo(tmp_path / "circuits.toml")
    blocked = load(tmp_path)
    (tmp_path / "a-file").touch()
    out_of_reach = load(tmp_path / "a-file")
    for mistakes, sentence in (
        (missing, "missing"),
        (blocked, "is not a file"),
        (out_of_reach, "a-file is a file: name the folder"),
    ):
        assert isinstance(mistakes, ConfigErrors)
        assert [sentence in told for told in mistakes.sentences] == [True, True]


def test_line_ends_of_another_system_do_no_harm(tmp_path: Path) -> None:
    """A file edited elsewhere is read, and the lines are counted right."""
    (tmp_path / "installer.toml").write_bytes(INSTALLER.replace("\n", "\r\n").encode())
    (tmp_path / "circuits.toml").write_bytes(circuit("rank = 0").replace("\n", "\r\n").encode())
    mistakes = load(tmp_path)
    assert isinstance(mistakes, ConfigErrors)
    assert "circuits.toml:5:" in only([*mistakes.sentences])


def test_a_reload_reads_the_circuits_alone(tmp_path: Path) -> None:
    """installer.toml is read at a start; a reload ignores an unfinished one."""
    (tmp_path / "installer.toml").write_text("nonsense", encoding="utf-8")
    (tmp_path / "circuits.toml").write_text(circuit("rank = 9"), encoding="utf-8")
    reloaded = reload_circuits(good(), tmp_path)
    assert isinstance(reloaded, Configuration)
    assert reloaded.panel[CircuitId("hot-tub")].rank == 9
    assert reloaded.sources == Sources(INSTALLER, circuit("rank = 9"))


@pytest.mark.parametrize("text", ["[circuits]\n", "nonsense", None])
def test_a_reload_of_a_wrong_file_is_refused_whole(tmp_path: Path, text: str | None) -> None:
    """The one in force stays."""
    if text is not None:
        (tmp_path / "circuits.toml").write_text(text, encoding="utf-8")
    assert isinstance(reload_circuits(good(), tmp_path), ConfigErrors)


def test_a_start_imports_nothing_that_only_a_mistake_needs() -> None:
    """Milliseconds at the start are milliseconds of overload."""
    program = (
        "import sys; from pathlib import Path; from controller.config.loader import load;"
        f"load(Path({str(EXAMPLES)!r})); print(*({{'difflib', 'ctypes', 'logging'}} & sys.modules.keys()))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.strip() == ""


# --- the schemas -----------------------------------------------------------------------------------------------------


def test_the_schemas_are_those_the_reader_goes_by() -> None:
    """Written again by `python -m controller.config.schema`."""
    folder = Path(config.__path__[0])
    assert (folder / "installer.schema.json").read_text(encoding="utf-8") == written(installer_schema())
    assert (folder / "circuits.schema.json").read_text(encoding="utf-8") == written(circuits_schema())


@pytest.mark.parametrize("name", ["installer", "circuits"])
def test_the_examples_fit_their_schema(name: str) -> None:
    """An editor finds no fault with what we show."""
    schema = {"installer": installer_schema, "circuits": circuits_schema}[name]()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(tomllib.loads((EXAMPLES / f"{name}.toml").read_text(encoding="utf-8")), schema)


@pytest.mark.parametrize(
    "text",
    [
        "",
        '[site]\nid = "A"\n[contact]\nsource = "gpio"\npin = 1\n',
        f"{INSTALLER}topic = 'a'\n",
        f"{INSTALLER}[shed]\nconfirm_s = 0\n",
        f"{INSTALLER}[shed]\nx = 0\n",
        f"{INSTALLER}[meters.a]\ndevice_id = 2\n",
        f'{INSTALLER}[broker]\nversion = "4"\n',
        INSTALLER,
        f'{INSTALLER}[meter]\nport = "tcp://[::1]:502"\n',
        '[site]\nid = "h"\n[contact]\nsource = "mqtt"\ntopic = "a"\n',
    ],
)
def test_schema_and_reader_agree(text: str) -> None:
    """What an editor underlines, the start refuses."""
    validator = jsonschema.Draft202012Validator(json.loads(written(installer_schema())))
    assert validator.is_valid(tomllib.loads(text)) == (not isinstance(parse_installer(text), ConfigErrors))


def test_every_default_passes_its_own_rule() -> None:
    """A default that cannot be written would be useless."""
    panel = parse_circuits(CIRCUITS)
    assert isinstance(panel, Panel)
    for table in (good().shed, good().restore, good().broker, good().store):
        for item in fields(table):
            rule, value = item.type.__metadata__[0], getattr(table, item.name)  # type: ignore[union-attr]
            assert value is None or rule.read(value) == value
