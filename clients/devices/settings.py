"""Settings of devices that are changed over MQTT with the user's consent, and read back."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

from clients.devices.bus import device_bus
from clients.devices.discovery import discover
from clients.devices.inspection import inspect, profile_of_candidate
from controller.bus.profiles.schema import OutgoingMessage

if TYPE_CHECKING:
    from clients.devices.found import Candidate, PowerOnWord
    from controller.bus.messages import IncomingMessage
    from controller.bus.profiles.registry import DeviceCatalog
    from hw.broker_socket import Broker

ANSWER_S = 10.0


async def set_power_on(
    broker: Broker, site: str, catalog: DeviceCatalog, candidate: Candidate, wanted: PowerOnWord
) -> PowerOnWord | None:
    """Set the power-on behavior of a device to `off` or `as-was`; return what the device then reports.

    None: it did not answer, or it cannot be set over MQTT. Raises BrokerError, AddressError.
    """
    profile = profile_of_candidate(catalog, candidate, site, 0)
    setting = profile.power_on
    message = None if setting is None else setting.set_off if wanted == "off" else setting.set_as_was
    if message is None:
        return None
    async with device_bus(broker) as bus:
        bus.ask(message)
        await bus.delivered()
        await bus.hear(1.0, lambda _message: None)  # the answer to the setting itself proves nothing
        return (await inspect(bus, {candidate.address: profile}))[candidate.address].power_on


async def set_zigbee_options(broker: Broker, site: str, catalog: DeviceCatalog, candidate: Candidate) -> bool | None:
    """Set the two options of Zigbee2MQTT by which each report is the device's own; return whether they then are set.

    What the list `filtered_cache` holds stays. None: the options were not received. Raises BrokerError.
    """
    exposes = candidate.exposes
    if exposes is None or exposes.options is None:
        return None
    name = candidate.address.partition("/")[2].partition("#")[0]
    before = exposes.options.get("filtered_cache")
    kept = [str(one) for one in before] if isinstance(before, list) else []
    filtered = [*kept, *(key for key in exposes.state_keys if key not in kept)]
    mark = secrets.token_hex(4)
    options = {"optimistic": False, "filtered_cache": filtered}
    settings = catalog.families.get("zigbee2mqtt")
    base = str((settings.values if settings is not None else {}).get("base", "zigbee2mqtt"))
    answers: list[IncomingMessage] = []

    def note(message: IncomingMessage) -> None:
        if mark.encode() in message.payload and message.topic.endswith("/response/device/options"):
            answers.append(message)

    async with device_bus(broker) as bus:
        bus.subscribe([f"{base}/bridge/response/device/options"])
        request = {"id": name, "options": options, "transaction": mark}
        bus.ask(OutgoingMessage(f"{base}/bridge/request/device/options", json.dumps(request)))
        await bus.hear(ANSWER_S, note, lambda: bool(answers))
        found = await discover(bus, catalog, site)
    again = next((one for one in found.candidates if one.address == candidate.address), None)
    return again.exposes.reports_itself if again is not None and again.exposes is not None else None
