"""Situation of the house in which a circuit is explained and a request is decided."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HouseSituation:
    """Situation of the house.

    `sheds`: nonessential circuits are wanted off, on standby or for a drill. `drill`: the open outage is a drill.
    `on_utility`: the contact is known to be on utility, and no edge is unsettled.
    """

    sheds: bool = False
    drill: bool = False
    on_utility: bool = True

    @property
    def on_standby(self) -> bool:
        """Return whether the generator supplies the house, as far as known."""
        return self.sheds and not self.drill

    @property
    def occasion(self) -> str:
        """Return the word for the open record: "outage" or "drill"."""
        return "drill" if self.drill else "outage"
