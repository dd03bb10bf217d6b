"""System alarms: raised after their cause has lasted, with its beginning, and cleared when it is over."""

from __future__ import annotations

from controller.core import events as ev
from controller.core.engine import EngineSettings
from rules.panel import Position
from tests.virtual_house import VirtualHouse, circuit, essential

TUB = circuit("hot-tub")


def raised(house: VirtualHouse, alarm: str) -> list[str]:
    """Return what the log has of an alarm."""
    ours = [*house.happened("alarm_raised"), *house.happened("alarm_cleared")]
    return [line.event for line in sorted(ours, key=lambda line: line.at) if line.details["alarm"] == alarm]


# --- the contact -----------------------------------------------------------------------------------------------------


def test_a_contact_that_is_open_for_a_day_is_said() -> None:
    """Fuel, oil, or a wire; since the opening, until it closes."""
    house = VirtualHouse(TUB)
    house.contact.open()
    opened = house.mono
    house.wait(86_399.0)
    assert house.alarm("contact-open-long") is None
    house.wait(1.0)
    alarm = house.alarm("contact-open-long")
    assert alarm is not None
    assert (alarm.since, "for 24 hours or more" in alarm.message) == (opened, True)
    house.contact.close()
    house.wait(1.0)
    assert house.alarm("contact-open-long") is None


def test_how_long_is_the_installers_to_say_and_zero_is_never() -> None:
    """Some houses live on their generator for weeks."""
    house = VirtualHouse(TUB, settings=EngineSettings(open_alarm_s=1800.0))
    house.contact.open()
    house.wait(1800.0)
    alarm = house.alarm("contact-open-long")
    assert alarm is not None
    assert "0.5 hours" in alarm.message
    house = VirtualHouse(TUB, settings=EngineSettings(open_alarm_s=0.0))
    house.contact.open()
    house.wait(100.0 * 86_400.0)
    assert house.alarm("contact-open-long") is None


def test_a_restart_forgets_nothing_of_how_long_it_has_been_open() -> None:
    """A reboot resets it: the time the machine was down is unknown."""
    house = VirtualHouse(TUB, settings=EngineSettings(open_alarm_s=3600.0))
    house.contact.open()
    opened = house.mono
    house.wait(3000.0)
    house.restart()
    house.wait(599.0)
    alarm = house.alarm("contact-open-long")
    assert alarm is not None
    assert alarm.since == opened
    house.restart(rebooted=True)
    assert house.alarm("contact-open-long") is None
    house.wait(3600.0)
    assert house.alarm("contact-open-long") is not None


def test_a_contact_that_chatters_is_a_fault_of_the_wiring() -> None:
    """It is counted, has an action, and ends after an hour without a bounce. The log is rate-limited."""
    house = VirtualHouse(TUB)
    for _ in range(9):
        bounce(house)
    assert house.alarm("contact-chatter") is None
    bounce(house)
    alarm = house.alarm("contact-chatter")
    assert alarm is not None
    assert ("10 times or more" in alarm.message, "corrosion" in alarm.action) == (True, True)
    for _ in range(15):
        bounce(house)
    alarm = house.alarm("contact-chatter")
    assert alarm is not None
    assert "20 times or more" in alarm.message
    told = house.happened("contact_bounced")
    assert (len(told), sum(int(str(line.details.get("suppressed", 0))) for line in told)) == (17, 8)
    house.wait(3600.0)
    assert house.alarm("contact-chatter") is None
    assert raised(house, "contact-chatter") == ["alarm_raised", "alarm_cleared"]
    assert house.commands == []


def bounce(house: VirtualHouse) -> None:
    """Move the contact and back, too short to settle, and let a minute pass."""
    house.contact.open()
    house.wait(0.05)
    house.contact.close()
    house.wait(59.95)


def test_a_grid_that_comes_and_goes_is_said_with_how_long_everything_waits() -> None:
    """In the log, and in the state: a program restarted in between waits as long."""
    house = VirtualHouse(TUB)
    for _ in range(2):
        house.contact.open()
        house.wait(20.0)
        house.contact.close()
        house.wait(5.0)
    assert (house.happened("utility_flapping"), house.state.flap_openings) == ([], 0)
    house.contact.open()
    house.wait(20.0)
    house.contact.close()
    house.wait(0.1)
    settled = house.mono
    (line,) = house.happened("utility_flapping")
    assert {**line.details} == {"openings": 3, "within_s": 600.0, "wait_s": 20.0, "usual_s": 10.0}
    assert (house.state.flap_openings, house.state.stable_at) == (3, settled + 20.0)
    house.restart()
    assert (house.state.state, house.state.flap_openings) == ("stabilizing", 3)
    house.wait(19.0)
    assert house.ons() == []
    house.wait(10.0)
    assert (house.ons(), house.state.stable_at) == (["hot-tub"], None)


# --- the clock, the broker, the meter --------------------------------------------------------------------------------


def test_an_untrusted_clock_raises_an_alarm_ten_minutes_after_the_start() -> None:
    """Until it is right; one that is right in time is no news."""
    house = VirtualHouse(TUB)
    started = house.mono - 15.0
    house.wait(584.9)
    assert house.alarm("clock-untrusted") is None
    house.wait(0.2)
    alarm = house.alarm("clock-untrusted")
    assert alarm is not None
    assert alarm.since == started
    house.happens(ev.ClockTrusted(house.mono))
    assert house.alarm("clock-untrusted") is None
    house = VirtualHouse(TUB)
    house.happens(ev.ClockTrusted(house.mono))
    house.wait(3600.0)
    assert raised(house, "clock-untrusted") == []


def test_in_an_outage_the_clock_matters_at_once() -> None:
    """A network would have set it within the first minute."""
    house = VirtualHouse(TUB)
    house.contact.open()
    house.wait(44.0)
    assert house.alarm("clock-untrusted") is None
    house.wait(2.0)
    assert house.alarm("clock-untrusted") is not None


def test_a_broker_that_is_away_is_in_the_log_at_once_and_on_the_bus_when_it_is_back() -> None:
    """Raised and cleared, as two events with how long it lasted; nothing of it stays retained."""
    house = VirtualHouse(TUB)
    house.broker.goes_away()
    lost = house.mono
    house.wait(29.9)
    assert house.alarm("broker-disconnected") is None
    house.wait(0.1)
    alarm = house.alarm("broker-disconnected")
    assert alarm is not None
    assert (alarm.since, "(gone)" in alarm.message) == (lost, True)
    assert raised(house, "broker-disconnected") == ["alarm_raised"]
    house.wait(100.0)
    house.broker.comes_back()
    assert house.alarm("broker-disconnected") is None
    (over,) = [line for line in house.happened("alarm_cleared") if line.details["alarm"] == "broker-disconnected"]
    assert over.details["lasted_s"] == 130.0


def test_a_start_without_a_broker_is_said_too() -> None:
    """There is no reason yet, and a short loss raises no alarm."""
    house = VirtualHouse(TUB, started=False)
    house.start(connected=False)
    house.wait(30.0)
    alarm = house.alarm("broker-disconnected")
    assert alarm is not None
    assert "The broker is disconnected." in alarm.message
    house.broker.greets()
    house.broker.goes_away()
    house.wait(20.0)
    house.broker.comes_back()
    house.wait(100.0)
    assert raised(house, "broker-disconnected") == ["alarm_raised", "alarm_cleared"]


def test_two_programs_of_one_site_do_not_fill_the_log() -> None:
    """They disconnect each other again and again: logged a few times, then counted, then logged again."""
    house = VirtualHouse(TUB)
    for _ in range(1300):
        house.broker.drops_us()
        house.wait(0.5)
    for name in ("bus_lost", "bus_connected"):
        told = house.happened(name)
        assert 12 <= len(told) <= 14
        assert sum(int(str(line.details.get("suppressed", 0))) for line in told) > 1100
    assert raised(house, "broker-disconnected") == []


def test_an_alarm_says_in_the_log_what_it_said_on_the_bus() -> None:
    """Years later the log must show what was known."""
    house = VirtualHouse(TUB)
    house.breaker("hot-tub").trip()
    (line,) = house.happened("alarm_raised")
    alarm = house.alarm("circuit-tripped")
    assert alarm is not None
    assert line.details == {
        "alarm": "circuit-tripped",
        "circuits": ["hot-tub"],
        "since_at": alarm.since,
        "message": alarm.message,
    }
    assert house.view("hot-tub").position is Position.TRIPPED
    house.wait(60.0)
    house.breaker("hot-tub").turn_on_by_hand()
    (line,) = house.happened("alarm_cleared")
    assert line.details["alarm"] == "circuit-tripped"
    assert abs(float(str(line.details["lasted_s"])) - 60.0) < 0.1


# --- the generator ---------------------------------------------------------------------------------------------------

DARK = ("fridge", "well-pump", "dryer")


def refuelled(*, dark_s: float = 300.0) -> VirtualHouse:
    """Return a house on standby whose generator stops for `seconds`."""
    house = VirtualHouse(essential("fridge"), circuit("well-pump"), circuit("dryer"))
    house.contact.open()
    house.wait(600.0)
    for name in DARK:
        house.breaker(name).loses_power()
        house.wait(5.0)
    house.wait(dark_s)
    return house


def test_a_generator_that_stops_is_one_event_and_no_storm() -> None:
    """For fuel or oil: the contact stays open, and everything goes dark at once."""
    house = refuelled()
    (line,) = house.happened("generator_power_lost")
    assert (line.details["devices"], line.details["meter"]) == (3, "not installed")
    assert house.state.generator_power_lost_at == line.details["began_at"]
    assert {str(line.details["alarm"]) for line in house.happened("alarm_raised")} == {"clock-untrusted"}
    for name in DARK:
        house.breaker(name).gets_power()
    house.wait(30.0)
    assert len(house.happened("generator_power_restored")) == 1
    assert house.state.generator_power_lost_at is None
    assert {str(line.details["alarm"]) for line in house.happened("alarm_raised")} == {"clock-untrusted"}


def test_what_does_not_come_back_with_the_power_is_an_alarm_again() -> None:
    """After the time a device takes to wake."""
    house = refuelled()
    for name in ("well-pump", "dryer"):
        house.breaker(name).gets_power()
    house.wait(119.0)
    assert house.alarm("essential-off") is None
    house.wait(2.0)
    alarm = house.alarm("essential-off")
    assert alarm is not None
    assert alarm.circuits == ("fridge",)


def test_utility_that_comes_back_first_ends_it_without_a_word() -> None:
    """The contact has said all there is to say."""
    house = refuelled()
    house.contact.close()
    house.wait(1.0)
    assert (house.state.generator_power_lost_at, house.happened("generator_power_restored")) == (None, [])
