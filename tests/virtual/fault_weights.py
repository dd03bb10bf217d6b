"""How often each thing happens in a night beside the others, and in which houses it cannot."""

from __future__ import annotations

OFTEN = {
    "transfer": 4.0,
    "device_by_hand": 2.0,
    "killed": 2.5,
    "power_cut": 2.5,
    "device_slow": 1.5,
    "contact_offline": 2.0,
    "meter_silent": 2.0,
    "meter_replaced": 2.0,
    "device_tells_lies": 3.0,
    "relay_moved_unseen": 4.0,
}
SELDOM = {
    "disk_corrupt": 0.3,
    "device_sound": 0.5,
    "broker_saves": 0.5,
    "outage": 0.0,
    "file_edited": 0.5,
    "drill_ended": 0.5,
}
"""What is in neither has the weight 1."""

ON_A_WIRE = frozenset({"edges_lost", "contact_unreadable"})
ON_THE_BUS = frozenset({"contact_offline"})
OF_GATEWAYS = frozenset({"gateway_stopped", "gateway_power_cut", "relay_moved_unseen"})
OF_FAMILIES = OF_GATEWAYS | {"device_tells_lies", "retained_command"}
OF_A_METER = frozenset({"meter_silent", "meter_replaced"})

INTO_A_DRILL = (
    "transfer",
    "transfer",
    "transfer",
    "killed",
    "killed_in_a_turn",
    "power_cut",
    "stopped",
    "stalled",
    "drill_ended",
    "device_by_hand",
    "broker_away",
)
"""What falls into a drill by design; all the rest may by chance."""
