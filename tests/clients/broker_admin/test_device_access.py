"""Users of real devices and gateways: what `loadshed broker add-user` grants, on a real Mosquitto."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from clients.broker_admin import passwords
from clients.broker_admin.acl import CONTROLLER_NAME, Role, User
from clients.broker_admin.mosquitto import MosquittoConfig
from clients.cli import main
from controller.bus.messages import IncomingMessage
from controller.config.errors import ConfigErrors
from controller.config.loader import load
from controller.core.effects import QueryDevice, SwitchOff
from controller.core.events import BreakerReported
from controller.runtime import startup
from hw.broker_socket import Broker
from hw.mqtt import MqttConnection
from hw.simulated.device_catalog import simulated_devices
from hw.simulated.device_runner import DeviceRunner
from rules.panel import CircuitId, Position
from tests.mosquitto import HOST, Mosquitto, held_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from controller.bus.topics import Topics

PATIENCE_S = 20.0
AGAIN_S = 2.0
CIRCUITS = {
    "heater": "tasmota/heater#1",
    "fan": "tasmota/heater#2",
    "boiler": "tasmota/boiler",
    "pump": "shelly/shellypro4pm-a1#1",
    "car": "shelly/shellypro4pm-a1#2",
    "sauna": "shelly/shellypro1-b2",
    "lamp": "esphome/garage-panel/relay_1",
    "door": "esphome/garage-panel/relay_2",
    "tank": "zigbee2mqtt/Water Heater",
    "spa": "zwave/Hot_Tub",
    "floor": "homie/relays/relay/power",
    "range": "span/c-range",
    "shop": "workshop/band saw, old",
}
"""Circuits with their devices. `tub` has none: it uses loadshed's own topics."""

INSTALLER = """
[site]
id = "home"
[contact]
source = "gpio"
pin = 17
[profiles.workshop]
command = { topic = "shop/{address}/cmd", on = "1", off = "0" }
state = [{ topic = "shop/{address}", on = [1], off = [0] }]
available = [{ topic = "shop/{address}/lwt", online = ["up"], offline = ["down"] }]
"""


def circuits_toml() -> str:
    """Return circuits.toml with all of them."""
    tables = [
        f'[circuits.{name}]\nspace = {space}\ndevice = "{device}"'
        for space, (name, device) in enumerate(CIRCUITS.items(), 1)
    ]
    tables.append("[circuits.tub]\nspace = 99")
    return "\n".join(f'{table}\nbreaker = "relay"\ntag = "nonessential"\n' for table in tables)


WORDS = {
    "heater": ("--role", "device", "--device", "tasmota/heater#1"),
    "boiler": ("--role", "device", "--device", "tasmota/boiler#1"),
    "pro4": ("--role", "device", "--device", "shelly/shellypro4pm-a1"),
    "pro1": ("--role", "device", "--device", "shelly/shellypro1-b2#0"),
    "garage": ("--role", "device", "--device", "esphome/garage-panel"),
    "relays": ("--role", "device", "--device", "homie/relays/relay/power"),
    "saw": ("--role", "device", "--device", "workshop/band saw, old"),
    "tub": ("--role", "device"),
    "z2m": ("--role", "gateway", "--family", "zigbee2mqtt"),
    "span": ("--role", "gateway", "--family", "span"),
}
"""Users with the words after `add-user NAME`."""

COMMANDS = {
    "heater": ("cmnd/heater/POWER1",),
    "boiler": ("cmnd/boiler/POWER1",),
    "pro4": ("shellypro4pm-a1/rpc",),
    "pro1": ("shellypro1-b2/rpc",),
    "garage": ("garage-panel/switch/relay_1/command", "garage-panel/switch/relay_2/command"),
    "relays": ("homie/5/relays/relay/power/set",),
    "saw": ("shop/band saw, old/cmd",),
    "tub": ("loadshed/home/breakers/tub/set",),
    "z2m": (
        "zigbee2mqtt/Water Heater/set",
        "zigbee2mqtt/Water Heater/get",
        "zigbee2mqtt/bridge/request/device/options",
    ),
    "span": ("ebus/5/c-range/switch/relay/set",),
}
"""Topics on which each user is commanded or asked."""

REPORTS = {
    "heater": (
        "stat/heater/RESULT",
        "stat/heater/POWER1",
        "tele/heater/STATE",
        "tele/heater/LWT",
        "tele/heater/SENSOR",
    ),
    "boiler": ("stat/boiler/RESULT", "tele/boiler/LWT"),
    "pro4": (
        "shellypro4pm-a1/events/rpc",
        "shellypro4pm-a1/online",
        "loadshed/home/replies/pump/rpc",
        "loadshed/home/replies/car/rpc",
    ),
    "pro1": ("shellypro1-b2/events/rpc", "shellypro1-b2/online", "loadshed/home/replies/sauna/rpc"),
    "garage": ("garage-panel/switch/relay_2/state", "garage-panel/status"),
    "relays": ("homie/5/relays/relay/power", "homie/5/relays/$state"),
    "saw": ("shop/band saw, old", "shop/band saw, old/lwt"),
    "tub": ("loadshed/home/breakers/tub/state",),
    "z2m": (
        "zigbee2mqtt/Water Heater",
        "zigbee2mqtt/bridge/state",
        "zigbee2mqtt/Water Heater/availability",
        "zigbee2mqtt/bridge/devices",
    ),
    "span": ("ebus/5/c-range/switch/relay", "ebus/5/c-range/$state"),
}
"""Topics on which each user reports."""

OTHERS = (
    "cmnd/heater/POWER2",  # the relay of another circuit than the user's
    "stat/heater/POWER2",
    "loadshed/home/controller/state",
    "loadshed/home/ask/off",
    "loadshed/home/replies/tank/rpc",
    "elsewhere",
)
"""Topics of none of these users."""

AUDITOR = "auditor"
ALL = (*(one for mine in (*COMMANDS.values(), *REPORTS.values()) for one in mine), *OTHERS)


@dataclass(frozen=True, slots=True)
class Guarded:
    """A broker set up by commands. `config`: the house's folder. `files`: the broker's."""

    config: Path
    files: MosquittoConfig
    mosquitto: Mosquitto
    port: int

    def login(self, name: str) -> Broker:
        """Return how this user reaches the broker."""
        folder = self.config if name == CONTROLLER_NAME else self.files.etc
        file = folder / ("broker.password" if name == CONTROLLER_NAME else f"{name}.password")
        return Broker(HOST, self.port, name, file)

    def run(self, *words: str) -> int:
        """Run `loadshed broker`."""
        return main(["broker", *words, "--config", str(self.config), "--etc", str(self.files.etc)])


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Run a real Mosquitto with every user of `WORDS`, added by the command, and one who may do everything."""
    folder = tmp_path_factory.mktemp("guarded")
    config, files = folder / "config", MosquittoConfig(folder / "etc")
    config.mkdir()
    (config / "installer.toml").write_text(INSTALLER, encoding="utf-8")
    (config / "circuits.toml").write_text(circuits_toml(), encoding="utf-8")
    mosquitto = Mosquitto(folder, f"include_dir {files.configuration.parent}")
    with held_port() as port:
        house = Guarded(config, files, mosquitto, port)
        assert house.run("init") == 0
        text = files.configuration.read_text(encoding="utf-8")
        files.configuration.write_text(re.sub(r"listener 1883.*", f"listener {port} {HOST}", text), encoding="utf-8")
        for name, words in WORDS.items():
            file = str(files.etc / f"{name}.password")
            assert house.run("add-user", name, *words, "--password-file", file) == 0
        add_auditor(files)
        with mosquitto:
            yield house


def add_auditor(files: MosquittoConfig) -> None:
    """Add a user who may read and write everything, as an owner could."""
    password = passwords.new_password()
    (files.etc / f"{AUDITOR}.password").write_text(password, encoding="utf-8")
    access, passwd = files.folder / "acl", files.folder / "passwd"
    access.write_text(f"{access.read_text()}\nuser {AUDITOR}\ntopic readwrite #\n", encoding="utf-8")
    passwd.write_text(passwords.with_user(passwd.read_text(), AUDITOR, password), encoding="utf-8")


async def until_end(link: MqttConnection) -> set[str]:
    """Return the topics of messages until the auditor has said the end."""
    topics: set[str] = set()
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for message in link.read():
                if message.payload == b"end":
                    return topics
                topics.add(message.topic)
            await link.wait()


async def said_by(house: Guarded, name: str) -> set[str]:
    """Have a user publish on every topic; return those whose messages the broker passed on."""
    ear = await MqttConnection.open(house.login(AUDITOR), "ear")
    voice = await MqttConnection.open(house.login(name), f"voice-of-{name}", complain=lambda _: None)
    try:
        ear.subscribe(["#"])
        ear.flush()
        for topic in ALL:
            voice.publish(topic, b"said")
        await voice.delivered(PATIENCE_S)
        await voice.close()  # the broker has answered the last by then, and all before it
        ear.publish("end", b"end")
        ear.flush()
        return await until_end(ear)
    finally:
        await ear.close()


async def heard_by(house: Guarded, name: str) -> set[str]:
    """Have the auditor publish on every topic; return those that a user receives who asks for all."""
    own = {CONTROLLER_NAME: "loadshed/home/x", **{one: COMMANDS[one][0] for one in COMMANDS}}[name]
    ear = await MqttConnection.open(house.login(name), f"ear-of-{name}")
    voice = await MqttConnection.open(house.login(AUDITOR), "voice")
    try:
        ear.subscribe(["#"])
        await echoed(ear, voice, own)
        for topic in ALL:
            voice.publish(topic, b"said")
        voice.publish(own, b"end")
        voice.flush()
        return await until_end(ear)
    finally:
        await ear.close()
        await voice.close()


async def echoed(ear: MqttConnection, voice: MqttConnection, topic: str) -> None:
    """Return when the subscription is in force: a message on this topic has arrived."""
    ear.flush()
    async with asyncio.timeout(PATIENCE_S):
        while not any(one.topic == topic for one in ear.read()):
            voice.publish(topic, b"is it in force?")
            voice.flush()
            with suppress(TimeoutError):
                await ear.wait(0.2)


@pytest.mark.parametrize("name", sorted(WORDS))
def test_a_device_publishes_its_own_reports_and_nothing_else(guarded: Guarded, name: str) -> None:
    """It commands no device, not even itself, and reports for no other. A gateway owns its base."""
    own = {*REPORTS[name], *(COMMANDS[name] if name in ("z2m", "span") else ())}
    assert asyncio.run(said_by(guarded, name)) == own


@pytest.mark.parametrize("name", sorted(WORDS))
def test_a_device_reads_its_own_commands_and_nothing_else(guarded: Guarded, name: str) -> None:
    """A gateway reads its base."""
    own = {*COMMANDS[name], *(REPORTS[name] if name in ("z2m", "span") else ())}
    assert asyncio.run(heard_by(guarded, name)) == own


def test_the_controller_commands_all_devices_and_reports_for_none_of_them(guarded: Guarded) -> None:
    """It also asks them. Below loadshed/<site>/ it may do everything, as before."""
    commands = {one for mine in COMMANDS.values() for one in mine} | {"cmnd/heater/POWER2"}
    own = {one for one in ALL if one.startswith("loadshed/home/")}
    assert asyncio.run(said_by(guarded, CONTROLLER_NAME)) == commands | own


def test_the_controller_reads_all_reports_and_finds_retained_commands(guarded: Guarded) -> None:
    """A retained command would switch a load by itself: the controller has to see it."""
    heard = asyncio.run(heard_by(guarded, CONTROLLER_NAME))
    assert {*ALL} - heard == {"elsewhere"}


# --- devices at work -------------------------------------------------------------------------------------------------


async def reported_off(link: MqttConnection, topics: Topics) -> None:
    """Return when a message says that the device is off."""
    while True:
        for one in link.read():
            for event in topics.read(IncomingMessage(0.0, one.topic, one.payload)):
                if isinstance(event, BreakerReported) and event.position is Position.OFF:
                    return
        await link.wait(AGAIN_S)


async def switched_off(house: Guarded, circuit: str, address: str, user: str) -> Position:
    """Have the controller switch a device off that is logged in as its user; return what it reports."""
    configuration = load(house.config)
    assert not isinstance(configuration, ConfigErrors)
    topics = startup.topics(configuration, configuration.panel)
    (device,) = simulated_devices([address])
    runner = DeviceRunner(device, house.login(user), time.monotonic)
    task = asyncio.create_task(runner.run())
    link = await MqttConnection.open(house.login(CONTROLLER_NAME), "controller")
    try:
        async with asyncio.timeout(PATIENCE_S):
            await runner.connected.wait()
            link.subscribe(topics.device_topics([CircuitId(circuit)]))
            query = topics.device_query(QueryDevice(CircuitId(circuit)))
            while True:
                # As the controller does until it is confirmed: the first may come before the device has subscribed.
                for publication in (topics.command(SwitchOff(CircuitId(circuit), 10)), query):
                    if publication is not None:
                        link.publish(publication.topic, publication.payload)
                link.flush()
                with suppress(TimeoutError):
                    async with asyncio.timeout(AGAIN_S):
                        await reported_off(link, topics)
                        return device.relays[address].position
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await link.close()


@pytest.mark.parametrize(
    ("circuit", "user"),
    [
        ("heater", "heater"),
        ("pump", "pro4"),
        ("lamp", "garage"),
        ("floor", "relays"),
        ("tank", "z2m"),
        ("range", "span"),
    ],
)
def test_a_device_with_its_own_login_is_switched_off_and_reports_it(guarded: Guarded, circuit: str, user: str) -> None:
    """The topics granted are enough: command, answer and state pass the broker."""
    assert asyncio.run(switched_off(guarded, circuit, CIRCUITS[circuit], user)) is Position.OFF


# --- as typed --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--role", "device", "--device", "tasmota/boilr"), 'did you mean "tasmota/boiler"?'),
        (("--role", "device", "--device", "heater"), 'write "family/address"'),
        (("--role", "device", "--device", "shelly/shellypro4pm-a1#3"), "no circuit in circuits.toml has the device"),
        (("--role", "device", "--device", "zigbee2mqtt/Water Heater"), "--role gateway --family zigbee2mqtt"),
        (("--role", "device", "--circuit", "pump"), '--device "shelly/shellypro4pm-a1#1" in place of --circuit'),
        (("--role", "gateway"), "requires --family"),
        (("--role", "gateway", "--family", "zigbee"), 'did you mean "zigbee2mqtt"?'),
        (("--role", "gateway", "--family", "tasmota"), "Tasmota has no gateway"),
        (("--role", "person", "--device", "tasmota/heater"), "require --role device"),
        (("--role", "device", "--device", "tasmota/heater", "--family", "tasmota"), "--family requires --role gateway"),
    ],
)
def test_what_makes_no_sense_is_refused(
    guarded: Guarded, words: tuple[str, ...], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the reason and what to type, and nothing written."""
    before = {path: path.read_bytes() for path in guarded.files.etc.rglob("*") if path.is_file()}
    assert guarded.run("add-user", "new", *words) == 1
    assert reason in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in guarded.files.etc.rglob("*") if path.is_file()}


def test_the_access_list_keeps_devices_and_families(guarded: Guarded, capsys: pytest.CaptureFixture[str]) -> None:
    """An address with spaces and a comma is read back; `list` shows it."""
    users = {user.name: user for user in guarded.files.users()}
    assert users["saw"] == User("saw", Role.DEVICE, devices=("workshop/band saw, old",))
    assert users["z2m"] == User("z2m", Role.GATEWAY, family="zigbee2mqtt")
    assert guarded.run("list") == 0
    shown = capsys.readouterr().out
    assert 'device at "shelly/shellypro4pm-a1"' in shown
    assert "gateway of zigbee2mqtt" in shown


def test_a_device_that_left_the_file_loses_its_topics_and_a_broken_file_changes_nothing(tmp_path: Path) -> None:
    """Its user stays, and may do nothing until the device is used again."""
    config, files = tmp_path / "config", MosquittoConfig(tmp_path / "etc")
    config.mkdir()
    house = Guarded(config, files, Mosquitto(tmp_path), 0)
    (config / "installer.toml").write_text(INSTALLER, encoding="utf-8")
    circuits = config / "circuits.toml"
    circuits.write_text(circuits_toml(), encoding="utf-8")
    assert house.run("init") == 0
    assert house.run("add-user", "boiler", *WORDS["boiler"]) == 0
    granted = (files.folder / "acl").read_text()
    assert granted.count("topic read cmnd/boiler/POWER1\n") == 1
    for wrong in ("[circuits", None):
        circuits.unlink(missing_ok=True)
        if wrong is not None:
            circuits.write_text(wrong, encoding="utf-8")
        assert house.run("init") == 1
        assert (files.folder / "acl").read_text() == granted
    circuits.write_text(circuits_toml().replace("tasmota/boiler", "tasmota/other"), encoding="utf-8")
    assert house.run("init") == 0
    left = (files.folder / "acl").read_text()
    assert "cmnd/boiler" not in left
    assert "topic readwrite cmnd/other/POWER1\n" in left
    assert files.users()[-1] == User("boiler", Role.DEVICE, devices=("tasmota/boiler#1",))
