"""`loadshed replay`: a recorded outage from the disk or a file, decided the same again, or shown where not."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clients.cli import main
from controller.core.effects import SwitchOff
from controller.recording.format import EngineTurn, Part, SessionEnd, SessionStart, to_line
from controller.storage.log_reader import EventLog
from controller.storage.recording_buffer import RecordingBuffer, pack, remove_old_recordings, unpack, write_blocks
from controller.storage.recording_reader import recorded
from controller.storage.schema import LEDGER, open_for_reading, open_for_writing
from tests.controller.recording.test_format import recorded_night
from tests.controller.storage.state_folder import Ear, store_in
from tests.pages import ROOT
from tests.recorded_house import TapedHouse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from controller.recording.format import Session

OFFSET_S = 1_700_000_000.0


@pytest.fixture(scope="module")
def outage() -> list[Part]:
    """Return an outage with a crash in the middle, as it was recorded."""
    house = TapedHouse()
    house.contact.open()
    house.wait(60.0)
    house.restart()
    house.contact.close()
    house.wait(120.0)
    return house.parts


def keep(folder: Path, *batches: Sequence[Part], boot: str = "boot-1") -> None:
    """Have the store write a recording; a batch for each life of the program."""
    for batch in batches:
        ear = Ear()
        store = store_in(folder, ear, boot)
        store.load()
        store.clock(OFFSET_S, trusted=True)
        for part in batch:
            store.record(part)
        store.put([])
        store.close()
        assert [*ear.rest()] == []


def lives(parts: list[Part]) -> list[list[Part]]:
    """Return the parts of each life of the program."""
    starts = [number for number, part in enumerate(parts) if isinstance(part, SessionStart)]
    return [parts[begin:end] for begin, end in zip(starts, [*starts[1:], None], strict=True)]


def read(folder: Path, unreadable: list[str] | None = None) -> list[Session]:
    """Return what the database holds."""
    with closing(open_for_reading(folder, LEDGER)) as db:
        return [*recorded(db, [] if unreadable is None else unreadable)]


def commands(parts: list[Part]) -> int:
    """Return how many commands left."""
    return sum(len(part.commands) for part in parts if isinstance(part, EngineTurn))


# --- the command -----------------------------------------------------------------------------------------------------


def test_a_recorded_outage_is_decided_the_same_again(
    outage: list[Part], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Shown as it happened, by time of day, across the crash in its middle."""
    keep(tmp_path, *lives(outage))
    assert main(["replay", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"the same decisions: {commands(outage)} of {commands(outage)} commands"
    assert sum("start of loadshed" in line for line in lines) == 2
    assert any("hot-tub: OFF sent" in line for line in lines)
    assert any("hot-tub: confirmed on" in line for line in lines)


def test_an_export_is_played_as_the_database_is(
    outage: list[Part], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For a bug report: lines of JSON, complete in themselves."""
    keep(tmp_path, *lives(outage))
    file = tmp_path / "night.jsonl"
    assert main(["replay", "--state", str(tmp_path), "--export", str(file)]) == 0
    assert f"{len(outage)} lines written" in capsys.readouterr().out
    assert len(file.read_text(encoding="utf-8").splitlines()) == len(outage)
    assert main(["replay", str(tmp_path / "ledger.db")]) == 0
    from_database = capsys.readouterr().out
    assert main(["replay", str(file)]) == 0
    assert capsys.readouterr().out == from_database


def test_the_output_does_not_depend_on_hash_seeds(tmp_path: Path) -> None:
    """No decision, and no line of it, hangs on the order in which a set is walked: byte for byte."""
    file = tmp_path / "nights.jsonl"
    file.write_text("\n".join(to_line(part) for seed in range(6) for part in recorded_night(seed)), encoding="utf-8")
    command = [sys.executable, "-m", "clients", "replay", str(file)]
    told = [
        subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("0", "1", "4711")
    ]
    assert "the same decisions: " in told[0]
    assert told[0] == told[1] == told[2]


def test_an_export_that_cannot_be_written_is_said(
    outage: list[Part], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its name, for it is not the recording's."""
    keep(tmp_path, *lives(outage))
    assert main(["replay", str(tmp_path), "--export", str(tmp_path)]) == 1
    assert f"{tmp_path} cannot be written: " in capsys.readouterr().err


def test_a_recording_is_not_to_blame_for_a_full_card(outage: list[Part], tmp_path: Path) -> None:
    """`loadshed replay >FILE`: what is read is whole, and there is no room for what is said of it."""
    keep(tmp_path, *lives(outage))
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-u", "-m", "clients", "replay", str(tmp_path)]
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert ran.returncode == 1
    assert ran.stderr == "loadshed: No space left on device. Free some space, or write to another place.\n"


def test_another_decision_is_shown_and_ends_with_1(
    outage: list[Part], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first one; what follows it in that life of the program says nothing."""
    number, turn = next((n, part) for n, part in enumerate(outage) if isinstance(part, EngineTurn) and part.commands)
    first, *others = turn.commands
    altered = [*outage]
    altered[number] = turn._replace(commands=(SwitchOff(first.circuit, 99), *others))
    file = tmp_path / "night.jsonl"
    file.write_text("\n".join(map(to_line, altered)), encoding="utf-8")
    assert main(["replay", str(file)]) == 1
    told = capsys.readouterr().out
    assert f"DIFFERENT: recorded OFF to {first.circuit} (for 99 s)" in told
    assert told.count("DIFFERENT") == 1
    assert "ANOTHER DECISION: " in told
    assert main(["replay", str(file), "--json"]) == 1
    difference = json.loads(capsys.readouterr().out)["difference"]
    assert difference["recorded"][0] == f"OFF to {first.circuit} (for 99 s)"
    assert difference["replayed"][0] == f"OFF to {first.circuit} (for {first.expires_s} s)"


def test_one_outage_is_shown_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From its beginning to its end, also where the program started in it."""
    house = TapedHouse()
    for _ in range(2):
        house.outage(minutes=1.0)
    keep(tmp_path, house.parts)
    assert main(["replay", str(tmp_path), "--outage", "2", "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    events = [row["event"] for row in told["decisions"]]
    assert (events.count("outage_began"), events.count("outage_ended")) == (1, 1)
    assert told["commands"] == len(house.commands) / 2
    assert all(row["at"].startswith("2023-11-14T") for row in told["decisions"])
    assert main(["replay", str(tmp_path), "--outage", "3"]) == 1
    assert "The recording has no outage 3" in capsys.readouterr().err


def test_what_came_before_a_time_is_left_out(
    outage: list[Part], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is played all the same: what comes after depends on it."""
    keep(tmp_path, *lives(outage))
    with pytest.raises(SystemExit) as refused:
        main(["replay", str(tmp_path), "--from", "yesterday"])
    assert refused.value.code == 2
    assert "is not a time. Write it as" in capsys.readouterr().err
    assert main(["replay", str(tmp_path), "--from", "2023-11-14T22:13:20+00:00", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["commands"] == commands(outage)
    times = [part.now for part in outage if isinstance(part, EngineTurn) and part.commands]
    last = datetime.fromtimestamp(OFFSET_S + times[-1] - 0.5, UTC).isoformat()
    assert main(["replay", str(tmp_path), "--from", last, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["commands"] == 1
    assert main(["replay", str(tmp_path), "--from", "2033-11-14T22:13:20"]) == 1
    assert "The recording has nothing for this time" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "There is no recording in"),
        (b"", "The recording has nothing for this time"),
        (b"hello", "line 1: not a line of a recording"),
        (b"\xff\xfe", "cannot be read"),
        (b"SQLite format 3\x00 and noise", "cannot be read"),
    ],
)
def test_what_is_no_recording_is_refused_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, says: str
) -> None:
    """Whatever file was named."""
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    assert main(["replay", str(file)]) == 1
    assert says in capsys.readouterr().err


def test_a_cut_recording_says_so(outage: list[Part], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Silence after it does not count as the end."""
    first, _ = lives(outage)
    keep(tmp_path, [*first, SessionEnd(99.0, "too much")])
    assert main(["replay", str(tmp_path)]) == 0
    assert "the recording stops here: too much" in capsys.readouterr().out


# --- with another configuration --------------------------------------------------------------------------------------

INSTALLER = '[site]\nid = "home"\n[contact]\nsource = "gpio"\npin = 17\n'


def file_of(house: TapedHouse, **tags: str) -> str:
    """Return the house's circuits.toml, with these tags instead."""
    return "".join(
        f'[circuits.{one.id}]\nspace = {space}\nbreaker = "{one.kind.value}"\nrank = {one.rank}\n'
        f'tag = "{tags.get(one.id, one.tag.value)}"\n'
        for space, one in enumerate(house.panel, 1)
    )


@pytest.fixture
def twice(tmp_path: Path) -> TapedHouse:
    """Return a house that had two outages, kept in `state`; its own files stand in `config`."""
    house = TapedHouse()
    for _ in range(2):
        house.outage(minutes=1.0)
    keep(tmp_path / "state", house.parts)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "installer.toml").write_text(INSTALLER, encoding="utf-8")
    (tmp_path / "config" / "circuits.toml").write_text(file_of(house), encoding="utf-8")
    return house


def test_the_houses_own_files_change_nothing(
    twice: TapedHouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is assumed then."""
    assert main(["replay", str(tmp_path / "state"), "--with", str(tmp_path / "config")]) == 0
    assert capsys.readouterr().out == "0 of 4 commanded circuits would be treated differently.\n"
    assert len(twice.panel) == 5


def test_what_another_tag_would_have_done_is_shown_beside_what_was(
    twice: TapedHouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Circuit by circuit, with what is assumed."""
    more = '[circuits.sauna]\nspace = 99\nbreaker = "relay"\ntag = "essential"\n'
    (tmp_path / "config" / "circuits.toml").write_text(file_of(twice, fridge="nonessential") + more, encoding="utf-8")
    command = ["replay", str(tmp_path / "state"), "--with", str(tmp_path / "config")]
    assert main(command) == 0
    told = capsys.readouterr().out
    (fridge,) = (line for line in told.splitlines() if line.startswith("fridge"))
    assert "not commanded" in fridge
    assert "5 of 5 commanded circuits would be treated differently." in told
    assert "- Assumed: fridge" in told
    assert "- Not in the recording, assumed to be on: sauna." in told
    assert main([*command, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [row["command"] for row in answer["circuits"]["fridge"]["replayed"]] == ["OFF", "ON"] * 2
    for outage in ("1", "2"):
        assert main([*command, "--outage", outage, "--json"]) == 0
        answer = json.loads(capsys.readouterr().out)
        assert [row["command"] for row in answer["circuits"]["fridge"]["replayed"]] == ["OFF", "ON"]
    assert answer["circuits"]["fridge"]["recorded"] == []
    assert answer["not_recorded"] == ["sauna"]
    assert main([*command, "--outage", "3"]) == 1
    assert "The recording has no outage 3" in capsys.readouterr().err


def test_a_change_of_the_file_that_is_left_out_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The other configuration stays in force through it."""
    house = TapedHouse()
    house.rewrite(*house.panel)
    keep(tmp_path, house.parts)
    (tmp_path / "installer.toml").write_text(INSTALLER, encoding="utf-8")
    (tmp_path / "circuits.toml").write_text(file_of(house), encoding="utf-8")
    assert main(["replay", str(tmp_path), "--with", str(tmp_path)]) == 0
    assert "- Omitted: 1 changes of circuits.toml. The other" in capsys.readouterr().out


def test_wrong_files_end_with_78(twice: TapedHouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All that is wrong in them, as `check` says it."""
    (tmp_path / "config" / "circuits.toml").write_text(file_of(twice, fridge="esential"), encoding="utf-8")
    assert main(["replay", str(tmp_path / "state"), "--with", str(tmp_path / "config")]) == 78
    assert 'did you mean "essential"?' in capsys.readouterr().err


# --- on the disk -----------------------------------------------------------------------------------------------------


def test_every_life_of_the_program_is_a_segment(outage: list[Part], tmp_path: Path) -> None:
    """With the wall clock as it was known in the end."""
    keep(tmp_path, *lives(outage))
    first, second = read(tmp_path)
    assert [first.start.wall, second.start.wall] == [second.start.wall] * 2
    assert first.start.wall is not None
    assert (first.start.wall.offset_s, first.start.wall.trusted) == (OFFSET_S, True)
    kept = [turn for segment in (first, second) for turn in segment.turns]
    assert kept == [part for part in outage if isinstance(part, EngineTurn)]


def test_a_segment_that_lost_its_beginning_is_left_out_and_said(
    outage: list[Part], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So is one with a flipped bit; the others are read."""
    first, second = lives(outage)
    keep(tmp_path, first, second, second)
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as db:
        db.execute("UPDATE evidence SET lines = x'0100ff' WHERE segment = 1")
        headless = pack(second[1:], str)
        db.execute("UPDATE evidence SET lines = ? WHERE segment = 2", (headless.lines,))
        db.commit()
    unreadable: list[str] = []
    (segment,) = read(tmp_path, unreadable)
    assert len(segment.turns) == len(second) - 1
    assert [says.partition(" (")[0] for says in unreadable] == [f"session {n} of the recording" for n in (1, 2)]
    assert "a recording begins with a start" in unreadable[1]
    assert main(["replay", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert [line.endswith("cannot be read and is left out.") for line in said.err.splitlines()] == [True, True]
    assert "the same decisions" in said.out


def test_what_follows_a_lost_database_is_not_kept(outage: list[Part], tmp_path: Path) -> None:
    """Without its start a block is of no use to anybody."""
    with closing(open_for_writing(tmp_path, LEDGER)) as db:
        write_blocks(db, [pack(outage[1:3], str)], 1)
        assert db.execute("SELECT count(*) FROM evidence").fetchone() == (0,)


def test_a_block_comes_out_as_it_went_in(outage: list[Part]) -> None:
    """And is a fraction of its length; one that was packed otherwise is refused."""
    first, _ = lives(outage)
    block = pack(first[1:], str)
    assert unpack(block.lines).splitlines() == [to_line(part) for part in first[1:]]
    assert len(block.lines) < len(unpack(block.lines)) / 4
    with pytest.raises(ValueError, match="by another version of loadshed"):
        unpack(b"\x02" + block.lines[1:])
    with pytest.raises(ValueError, match="damaged"):
        unpack(block.lines[:1] + bytes(5))


START, TURN = (SessionStart("boot", 0.0, False, *[None] * 3), EngineTurn(1.0, (), (), 1.0))  # type: ignore[arg-type]  # never read
COMMAND = EngineTurn(2.0, (), (SwitchOff("hot-tub", 5),), 2.0)  # type: ignore[arg-type]  # a name will do


def tape() -> RecordingBuffer:
    """Return a buffer that waits 20 s after commands, and 600 s without."""
    return RecordingBuffer(20.0, 600.0)


def test_the_buffer_waits_longer_without_commands() -> None:
    """The sooner of both counts."""
    one = tape()
    assert one.add(TURN, 100.0)
    assert one.due == 700.0
    assert not one.add(TURN, 110.0)
    assert one.add(COMMAND, 120.0)
    assert one.due == 140.0
    assert one.take(139.0, urgent=False) == []
    assert one.take(140.0, urgent=False) == [TURN, TURN, COMMAND]
    assert one.due is None
    assert one.take(1000.0, urgent=True) == []


def test_the_tape_goes_along_with_what_cannot_wait_but_seldom() -> None:
    """The first commands write what is waiting; the forty reports after them do not, each."""
    one = tape()
    one.add(TURN, 99.0)
    assert one.take(99.5, urgent=True) == []
    assert one.take(700.0, urgent=False) == [TURN]
    one = tape()
    for at in (100.0, 100.1, 100.2):
        one.add(COMMAND, at)
        assert one.take(at, urgent=True) == [COMMAND]
    one.add(COMMAND, 100.3)
    assert one.take(119.9, urgent=True) == []
    one.add(TURN, 120.2)
    assert one.take(120.2, urgent=True) == [COMMAND, TURN]
    one.add(COMMAND, 120.3)
    assert one.take(120.3, urgent=True) == []


def test_a_storm_ends_the_recording_and_says_so() -> None:
    """More than the card bears is not written, however long it lasts; nor is it kept in memory."""
    one = tape()
    one.charge(1_000_001, 0.0)
    (end,) = one.take(600.0, urgent=False)
    assert isinstance(end, SessionEnd)
    assert end.cut is not None
    for at in range(1000):
        assert not one.add(TURN, 700.0 + at)
    assert one.due is None


def test_that_the_recording_was_cut_stands_in_the_log(outage: list[Part], tmp_path: Path) -> None:
    """Beside everything else that happened."""
    first, _ = lives(outage)
    keep(tmp_path, [*first, SessionEnd(99.0, "too much")])
    with EventLog(tmp_path) as log:
        assert [(row.event, row.details) for row in log.events()] == [("recording_cut", {"reason": "too much"})]


def test_a_storm_that_outruns_the_disk_ends_the_recording_too() -> None:
    """Memory is bounded between two writes."""
    one = tape()
    for _ in range(60_000):
        one.add(TURN, 0.0)
    parts = one.take(600.0, urgent=False)
    assert len(parts) == 50_002
    assert isinstance(parts[-1], SessionEnd)


def test_what_a_storm_took_comes_back_by_and_by() -> None:
    """20 kB an hour, up to a megabyte."""
    one = tape()
    for hour in range(200):
        one.add(COMMAND, hour * 3600.0)
        one.take(hour * 3600.0, urgent=True)
        one.charge(19_000, hour * 3600.0)
    one.add(COMMAND, 1e6)
    assert one.take(1e6, urgent=True) == [COMMAND]


def test_the_longest_life_has_its_bounds_too() -> None:
    """A program that is never started again does not fill the card."""
    one = tape()
    for day in range(400):
        one.add(TURN, day * 86_400.0)
        if any(isinstance(part, SessionEnd) for part in one.take(day * 86_400.0 + 600.0, urgent=False)):
            break
        one.charge(400_000, day * 86_400.0)
    assert 38 < day < 43


def segments_left(db: sqlite3.Connection) -> list[int]:
    """Return the segments that are still there."""
    return [number for (number,) in db.execute("SELECT DISTINCT segment FROM evidence ORDER BY segment")]


@pytest.fixture
def three(tmp_path: Path) -> sqlite3.Connection:
    """Return a database with three segments: of boots that began at 1000 s, 2000 s (never right), 3000 s."""
    db = open_for_writing(tmp_path, LEDGER)
    for number, trusted in enumerate((1, 0, 1), 1):
        db.execute("INSERT INTO boots VALUES (?, ?, ?, ?)", (number, f"boot-{number}", number * 1000.0, trusted))
        for at in (10.0, 20.0):
            db.execute(
                "INSERT INTO evidence (segment, boot, first_at, last_at, lines) VALUES (?, ?, ?, ?, ?)",
                (number, number, at, at, bytes(100)),
            )
    return db


@pytest.mark.parametrize(
    ("before", "kept_bytes", "left"),
    [
        (None, 10_000, [1, 2, 3]),
        (1020.0, 10_000, [1, 2, 3]),
        (1020.5, 10_000, [2, 3]),
        (9999.0, 10_000, [3]),
        (None, 599, [2, 3]),
        (None, 0, [2, 3]),
    ],
)
def test_old_segments_go_whole_and_the_latest_never(
    three: sqlite3.Connection, before: float | None, kept_bytes: int, left: list[int]
) -> None:
    """By the age of their end, and the oldest where all of them are too much; one of unknown date with the next."""
    remove_old_recordings(three, before, 500, kept_bytes)
    assert segments_left(three) == left
    three.close()


def test_removing_takes_many_short_steps(three: sqlite3.Connection) -> None:
    """A shed may want the disk at any moment."""
    assert [remove_old_recordings(three, 9999.0, 3) for _ in range(3)] == [3, 1, 0]
    assert segments_left(three) == [3]
    three.close()
