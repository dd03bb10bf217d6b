"""Other controllers of the same site on the same broker: most often a copied SD card."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from controller.bus.messages import ControllerId, Rejection, shown

if TYPE_CHECKING:
    from controller.bus.messages import IncomingMessage

SEEN_FOR_S = 30.0
"""Time in seconds for which another controller counts as running after its last message: several of its intervals."""

TAKEN_OVER_FOR_S = 600.0
"""Time in seconds for which another controller is assumed after the broker has given our connection to its client id.

Such a program may be old, and publish nothing that identifies it.
"""

MAX_SHOWN = 40


class ControllerSeen(NamedTuple):
    """A controller has published that it is alive. `on_standby`: by its contact."""

    controller: ControllerId
    on_standby: bool


class Rivals:
    """Other controllers. `instance`: our own. Times are monotonic seconds."""

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._seen: dict[ControllerId, tuple[float, bool]] = {}
        self._taken_over_at: float | None = None

    def seen(self, message: ControllerSeen, at: float) -> bool:
        """Note a message; return whether it changes something. Our own messages come back, too."""
        if message.controller.instance == self._instance:
            return False
        self._taken_over_at = None  # it is known by name now
        before = self._seen.get(message.controller)
        self._seen[message.controller] = (at, message.on_standby)
        return before is None or before[1] != message.on_standby

    def taken_over(self, at: float) -> None:
        """Note that another program connected with our client id."""
        self._taken_over_at = at

    def detail(self, own: ControllerId, now: float) -> str | None:
        """Return which controllers run, in the same words as the others do; None: there is no other."""
        self._seen = {who: seen for who, seen in self._seen.items() if now - seen[0] < SEEN_FOR_S}
        if self._seen:
            return " and ".join(sorted(_name(who) for who in (own, *self._seen)))
        if self._taken_over_at is not None and now - self._taken_over_at < TAKEN_OVER_FOR_S:
            return f"{_name(own)} and another program with its client id"
        return None

    def on_standby(self, now: float) -> bool:
        """Return whether another controller reports standby."""
        return any(on_standby and now - at < SEEN_FOR_S for at, on_standby in self._seen.values())


def parse_alive(message: IncomingMessage) -> ControllerSeen | Rejection | None:
    """Return the controller of a message on `controller/alive`; None: a retained message, which shows nothing."""
    if message.retained:
        return None
    try:
        fields = json.loads(message.payload)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or not isinstance(fields.get("instance"), str):
        return Rejection(f"the controller's sign of life must have an instance, not {shown(message.payload)}")
    names = (str(fields.get(name, ""))[:MAX_SHOWN] for name in ControllerId._fields)
    return ControllerSeen(ControllerId(*names), fields.get("on_standby") is True)


def _name(controller: ControllerId) -> str:
    return f"{controller.host or 'unknown'} at {controller.address or 'unknown'} (instance {controller.instance})"
