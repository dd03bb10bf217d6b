"""Texts about devices, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.terminal.tables import table, wrapped
from rules.panel import Position

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clients.devices.assessment import DeviceFinding
    from clients.devices.found import Inspection
    from clients.devices.listing import DeviceList, ListedDevice
    from clients.devices.stored_commands import StoredCommand
    from rules.json_types import Json

NO_DEVICES = (
    "No devices found. Devices of Tasmota, Zigbee2MQTT, ESPHome, Z-Wave JS UI and Homie describe themselves at the "
    "broker; a Shelly shows when it publishes. Check that they use this broker, and that its access list lets this "
    "user read their topics."
)
MEMORY = "(memory): the broker or a gateway remembers this value. It may be old: the device itself has not answered."
NOTHING_STORED = "No stored commands: the broker keeps no retained message on the command topics of your circuits."
CLEAR_QUESTION = "Clear them now? Nothing is switched by this."
NOT_CLEARED = "Nothing was cleared."
STILL_STORED = (
    "These are still stored. The broker may forbid this user to write there, or another program stores them again:"
)
_POWER_ON = {"off": "stays OFF", "as-was": "as it was", "on": "turns ON", "other": "unclear"}


def position_text(inspection: Inspection) -> str:
    """Return a position as `ON`, `OFF (memory)` or `unknown`."""
    if inspection.position is Position.UNKNOWN:
        return "unknown"
    return str(inspection.position.value).upper() + ("" if inspection.live else " (memory)")


def available_text(available: bool | None) -> str:
    """Return an availability: `yes`, `no` or `unknown`."""
    return "unknown" if available is None else "yes" if available else "no"


def power_on_text(inspection: Inspection) -> str:
    """Return the power-on behavior with the device's own value."""
    if inspection.power_on is not None:
        return f"{_POWER_ON[inspection.power_on]} ({inspection.power_on_value})"
    return "unknown" if inspection.can_read_power_on else "unknown (cannot be read)"


def list_text(found: DeviceList) -> str:
    """Return the table of devices, and what the reader must know of it."""
    parts = []
    if found.devices:
        heads = ("device", "model", "position", "available", "power", "when its power returns", "circuit")
        parts.append(table(heads, [_row(one) for one in found.devices], right=(4,)))
    else:
        parts.append(wrapped(NO_DEVICES))
    remarks = [MEMORY] if any("memory" in position_text(one.inspection) for one in found.devices) else []
    remarks += [
        f"{one.candidate.address}: needs {one.setting} in installer.toml." for one in found.devices if one.setting
    ]
    remarks += [
        f"{one.candidate.address} is named by {', '.join(one.circuits)}, but it was not found at the broker."
        for one in found.devices
        if not one.found
    ]
    remarks += [
        f"{one.candidate.address} is used by several circuits: {', '.join(one.circuits)}. Give each its own device."
        for one in found.devices
        if len(one.circuits) > 1
    ]
    parts += [wrapped(remark, "  ", first="") for remark in (*remarks, *found.notes)]
    free = [one for one in found.devices if not one.circuits]
    if free:
        line = f'device = "{free[0].candidate.address}"'
        parts.append(wrapped(f"To use one: write it into its circuit in circuits.toml, such as {line}."))
    return "\n\n".join(parts)


def _row(device: ListedDevice) -> tuple[str, ...]:
    watts = device.inspection.power_w
    return (
        device.candidate.address,
        device.candidate.model,
        position_text(device.inspection),
        available_text(device.inspection.available),
        "unknown" if watts is None else f"{watts:.0f} W",
        power_on_text(device.inspection),
        ", ".join(device.circuits) or "-",
    )


def list_fields(found: DeviceList) -> dict[str, Json]:
    """Return the list for programs. Unknown values are null."""
    return {"devices": [_fields(one) for one in found.devices], "notes": [*found.notes]}


def _fields(device: ListedDevice) -> dict[str, Json]:
    seen = device.inspection
    known = seen.position is not Position.UNKNOWN
    return {
        "device": device.candidate.address,
        "family": device.candidate.family,
        "model": device.candidate.model or None,
        "channel": device.candidate.address.partition("#")[2] or None,
        "position": seen.position.value if known else None,
        "position_from": ("device" if seen.live else "memory") if known else None,
        "available": seen.available,
        "power_w": seen.power_w,
        "power_on": seen.power_on,
        "power_on_value": seen.power_on_value or None,
        "watchdogs": [{"what": one.what, "value": one.value, "harmless": one.harmless} for one in seen.watchdogs],
        "circuits": [*device.circuits],
        "describes_itself": device.found,
        "setting": device.setting or None,
    }


def stored_text(commands: Sequence[StoredCommand]) -> str:
    """Return the stored commands, each with its circuits."""
    lines = [
        "Stored commands found. Each can switch its circuit by itself, whenever the device or the broker restarts:"
    ]
    lines += [f"  {', '.join(one.circuits)}: {one.topic}: {one.payload}" for one in commands]
    return "\n".join(lines)


def cleared_text(count: int) -> str:
    """Return that the messages are gone, and what remains to be done."""
    what = "1 stored command was cleared" if count == 1 else f"{count} stored commands were cleared"
    return (
        f"{what}. Find the program that stored them and set its messages to not retained, or they return. "
        "The alarm clears within a minute."
    )


# --- findings about the circuits' devices ----------------------------------------------------------------------------

CLEAR_STORED = "Clear it: `loadshed devices --clear-retained`. Then find the program that stores it."
CHECK_DEVICE = "Check that the device is on and reachable, then repeat this command."
CHECK_PROFILE = "Add a question or a time stamp to its profile in installer.toml, or verify it at the panel."
END_WATCHDOG = "Switch it off in the device's own settings (docs/devices)."


def findings_text(findings: Sequence[DeviceFinding]) -> str:
    """Return the findings as a list, each with what to do."""
    if not findings:
        return wrapped(
            "Devices: no findings. Settings that a family cannot report are not checked (`loadshed devices`)."
        )
    items = (wrapped(f"- {one.message} {one.action}", "  ", first="") for one in findings)
    return "\n".join(("Devices:", *items))


def stored_command(circuit: str, topic: str) -> str:
    """Return that the broker stores a command."""
    return f"{circuit}: the broker stores a command on {topic}. It can switch the circuit by itself."


def wakes_on(circuit: str, value: str) -> str:
    """Return that a shed circuit turns on with its own power."""
    return (
        f"{circuit}: turns ON when power returns (the device has {value}). At a transfer, its load starts with all "
        "others on the generator."
    )


def wakes_otherwise(circuit: str, found: str, wanted: str) -> str:
    """Return that a device's power-on behavior is not that of the file."""
    return f'{circuit}: when power returns, the device {found}; circuits.toml has wakes = "{wanted}".'


def set_power_on(wanted: str) -> str:
    """Return how to change the power-on behavior."""
    words = "stay OFF" if wanted == "off" else "return to its last position"
    return f"Set the device to {words} after a power loss: `loadshed setup devices`, or change wakes in circuits.toml."


def watchdog(circuit: str, what: str, value: str) -> str:
    """Return that a device may switch by itself."""
    return f"{circuit}: the device can switch by itself: {what} is {value}."


def silent(circuit: str) -> str:
    """Return that a device did not answer."""
    return f"{circuit}: the device did not report its power-on setting; it is unknown."


def unconfirmable(circuit: str) -> str:
    """Return that OFF can never be confirmed."""
    return (
        f"{circuit}: OFF can never be confirmed: the device cannot be asked, and its gateway repeats what it "
        "remembers. Verify it at the panel."
    )


def zigbee_options(key: str) -> str:
    """Return the two options of Zigbee2MQTT that cure this."""
    return (
        f"In Zigbee2MQTT set for this device: optimistic: false, filtered_cache: [{key}] (`loadshed setup devices` "
        "offers this)."
    )


def own_reports(name: str) -> str:
    """Return the line of installer.toml that makes use of the options."""
    return f'Its options are right. Add "{name}" to own_reports under [families.zigbee2mqtt] in installer.toml.'


# --- setup -----------------------------------------------------------------------------------------------------------

LOOKING = "Looking for devices at the broker (some 10 s). Nothing is switched."


def which_device(circuit: str) -> str:
    """Return the question for the device of a circuit."""
    return f"Device of {circuit} (none: loadshed's own topics)"


def offer_options(circuit: str, key: str) -> str:
    """Return the question whether Zigbee2MQTT's options may be set."""
    return (
        f"{circuit}: Zigbee2MQTT repeats what it remembers, so OFF may be false. Set optimistic: false and add "
        f"{key} to filtered_cache for this device?"
    )


def options_result(circuit: str, *, done: bool | None) -> str:
    """Return what Zigbee2MQTT reports after the setting."""
    if done:
        return f"{circuit}: both options are set, as Zigbee2MQTT now reports."
    return f"{circuit}: not confirmed. Set both options in Zigbee2MQTT (device, Settings (specific))."


def offer_power_on(circuit: str, found: str, wanted: str) -> str:
    """Return the question whether the power-on behavior may be set."""
    words = "stay OFF" if wanted == "off" else "return to its last position"
    return f"{circuit}: when its power returns: {found}. Set it to {words}?"


def power_on_result(circuit: str, found: str | None, wanted: str) -> str:
    """Return what the device reports after the setting."""
    if found == wanted:
        return f"{circuit}: set; the device reports {_POWER_ON[found]}."
    reported = "nothing" if found is None else _POWER_ON[found]
    return f"{circuit}: not confirmed: the device reports {reported}. Set it in the device's own settings."
