"""What a stranger with a broker and an evil mind once found, each with its story in a sentence."""

from __future__ import annotations

from controller.core import events as ev
from controller.core.effects import LogEvent, SavedState, SaveHistory, SwitchOff, SwitchOn
from controller.core.engine import Engine, EngineSettings
from rules.panel import Circuit, CircuitId, Kind, Override, Panel, Position, Tag
from rules.shed import RetryPolicy

PUMP = CircuitId("pump")


class Bench:
    """One circuit, one engine, and what it wanted done."""

    def __init__(self, override: Override = Override.ALLOW) -> None:
        panel = Panel.of(Circuit(PUMP, "Pump", (1,), Kind.GEN2, Tag.NONESSENTIAL, override=override))
        disk = SavedState(entries={PUMP: {"position": "on"}}, boot="boot")
        self.engine = Engine(panel, EngineSettings(settle_s=0.0, retry=RetryPolicy(1.0, 60.0)), disk, "boot", 0.0)
        self.done: list[object] = []

    def at(self, now: float, *events: ev.Event) -> None:
        """Let these happen, and time pass until `now`."""
        while (due := self.engine.deadline()) is not None and due < now:
            self.done += self.engine.advance((), due)
        self.done += self.engine.advance(events, now)

    def names(self) -> list[str]:
        """Return the names of all events so far."""
        return [one.event for one in self.done if isinstance(one, LogEvent)]


def test_an_off_of_our_own_making_that_the_broker_remembers_is_no_contradiction() -> None:
    """Known on by broker and disk alike, shed, the link blinks, the broker says off: it was on, and comes back."""
    bench = Bench()
    bench.at(1.0, ev.BusConnected(1.0), ev.ContactChanged(1.0, open=False))
    bench.at(1.1, ev.BreakerReported(1.1, PUMP, Position.ON, retained=True))
    bench.at(20.0, ev.ContactChanged(20.0, open=True))
    bench.at(20.1, ev.BusLost(20.1, "a blink"))
    bench.at(21.0, ev.BusConnected(21.0), ev.BreakerReported(21.0, PUMP, Position.OFF, retained=True))
    bench.at(21.2, ev.BreakerReported(21.2, PUMP, Position.OFF))
    bench.at(30.0, ev.ContactChanged(30.0, open=False))
    bench.at(60.0)
    assert any(isinstance(one, SwitchOn) for one in bench.done)


def test_after_a_cold_start_a_blink_after_the_off_does_not_change_before() -> None:
    """Nothing but the disk said on; what the broker remembers after our OFF is our OFF's doing."""
    bench = Bench()
    bench.at(1.0, ev.BusConnected(1.0), ev.ContactChanged(1.0, open=True))
    assert any(isinstance(one, SwitchOff) for one in bench.done)
    bench.at(1.1, ev.BusLost(1.1, "a blink"))
    bench.at(2.0, ev.BusConnected(2.0), ev.BreakerReported(2.0, PUMP, Position.OFF, retained=True))
    bench.at(2.2, ev.BreakerReported(2.2, PUMP, Position.OFF))
    bench.at(30.0, ev.ContactChanged(30.0, open=False))
    bench.at(60.0)
    assert any(isinstance(one, SwitchOn) for one in bench.done)


def test_our_own_on_is_called_our_own_though_an_off_may_still_take_effect() -> None:
    """Two OFFs left, one was confirmed; on utility it answers our ON: restored, then, and by us."""
    bench = Bench()
    bench.at(1.0, ev.BusConnected(1.0), ev.ContactChanged(1.0, open=False))
    bench.at(2.0, ev.BreakerReported(2.0, PUMP, Position.ON))
    bench.at(20.0, ev.ContactChanged(20.0, open=True))
    bench.at(21.5, ev.BreakerReported(21.4, PUMP, Position.OFF))  # the second left at 21.0
    bench.at(25.0, ev.ContactChanged(25.0, open=False))
    bench.at(35.0)
    bench.at(35.1, ev.BreakerReported(35.1, PUMP, Position.ON))
    bench.at(200.0)
    assert "unexpected_on" not in bench.names()
    assert "on_without_command" not in bench.names()
    assert bench.engine.state_view().owed == ()
    history = [one for one in bench.done if isinstance(one, SaveHistory)][-1]
    assert history.end == "restored"
    assert history.restored_at is not None
    assert history.restored_at.mono == 35.1


def test_a_device_that_repeats_itself_fills_no_log() -> None:
    """It is shed again, however it was switched on. One event per command, however often it reports on."""
    bench = Bench(override=Override.NEVER)
    bench.at(1.0, ev.BusConnected(1.0), ev.ContactChanged(1.0, open=False))
    bench.at(2.0, ev.BreakerReported(2.0, PUMP, Position.ON))
    bench.at(20.0, ev.ContactChanged(20.0, open=True))
    bench.at(20.2, ev.BreakerReported(20.2, PUMP, Position.OFF))
    for tenth in range(12):
        at = 22.0 + tenth / 10
        bench.at(at, ev.BreakerReported(at, PUMP, Position.ON))
    assert bench.names().count("unexpected_on") == 1
