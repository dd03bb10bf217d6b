"""A bare Pi set up by a user at the terminal: the real program on a pseudo-terminal, a real broker, a real line."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from clients.cli import main
from clients.setup import setup_record
from controller.config.loader import Configuration, load
from hw.simulated.house import Load, SimulatedHouse
from hw.simulated.meter import SimulatedMeter
from hw.simulated.meter_server import serve_pty
from rules.panel import CircuitId, Position, Restore, Tag
from tests.clients.setup.setup_house import HEATER, ROUTER, TUB, configured, on_bus
from tests.clients.setup.setup_typist import Typist, typist
from tests.mosquitto import Mosquitto
from tests.processes import LIMIT_S
from tests.system.on_bus import CONTACT_STATUS, ContactDevice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RECAP = "To change an answer, type its word"
# Enough load for the meter's register to move during the test.
LOADS = (Load(TUB, 500.0), Load(HEATER, 100.0), Load(ROUTER, 400.0))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """Run a broker that knows one user by their password."""
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "loadshed", "moonlight"], check=True, timeout=60)
    passwords.chmod(0o644)
    with Mosquitto(tmp_path, f"password_file {passwords}") as running:
        yield running


def systemctl(folder: Path) -> Path:
    """Return a folder with a systemctl that only records its arguments."""
    folder.mkdir()
    told = folder / "told"
    program = folder / "systemctl"
    program.write_text(f'#!/bin/sh\necho "$@" >> {told}\n', encoding="utf-8")
    program.chmod(0o755)
    return folder


# --- the whole of it -------------------------------------------------------------------------------------------------


async def _whole(tmp_path: Path, broker: Mosquitto, person: Typist, port: str) -> None:
    """Answer everything as the electrician of this house would."""
    await person.answers(
        ("Name of this house [home]", ""),
        ("Its host [127.0.0.1]", ""),
        ("Its port [1883]", str(broker.port)),
        ("User name of the controller there", "loadshed"),
        ("File with its password", ""),
        ("The password (it is not shown)", "moonlight"),
        ("TLS", ""),
        (RECAP, "port"),
        ("Its port", str(broker.port)),
        (RECAP, ""),
    )
    await person.reads("a message came back after")
    await person.answers(
        ("or an MQTT device? (gpio, mqtt) [gpio]", ""), ("BCM number of its pin [17]", ""), (RECAP, "")
    )
    await person.reads("It reads CLOSED (utility) now.")
    await person.reads("Open it now")
    person.send(signal.SIGUSR1)
    await person.reads("seen: OPEN (standby), 3 bounces, settled after 6 ms.")
    await person.reads("Close it now")
    person.send(signal.SIGUSR2)
    await person.reads("Seen closed and open")
    await person.answers(("Is there a meter? [y/N]", "y"), ("look on every port)", port))
    await person.reads("a meter answers at id 2.")
    await person.answers(("Its model number [2N480-121]", ""), ("10 Wh output", ""), ("1 kWh output", ""), (RECAP, ""))
    await _circuits(person)
    await person.answers(
        ("Measure each circuit's demand too", "y"),
        ("Test all of them, one after the other: Hot tub, Water heater? [y/N]", "n"),
        ("Hot tub, spaces 9+11: switch it off", "y"),
        ("Did Hot tub, spaces 9+11 turn off? [y/n]", "y"),
    )
    await person.reads("demand fell by ")
    await person.answers(("Water heater, spaces 12+14: switch it off", "n"))
    await person.reads("1 of 2 circuits that can be switched have passed.")
    await person.answers(("Start the controller now, and at each boot? [Y/n]", "y"))
    await person.reads("It runs.")
    assert await person.ended() == 1, "the water heater was not proved, and that is said"
    assert "Not done: `loadshed setup prove`" in person.screen
    assert (tmp_path / "bin" / "told").read_text(encoding="utf-8") == "enable --now loadshed\n"


async def _circuits(person: Typist) -> None:
    await person.answers(("Circuit [done]", "9+11 Hot tub gen2 n 50A 9"))
    await person.reads("Hot tub, spaces 9+11: shed, rank 9; restored automatically.")
    await person.answers(("Circuit [done]", "Water heater"), ("Water heater: spaces, breaker, n or e", "12,14 gen2 n"))
    await person.reads("restored on request")
    await person.answers(("Circuit [done]", "1 Router gen2 e 15A"))
    await person.reads("stays on, protected.")
    await person.answers(("Circuit [done]", "11 Sauna gen2 n"))
    await person.reads("Not taken: Hot tub is in that space.")
    await person.answers(("Circuit [done]", "17 Garage standard n 20A"))
    await person.reads("UNCONTROLLABLE (standard breaker: no remote control)")
    await person.answers(("Circuit [done]", ""), ("Enter: write this", ""))


def test_a_bare_box_becomes_a_protected_house(tmp_path: Path, broker: Mosquitto) -> None:
    """Every question answered in turn: both files are right, the tub obeyed, the card is printed, the unit enabled."""
    config, state, path = tmp_path / "config", tmp_path / "state", systemctl(tmp_path / "bin")
    words = ("setup", "--config", str(config), "--state", str(state))
    meter = SimulatedMeter("2N480-121", 2, 1234.5)
    house = SimulatedHouse(LOADS, meter=meter)

    async def story() -> None:
        async with on_bus(house, broker), serve_pty(meter) as port, typist(*words, path=path) as person:
            await _whole(tmp_path, broker, person, port)
            assert "moonlight" not in person.screen

    asyncio.run(story())
    _is_what_was_said(config, broker)
    assert main(["check", "--config", str(config)]) == 0
    assert house.breaker("hot-tub").position is Position.ON
    assert [one.word for one in house.breaker("hot-tub").log] == ["OFF", "ON"]
    assert not house.breaker("router").log, "what is protected is never commanded"
    proof = setup_record.load(state).proofs["hot-tub"]
    assert proof.drop_kw == pytest.approx(500.0, rel=0.2)
    card = (config / "panel-door-card.html").read_text(encoding="utf-8")
    assert card.index("Hot tub") < card.index("Stays ON until you switch it off by hand") < card.index("Garage")


def _is_what_was_said(config: Path, broker: Mosquitto) -> None:
    configuration = load(config)
    assert isinstance(configuration, Configuration)
    assert configuration.broker.port == broker.port
    assert configuration.broker.username == "loadshed"
    password = config / "broker.password"
    assert password.read_text(encoding="utf-8") == "moonlight\n"
    assert password.stat().st_mode & 0o027 == 0
    assert configuration.meter is not None
    assert (configuration.meter.device_id, configuration.meter.model) == (2, "2N480-121")
    panel = configuration.panel
    assert [*panel.circuits] == ["hot-tub", "water-heater", "router", "garage"]
    assert (panel[TUB].spaces, panel[TUB].rank, panel[TUB].amps) == ((9, 11), 9, 50.0)
    assert panel[HEATER].restore is Restore.ASK
    assert panel[ROUTER].protected
    assert panel[CircuitId("garage")].tag is Tag.NONESSENTIAL


# --- the contact -----------------------------------------------------------------------------------------------------


def test_a_contact_that_never_moves_leaves_the_unit_disabled(tmp_path: Path, broker: Mosquitto) -> None:
    """The causes are named, the likeliest first; what was not seen is not written down, and `enable` refuses."""
    words = configured(tmp_path, broker, contact_seen=False)

    async def story() -> None:
        async with typist("setup", "contact", *words) as person:
            await person.answers(("or an MQTT device?", ""), ("BCM number", ""), (RECAP, ""), ("Open it now", ""))
            await person.reads("Nothing was seen. The usual causes")
            await person.answers(("Look again? [Y/n]", "n"))
            assert await person.ended() == 1
        async with typist("setup", "enable", *words, path=systemctl(tmp_path / "bin")) as person:
            await person.reads("the contact has not been seen closed and open as it is wired now")
            assert await person.ended() == 1
            assert "nobody has written a circuit" not in person.screen

    asyncio.run(story())
    assert setup_record.load(tmp_path / "state").contact is None
    assert not (tmp_path / "bin" / "told").exists()


def test_chatter_is_a_fault_of_the_wiring_and_does_not_count(tmp_path: Path, broker: Mosquitto) -> None:
    """A hundred changes are no bounce; the next clean movement is taken."""
    words = configured(tmp_path, broker, contact_seen=False)

    async def story() -> None:
        async with typist("setup", "contact", *words) as person:
            await person.answers(("or an MQTT device?", ""), ("BCM number", ""), (RECAP, ""))
            await person.reads("Open it now")
            person.send(signal.SIGWINCH)
            await person.reads("CHATTER: ")
            await person.reads("Open it now")
            person.send(signal.SIGUSR1)
            await person.reads("Close it now")
            person.send(signal.SIGUSR2)
            await person.reads("Seen closed and open")
            assert await person.ended() == 0

    asyncio.run(story())
    seen = setup_record.load(tmp_path / "state").contact
    assert seen is not None
    assert (seen.both_ways, seen.bounces, seen.settled_ms) == (True, 3, 6.0)


def test_an_inverted_contact_is_recognized_and_its_risk_is_stated(tmp_path: Path, broker: Mosquitto) -> None:
    """Open on utility: a wire is off, or the contact is inverted; only the user can decide. Check warns about it."""
    words = configured(tmp_path, broker, contact_seen=False)

    async def story() -> None:
        async with typist("setup", "contact", *words) as person:
            await person.reads("or an MQTT device?")
            person.send(signal.SIGUSR1)
            person.types("")
            await person.answers(("BCM number", ""), (RECAP, ""))
            await person.reads("It reads OPEN (standby) now.")
            await person.answers(("Is the house on utility now? [Y/n]", ""), ("or is it inverted?", "inverted"))
            await person.reads("It reads CLOSED (utility) now.")
            await person.reads("Open it now")
            person.send(signal.SIGUSR2)
            await person.reads("Close it now")
            person.send(signal.SIGUSR1)
            assert await person.ended() == 0

    asyncio.run(story())
    configuration = load(tmp_path / "config")
    assert isinstance(configuration, Configuration)
    assert configuration.contact.normally == "open"


def test_what_was_seen_holds_for_the_wires_it_was_seen_on(tmp_path: Path, broker: Mosquitto) -> None:
    """Another pin, and the unit is not enabled; another settling time is no matter."""
    configured(tmp_path, broker)
    configuration = load(tmp_path / "config")
    assert isinstance(configuration, Configuration)
    seen = setup_record.load(tmp_path / "state")
    assert seen.contact_seen(configuration.contact) is not None
    assert seen.contact_seen(replace(configuration.contact, settle_s=1.0)) is not None
    assert seen.contact_seen(replace(configuration.contact, normally="open")) is None


# --- circuits --------------------------------------------------------------------------------------------------------


def test_a_pipe_answers_like_a_user_and_the_owners_text_stays(tmp_path: Path, broker: Mosquitto) -> None:
    """One circuit changed and one removed by a script: the comments of the rest stand, the old file is beside it."""
    words = configured(tmp_path, broker)
    answers = "hot-tub\n\n\n\n60\n7\n\n\nremove router\ndone\n\n"
    program = [sys.executable, "-m", "clients", "setup", "circuits", *words]
    ran = subprocess.run(program, input=answers, capture_output=True, text=True, check=False, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")
    text = (tmp_path / "config" / "circuits.toml").read_text(encoding="utf-8")
    assert text.startswith("# my own words\n[circuits.hot-tub]\n")
    assert "rank = 7" in text
    assert "amps = 60" in text
    assert "router" not in text
    (old,) = (tmp_path / "config").glob("circuits.toml.*.bak")
    assert "router" in old.read_text(encoding="utf-8")


def test_setup_ends_with_a_message_when_the_input_ends(tmp_path: Path, broker: Mosquitto) -> None:
    """A script that is too short writes nothing of the circuit it was in the middle of."""
    words = configured(tmp_path, broker)
    before = (tmp_path / "config" / "circuits.toml").read_text(encoding="utf-8")
    program = [sys.executable, "-m", "clients", "setup", "circuits", *words]
    ran = subprocess.run(program, input="22 Sauna gen2 n\n", capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 1
    assert "the input has ended" in ran.stdout
    assert (tmp_path / "config" / "circuits.toml").read_text(encoding="utf-8") == before


def test_setup_guesses_at_nothing_in_a_wrong_file(
    tmp_path: Path, broker: Mosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every mistake is named, and the file is left as it is."""
    words = configured(tmp_path, broker)
    (tmp_path / "config" / "circuits.toml").write_text("[circuits.tub]\nspace = 0\n", encoding="utf-8")
    assert main(["setup", "circuits", *words]) == 78
    assert "circuits.toml:2: [circuits.tub] space = 0" in capsys.readouterr().err


def test_this_machines_own_broker_is_set_up_on_the_way(tmp_path: Path, broker: Mosquitto) -> None:
    """One yes: Mosquitto has its lists, and installer.toml names the controller's own user."""
    words = configured(tmp_path, broker)
    etc = tmp_path / "etc"
    (etc / "conf.d").mkdir(parents=True)

    async def story() -> None:
        async with typist("setup", "broker", *words, "--etc", str(etc)) as person:
            await person.answers(
                ("Name of this house", ""),
                ("Its host", ""),
                ("Its port", "1883"),
                (RECAP, ""),
                ("own Mosquitto, with a password and an access list for each client? [Y/n]", "y"),
            )
            await person.reads("Mosquitto requires a user name and a password")

    asyncio.run(story())
    configuration = load(tmp_path / "config")
    assert isinstance(configuration, Configuration)
    assert configuration.broker.username == "loadshed"
    assert configuration.broker.password_file == str(tmp_path / "config" / "broker.password")
    assert [path.name for path in etc.rglob("acl")] == ["acl"]


def test_a_broker_that_refuses_us_is_not_written_down(tmp_path: Path, broker: Mosquitto) -> None:
    """A wrong password is explained, and the old file stays."""
    words = configured(tmp_path, broker)
    before = (tmp_path / "config" / "installer.toml").read_text(encoding="utf-8")

    async def story() -> None:
        async with typist("setup", "broker", *words) as person:
            await person.answers(
                ("Name of this house", ""),
                ("Its host", ""),
                ("Its port", ""),
                ("User name of the controller", "loadshed"),
                ("File with its password", str(tmp_path / "secret")),
                ("it is not shown", "sunshine"),
                ("TLS", ""),
                (RECAP, ""),
                ("Change something? [Y/n]", "n"),
            )
            assert await person.ended() == 1
            assert "refuses the connection" in person.screen

    asyncio.run(story())
    assert (tmp_path / "config" / "installer.toml").read_text(encoding="utf-8") == before


def test_a_contact_on_the_bus_is_seen_as_one_on_a_pin_is(tmp_path: Path, broker: Mosquitto) -> None:
    """Its device says open and closed; without a word from it nothing is written down as seen."""
    words = configured(tmp_path, broker, contact_seen=False)

    async def answered(person: Typist) -> None:
        await person.answers(
            ("or an MQTT device?", "mqtt"),
            ("Its topic [ats/contact]", ""),
            ("Its payload for open [open]", ""),
            ("Its payload for closed [closed]", ""),
            ("Its availability topic", CONTACT_STATUS),
            (RECAP, ""),
        )

    async def story() -> None:
        async with typist("setup", "contact", *words) as person:
            await answered(person)
            await person.reads("nothing was heard of it")
            await person.answers(("Look again? [Y/n]", "n"))
            assert await person.ended() == 1
        device = ContactDevice(broker.broker, "home")
        running = asyncio.create_task(device.run())
        async with asyncio.timeout(LIMIT_S):
            await device.connected.wait()
        async with typist("setup", "contact", *words) as person:
            await answered(person)
            await person.reads("Open it now")
            device.move(True)
            await person.reads("seen: OPEN (standby), no bounce.")
            await person.reads("Close it now")
            device.move(False)
            await person.reads("Seen closed and open")
            assert await person.ended() == 0
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    asyncio.run(story())
    configuration = load(tmp_path / "config")
    assert isinstance(configuration, Configuration)
    seen = setup_record.load(tmp_path / "state").contact_seen(configuration.contact)
    assert seen is not None
    assert seen.both_ways


# --- the last step ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "systemctl_says", "told"),
    [("n", "exit 0", "at each boot?"), ("y", "echo no such unit >&2; exit 5", "failed: no such unit")],
)
def test_a_unit_that_does_not_start_is_said(
    tmp_path: Path, broker: Mosquitto, answer: str, systemctl_says: str, told: str
) -> None:
    """Neither a no nor a refusal of systemd's counts as done."""
    words = configured(tmp_path, broker)
    path = systemctl(tmp_path / "bin")
    (path / "systemctl").write_text(f"#!/bin/sh\n{systemctl_says}\n", encoding="utf-8")
    program = [sys.executable, "-m", "clients", "setup", "enable", *words]
    environment = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}"}
    ran = subprocess.run(
        program, input=f"{answer}\n", capture_output=True, text=True, check=False, env=environment, timeout=60
    )
    assert ran.returncode == 1
    assert told in ran.stdout
    assert "It runs." not in ran.stdout


def test_a_wrong_file_is_not_enabled(tmp_path: Path, broker: Mosquitto) -> None:
    """`enable` asks `check` first, which also looks for the password file."""
    words = configured(tmp_path, broker)
    path = tmp_path / "config" / "installer.toml"
    text = path.read_text("utf-8").replace("[broker]\n", '[broker]\nusername = "a"\npassword_file = "/nonexistent"\n')
    path.write_text(text, encoding="utf-8")
    program = [sys.executable, "-m", "clients", "setup", "enable", *words]
    ran = subprocess.run(program, input="y\n", capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 1
    assert 'password_file = "/nonexistent": cannot be read' in ran.stdout


def test_a_folder_that_cannot_be_written_ends_in_plain_words(tmp_path: Path, broker: Mosquitto) -> None:
    """No traceback for a missing answer."""
    configured(tmp_path, broker)
    words = ("--config", str(tmp_path / "config"), "--state", str(tmp_path / "state"))
    program = [sys.executable, "-m", "clients", "setup", "card", *words, "--out", str(tmp_path / "state")]
    ran = subprocess.run(program, capture_output=True, text=True, check=False, timeout=60)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert "Setup ends here: Is a directory" in ran.stdout
