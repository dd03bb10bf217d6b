"""The contact, from the first edge to the house's state."""

from __future__ import annotations

import pytest

from controller.core import events as ev
from controller.core.effects import QueryContact
from controller.core.engine import LOSS_EVENTS_WINDOW_S, MAX_LOSS_EVENTS, EngineSettings
from rules.panel import Position
from tests.virtual_house import VirtualHouse, circuit

ON, OFF = Position.ON, Position.OFF
BY_BUS = EngineSettings(contact_on_bus=True)
SHED_WHEN_LOST = EngineSettings(contact_on_bus=True, on_lost_shed=True)
ALL_OF_IT = ["ev-charger", "hot-tub", "dryer", "well-pump"]


def by_bus(settings: EngineSettings = BY_BUS) -> VirtualHouse:
    """Return a house whose contact is a device on the bus, on utility since long."""
    house = VirtualHouse(settings=settings, started=False)
    house.start(contact_read=False)
    house.contact.says(is_open=False)
    house.wait(15.0)
    return house


def test_a_bounce_moves_no_breaker_and_leaves_no_outage() -> None:
    """A row was written at its first edge, and is taken back."""
    house = VirtualHouse()
    house.contact.open()
    assert [row.stage for row in house.disk.outages.values()] == ["about"]
    house.wait(0.05)
    house.contact.close()
    house.wait(60.0)
    assert (house.commands, house.disk.outages) == ([], {})
    assert len(house.happened("contact_bounced")) == 1


def test_a_settled_opening_sheds_at_the_moment_it_has_settled() -> None:
    """Not a poll later: the deadline is the engine's own."""
    house = VirtualHouse()
    opened = house.now
    house.contact.open()
    house.wait(0.099)
    assert house.commands == []
    house.wait(0.002)
    assert {round(one.at - opened, 6) for one in house.commands} == {0.1}


def test_an_installer_may_do_without_settling() -> None:
    """The first edge is the opening: its row, the commands and the way back are the same."""
    house = VirtualHouse(settings=EngineSettings(settle_s=0.0))
    house.contact.open()
    assert house.offs() == ALL_OF_IT
    house.wait(30.0)
    house.contact.close()
    house.wait(60.0)
    assert (house.owed(), house.state.state) == ([], "utility")
    assert [row.stage for row in house.disk.outages.values()] == ["closed"]


def test_the_level_is_polled_because_edges_get_lost() -> None:
    """An opening whose edge was lost sheds one settling after the poll."""
    house = VirtualHouse()
    house.contact.is_open = True
    house.wait(10.0)
    assert house.commands == []
    house.contact.is_read()
    house.wait(0.1)
    assert house.offs() == ALL_OF_IT


def test_a_poll_while_it_settles_changes_nothing() -> None:
    """Reading the same level again does not restart the wait."""
    house = VirtualHouse()
    house.contact.open()
    house.wait(0.09)
    house.contact.is_read()
    house.wait(0.02)
    assert house.offs() == ALL_OF_IT


def test_a_bounce_on_standby_moves_nothing_either() -> None:
    """The outage goes on, with one opening."""
    house = VirtualHouse()
    house.contact.open()
    house.wait(30.0)
    house.commands.clear()
    house.contact.close()
    house.wait(0.05)
    house.contact.open()
    house.wait(30.0)
    assert (house.commands, house.state.state) == ([], "standby")
    (outage,) = house.disk.outages.values()
    assert (outage.stage, outage.transfers) == ("open", 1)


def test_an_unknown_contact_begins_and_ends_no_outage() -> None:
    """On utility no circuit is shed. On standby OFF retries continue, and no circuit is restored."""
    house = VirtualHouse()
    house.contact.is_lost()
    house.wait(120.0)
    assert (house.commands, house.state.source, house.state.state) == ([], "unknown", "utility")
    house = VirtualHouse()
    house.breaker("hot-tub").has(silent=True)
    house.contact.open()
    house.wait(30.0)
    house.contact.is_lost()
    house.commands.clear()
    house.wait(300.0)
    assert house.state.state == "standby"
    assert set(house.offs()) == {"hot-tub"}
    assert house.ons() == []


def test_an_unknown_contact_stops_the_ons_at_once() -> None:
    """The wait restarts when the contact is known to be on utility again."""
    house = VirtualHouse()
    house.contact.open()
    house.wait(30.0)
    house.contact.close()
    house.wait(12.0)
    assert house.ons() == ["well-pump"]
    house.contact.is_lost()
    house.wait(60.0)
    assert house.ons() == ["well-pump"]
    house.contact.is_read()
    house.wait(10.0)
    assert house.ons() == ["well-pump"]
    house.wait(60.0)
    assert house.owed() == []


def test_a_contact_lost_while_its_opening_settles_leaves_no_outage() -> None:
    """The row of the first edge is deleted. Found again, the contact settles from the start."""
    house = VirtualHouse()
    house.contact.open()
    house.wait(0.05)
    house.contact.is_lost()
    assert house.disk.outages == {}
    house.wait(60.0)
    assert house.commands == []
    house.contact.is_read()
    house.wait(0.1)
    assert house.offs() == ALL_OF_IT


def test_a_contact_lost_on_standby_and_found_open_changes_nothing() -> None:
    """There is no second opening, whatever happens while it settles again."""
    house = VirtualHouse()
    house.contact.open()
    house.wait(30.0)
    house.commands.clear()
    house.contact.is_lost()
    house.wait(1.0)
    house.contact.is_read()
    house.wait(0.05)
    house.contact.is_lost()
    house.contact.is_read()
    house.contact.close()
    house.wait(0.05)
    house.contact.open()
    house.wait(60.0)
    assert (house.commands, house.state.state, house.state.source) == ([], "standby", "standby")
    (outage,) = house.disk.outages.values()
    assert (outage.stage, outage.transfers) == ("open", 1)


def test_an_unknown_contact_raises_an_alarm_after_30_s() -> None:
    """After a loss as after a start, until it is known again."""
    house = VirtualHouse()
    house.contact.is_lost()
    house.contact.is_lost()
    assert len(house.happened("contact_lost")) == 1
    house.wait(29.9)
    assert house.alarm("contact-unknown") is None
    house.wait(0.2)
    assert house.alarm("contact-unknown") is not None
    house.contact.is_read()
    house.wait(0.2)
    assert house.alarm("contact-unknown") is None
    house = VirtualHouse(started=False)
    house.start(contact_read=False)
    house.wait(30.1)
    assert house.alarm("contact-unknown") is not None


def test_a_contact_that_keeps_moving_is_unknown_since_it_was_first_read() -> None:
    """A line that never holds for `settle_s` is as good as none."""
    house = VirtualHouse(started=False)
    house.start(contact_read=False)
    for _ in range(400):
        house.contact.open()
        house.wait(0.04)
        house.contact.close()
        house.wait(0.04)
    assert house.commands == []
    assert house.alarm("contact-unknown") is not None


# --- a contact on the bus --------------------------------------------------------------------------------------------


def test_a_remembered_standby_sheds_at_once() -> None:
    """Without waiting for it to settle: a broker's memory does not bounce."""
    house = by_bus()
    house.contact.says(is_open=True, retained=True)
    assert house.offs() == ALL_OF_IT


def test_a_remembered_utility_counts_only_live_where_the_machine_booted_in_an_outage() -> None:
    """Brokers come back from a power cut with old memories."""
    house = by_bus()
    house.contact.says(is_open=True)
    house.wait(30.0)
    house.crash()
    house.start(rebooted=True, contact_read=False)
    house.contact.says(is_open=False, retained=True)
    house.wait(60.0)
    assert (house.state.source, house.ons()) == ("unknown", [])
    house.contact.is_alive()
    house.wait(120.0)
    assert house.owed() == []
    assert house.state.state == "utility"


def test_a_remembered_utility_counts_after_a_mere_crash() -> None:
    """The broker has not lost its power, as far as anybody knows."""
    house = by_bus()
    house.contact.says(is_open=True)
    house.wait(30.0)
    house.crash()
    house.start(contact_read=False)
    house.contact.says(is_open=False, retained=True)
    house.wait(120.0)
    assert house.owed() == []


def test_a_retained_utility_counts_after_a_boot_without_an_open_outage() -> None:
    """Nothing hangs on it: the house was on utility when it went dark."""
    house = by_bus()
    house.crash()
    house.start(rebooted=True, contact_read=False)
    house.contact.says(is_open=False, retained=True)
    house.wait(1.0)
    assert house.state.source == "utility"


def test_a_broker_that_goes_away_takes_the_contact_with_it() -> None:
    """It is unknown from then on; no outage begins, and what the broker remembers on its return counts."""
    house = by_bus()
    house.broker.goes_away()
    assert house.state.source == "unknown"
    house.wait(60.0)
    house.broker.comes_back()
    house.contact.says(is_open=False, retained=True)
    house.wait(60.0)
    assert (house.commands, house.state.source) == ([], "utility")


@pytest.mark.parametrize("retained", [True, False])
def test_a_contact_found_open_again_repeats_no_command(retained: bool) -> None:
    """The reconnection repeats each pending OFF once. The contact that comes back as it was changes nothing."""
    house = by_bus()
    house.breaker("hot-tub").has(silent=True)
    house.contact.says(is_open=True)
    house.wait(1.1)
    house.broker.goes_away()
    house.wait(3.0)
    house.broker.comes_back()
    reconnected_at = house.now
    house.contact.says(is_open=True, retained=retained)
    house.wait(4.9)
    assert house.times("OFF", "hot-tub")[1:] == [reconnected_at]
    assert [line.details["state"] for line in house.happened("state_changed")][-1] == "shedding"


@pytest.mark.parametrize("wills_first", [True, False])
def test_a_device_that_returned_before_the_controller_gets_each_command_once(wills_first: bool) -> None:
    """A broker that stops publishes last wills. When the controller is back, the retained `online` is no return."""
    house = by_bus()
    for name in ("hot-tub", "dryer"):
        house.breaker(name).has(silent=True)
    house.contact.says(is_open=True)
    house.wait(1.1)
    for name in ("hot-tub", "dryer"):
        if wills_first:
            house.breaker(name).says("offline", "availability")
        house.broker.remembers(name, "online", "availability")
    house.broker.goes_away()
    house.wait(3.0)
    house.broker.comes_back()
    reconnected_at = house.now
    house.contact.says(is_open=True, retained=True)
    house.wait(4.9)
    for name in ("hot-tub", "dryer"):
        assert house.times("OFF", name)[1:] == [reconnected_at]


def test_a_contact_of_wire_does_not_mind_the_broker() -> None:
    """Only its commands wait."""
    house = VirtualHouse()
    house.broker.goes_away()
    assert house.state.source == "utility"


def test_a_lost_contact_counts_as_standby_after_15_s_also_without_a_broker() -> None:
    """Where the file says so: the OFFs leave when the broker is back."""
    house = by_bus(SHED_WHEN_LOST)
    house.broker.goes_away()
    house.wait(14.9)
    assert house.state.state == "utility"
    house.wait(0.2)
    assert house.state.state == "shedding"
    house.broker.comes_back()
    assert house.offs() == ALL_OF_IT


def test_two_losses_that_never_answered_are_said_once() -> None:
    """A broker that cannot be reached is tried again and again: one line in the log is enough."""
    house = by_bus()
    house.broker.goes_away()
    house.happens(ev.BusLost(house.mono, "still gone"))
    assert len(house.happened("bus_lost")) == 1


def test_repeated_broker_losses_are_logged_a_few_times_and_then_counted() -> None:
    """Two programs of one site disconnect each other again and again. A logged loss contains the suppressed number."""
    house = VirtualHouse()
    for _ in range(MAX_LOSS_EVENTS + 2):
        house.broker.drops_us()
    assert [line.details for line in house.happened("bus_lost")] == MAX_LOSS_EVENTS * [{"reason": "a blink"}]
    # The start's own connection counts too.
    assert [line.details for line in house.happened("bus_connected")] == MAX_LOSS_EVENTS * [{}]
    house.wait(LOSS_EVENTS_WINDOW_S)
    house.broker.drops_us()
    assert house.happened("bus_lost")[MAX_LOSS_EVENTS:][0].details == {"reason": "a blink", "suppressed": 2}
    assert house.happened("bus_connected")[MAX_LOSS_EVENTS:][0].details == {"suppressed": 3}


# --- a start ---------------------------------------------------------------------------------------------------------


def test_a_start_on_utility_with_nothing_owed_goes_straight_to_utility() -> None:
    """Nothing is commanded."""
    house = VirtualHouse(started=False)
    house.start()
    house.wait(0.2)
    assert (house.state.state, house.commands) == ("utility", [])


def test_a_cold_start_during_an_outage_sheds_as_soon_as_the_contact_has_settled() -> None:
    """Nothing on disk, nothing heard: the Pi wakes after the generator."""
    house = VirtualHouse(is_open=True, started=False)
    for name in house.breakers:
        house.broker.forgets(name)
    house.start()
    house.wait(0.1)
    assert house.offs() == ALL_OF_IT


def test_nothing_is_commanded_before_the_contact_has_been_read() -> None:
    """Whatever the broker remembers."""
    house = VirtualHouse(started=False)
    house.start(contact_read=False)
    house.wait(60.0)
    assert (house.commands, house.state.state) == ([], "starting")


def test_a_trusted_clock_is_logged() -> None:
    """Earlier times were published as untrusted."""
    house = VirtualHouse(circuit("hot-tub"))
    house.happens(ev.ClockTrusted(house.mono))
    assert len(house.happened("clock_trusted")) == 1


# --- an MQTT contact whose device is silent, or has to be asked ------------------------------------------------------


def test_a_device_that_is_silent_for_too_long_is_lost() -> None:
    """Behind a bridge, no last will arrives: the source is unknown, with an alarm; the next message is known again."""
    house = by_bus(EngineSettings(contact_on_bus=True, contact_expect_s=60.0))
    house.wait(40.0)
    house.contact.says(is_open=False)
    house.wait(59.0)
    assert house.state.source == "utility"
    house.wait(2.0)
    assert house.state.source == "unknown"
    house.wait(30.0)
    alarm = house.alarm("contact-unknown")
    assert alarm is not None
    assert "its device has published nothing for 60 s" in alarm.message
    house.contact.says(is_open=False)
    house.wait(1.0)
    assert (house.state.source, house.alarm("contact-unknown")) == ("utility", None)


def test_a_silent_device_never_sheds_or_restores() -> None:
    """Unknown starts and ends no outage."""
    house = by_bus(EngineSettings(contact_on_bus=True, contact_expect_s=60.0))
    house.wait(600.0)
    assert house.commands == []


def test_without_an_interval_silence_is_no_loss() -> None:
    """Most devices publish changes only."""
    house = by_bus()
    house.wait(86_400.0)
    assert house.state.source == "utility"


def test_a_retained_position_is_no_message_of_the_device() -> None:
    """After a reconnection the interval counts from the connection."""
    house = by_bus(EngineSettings(contact_on_bus=True, contact_expect_s=60.0))
    house.happens(ev.BusLost(house.mono, "gone"), ev.BusConnected(house.mono))
    house.wait(30.0)
    house.contact.says(is_open=False, retained=True)
    house.wait(29.0)
    assert house.state.source == "utility"
    house.wait(2.0)
    assert house.state.source == "unknown"


ASKED = EngineSettings(contact_on_bus=True, contact_query=True)


def queries(house: VirtualHouse) -> int:
    """Return the number of requests to the contact's device so far."""
    return sum(isinstance(effect, QueryContact) for effect in house.effects)


def test_the_device_is_asked_at_each_connection_and_while_the_position_is_unknown() -> None:
    """A limited number of times; once known, no more."""
    house = VirtualHouse(settings=ASKED, started=False)
    house.start(contact_read=False)
    house.wait(0.5)
    assert queries(house) == 1
    house.wait(15.5)
    assert queries(house) == 3
    house.wait(3600.0)
    assert queries(house) == 9
    house.contact.says(is_open=False)
    house.wait(3600.0)
    assert queries(house) == 9
    house.happens(ev.BusLost(house.mono, "gone"), ev.BusConnected(house.mono))
    house.wait(0.5)
    assert queries(house) == 10


def test_the_device_is_asked_when_it_returns() -> None:
    """Its availability is live again: it may have moved in between."""
    house = by_bus(ASKED)
    house.happens(ev.ContactLost(house.mono, "offline"))
    before = queries(house)
    house.happens(ev.ContactAlive(house.mono))
    house.wait(0.5)
    assert queries(house) == before + 1


def test_a_device_that_cannot_be_asked_is_not_asked() -> None:
    """No query_topic, no request."""
    house = by_bus()
    assert queries(house) == 0


@pytest.mark.parametrize(
    ("settings", "cure"), [(BY_BUS, "set [contact] query_topic"), (ASKED, "check [contact] query")]
)
def test_the_alarm_about_a_position_never_published_names_the_cure(settings: EngineSettings, cure: str) -> None:
    """A device that publishes only changes may leave it unknown for days. No text is about a pin."""
    house = VirtualHouse(settings=settings, started=False)
    house.start(contact_read=False)
    house.wait(40.0)
    alarm = house.alarm("contact-unknown")
    assert alarm is not None
    assert "has published no position since the start" in alarm.message
    assert "publish its position retained" in alarm.action
    assert cure in alarm.action
    assert "wire" not in alarm.action
    assert " pin" not in alarm.action


# --- a contact named by its device -----------------------------------------------------------------------------------


def at_device(evidence: str, *, on_lost_shed: bool = False) -> VirtualHouse:
    """Return a house whose contact is at a device, started and connected; the contact has not reported."""
    asked = evidence in ("device", "retained")
    settings = EngineSettings(
        contact_on_bus=True, contact_evidence=evidence, contact_query=asked, on_lost_shed=on_lost_shed
    )
    house = VirtualHouse(settings=settings, started=False)
    house.start(contact_read=False)
    return house


@pytest.mark.parametrize("evidence", ["device", "retained", "cache"])
def test_what_is_only_remembered_is_neither_utility_nor_standby(evidence: str) -> None:
    """A retained word never begins an outage; the same word live does, once it can be the device's own."""
    house = at_device(evidence)
    house.contact.says(is_open=True, retained=True)
    house.wait(20.0)
    assert (house.state.source, house.commands) == ("unknown", [])
    house.contact.says(is_open=False)
    house.contact.says(is_open=True)
    house.wait(1.0)
    assert (house.state.source, house.offs()) == ("standby", ALL_OF_IT)


def test_a_gateway_that_was_away_repeats_what_it_remembers() -> None:
    """Its old `open` sheds nothing, however often it is repeated; the sensor's own report ends the doubt."""
    house = at_device("cache")
    house.contact.says(is_open=True)
    house.contact.says(is_open=False)
    house.wait(60.0)
    assert house.state.source == "utility"
    house.happens(ev.ContactLost(house.mono, "the gateway is offline"))
    house.wait(60.0)
    house.happens(ev.ContactAlive(house.mono))
    for _ in range(3):
        house.contact.says(is_open=True)
        house.wait(600.0)
    assert (house.state.source, house.commands) == ("unknown", [])
    alarm = house.alarm("contact-unknown")
    assert alarm is not None
    assert "may repeat an earlier position" in alarm.message
    assert "filtered_cache" in alarm.action
    house.contact.says(is_open=False)
    house.wait(1.0)
    assert house.state.source == "utility"
    assert house.alarm("contact-unknown") is None


def test_an_answered_ping_makes_the_retained_position_the_present_one() -> None:
    """On this connection only: after another one the device has to answer again."""
    house = at_device("retained")
    house.contact.says(is_open=True, retained=True)
    house.wait(1.0)
    house.happens(ev.ContactAlive(house.mono, returned=False))
    house.wait(1.0)
    assert (house.state.source, house.offs()) == ("standby", ALL_OF_IT)
    house.happens(ev.BusLost(house.mono, "gone"), ev.BusConnected(house.mono))
    house.contact.says(is_open=False, retained=True)
    house.wait(5.0)
    assert house.state.source == "unknown"
    house.happens(ev.ContactAlive(house.mono, returned=False))
    house.wait(1.0)
    assert house.state.source == "utility"


def test_a_sensor_that_cannot_be_asked_sheds_after_its_loss_if_the_owner_wants_that() -> None:
    """on_lost = "shed": what is remembered does not prevent it."""
    house = at_device("cache", on_lost_shed=True)
    house.contact.says(is_open=False)
    house.wait(14.0)
    assert house.commands == []
    house.wait(2.0)
    assert house.offs() == ALL_OF_IT


def test_the_alarm_says_that_a_sensor_has_not_reported() -> None:
    """After a start, with what to do; no text names [contact] query_topic."""
    house = at_device("device")
    house.wait(40.0)
    alarm = house.alarm("contact-unknown")
    assert alarm is not None
    assert "has not reported" in alarm.message
    assert "move the contact once" in alarm.action
    assert "query_topic" not in alarm.action
