"""The simulated Shelly, held to the names and types in the status and configuration of real ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hw.simulated.device_catalog import simulated_devices
from hw.simulated.mqtt_device import DeviceMessage, Relay
from hw.simulated.shelly import SimulatedShelly

PREFIX = "shellypro4pm-aabbccddeeff"
ADDRESS = f"shelly/{PREFIX}#0"
NUMBER = (int, float)

STATUS_OF_A_PRO_4PM: dict[str, Any] = {
    "id": int,
    "source": str,
    "output": bool,
    "apower": float,
    "voltage": float,
    "freq": float,
    "current": float,
    "pf": float,
    "aenergy": {"total": float, "by_minute": list, "minute_ts": int},
    "temperature": {"tC": float, "tF": float},
}
"""Members of `switch:0` in the status of a Pro 4PM with firmware 1.0.3, and their types."""

CONFIG_OF_A_PRO_4PM: dict[str, Any] = {
    "id": int,
    "in_mode": "follow",
    "initial_state": "match_input",
    "auto_on": False,
    "auto_on_delay": 60.0,
    "auto_off": False,
    "auto_off_delay": 60.0,
    "autorecover_voltage_errors": False,
    "power_limit": 4480,
    "voltage_limit": 280,
    "undervoltage_limit": 0,
    "current_limit": 16.0,
}
"""Members of `switch:0` in the configuration of the same device, with the factory values."""

MQTT_OF_A_PRO_4PM = {"enable_control": True, "enable_rpc": True, "rpc_ntf": True, "status_ntf": False}
"""Factory settings of the MQTT component of the same device."""

STATUS_OF_A_PRO_3 = {"id", "output", "source", "temperature"}
"""Members of `switch:0` in the status of a Pro 3 with firmware 1.1.0, which does not measure power."""


def shelly(relays: int = 4) -> SimulatedShelly:
    """Return a connected device with switches that are on."""
    (device,) = simulated_devices([f"shelly/{PREFIX}#{relays - 1}"], load_w=1200.0)
    assert isinstance(device, SimulatedShelly)
    device.on_connected(0.0)
    return device


def contents(messages: tuple[DeviceMessage, ...]) -> dict[str, Any]:
    """Return the content of messages by topic."""
    return {one.topic: json.loads(one.payload) for one in messages}


def call(device: SimulatedShelly, method: str, now: float = 1.0, **params: Any) -> dict[str, Any]:
    """Return the reply to a request."""
    request = {"id": 7, "src": "loadshed/home", "method": method, "params": params}
    sent = contents(device.on_message(f"{PREFIX}/rpc", json.dumps(request).encode(), False, now))
    reply: dict[str, Any] = sent["loadshed/home/rpc"]
    assert (reply["id"], reply["src"], reply["dst"]) == (7, PREFIX, "loadshed/home")
    return reply


def assert_types(content: dict[str, Any], expected: dict[str, Any]) -> None:
    """Check that the members are the expected ones, each of its type."""
    assert content.keys() == expected.keys()
    for key, kind in expected.items():
        if isinstance(kind, dict):
            assert_types(content[key], kind)
        else:
            assert type(content[key]) is kind, key


def test_status_has_the_members_and_types_of_a_pro_4pm() -> None:
    """A value of another type would be read by a test profile and not by a real one."""
    assert_types(call(shelly(), "Switch.GetStatus", id=0)["result"], STATUS_OF_A_PRO_4PM)


def test_status_without_metering_has_the_members_of_a_pro_3() -> None:
    """Such a switch has no power at all, not 0 W."""
    device = SimulatedShelly(PREFIX, [Relay(ADDRESS)], metered=False)
    assert device.status(0, 0.0).keys() == STATUS_OF_A_PRO_3


def test_configuration_is_that_of_a_pro_4pm_as_shipped() -> None:
    """With the relay following its input at a boot."""
    config = call(shelly(), "Switch.GetConfig", id=0)["result"]
    assert {key: config[key] for key in CONFIG_OF_A_PRO_4PM if key != "id"} == {
        key: value for key, value in CONFIG_OF_A_PRO_4PM.items() if key != "id"
    }


def test_mqtt_settings_are_those_of_a_pro_4pm_as_shipped() -> None:
    """RPC notices are on, and full status messages are off."""
    settings = call(shelly(), "MQTT.GetConfig")["result"]
    assert {key: settings[key] for key in MQTT_OF_A_PRO_4PM} == MQTT_OF_A_PRO_4PM


def test_a_command_by_rpc_is_replied_to_and_notified() -> None:
    """The reply has the state before; the notice has the new one."""
    device = shelly()
    request = {"id": 7, "src": "loadshed/home", "method": "Switch.Set", "params": {"id": 0, "on": False}}
    sent = contents(device.on_message(f"{PREFIX}/rpc", json.dumps(request).encode(), False, 1.0))
    assert sent["loadshed/home/rpc"]["result"] == {"was_on": True}
    notice = sent[f"{PREFIX}/events/rpc"]
    assert notice["method"] == "NotifyStatus"
    assert notice["params"]["switch:0"] == {"id": 0, "source": "MQTT", "output": False}


def test_a_command_by_word_has_no_reply() -> None:
    """It is only notified, and nothing comes if nothing changed."""
    device = shelly()
    assert len(device.on_message(f"{PREFIX}/command/switch:0", b"off", False, 1.0)) == 1
    assert device.on_message(f"{PREFIX}/command/switch:0", b"off", False, 2.0) == ()


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("Switch.Set", {"id": 9, "on": False}, -105),
        ("Switch.Set", {"id": 0}, -103),
        ("Switch.Explode", {}, 404),
        ("Input.GetStatus", {"id": 9}, -105),
    ],
)
def test_a_wrong_request_is_an_error(method: str, params: dict[str, Any], code: int) -> None:
    """The reply has an error and no result."""
    reply = call(shelly(), method, **params)
    assert reply["error"]["code"] == code
    assert "result" not in reply


def test_a_request_without_source_has_no_reply() -> None:
    """The device obeys and does not know whom to answer."""
    device = shelly()
    sent = device.on_message(
        f"{PREFIX}/rpc", b'{"id":1,"method":"Switch.Set","params":{"id":0,"on":false}}', False, 1.0
    )
    assert [one.topic for one in sent] == [f"{PREFIX}/events/rpc"]


@pytest.mark.parametrize(
    ("setting", "was_on", "input_on", "wakes"),
    [
        ("off", True, True, False),
        ("on", False, False, True),
        ("restore_last", True, False, True),
        ("match_input", False, True, True),
        ("match_input", True, False, False),
    ],
)
def test_initial_state_is_set_read_and_applied(setting: str, was_on: bool, input_on: bool, wakes: bool) -> None:
    """It is applied when the power returns."""
    device = shelly()
    assert call(device, "Switch.SetConfig", id=0, config={"initial_state": setting})["result"] == {
        "restart_required": False
    }
    assert call(device, "Switch.GetConfig", id=0)["result"]["initial_state"] == setting
    device.set_input(0, input_on, 2.0)
    device.move_manually(ADDRESS, was_on, 3.0)
    device.power_cut(4.0)
    device.power_back(5.0)
    assert device.relays[ADDRESS].energized is wakes


def test_status_update_publishes_all_components() -> None:
    """On the topics that are silent as shipped."""
    sent = shelly(2).on_message(f"{PREFIX}/command", b"status_update", False, 1.0)
    assert [one.topic for one in sent] == [f"{PREFIX}/status/switch:0", f"{PREFIX}/status/switch:1"]


def test_an_input_is_notified_and_moves_a_switch_that_follows() -> None:
    """Such an input can be the contact of a transfer switch."""
    device = shelly()
    device.move_manually(ADDRESS, False, 1.0)
    sent = [json.loads(one.payload)["params"] for one in device.set_input(0, True, 2.0)]
    assert sent[0]["input:0"] == {"id": 0, "state": True}
    assert sent[1]["switch:0"]["output"] is True
    assert call(device, "Input.GetStatus", 3.0, id=0)["result"] == {"id": 0, "state": True}


def test_timers_reverse_a_command() -> None:
    """`toggle_after` of a command, and `auto_off` of the configuration; a running one shows in the status."""
    device = shelly()
    call(device, "Switch.Set", 10.0, id=0, on=False, toggle_after=5)
    assert device.status(0, 11.0)["timer_duration"] == 5.0
    device.advance(15.0)
    assert device.relays[ADDRESS].energized
    call(device, "Switch.SetConfig", 20.0, id=0, config={"auto_on": True, "auto_on_delay": 60})
    call(device, "Switch.Set", 30.0, id=0, on=False)
    device.advance(89.9)
    assert not device.relays[ADDRESS].energized
    device.advance(90.0)
    assert device.relays[ADDRESS].energized


def test_energy_is_in_watt_hours() -> None:
    """Not in kWh, as other families have it."""
    total: Any = shelly().status(3, 3600.0)["aenergy"]
    assert total["total"] == pytest.approx(1200.0)
