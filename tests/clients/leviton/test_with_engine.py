"""Outages of a house whose breakers are behind the bridge: the real engine decides."""

from __future__ import annotations

from hw.simulated.leviton_cloud import energized
from hw.simulated.leviton_panel import simulated_hub
from tests.clients.leviton.engine_house import EngineHouse

FOUR = ["load-1-3456", "load-2-3456", "load-3-3456", "load-4-3456"]


def test_an_outage_with_internet_sheds_and_restores_everything() -> None:
    """Each circuit by its own report."""
    house = EngineHouse(simulated_hub(4))
    house.contact(is_open=True)
    house.run(10.0)
    assert house.state() == {"state": "standby", "shed": FOUR, "unconfirmed": []}
    assert energized(house.home.cloud.hubs) == []
    house.contact(is_open=False)
    house.run(60.0)
    assert len(energized(house.home.cloud.hubs)) == 4
    assert house.engine.state_view().state == "utility"
    assert house.alarms() == {}


def test_without_internet_the_alarm_names_the_breakers_and_the_generator_has_not_stopped() -> None:
    """All circuits go offline at once, as with a generator that stops."""
    house = EngineHouse(simulated_hub(4))
    house.home.internet(up=False)
    house.contact(is_open=True)
    house.run(200.0)
    assert house.state()["unconfirmed"] == FOUR
    alarms = house.alarms()
    assert "Turn off at the panel: 1 Load 1 (20 A)" in alarms["leviton-unreachable"]
    assert house.events("generator_power_lost") == []
    assert house.home.cloud.accepted == []
    house.home.internet(up=True)
    house.run(60.0)
    assert house.state() == {"state": "standby", "shed": FOUR, "unconfirmed": []}
    assert "leviton-unreachable" not in house.alarms()


def test_internet_that_fails_during_the_outage_leaves_what_was_shed() -> None:
    """What is owed stays owed, and is restored when the internet is back."""
    house = EngineHouse(simulated_hub(4))
    house.contact(is_open=True)
    house.run(120.0)
    house.home.internet(up=False)
    house.run(100.0)
    assert house.events("generator_power_lost") == []
    house.contact(is_open=False)
    house.run(100.0)
    assert energized(house.home.cloud.hubs) == []
    house.home.internet(up=True)
    house.run(200.0)
    assert len(energized(house.home.cloud.hubs)) == 4
    assert house.events("taken_over") == []


def test_a_lost_hub_is_not_a_stopped_generator() -> None:
    """Its breakers count as one device."""
    house = EngineHouse(simulated_hub(4))
    house.contact(is_open=True)
    house.run(120.0)
    house.home.cloud.hub_lost(house.home.cloud.hubs[0])
    house.run(120.0)
    assert house.events("generator_power_lost") == []
    assert "leviton-hub-away" in house.alarms()


def test_a_welded_breaker_is_found_by_its_power() -> None:
    """It reports off, and draws 7 kW."""
    hub = simulated_hub(2)
    hub.breakers[0].welded, hub.breakers[0].load_w = True, 7000.0
    house = EngineHouse(hub)
    house.contact(is_open=True)
    house.run(90.0)
    assert "still-drawing" in house.alarms()
    assert house.state()["shed"] == ["load-2-3456"]


def test_the_hubs_own_loop_sheds_and_the_controller_watches() -> None:
    """A companion commands nothing."""
    hub = simulated_hub(4)
    hub.breakers[3].critical = True
    house = EngineHouse(hub, companion=True)
    house.contact(is_open=True)
    hub.open_loop()
    house.home.cloud.moved(hub, house.home.now)
    house.run(90.0)
    assert house.home.cloud.accepted == []
    assert sorted(filter(None, house.events("companion_seen_off"))) == FOUR[:3]
    assert house.events("companion_not_seen_off") == ["load-4-3456"]
    assert "3 of 4 breakers were switched off elsewhere" in house.home.report["observed"]


def test_a_user_who_switches_a_breaker_on_in_the_app_is_obeyed() -> None:
    """Live `on` after a confirmed `off`, on an unbroken connection: a manual override."""
    house = EngineHouse(simulated_hub(2))
    house.contact(is_open=True)
    house.run(200.0)
    one = house.home.cloud.hubs[0].breakers[0]
    one.switch(on=True)
    house.home.cloud.moved(house.home.cloud.hubs[0], house.home.now)
    house.run(60.0)
    assert house.events("taken_over") == ["load-1-3456"]
    assert one.energized
