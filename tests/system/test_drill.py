"""`loadshed drill` as a user runs it: the real command, the real daemon, a real broker, and interruptions."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import pytest

from controller.bus.payloads import rfc3339
from hw.simulated.meter import SimulatedMeter
from hw.simulated.meter_server import run_pulses
from rules.metering.demand import EDGE_KW_S
from rules.panel import Position
from tests.pages import ROOT
from tests.processes import output
from tests.system.process_house import BYSTANDERS, SHED, SITE, ProcessHouse, Timing, Wired, together

if TYPE_CHECKING:
    from pathlib import Path

# Long enough for what a test does to a drill while it holds circuits off; it is ended by the test, not by its time.
HELD = ("--for", "1h")
SHORT = ("--for", "5s")
ENDED_S = 90.0
"""Time limit of a wait for a drill to end, in seconds: longer than any drill here lasts."""
ALL_OFF = "All circuits are confirmed off."
ALL = {one.id for one in SHED}


class Drill:
    """One `loadshed drill`. `said`: what it has written so far, both streams as they came."""

    def __init__(self, house: ProcessHouse, *words: str, terminal: bool = False, ignores_int: bool = False) -> None:
        out = house.folder / "out"
        out.mkdir(exist_ok=True)
        folders = ("--config", str(house.config), "--state", str(house.state_dir), "--out", str(out))
        as_in_a_script = ("sh", "-c", "trap '' INT; exec \"$@\"", "sh") if ignores_int else ()
        self._command = (*as_in_a_script, sys.executable, "-m", "clients", "drill", *words, *folders)
        self._house = house
        self._terminal = terminal
        self.out = out
        self.said: list[str] = []

    async def __aenter__(self) -> Self:
        mine, theirs = pty.openpty() if self._terminal else (None, None)
        self._typing = mine
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *self._command, cwd=ROOT, stdin=theirs or asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )
        if theirs is not None:
            os.close(theirs)
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        streams = (self._process.stdout, self._process.stderr)
        self._readers = [asyncio.create_task(self._read(stream)) for stream in streams]
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()
        await self.ended()
        if self._typing is not None:
            os.close(self._typing)

    async def _read(self, stream: asyncio.StreamReader) -> None:
        while data := await stream.read(4096):
            self.said.append(data.decode())
            self._house._wake()

    @property
    def text(self) -> str:
        return "".join(self.said)

    def types(self, line: str) -> None:
        assert self._typing is not None
        os.write(self._typing, f"{line}\n".encode())

    def gets(self, which: signal.Signals) -> None:
        self._process.send_signal(which)

    async def says(self, words: str) -> None:
        """Wait until it has said this."""
        await self._house.until(lambda: words in self.text, f"it says {words!r}:\n{self.text}")

    async def ended(self) -> int:
        """Return the exit code, once it has ended."""
        async with asyncio.timeout(ENDED_S):
            await asyncio.gather(*self._readers)
            return await self._process.wait()

    def report(self) -> dict[str, Any]:
        """Return the report it has written for programs; beside it lies the page."""
        (path,) = self.out.glob("drill-*.json")
        assert path.with_suffix(".html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
        fields = json.loads(path.read_text(encoding="utf-8"))
        assert isinstance(fields, dict)
        return fields


async def ran(house: ProcessHouse, *words: str, terminal: bool = False) -> tuple[int, str]:
    """Return how a drill command ended, and what it said."""
    async with Drill(house, *words, terminal=terminal) as drill:
        return await drill.ended(), drill.text


async def ready(house: ProcessHouse) -> None:
    """Start everything, and wait until utility has been unbroken for long enough."""
    await house.begin()
    await house.until(lambda: house.state["stable_at"] is None, "utility is stable")


async def test_a_drill_from_consent_to_report(tmp_path: Path) -> None:
    """The list, a yes at a terminal, everything off and back; the report; and the log knows it as a drill."""
    async with ProcessHouse(tmp_path) as house:
        await ready(house)
        async with Drill(house, "--live", *SHORT, "--by", "Ann", terminal=True) as drill:
            await drill.says("Switch these circuits off now? [y/N]")
            assert "A drill now would switch 4 circuits off" in drill.text
            assert house.words("OFF") == []
            drill.types("y")
            await house.until(lambda: house.at(Position.OFF) == ALL, "all are off")
            assert house.state["source"] == "utility"
            assert await drill.ended() == 0
            assert "PASSED: 4 of 4 circuits went off" in drill.text
        await house.is_back()
        assert house.words("ON") == ["pump", "dryer", "tub", "car"]
        report = drill.report()
        assert (report["id"], report["by"], report["passed"], report["reason"]) == (1, "Ann", True, "its time is up")
        assert report["circuits"].keys() == ALL
        assert all(0 < one["off_after_s"] < 30 and one["off_tries"] == 1 for one in report["circuits"].values())
        assert [*report["manual"]] == ["old-dryer", "porch"]
        await _the_log_knows_it(house)


async def _the_log_knows_it(house: ProcessHouse) -> None:
    """Of the other commands, each says so."""
    log = ("--state", str(house.state_dir))
    assert "drill" in await _said("outages", *log)
    assert (await _said("report", "1", *log)).startswith("Drill 1\n")
    found = json.loads(await _said("ready", "--json", "--config", str(house.config), *log))
    reasons = {reason["id"] for reason in found["reasons"]}
    assert "transfer-never" in reasons
    assert not {"drill-never", "drill-failed", "drill-long-ago", "breakers-untested"} & reasons


async def _said(*words: str) -> str:
    """Return what another command writes."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "clients", *words), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    return (await output(process)).decode()


async def test_without_consent_nothing_is_switched(tmp_path: Path) -> None:
    """A no, an end of the input, no terminal, an invalid folder: each states what to do."""
    async with ProcessHouse(tmp_path) as house:
        await ready(house)
        async with Drill(house, "--live", terminal=True) as drill:
            await drill.says("Switch these circuits off now?")
            drill.types("n")
            assert await drill.ended() == 1
        code, said = await ran(house, "--live")
        assert (code, "add --yes" in said) == (1, True)
        for ignored in (False, True):
            async with Drill(house, "--live", terminal=True, ignores_int=ignored) as drill:
                await drill.says("Switch these circuits off now?")
                drill.gets(signal.SIGINT)
                assert await drill.ended() == 130
        assert house.commands() == []
        assert not [*drill.out.iterdir()]


async def test_ctrl_c_ends_the_drill_and_sees_it_to_its_end(tmp_path: Path) -> None:
    """Everything is restored at once, and is reported; a service that stops, a terminal that goes away do the same."""
    await together(*(_ended_by(which, tmp_path) for which in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)))


async def _ended_by(which: signal.Signals, folder: Path) -> None:
    async with ProcessHouse(folder / which.name) as house:
        await ready(house)
        async with Drill(house, "--live", "--yes", "--by", "Ann", "--json", *HELD) as drill:
            await house.is_shed()
            drill.gets(which)
            assert await drill.ended() == 0, drill.text
        assert house.at(Position.OFF) == set()
        assert house.happened("drill_ended", reason="ended by Ann")
        assert len(house.happened("request_received", request="drill-end")) == 1
        assert drill.report()["held_s"] < 3600


async def test_a_second_ctrl_c_leaves_and_the_controller_goes_on(tmp_path: Path) -> None:
    """Without a stagger, and with a circuit in its minimum off time: no other waits for it."""
    circuits = (*BYSTANDERS, Wired("freezer", more=("min_off_s = 3600",)), Wired("tub", rank=8))
    async with ProcessHouse(tmp_path, circuits=circuits) as house:
        await ready(house)
        async with Drill(house, "--live", "--yes", *HELD) as drill:
            await house.is_shed()
            drill.gets(signal.SIGINT)
            await drill.says("tub: reported on")
            drill.gets(signal.SIGINT)
            assert await drill.ended() == 1
            assert "NOT FOLLOWED to the end" in drill.text
        assert house.at(Position.OFF) == {"freezer"}
        assert house.state["state"] == "restoring"


async def test_whatever_comes_between_is_said_and_followed(tmp_path: Path) -> None:
    """A real transfer, a daemon that is killed, a broker that goes away; and a broker that carries no answers."""
    await together(_taken_over(tmp_path), _killed(tmp_path), _away(tmp_path), _unanswered(tmp_path))


async def _taken_over(folder: Path) -> None:
    """What was measured until then is reported; nothing is restored before utility is back."""
    async with ProcessHouse(folder / "transfer") as house:
        await ready(house)
        async with Drill(house, "--live", "--yes", *HELD) as drill:
            await drill.says(ALL_OFF)
            house.opens()
            assert await drill.ended() == 1
        assert "CUT SHORT by a real transfer" in drill.text
        report = drill.report()
        assert (report["became_outage"], report["passed"]) == (True, False)
        assert all(one["off"] and not one["failed"] for one in report["circuits"].values())
        assert house.words("ON") == []
        house.closes()
        await house.is_back()


async def _killed(folder: Path) -> None:
    """Killed, back, restarted; a start that finds a drill open restores."""
    async with ProcessHouse(folder / "daemon") as house:
        await ready(house)
        async with Drill(house, "--live", "--yes", *HELD) as drill:
            await drill.says(ALL_OFF)
            await house.program.kill()
            await drill.says("CONTROLLER OFFLINE")
            await house.program.start()
            assert await drill.ended() == 0, drill.text
        assert "The controller is online again." in drill.text
        assert "It restores the circuits that the drill switched off" in drill.text
        assert all(one["off"] and one["on"] for one in drill.report()["circuits"].values())
        await house.is_back()


async def _away(folder: Path) -> None:
    """With it the contact, which is on MQTT here: the drill is over, and missed messages are not invented."""
    async with ProcessHouse(folder / "broker") as house:
        await ready(house)
        async with Drill(house, "--live", "--yes", *HELD) as drill:
            await drill.says(ALL_OFF)
            await house.stop_broker()
            await drill.says("BROKER DISCONNECTED")
            await house.start_broker()
            assert await drill.ended() == 0, drill.text
        assert "Connected to the broker again." in drill.text
        assert all(one["off"] and one["on"] for one in drill.report()["circuits"].values())
        await house.is_back()


async def _unanswered(folder: Path) -> None:
    """MQTT 3.1.1: the log says what became of the request."""
    async with ProcessHouse(folder / "old", timing=Timing(version="3.1.1")) as house:
        await ready(house)
        async with Drill(house, "--live", "--yes", *HELD) as drill:
            await drill.says("The controller accepted: 4 circuits are switched off")
            await drill.says(ALL_OFF)
            code, said = await ran(house, "--live", "--yes")
            assert (code, "A drill is not possible now: " in said) == (1, True)
            drill.gets(signal.SIGINT)
            assert await drill.ended() == 0, drill.text
        assert "Could not end" not in drill.text


async def test_what_may_not_be_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    """In an outage; while a drill is on; no end of what never began. The dry list needs no bus."""
    async with ProcessHouse(tmp_path) as house:
        await ready(house)
        assert (await ran(house, "--end")) == (1, "loadshed: no drill is running\n")
        house.opens()
        await house.is_shed()
        code, said = await ran(house, "--live", "--yes")
        assert (code, "loadshed: A drill is not possible now: " in said) == (1, True)
        code, said = await ran(house, "--dry", "--json")
        fields = json.loads(said)
        assert (code, fields["circuits"]["tub"]["position"]) == (0, "off")
        assert fields["refused"]
        house.closes()
        await house.is_back()
        await house.stop_broker()
        code, said = await ran(house, "--dry")
        assert (code, "Unknown now:" in said) == (0, True)
        assert (await ran(house, "--live", "--yes"))[0] == 1
        assert house.happened("request_received", request="drill") == []


async def test_what_a_circuit_draws_is_read_as_it_comes_back(tmp_path: Path) -> None:
    """A meter's pulses on the bus, of what the simulated breakers really carry."""
    draws = {"fridge": 15.0, "pump": 20.0, "dryer": 0.0, "tub": 30.0, "car": 25.0}
    async with ProcessHouse(tmp_path, timing=Timing(stagger_s=3.0)) as house:
        await ready(house)
        metering = asyncio.create_task(Pulses(house, draws).run())
        try:
            await house.until(lambda: house.recorder.last("demand"), "the meter speaks")
            async with Drill(house, "--live", "--yes", *SHORT) as drill:
                assert await drill.ended() == 0
        finally:
            metering.cancel()
        report = drill.report()
        told = {name: one["kw"] for name, one in report["circuits"].items()}
        assert told["dryer"] is None
        # A loaded machine reports a pulse late, and then less can be measured.
        measured = {name: kw for name, kw in told.items() if kw is not None}
        assert measured
        assert measured == pytest.approx({name: draws[name] for name in measured}, rel=0.2)
        code, said = await ran(house, "--dry")
        assert (code, "when last measured" in said) == (0, True)


class Pulses:
    """Says demand as the controller does at each pulse, of what the breakers really let through."""

    def __init__(self, house: ProcessHouse, draws: dict[str, float]) -> None:
        self._house, self._draws = house, draws
        self._meter = SimulatedMeter("1N240-02D", clock=time.monotonic)
        self._last: float | None = None
        house.hub._on_command = self._measure

    async def run(self) -> None:
        """Be the meter until cancelled."""
        self._measure()
        await run_pulses(self._meter, self._pulse)

    def _measure(self) -> None:
        on = (kw for name, kw in self._draws.items() if self._house.breaker(name).position is Position.ON)
        self._meter.kw = sum(on)
        self._house._wake()

    def _pulse(self, _closed: bool, at: float) -> None:
        if self._last is not None:
            kw = round(EDGE_KW_S / (at - self._last), 3)
            said = {
                "kw": kw,
                "kw_is_upper_bound": False,
                "kw_quality": "pulses",
                "age_s": 0.0,
                "at": rfc3339(time.time()),
            }
            assert self._house.recorder._link is not None
            self._house.recorder._link.publish(f"loadshed/{SITE}/demand", json.dumps(said).encode(), retain=True)
        self._last = at
