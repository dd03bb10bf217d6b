"""A disk that is full, read-only or corrupt stops no shedding, and is reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.storage.log_reader import EventLog
from tests.system.process_house import ProcessHouse
from tests.system.program import WITHOUT_ROOTS_RIGHTS

if TYPE_CHECKING:
    from pathlib import Path


def failing(house: ProcessHouse) -> str:
    """Return what the alarm says of the disk; empty: it does not stand."""
    last = house.recorder.last("alarms/disk-failing")
    return "" if last is None or not last.payload else str(last.fields["message"])


async def test_a_full_disk_stops_nothing_and_what_it_missed_is_written_later(tmp_path: Path) -> None:
    """Shed and restored with an alarm; when there is room again the outage is on disk, complete."""
    async with ProcessHouse(tmp_path) as house:
        await house.begin()
        house.program.no_file_above(0)
        house.opens()
        await house.is_shed()
        await house.until(lambda: failing(house), "it is said")
        assert any("cannot be written: " in line for line in house.program.log), "with its reason"
        house.closes()
        await house.is_back()
        house.program.no_file_above(None)
        await house.until(lambda: not failing(house), "there is room again")
        assert await house.program.terminate() == 0
        with EventLog(house.state_dir) as log:
            (outage,) = log.outages()
            assert outage.stage == "closed"
            assert {history.end for history in outage.histories} == {"restored"}


async def test_a_read_only_state_folder_stops_nothing(tmp_path: Path) -> None:
    """A cold start from what the disk has, though it accepts no writes any more."""
    async with ProcessHouse(tmp_path, prefix=WITHOUT_ROOTS_RIGHTS) as house:
        await house.begin()
        assert await house.program.terminate() == 0
        folders = [house.state_dir, *(path for path in house.state_dir.rglob("*") if path.is_dir())]
        for folder in folders:
            folder.chmod(0o555)
        for file in house.state_dir.rglob("*.db*"):
            file.chmod(0o444)
        house.opens()
        await house.program.start()
        await house.is_shed()
        await house.until(lambda: failing(house), "it is said")
        house.closes()
        await house.is_back()
        assert await house.program.terminate() == 0
        for folder in folders:
            folder.chmod(0o755)


async def test_a_corrupt_database_is_set_aside_and_kept(tmp_path: Path) -> None:
    """It sheds all the same; the earlier state is unknown, so it is restored on user request."""
    async with ProcessHouse(tmp_path) as house:
        await house.begin()
        assert await house.program.terminate() == 0
        garbage = b"no database at all, but long enough to be looked at" * 100
        (house.state_dir / "ledger.db").write_bytes(garbage)
        house.opens()
        await house.program.start()
        await house.is_shed()
        await house.until(lambda: any("set aside as" in line for line in house.program.log), "it is said")
        assert (house.state_dir / "ledger.db.damaged-1").read_bytes() == garbage
        mark = house.mark
        house.closes()
        await house.reaches("utility", mark)
        await house.ask("restore", "all")
        await house.is_back(since=mark)
