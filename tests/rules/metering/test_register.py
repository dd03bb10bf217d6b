"""What the energy register says, judged: rollover, another meter, garbled values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.metering.register import ROLLOVER_TENTHS, ReadingVerdict, Register, register_rise

POLL_S = 5.0


def read_all(register: Register, *values: int, every_s: float = POLL_S) -> list[ReadingVerdict]:
    """Give these values, one each poll; return what became of each."""
    return [register.read(tenths, index * every_s)[0] for index, tenths in enumerate(values)]


def test_one_tick_is_never_too_many() -> None:
    """However soon after the last reading: it may have been due already."""
    register = Register(48.0)
    register.read(1000, 0.0)
    assert register.read(1001, 0.01) == (ReadingVerdict.GOOD, 1)


def test_a_rise_at_the_full_rating_is_believed_at_any_phase() -> None:
    """48 kW tick each 7.5 s: a poll each 10 s sees one or two."""
    register = Register(48.0)
    verdicts = [register.read(int(48.0 * 10 * n / 360), 10.0 * n)[0] for n in range(200)]
    assert set(verdicts[1:]) == {ReadingVerdict.GOOD}


@pytest.mark.parametrize(("before", "after", "rise"), [(9_999_998, 1, 3), (9_900_001, 99_999, 199_998), (5, 5, 0)])
def test_the_register_comes_round(before: int, after: int, rise: int) -> None:
    """From above 9.9 M to below 0.1 M is the rollover at ten million tenths."""
    assert register_rise(before, after) == rise


@pytest.mark.parametrize(("before", "after"), [(9_900_000, 5), (9_999_999, 100_000), (1000, 999), (10_000_000, 5)])
def test_any_other_fall_is_no_rise(before: int, after: int) -> None:
    """A register never runs backward."""
    assert register_rise(before, after) is None


def test_a_rollover_counts_on() -> None:
    """The energy across it is what passed, neither negative nor a million kWh."""
    register = Register(48.0)
    assert read_all(register, 9_999_999, 0) == [ReadingVerdict.FIRST, ReadingVerdict.ROLLED_OVER]
    assert register.last is not None
    assert register.last.tenths == 0


@pytest.mark.parametrize("garbled", [0, 999, 1003, 50_000, 4_294_967_295])
def test_one_garbled_reading_changes_nothing(garbled: int) -> None:
    """It is held; the next good one is believed as if nothing had been."""
    register = Register(48.0)
    assert read_all(register, 1000, garbled, 1001) == [
        ReadingVerdict.FIRST,
        ReadingVerdict.READING_HELD,
        ReadingVerdict.GOOD,
    ]


def test_two_equal_garbled_readings_with_a_good_one_between_agree_on_nothing() -> None:
    """A good reading settles the matter: what was held before it is forgotten."""
    register = Register(48.0)
    assert read_all(register, 1000, 5, 1001, 5)[1:] == [
        ReadingVerdict.READING_HELD,
        ReadingVerdict.GOOD,
        ReadingVerdict.READING_HELD,
    ]


def test_two_garbled_readings_that_differ_agree_on_nothing() -> None:
    """Only a second reading that follows from the first counts."""
    register = Register(48.0)
    assert read_all(register, 1000, 70_000, 30, 1001)[1:] == [
        ReadingVerdict.READING_HELD,
        ReadingVerdict.READING_HELD,
        ReadingVerdict.GOOD,
    ]


def test_a_replaced_meter_is_a_new_baseline() -> None:
    """A minute of readings agrees: no energy is counted across, and counting goes on from there."""
    register = Register(48.0)
    held = ReadingVerdict.READING_HELD
    assert read_all(register, 500_000, *[12] * 12) == [ReadingVerdict.FIRST, *[held] * 12]
    assert register.read(12, 65.0) == (ReadingVerdict.REPLACED, 0)
    assert register.read(13, 70.0) == (ReadingVerdict.GOOD, 1)


@pytest.mark.parametrize("zeros", [1, 2, 5, 12])
def test_a_meter_that_answers_0_while_it_boots_is_not_replaced(zeros: int) -> None:
    """Its old register returns, and nothing was counted in between."""
    register = Register(48.0)
    verdicts = read_all(register, 500_000, *[0] * zeros, 500_001)
    assert set(verdicts[1:-1]) == {ReadingVerdict.READING_HELD}
    assert verdicts[-1] is ReadingVerdict.GOOD


def test_a_fall_that_changes_its_mind_is_timed_anew() -> None:
    """Readings that fall again do not agree with each other."""
    register = Register(48.0)
    falling = [60 - n // 6 for n in range(60)]
    assert set(read_all(register, 500_000, *falling)[1:]) == {ReadingVerdict.READING_HELD}


def test_a_fall_of_the_same_meter_never_counts() -> None:
    """It reports the identity that it had: its last good value ages."""
    register = Register(48.0)
    register.read(500_000, 0.0)
    for poll in range(1, 100):
        assert register.read(0, poll * POLL_S, same_meter=True) == (ReadingVerdict.READING_HELD, 0)
    assert register.read(500_003, 500.0) == (ReadingVerdict.GOOD, 3)


def test_a_register_that_returns_after_a_long_boot_is_that_of_the_same_meter() -> None:
    """It answered 0 for more than a minute; a second reading agrees that it continues from before."""
    register = Register(48.0)
    assert read_all(register, 500_000, *[0] * 14)[-1] is ReadingVerdict.GOOD
    assert register.read(500_002, 80.0)[0] is ReadingVerdict.READING_HELD
    assert register.read(500_002, 85.0) == (ReadingVerdict.RETURNED, 0)
    assert register.read(500_003, 90.0) == (ReadingVerdict.GOOD, 1)


def test_a_meter_that_first_answers_0_has_its_register_afterward() -> None:
    """The program started while the meter booted: what follows is its first value."""
    register = Register(48.0)
    assert read_all(register, 0, 0, 500_000, 500_000) == [
        ReadingVerdict.FIRST,
        ReadingVerdict.GOOD,
        ReadingVerdict.READING_HELD,
        ReadingVerdict.FIRST,
    ]


def test_a_first_reading_below_the_expected_one_is_held() -> None:
    """The program restarted in an outage while the meter booted."""
    register = Register(48.0)
    register.expect(500_000)
    assert read_all(register, 0, 0, 500_010) == [
        ReadingVerdict.READING_HELD,
        ReadingVerdict.READING_HELD,
        ReadingVerdict.FIRST,
    ]
    other = Register(48.0)
    other.expect(500_000)
    assert read_all(other, *[7] * 13)[-2:] == [ReadingVerdict.READING_HELD, ReadingVerdict.REPLACED]


def test_a_held_reading_lets_the_last_good_one_age() -> None:
    """An implausible reading is not a sign of life."""
    register = Register(48.0)
    read_all(register, 1000, 5)
    assert register.last is not None
    assert register.last.at == 0.0


MOST = (
    # ticks within seconds at a rating of 40 kW, verdict
    (12, 90.0, ReadingVerdict.GOOD),  # the first may have been due before; 11 more are 44 kW
    (13, 90.0, ReadingVerdict.READING_HELD),
    (12, 89.9, ReadingVerdict.READING_HELD),
    (1, 0.0, ReadingVerdict.GOOD),
    (2, 8.1, ReadingVerdict.READING_HELD),
    (2, 8.2, ReadingVerdict.GOOD),
)


@pytest.mark.parametrize(("ticks", "seconds", "verdict"), MOST)
def test_110_percent_of_the_rating_is_the_most_there_is(ticks: int, seconds: float, verdict: ReadingVerdict) -> None:
    """To the tick."""
    register = Register(40.0)
    register.read(1000, 700.0)
    assert register.read(1000 + ticks, 700.0 + seconds) == (
        verdict,
        0 if verdict is ReadingVerdict.READING_HELD else ticks,
    )


def leap(register: Register, began: float, *, before: int, ticks: int) -> tuple[ReadingVerdict, int]:
    """Poll 300 s of stillness, then a leap; return what became of it at the second poll that says so."""
    for poll in range(1, 61):
        assert register.read(before, began + poll * POLL_S) == (ReadingVerdict.GOOD, 0)
    assert register.read(before + ticks, began + 305.0) == (ReadingVerdict.READING_HELD, 0)
    return register.read(before + ticks, began + 310.0)


LEAPS = (
    # ticks, what becomes of them: 44 kW for 310 s are 37.9 after the first
    (38, (ReadingVerdict.GOOD, 38)),
    (39, (ReadingVerdict.REPLACED, 0)),
)


@pytest.mark.parametrize(("ticks", "becomes"), LEAPS)
def test_a_leap_is_judged_by_the_time_the_register_stood_still(ticks: int, becomes: tuple[ReadingVerdict, int]) -> None:
    """Since the first reading; and then since the last one before the leap, for it may have come right after."""
    register = Register(40.0)
    register.read(1000, 700.0)
    assert leap(register, 700.0, before=1000, ticks=ticks) == becomes
    register = Register(40.0)
    register.read(1000, 700.0)
    leap(register, 700.0, before=1000, ticks=38)
    for poll in range(1, 60):
        register.read(1038, 1010.0 + poll * POLL_S)
    assert register.read(1038 + ticks, 1305.0) == (ReadingVerdict.READING_HELD, 0)
    assert register.read(1038 + ticks, 1310.0) == becomes


def test_another_meter_has_stood_still_since_it_was_believed() -> None:
    """Since when is unknown."""
    register = Register(40.0)
    read_all(register, 500_000, *[12] * 13)
    assert leap(register, 65.0, before=12, ticks=39) == (ReadingVerdict.REPLACED, 0)
    register = Register(40.0)
    read_all(register, 500_000, *[12] * 13)
    assert leap(register, 65.0, before=12, ticks=38) == (ReadingVerdict.GOOD, 38)


def test_a_register_refreshed_in_leaps_is_the_same_meter() -> None:
    """10 kW refreshed each 300 s leaps by 8 ticks: held for one poll, then counted, and no other meter."""
    register = Register(48.0)
    counted = 0
    for poll in range(1, 400):
        at = poll * POLL_S
        verdict, ticks = register.read(int(10.0 * (at // 300 * 300) / 360), at)
        assert verdict in ((ReadingVerdict.FIRST,) if poll == 1 else (ReadingVerdict.GOOD, ReadingVerdict.READING_HELD))
        counted += ticks
    assert counted == int(10.0 * 1800 / 360)


def test_without_a_model_the_largest_meter_is_the_limit() -> None:
    """998 kW is believed, ten times that is not."""
    register = Register(None)
    assert read_all(register, 0, 14, 28, 300) == [
        ReadingVerdict.FIRST,
        ReadingVerdict.GOOD,
        ReadingVerdict.GOOD,
        ReadingVerdict.READING_HELD,
    ]


@given(start=st.integers(0, ROLLOVER_TENTHS - 1), rises=st.lists(st.integers(0, 1), max_size=200))
def test_every_tick_of_a_sound_meter_is_counted(start: int, rises: list[int]) -> None:
    """Through any number of readings, over the rollover too."""
    register = Register(48.0)
    register.read(start, 0.0)
    now, counted = start, 0
    for index, rise in enumerate(rises):
        now = (now + rise) % ROLLOVER_TENTHS
        verdict, ticks = register.read(now, (index + 1) * POLL_S)
        assert verdict.counts
        counted += ticks
    assert counted == sum(rises)


@given(
    st.lists(st.tuples(st.integers(0, 2**32 - 1), st.floats(0.01, 100.0)), min_size=1, max_size=60),
)
def test_no_reading_counts_more_than_the_rating_allows(readings: list[tuple[int, float]]) -> None:
    """Whatever a line garbles, what is counted stays below 110 % of the rating and is never negative."""
    register = Register(48.0)
    at, counted = 0.0, 0
    for tenths, pause in readings:
        at += pause
        _, ticks = register.read(tenths, at)
        assert ticks >= 0
        counted += ticks
    # Each believed step may hold one tick that was due before.
    assert (counted - len(readings)) * 360.0 <= 1.1 * 48.0 * at + 1e-6
