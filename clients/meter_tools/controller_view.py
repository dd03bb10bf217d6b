"""What the running controller publishes about the house's meter, for the doctor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clients.bus_client.status import is_stale

if TYPE_CHECKING:
    from clients.bus_client.site import Site
    from clients.bus_client.status import HouseStatus

METER_ALARMS = ("meter-stale", "meter-not-counting")


@dataclass(frozen=True, slots=True)
class ControllerView:
    """The controller's view of the meter. `trouble`: why it is unknown; None: it is known.

    `alarms`: each alarm about the meter, with its text. `energy_kwh`: register, if it was read a short time ago.
    """

    trouble: str | None = None
    alarms: tuple[str, ...] = ()
    energy_kwh: float | None = None


def controller_view(site: Site, house: HouseStatus, now: float) -> ControllerView:
    """Return the view from the controller's retained messages. `now`: UTC seconds since 1970."""
    if house.trouble is not None:
        return ControllerView(trouble=house.trouble)
    alarms = tuple(f"{name}: {house.alarms[name].get('message')}" for name in METER_ALARMS if name in house.alarms)
    demand = house.demand
    fresh = demand is not None and not is_stale(demand, site, now) and demand.get("kw_quality") != "stale"
    energy_kwh = demand.get("energy_kwh") if demand is not None and fresh else None
    return ControllerView(None, alarms, energy_kwh if isinstance(energy_kwh, float | int) else None)
