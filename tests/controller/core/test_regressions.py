"""What random nights once found, each with its story in a sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from controller.core import events as ev
from controller.core.engine import EngineSettings
from rules.panel import Circuit, CircuitId, Panel, Position, Tag, Wakes
from rules.shed import RetryPolicy
from tests.virtual.panels import circuit
from tests.virtual.random_house import RandomHouse

if TYPE_CHECKING:
    from controller.core.engine import Engine

TUB = CircuitId("hot-tub")
PUMP = CircuitId("well-pump")


def house(*circuits: Circuit, **settings: Any) -> RandomHouse:
    """Return a house on utility whose program has heard of every device."""
    made = RandomHouse(Panel.of(*(circuits or (circuit("hot-tub"),))), EngineSettings(**settings))
    for device in made.devices.values():
        made.broker.states[device.circuit] = device.position
        made.broker.availability[device.circuit] = True
    made.start()
    made.run(30.0)
    return made


def engine(made: RandomHouse) -> Engine:
    """Return the engine of the process that runs."""
    assert made.program.engine is not None
    return made.program.engine


def owed(made: RandomHouse) -> tuple[CircuitId, ...]:
    """Return what the controller says it owes."""
    return engine(made).state_view().owed


def test_a_second_off_under_way_is_ours_too() -> None:
    """A slow hub confirmed the first of two OFFs, a user switched on, utility returned, and the second took effect."""
    made = house()
    made.devices[TUB].slow_s = 8.0
    made.contact(is_open=True)
    made.run(8.15)  # the second OFF has left at 5.1
    assert made.devices[TUB].position is Position.OFF
    made.contact(is_open=False)
    made.run(0.5)
    made.hand(TUB, Position.ON)
    made.run(1.0)
    made.devices[TUB].slow_s = 0.0
    made.run(4.0)
    assert made.devices[TUB].position is Position.OFF
    made.run(60.0)
    assert made.devices[TUB].position is Position.ON
    made.run(200.0)
    assert owed(made) == ()


def test_an_off_the_broker_kept_for_a_minute_is_ours_too() -> None:
    """The device was offline, its OFF waited at the broker until it expired, and its hub was slow too."""
    made = house(retry=RetryPolicy(eager_s=0.0), utility_stable_s=100.0)
    device = made.devices[TUB]
    device.keeps_session = True
    made.leave(TUB, 180.0)
    made.run(4.0)
    made.contact(is_open=True)
    made.run(160.0)  # the pause has grown to a minute, and so has the life of what waits at the broker
    made.contact(is_open=False)
    device.slow_s = 50.0
    made.run(400.0)
    assert device.position is Position.ON
    assert owed(made) == ()


def test_a_circuit_that_reports_on_is_not_said_to_be_owed() -> None:
    """Utility returned before a silent breaker reacted: it is watched for a while, without an alarm."""
    made = house()
    made.devices[TUB].refuses = True
    made.contact(is_open=True)
    made.run(20.0)
    made.contact(is_open=False)
    made.run(15.0)
    assert (owed(made), engine(made).state_view().late_off_watch) == ((), (TUB,))
    assert engine(made).alarm_view("not-restored") is None
    made.run(300.0)
    assert engine(made).state_view().late_off_watch == ()


def test_an_off_is_not_sent_again_for_what_the_broker_remembers() -> None:
    """A cold start sent each OFF twice within milliseconds: the retained `on` was taken for a reboot."""
    made = house()
    made.devices[TUB].mute = True
    made.contact(is_open=True)
    made.run(3.0)
    made.crash(1.0)
    made.run(4.0)  # invariant 8 is held at each command
    assert made.program.facts[TUB].off_at > made.program.facts.connected_at - 0.001


def test_an_on_that_reports_late_is_not_answered_by_a_second_off() -> None:
    """The contact opened again while an ON was under way: its report made the OFF that had just left be sent again."""
    made = house(utility_stable_s=0.0)
    made.contact(is_open=True)
    made.run(10.0)
    made.devices[TUB].lies = True
    made.contact(is_open=False)
    made.run(0.15)
    made.contact(is_open=True)
    made.run(4.0)  # invariant 8 is held at each command
    assert engine(made).state_view().unconfirmed == (TUB,)


def test_a_circuit_remembered_on_whose_device_is_away_ends_no_loop() -> None:
    """A device was offline, its retained report was on, its shed record was old: one deadline came again and again."""
    made = house()
    made.devices[TUB].silent = True
    made.contact(is_open=True)
    made.run(2.0)
    made.leave(TUB, 1000.0)
    made.run(5.0)
    made.crash(1.0)
    made.contact(is_open=False)
    made.run(300.0)
    assert owed(made) == (TUB,)


def test_what_a_start_finds_about_keeps_its_before() -> None:
    """The power went while the contact settled; the broker's `off`, our own doing, made `before` unknown."""
    made = house()
    made.contact(is_open=True)
    made.run(0.06)
    made.program.disk.flush_s = 5.0
    made.run(0.1)
    assert made.devices[TUB].position is Position.OFF
    made.crash(5.0, reboot=True)
    made.program.disk.flush_s = 0.01
    made.run(30.0)
    made.contact(is_open=False)
    made.run(60.0)
    assert made.devices[TUB].position is Position.ON


def test_a_request_waits_for_no_outage() -> None:
    """A compressor asked for on utility had to rest, the outage came, and it was switched on in the middle of it."""
    made = house(circuit("hot-tub", min_off_s=60.0))
    made.hand(TUB, Position.OFF)
    made.run(1.0)
    made.ask("on", TUB)
    made.run(20.0)
    made.contact(is_open=True)
    made.run(100.0)
    assert made.devices[TUB].position is Position.OFF
    assert made.program.facts[TUB].on_at < 0.0


def test_a_request_does_not_outlive_the_right_to_command() -> None:
    """Between two attempts of a request the file made the circuit protected: it was commanded nevertheless."""
    made = house()
    made.devices[TUB].silent = True
    made.ask("off", TUB)
    made.run(2.0)
    made.reload(Panel.of(replace(circuit("hot-tub"), tag=Tag.ESSENTIAL, protected=True)))
    made.run(30.0)  # invariant 1 is held at each command
    assert made.program.facts[TUB].off_at < made.at - 29.0


def test_a_file_that_drops_what_has_just_come_to_be_owed_is_refused() -> None:
    """The file was checked, the contact opened, the file was taken: a circuit was off, and in no ledger."""
    made = house(circuit("hot-tub"), circuit("office"))
    made.contact(is_open=True)
    made.run(1.0)
    without = Panel.of(circuit("office"))
    made.program.inbox.append(lambda now: ev.CircuitsChanged(now, without))
    made.run(1.0)
    assert owed(made) == (TUB, CircuitId("office"))
    assert engine(made).alarm_view("configuration-refused") is not None


def test_an_off_by_hand_is_no_fall_once_the_circuit_was_on_again() -> None:
    """A relay was switched off and on by hand, then reported online: it was owed although it was on."""
    made = house(circuit("well-pump", Tag.ESSENTIAL, wakes=Wakes.OFF))
    made.hand(PUMP, Position.OFF)
    made.run(1.0)
    made.hand(PUMP, Position.ON)
    made.run(1.0)
    made.program.inbox.append(lambda now: ev.AvailabilityReported(now, PUMP, online=True))
    made.run(1.0)
    assert made.program.facts[PUMP].why_not == "never switched off"


def test_why_knows_what_was_taken_over_and_then_fell() -> None:
    """A relay under manual override lost power: its `why` had no text, and the program ended."""
    made = house(circuit("pool-pump", wakes=Wakes.OFF))
    pump = CircuitId("pool-pump")
    made.contact(is_open=True)
    made.run(10.0)
    made.hand(pump, Position.ON)
    made.run(10.0)
    made.devices[pump].wakes = Position.OFF
    made.leave(pump, 2.0, power=True)
    made.run(10.0)
    view = engine(made).circuit_view(pump)
    assert view is not None
    assert "manual override" in view.why


def test_the_edge_back_of_a_bounce_must_hold_too() -> None:
    """With no stable wait, an ON left in the very moment a bounce seemed over."""
    made = house(circuit("hot-tub"), circuit("office"), utility_stable_s=0.0)
    made.contact(is_open=True)
    made.run(10.0)
    made.contact(is_open=False)
    made.run(5.05)  # the second is about to be restored
    made.bounce(0.08)
    made.run(20.0)  # invariant 4 is held at each command
    assert owed(made) == ()


def test_a_silent_device_that_comes_back_unheard_is_tried_again() -> None:
    """It came back while our own line was cut: all we ever heard of it was the broker's memory that it is there."""
    made = house()
    made.contact(is_open=True)
    made.run(5.0)
    made.leave(TUB, 100.0)
    made.run(5.0)
    made.contact(is_open=False)
    made.run(60.0)  # three tries, unheard
    made.drop_link(60.0)
    made.run(120.0)
    assert made.devices[TUB].position is Position.ON
    assert owed(made) == ()


def test_a_trip_before_any_command_is_nobodys_taking_over() -> None:
    """The broker was away, a breaker tripped before its OFF left and was reset by hand: it stayed on, on standby."""
    made = house()
    made.drop_link(20.0)
    made.contact(is_open=True)
    made.run(1.0)
    made.program.inbox.append(lambda now: ev.BreakerReported(now, TUB, Position.TRIPPED))
    made.run(1.0)
    made.run(30.0)
    assert made.devices[TUB].position is Position.OFF


def test_a_request_given_up_gives_way_to_the_rules() -> None:
    """A user asked a mute device to be off, the outage began, the request failed, and the retries stopped."""
    made = house()
    made.devices[TUB].silent = True
    made.ask("off", TUB)
    made.run(0.3)
    made.contact(is_open=True)
    made.run(60.0)
    assert made.program.facts[TUB].off_at > made.at - 6.0


def test_what_was_off_before_is_discharged_when_its_late_off_takes_effect() -> None:
    """It was off before, on by hand, and its OFF took effect only after the outage had ended: it was owed for ever."""
    made = house()
    made.hand(TUB, Position.OFF)
    made.run(1.0)
    made.contact(is_open=True)
    made.run(1.0)
    made.hand(TUB, Position.ON)
    made.devices[TUB].slow_s = 20.0
    made.run(4.0)
    made.contact(is_open=False)
    made.run(2.0)
    made.says_again(TUB)
    made.run(200.0)
    assert made.devices[TUB].position is Position.OFF
    assert owed(made) == ()


def test_a_stale_on_does_not_end_the_record_of_an_unconfirmed_off() -> None:
    """A slow hub had an OFF and an ON queued; the device repeated `on`, the shed record ended, and it went off."""
    made = house(utility_stable_s=2.0)
    made.devices[TUB].slow_s = 8.0
    made.contact(is_open=True)
    made.run(1.0)
    made.contact(is_open=False)
    made.run(3.5)
    made.says_again(TUB)
    made.run(5.0)  # invariant 5 is held at each turn
    assert made.devices[TUB].position is Position.OFF
    assert owed(made) == (TUB,)
    made.run(100.0)
    assert made.devices[TUB].position is Position.ON
    assert owed(made) == ()


def test_an_on_of_ours_said_twice_is_no_hand() -> None:
    """Watched for a late OFF, the device repeated `on`; as a manual override it stayed on, on standby."""
    made = house(circuit("hot-tub"), circuit("office", min_off_s=300.0), utility_stable_s=0.0)
    made.devices[TUB].slow_s = 8.0
    made.contact(is_open=True)
    made.run(14.0)  # more OFFs are on their way than have been answered
    made.devices[TUB].slow_s = 0.0
    made.contact(is_open=False)
    made.run(20.0)
    assert made.devices[TUB].position is Position.ON
    made.says_again(TUB)
    made.run(0.1)
    made.contact(is_open=True)
    made.run(0.2)
    assert made.devices[TUB].position is Position.OFF


def test_an_off_while_the_program_was_restarted_is_manual() -> None:
    """A relay that wakes off was switched off by hand while only the program was restarted; it was restored."""
    made = house(circuit("pool-pump", wakes=Wakes.OFF))
    pump = CircuitId("pool-pump")
    made.crash(3.0)
    made.run(1.0)
    made.hand(pump, Position.OFF)
    made.contact(is_open=True)
    made.run(60.0)
    made.contact(is_open=False)
    made.run(200.0)
    assert made.devices[pump].position is Position.OFF
    view = engine(made).circuit_view(pump)
    assert view is not None
    assert "unknown" in view.why


def test_a_relay_that_lost_power_with_the_machine_is_restored() -> None:
    """The same, but the Pi lost its power as well: what wakes off has fallen."""
    made = house(circuit("pool-pump", wakes=Wakes.OFF))
    pump = CircuitId("pool-pump")
    made.devices[pump].wakes = Position.OFF
    made.crash(20.0, reboot=True)
    made.leave(pump, 10.0, power=True)
    made.contact(is_open=True)
    made.run(60.0)
    made.contact(is_open=False)
    made.run(200.0)
    assert made.devices[pump].position is Position.ON


def test_an_outage_between_two_meters_has_no_energy() -> None:
    """The meter was replaced while the Pi was down in an outage: its register was subtracted from the old one's."""
    made = RandomHouse(Panel.of(circuit("hot-tub")), EngineSettings(), metered=True)
    made.start()
    made.run(300.0)
    made.contact(is_open=True)
    made.run(200.0)
    assert made.meter is not None
    made.crash(20.0, reboot=True)
    made.meter.replace(5_000_000)
    made.run(300.0)
    made.contact(is_open=False)
    made.run(300.0)
    assert made.program.energies == [None]
