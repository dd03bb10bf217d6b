"""The owner's files, changed while the program runs and while it does not."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.system.process_house import USUAL, ProcessHouse, Wired, circuits_toml
from tests.system.program import Program

if TYPE_CHECKING:
    from pathlib import Path

WRONG = circuits_toml(USUAL).replace('tag = "nonessential"', 'tag = "nonesential"', 1)


def changed(circuit: str, **words: Any) -> tuple[Wired, ...]:
    """Return the usual house with one circuit changed."""
    return tuple(replace(one, **words) if one.id == circuit else one for one in USUAL)


async def reloaded(house: ProcessHouse, circuits: tuple[Wired, ...] | str) -> list[dict[str, Any]]:
    """Write the file, send SIGHUP, and return what is said once it is in force."""
    mark = house.mark
    house.write_circuits(circuits)
    house.program.send(signal.SIGHUP)
    return await house.until(lambda: house.happened("circuits_reloaded", mark), "the file is in force")


def refusal(house: ProcessHouse) -> str:
    """Return what the alarm says of the file; empty: it does not stand."""
    last = house.recorder.last("alarms/configuration-refused")
    return "" if last is None or not last.payload else str(last.fields["message"])


async def test_retagging_is_obeyed_at_once_on_standby_and_by_the_next_outage(tmp_path: Path) -> None:
    """Essential comes back though the house is on standby; nonessential goes."""
    async with ProcessHouse(tmp_path, by_people={"fridge"}) as house:
        await house.begin()
        house.opens()
        await house.is_shed()
        mark = house.mark
        await reloaded(house, changed("tub", tag="essential"))
        await house.until(lambda: house.words("ON", mark) == ["tub"], "the tub comes back")
        await reloaded(house, changed("fridge", tag="nonessential"))
        await house.until(lambda: {"fridge", "tub"} <= {*house.words("OFF", mark)}, "fridge and tub are shed")
        await reloaded(house, USUAL)
        await house.until(lambda: "fridge" in house.words("ON", mark), "the fridge comes back")
        house.closes()
        await house.is_back(since=mark)
        await reloaded(house, changed("dryer", tag="essential"))
        mark = house.mark
        house.opens()
        await house.until(lambda: house.happened("state_changed", mark, state="standby"), "it is shed")
        assert {*house.words("OFF", mark)} == {"pump", "tub", "car"}


async def test_of_two_reloads_at_once_the_later_file_is_in_force(tmp_path: Path) -> None:
    """Saved twice in a moment, and read twice: the older reading was kept last, and stayed in force suppressed."""
    async with ProcessHouse(tmp_path) as house:
        await house.begin()
        for tag in ("essential", "nonessential") * 5:
            first = asyncio.create_task(house.ask("reload"))
            mark = house.mark
            await house.until(lambda mark=mark: next(house.recorder.on("ask/reload", mark), None), "it is asked")  # type: ignore[misc]
            house.write_circuits(changed("tub", tag=tag))
            answers = (await house.ask("reload"), await first)
            assert all(ok for ok, _ in answers), answers
            await house.until(lambda tag=tag: house.circuit("tub")["tag"] == tag, f"the tub is {tag}")  # type: ignore[misc]


async def test_a_wrong_file_is_refused_whole_and_the_one_in_force_outlives_restarts(tmp_path: Path) -> None:
    """A typo never disarms the house; it is reported until it is corrected."""
    async with ProcessHouse(tmp_path) as house:
        await house.begin()
        house.write_circuits(WRONG + WRONG.replace("[circuits.", "[circuits.second-").replace("space = ", "spcae = "))
        house.program.send(signal.SIGHUP)
        await house.until(lambda: "nonesential" in refusal(house), "it is refused")
        assert "spcae" in refusal(house)
        journal = "\n".join(house.program.log)
        assert "nonesential" in journal
        assert "spcae" in journal
        await house.program.kill()
        mark = house.mark
        await house.program.start()
        await house.until(lambda: house.happened("bus_connected", mark), "it is back")
        await house.until(lambda: refusal(house), "it says so again")
        house.opens()
        await house.is_shed(since=mark)
        house.closes()
        await house.is_back(since=mark)
        await reloaded(house, USUAL)
        await house.until(lambda: not refusal(house), "the alarm is cleared")


async def test_a_file_that_drops_what_is_owed_is_refused(tmp_path: Path) -> None:
    """Nor may it be made uncommandable; and at a start its last entry stays until it is restored."""
    async with ProcessHouse(tmp_path) as house:
        await house.begin()
        house.opens()
        await house.is_shed()
        without = tuple(one for one in USUAL if one.id != "tub")
        house.write_circuits(without)
        house.program.send(signal.SIGHUP)
        await house.until(lambda: "[circuits.tub] is missing" in refusal(house), "it is refused")
        house.write_circuits(changed("tub", breaker="standard"))
        ok, reason = await house.ask("reload")
        assert not ok
        assert "[circuits.tub]" in reason
        house.write_circuits(without)
        await house.program.kill()
        mark = house.mark
        await house.program.start()
        await house.until(lambda: house.happened("started", mark), "it is back")
        house.closes()
        await house.is_back(since=mark)
        # For a minute after a start an OFF may still take effect: the shed record is kept that long.
        await house.ask("forget", "tub")
        await reloaded(house, without)
        await house.until(lambda: house.recorder.last("circuits/tub").payload == b"", "it is gone")  # type: ignore[union-attr]


async def test_a_circuit_dropped_over_a_restart_is_gone_from_the_bus(tmp_path: Path) -> None:
    """The broker retains its messages, and no other client would ever clear them."""
    async with ProcessHouse(tmp_path) as house:
        await house.begin()
        await house.until(lambda: house.recorder.last("circuits/tub"), "it is told")
        await house.program.kill()
        house.write_circuits(tuple(one for one in USUAL if one.id != "tub"))
        await house.program.start()
        await house.until(lambda: house.recorder.last("circuits/tub").payload == b"", "it is gone")  # type: ignore[union-attr]


async def test_wrong_files_that_never_were_in_force_end_it_with_78(tmp_path: Path) -> None:
    """All mistakes of both files at once, each with its line; nothing is commanded."""
    async with ProcessHouse(tmp_path) as house:
        await house.start_broker()
        house.write_circuits(WRONG + "[circuits.attic]\nspace = 0\n")
        house.write_installer('[site]\nid = "home"\n[contact]\nsource = "gpoi"\n')
        await house.program.start()
        assert await house.program.ended() == 78
        said = "\n".join(house.program.log)
        for mistake in ("nonesential", "[circuits.attic]", "gpoi"):
            assert mistake in said
        assert not house.commands()
        assert not house.state


async def test_a_second_program_on_the_same_state_folder_ends_at_once(tmp_path: Path) -> None:
    """Two would write one ledger, and each would undo what the other does; the first does not even notice."""
    async with ProcessHouse(tmp_path) as house:
        await house.begin()
        second = Program(house.program.config, house.program.state, lambda: None)
        await second.start()
        assert await second.ended() == 1
        assert "another loadshed runs on" in second.log[0]
        house.opens()
        await house.is_shed()
