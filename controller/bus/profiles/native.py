"""loadshed's own topics: what a circuit without a `device` uses (docs/mqtt.md)."""

from __future__ import annotations

from controller.bus.profiles.schema import AvailabilityReport, DeviceCommand, Profile, StateReport

_BREAKER = "loadshed/{site}/breakers/{circuit}"

NATIVE = Profile(
    command=DeviceCommand(f"{_BREAKER}/set", on="ON", off="OFF"),
    states=(StateReport(f"{_BREAKER}/state", on=("ON",), off=("OFF",), tripped=("TRIPPED",)),),
    available=(AvailabilityReport(f"{_BREAKER}/availability", online=("online",), offline=("offline",)),),
)
