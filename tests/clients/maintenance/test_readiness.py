"""Is the house ready for its next outage? Each fact with its reason, and the facts as a real house gives them."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from clients.maintenance.readiness import LIMITED, READY, Facts, assess
from clients.maintenance.readiness_facts import (
    anonymous_listeners,
    own_addresses,
    throttled,
    unprotected_infrastructure,
    ups_known,
    ups_present,
    worn_percent,
)
from clients.maintenance.readiness_view import readiness_text as text
from clients.setup import setup_record
from clients.setup.setup_record import SetupRecord
from clients.terminal.exit_codes import NOT_READY
from controller.config.loader import Configuration, Sources, parse, parse_circuits
from hw.broker_socket import Broker
from rules.panel import Panel
from tests.mosquitto import Mosquitto, held_port
from tests.processes import output
from tests.system.process_house import ProcessHouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A machine of the loopback net that is not this program's own 127.0.0.1: for the broker a stranger.
ELSEWHERE = "127.0.0.2"


def test_a_house_with_nothing_against_it_has_all_hundred() -> None:
    """No reason, no cost."""
    found = assess(Facts())
    assert (found.score, found.level, found.reasons) == (100, "ready", ())


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (Facts(trouble="the broker does not answer"), "controller-unavailable"),
        (Facts(alarms=("owed",)), "alarms"),
        (Facts(left_off=("tub",)), "left-off"),
        (Facts(contact_seen=False), "contact-untested"),
        (Facts(inverted=True), "contact-inverted"),
        (Facts(offline=("tub",)), "breakers-offline"),
        (Facts(never_reported=("tub",)), "breakers-never-reported"),
        (Facts(uncontrollable=("garage",)), "uncontrollable"),
        (Facts(untested=("tub",)), "breakers-untested"),
        (Facts(unprotected_infrastructure=("router",)), "infrastructure-unprotected"),
        (Facts(none_protected=True), "none-protected"),
        (Facts(opened_days=None), "transfer-never"),
        (Facts(opened_days=183.0), "transfer-long-ago"),
        (Facts(drill_failed=("tub",)), "drill-failed"),
        (Facts(drill_days=None), "drill-never"),
        (Facts(drill_days=183.0), "drill-long-ago"),
        (Facts(meter_stale=True), "meter-stale"),
        (Facts(clock_trusted=False), "clock"),
        (Facts(disk_read_only=True), "disk-read-only"),
        (Facts(disk_free_mb=49.0), "disk-full"),
        (Facts(disk_free_mb=499.0), "disk-full"),
        (Facts(disk_worn_percent=80), "disk-worn"),
        (Facts(throttled=0x1), "undervoltage"),
        (Facts(throttled=0x50000), "undervoltage"),
        (Facts(anonymous_listeners=("10.0.0.5:1883",)), "broker-anonymous-access"),
        (Facts(ups_known=False), "no-ups"),
    ],
)
def test_each_fact_has_its_one_reason_and_says_what_to_do(facts: Facts, reason: str) -> None:
    """It costs something, and its words are sentences."""
    (found,) = assess(facts).reasons
    assert found.id == reason
    assert assess(facts).score == 100 - found.cost < 100
    assert found.action.endswith(".") or found.action.endswith("`.")


@pytest.mark.parametrize(
    "facts",
    [
        Facts(opened_days=182.0, drill_days=182.0),
        Facts(disk_free_mb=500.0, disk_worn_percent=79),
        Facts(throttled=0x20002),
    ],
)
def test_what_is_just_good_enough_costs_nothing(facts: Facts) -> None:
    """Half a year is not yet too long; a Pi that ran hot had power enough."""
    assert assess(facts).reasons == ()


def test_what_cannot_shed_is_not_ready() -> None:
    """Neither without its controller, nor with anonymous access to the breakers and an untested contact."""
    assert assess(Facts(trouble="away")).score < LIMITED
    assert assess(Facts(anonymous_listeners=("10.0.0.5:1883",), contact_seen=False)).level == "not-ready"
    assert assess(Facts(offline=("a", "b", "c", "d"), alarms=("owed",))).level == "not-ready"
    everything = Facts("away", ("a",), ("b",), ("c",), ("d",), ("e",), ("f",), ("g",), none_protected=True)
    assert assess(everything).score == 0


def test_a_house_in_order_but_without_a_ups_is_ready() -> None:
    """A UPS cannot always be detected: the reason costs little."""
    found = assess(Facts(ups_known=False, drill_days=None))
    assert READY <= found.score < 100
    assert text(found).startswith("READY: 93 of 100\n  -5   No UPS is known here.")


# --- the facts -------------------------------------------------------------------------------------------------------


def test_feeders_are_known_by_their_names() -> None:
    """Unless they are protected already."""
    panel = parse_circuits(
        '[circuits.network]\nspace = 1\nbreaker = "gen2"\ntag = "essential"\nprotected = true\n'
        '[circuits.office]\nname = "Office and router"\nspace = 2\nbreaker = "gen2"\ntag = "essential"\n'
        '[circuits.tub]\nspace = 3\nbreaker = "gen2"\ntag = "nonessential"\n'
    )
    assert isinstance(panel, Panel)
    assert unprotected_infrastructure(panel) == ("office",)


@pytest.fixture
def port() -> Iterator[int]:
    """Lend a port."""
    with held_port() as held:
        yield held


def test_a_stranger_is_let_in_or_not(tmp_path: Path, port: int) -> None:
    """Asked at the broker itself, without a name."""
    door = Broker(host=ELSEWHERE, port=port, username="loadshed")
    with Mosquitto(tmp_path, f"listener {port} {ELSEWHERE}"):
        assert asyncio.run(anonymous_listeners(door)) == (f"{ELSEWHERE}:{port}",)
    shut = Mosquitto(tmp_path, f"listener {port} {ELSEWHERE}")
    config = tmp_path / "mosquitto.conf"
    config.write_text(config.read_text("utf-8").replace("anonymous true", "anonymous false"), encoding="utf-8")
    with shut:
        assert asyncio.run(anonymous_listeners(door)) == ()
    assert asyncio.run(anonymous_listeners(door)) == ()


def test_a_stranger_knocks_from_outside() -> None:
    """At every address of this machine but its own loopback, where anybody may be let in."""
    assert not [address for address in own_addresses() if address.startswith("127.")]


def _write(path: Path, words: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(words, encoding="ascii")


def test_a_ups_that_the_program_cannot_see_is_stated_in_the_file() -> None:
    """It ends the advice."""
    circuits = '[circuits.tub]\nspace = 1\nbreaker = "gen2"\ntag = "nonessential"\n'
    for line, known in (("", False), ("[ups]\npresent = false\n", False), ("[ups]\npresent = true\n", True)):
        installer = f'[site]\nid = "home"\n[contact]\nsource = "gpio"\npin = 17\n{line}'
        configuration = parse(Sources(installer, circuits))
        assert isinstance(configuration, Configuration)
        assert ups_present(configuration) is known


def test_supply_card_and_ups_of_the_machine_are_reported(tmp_path: Path) -> None:
    """In the kernel's own places; without files, nothing is known."""
    assert (throttled(tmp_path), worn_percent(tmp_path), ups_known(tmp_path)) == (None, None, False)
    _write(tmp_path / "sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n")
    _write(tmp_path / "sys/block/mmcblk0/device/life_time", "0x02 0x09\n")
    _write(tmp_path / "sys/class/power_supply/hat/type", "Battery\n")
    assert (throttled(tmp_path), worn_percent(tmp_path), ups_known(tmp_path)) == (0x50005, 90, True)


# --- the command -----------------------------------------------------------------------------------------------------


async def _ready(house: ProcessHouse, *more: str) -> tuple[int, dict[str, Any]]:
    words = ("ready", "--json", "--config", str(house.config), "--state", str(house.state_dir), *more)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "clients", *words), stdout=asyncio.subprocess.PIPE
    )
    said = await output(process)
    assert process.returncode is not None
    return process.returncode, json.loads(said)


def _reasons(found: dict[str, Any]) -> set[str]:
    return {reason["id"] for reason in found["reasons"]}


def test_a_real_house_is_judged_and_the_judgement_stands_on_the_bus(tmp_path: Path) -> None:
    """Before and after its first transfer: a contact seen and breakers that obeyed are no reasons any more."""

    async def story() -> None:
        async with ProcessHouse(tmp_path / "house") as house:
            setup_record.save(house.state_dir, SetupRecord())
            await house.begin()
            _, found = await _ready(house)
            assert {
                "contact-untested",
                "transfer-never",
                "breakers-untested",
                "uncontrollable",
                "drill-never",
            } <= _reasons(found)
            house.opens()
            await house.is_shed()
            house.closes()
            await house.is_back()
            _, found = await _ready(house, "--publish")
            assert not {"contact-untested", "transfer-never", "breakers-untested", "alarms"} & _reasons(found)
            last = await house.until(lambda: house.recorder.last("readiness"), "it stands on the bus")
            assert last is not None
            assert last.fields["reasons"] == found["reasons"]
            await house.program.terminate()
            code, found = await _ready(house)
            assert code == NOT_READY
            assert "controller-unavailable" in _reasons(found)
            assert found["score"] < LIMITED

    asyncio.run(story())


@pytest.mark.parametrize(
    ("days", "words"), [(29.5, "expires in 29 days"), (0.0, "has expired"), (0.4, "expires today")]
)
def test_a_certificate_that_expires_within_a_month_is_a_reason(days: float, words: str) -> None:
    """There is time to issue a new one."""
    (reason,) = assess(Facts(certificate_days=days)).reasons
    assert reason.id == "certificate-dates"
    assert words in reason.message


def test_a_certificate_that_lasts_longer_is_none() -> None:
    """Nor is a broker without TLS."""
    assert not assess(Facts(certificate_days=31.0)).reasons
    assert not assess(Facts()).reasons
