"""The auxiliary contact on a GPIO line: reports, their times, and lost edges."""

from __future__ import annotations

from itertools import pairwise
from threading import Event, Thread, current_thread
from typing import TYPE_CHECKING, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.contact import ContactInput
from hw.gpio import GpioError
from hw.simulated.contact import SimulatedPins, SimulatedWire

if TYPE_CHECKING:
    from collections.abc import Iterator

PIN = 17


class Bench:
    """A contact on a simulated pin, on a clock that the test moves."""

    def __init__(self, normally: Literal["closed", "open"] = "closed", *, wire_open: bool = False) -> None:
        self.now = 100.0
        self.told: list[tuple[bool, float]] = []
        self.lost: list[tuple[str, float]] = []
        self.words: list[bool | None] = []
        self.pins = SimulatedPins(lambda: self.now)
        self.wire = SimulatedWire(self.pins, PIN)
        if not wire_open:
            self.wire.close()
        self.contact = ContactInput(PIN, normally, self.tell, self.lose, factory=self.pins, clock=self.clock)

    def tell(self, is_open: bool, at: float) -> None:
        self.told.append((is_open, at))
        self.words.append(is_open)

    def lose(self, reason: str, at: float) -> None:
        self.lost.append((reason, at))
        self.words.append(None)

    def clock(self) -> float:
        return self.now

    def wait(self, seconds: float = 0.001) -> None:
        self.now += seconds


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Give a contact that is closed at 100 s."""
    made = Bench()
    yield made
    made.contact.close()


def test_the_position_at_the_start_is_reported_at_once(bench: Bench) -> None:
    """A cold start during an outage: the contact is often open already."""
    assert bench.told == [(False, 100.0)]
    assert Bench(wire_open=True).told == [(True, 100.0)]


def test_an_inverted_contact_is_reported_in_the_sense_of_the_rules() -> None:
    """Closed wires mean standby then, and a cut wire reads as utility."""
    bench = Bench("open")
    assert bench.told == [(True, 100.0)]
    bench.wait()
    bench.wire.open()
    assert bench.told[-1] == (False, bench.now)


def test_an_edge_bears_the_moment_it_happened(bench: Bench) -> None:
    """Not that at which a stalled program reads it."""
    bench.wait(5.0)
    bench.wire.hold_back()
    bench.wire.open()
    bench.wait(3.0)
    bench.wire.arrive()
    assert bench.told[-1] == (True, 105.0)


def test_every_edge_of_a_bounce_is_reported_with_its_own_time(bench: Bench) -> None:
    """Settling is decided elsewhere, and needs them all."""
    bench.wire.bounce(7, bench.wait)
    assert [is_open for is_open, _ in bench.told] == [False, *[True, False] * 3, True]
    assert [at for _, at in bench.told[1:]] == pytest.approx([100.0 + n / 1000 for n in range(7)])


def test_a_lost_edge_is_found_by_the_next_poll(bench: Bench) -> None:
    """With the moment of the poll: nothing better is known."""
    bench.wire.lose()
    bench.wire.open()
    bench.wait(0.25)
    bench.contact.poll()
    assert bench.told[-1] == (True, 100.25)


def test_the_edge_after_a_lost_one_is_reported(bench: Bench) -> None:
    """Levels compared in the library would swallow it."""
    bench.wire.lose()
    bench.wire.open()
    bench.contact.poll()
    bench.wait()
    bench.wire.close()
    assert bench.told[-1] == (False, bench.now)


def test_a_poll_that_agrees_reports_nothing(bench: Bench) -> None:
    """The owner hears of changes only."""
    for _ in range(3):
        bench.contact.poll()
    assert len(bench.told) == 1


class Arriving(Event):
    """A waiter for an edge, which comes just then."""

    def __init__(self, wire: SimulatedWire) -> None:
        super().__init__()
        self.wire = wire

    def wait(self, timeout: float | None = None) -> bool:
        self.wire.arrive()
        return super().wait(timeout)


def test_an_edge_on_its_way_wins_over_the_poll_that_saw_its_level(bench: Bench) -> None:
    """It knows better when: settling counts from there."""
    bench.contact._edge_came = Arriving(bench.wire)
    bench.wire.hold_back()
    bench.wire.open()
    bench.wait(0.004)
    bench.contact.poll()
    assert bench.told[1:] == [(True, 100.0)]


def test_an_edge_that_comes_too_late_never_turns_time_back() -> None:
    """The poll reported a level that had ended by then; the edge to another counts, but not as older."""

    class Hasty(Bench):
        def clock(self) -> float:
            if not self.wire.is_open:
                return self.now
            # Between the reading of the level and the reading of the clock the contact closes.
            self.wire.close()
            self.wait(0.003)
            return self.now

    bench = Hasty()
    bench.wire.hold_back()
    bench.wire.open()
    bench.wait(0.5)
    bench.contact.poll()
    bench.wire.arrive()
    assert bench.told[1:] == [(True, 100.503), (False, 100.503)]


def test_a_line_that_cannot_be_read_is_lost_once_and_found_again(bench: Bench) -> None:
    """The contact position is unknown, and no old report is repeated as new."""
    bench.wire.unreadable("Input/output error")
    for _ in range(3):
        bench.wait(0.25)
        bench.contact.poll()
    assert bench.lost == [("GPIO 17: Input/output error", 100.25)]
    bench.wire.readable()
    bench.contact.poll()
    assert bench.told[1:] == [(False, bench.now)]


def test_what_the_owner_raises_does_not_end_the_edges() -> None:
    """An exception in lgpio's thread would end it without a word: it is brought to the next poll."""
    bench = Bench()

    def refuse(_open: bool, _at: float) -> None:
        raise RuntimeError("Event loop is closed")

    bench.contact._on_change = refuse
    thread = Thread(target=bench.wire.open)
    thread.start()
    thread.join(10.0)
    assert not thread.is_alive()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        bench.contact.poll()
    bench.contact._on_change = bench.tell
    bench.wire.close()
    assert bench.told[-1] == (False, bench.now)


def test_the_owner_is_called_in_the_thread_that_saw_the_edge() -> None:
    """Nothing is queued here: handing over is the owner's business."""
    bench, seen = Bench(), []
    bench.contact._on_change = lambda _open, _at: seen.append(current_thread())
    thread = Thread(target=bench.wire.open)
    thread.start()
    thread.join(10.0)
    assert not thread.is_alive()
    assert seen == [thread]


def test_a_pin_that_another_holds_is_an_error_that_says_what_to_do(bench: Bench) -> None:
    """The message says how to find out who."""
    with pytest.raises(GpioError, match=r"GPIO 17: .*in use.*gpioinfo"):
        ContactInput(PIN, "closed", bench.tell, bench.lose, factory=bench.pins)


def test_a_missing_pin_is_refused(bench: Bench) -> None:
    """BCM numbers, not those of the header."""
    with pytest.raises(GpioError, match="GPIO 40 does not exist"):
        ContactInput(40, "closed", bench.tell, bench.lose, factory=bench.pins)


def test_a_closed_contact_gives_its_pin_back(bench: Bench) -> None:
    """And may be closed twice."""
    bench.contact.close()
    bench.contact.close()
    ContactInput(PIN, "closed", bench.tell, bench.lose, factory=bench.pins).close()


MOVES = st.lists(
    st.sampled_from(["toggle", "lose", "hold_back", "arrive", "poll", "fail", "mend", "wait"]), max_size=60
)


@given(moves=MOVES, normally=st.sampled_from(["closed", "open"]))
def test_after_any_faults_one_quiet_poll_reports_the_truth(
    moves: list[str], normally: Literal["closed", "open"]
) -> None:
    """Time never decreases.

    No position is reported twice in a row without a loss between, and the last report is the wire's.
    """
    bench = Bench(normally)
    act = {
        "toggle": bench.wire.toggle,
        "lose": bench.wire.lose,
        "hold_back": bench.wire.hold_back,
        "arrive": bench.wire.arrive,
        "poll": bench.contact.poll,
        "fail": bench.wire.unreadable,
        "mend": bench.wire.readable,
        "wait": bench.wait,
    }
    for move in moves:
        act[move]()
    bench.wire.readable()
    bench.wire.arrive()
    bench.contact.poll()
    assert bench.words[-1] == (bench.wire.is_open == (normally == "closed"))
    assert all(first != second for first, second in pairwise(bench.words))
    times = [at for _, at in bench.told]
    assert times == sorted(times)
    bench.contact.close()
