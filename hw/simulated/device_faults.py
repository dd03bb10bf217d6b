"""Faults of simulated MQTT devices, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class DeviceFaults:
    """Peculiarities of a device. Some are how a family works as shipped: see `FACTORY_FAULTS` of each family.

    Messages:
    `echoes_before_switching`: publishes the commanded state before the relay moves, or although it does not.
    `remembers`: publishes cached states as if they were live.
    `silent_after_broker`: publishes no state after a reconnection.
    `answers_only_changes`: a command that changes nothing brings no state message.
    `false_watts`: reports 0 W when its last reported state is OFF.
    `missing_state_key`: spontaneous messages lack the state.
    `partial_notices`: a notice has only the members that changed.
    `two_formats`: publishes JSON and plain words on one topic (Tasmota SetOption4).
    `repeats_messages`: publishes each state message three times.
    `splits_trip`: order of the two messages of a trip; "": as the family does it.
    `keeps_online`: its availability is not retracted when it is lost.
    `unretained_online`: its availability is not retained.
    `never_announces`: does not announce a reboot.

    Switching:
    `stuck`: acknowledges a command and does not move.
    `welded`: the relay moves and is reported; a closed contact stays closed and the load stays on.
    `mute`: moves and publishes no state.
    `unreachable`: receives nothing and publishes nothing; its connection stays open.
    `slow_s`: additional seconds between command and movement.
    `wakes_on`: is on when its power returns, whatever its power-on setting is.
    `recloses_s`: switches on by itself this number of seconds after a trip; 0: never.
    `locked`: ignores commands without a message.

    Queries and the broker:
    `cannot_be_queried`: its state cannot be read.
    `retained_set`: word of a retained command that an earlier program left on its command topic; "": none.
    """

    echoes_before_switching: bool = False
    remembers: bool = False
    silent_after_broker: bool = False
    answers_only_changes: bool = False
    false_watts: bool = False
    missing_state_key: bool = False
    partial_notices: bool = False
    two_formats: bool = False
    repeats_messages: bool = False
    splits_trip: Literal["", "word-first", "state-first"] = ""
    keeps_online: bool = False
    unretained_online: bool = False
    never_announces: bool = False
    stuck: bool = False
    welded: bool = False
    mute: bool = False
    unreachable: bool = False
    slow_s: float = 0.0
    wakes_on: bool = False
    recloses_s: float = 0.0
    locked: bool = False
    cannot_be_queried: bool = False
    retained_set: Literal["", "ON", "OFF"] = ""


PHYSICAL_FAULTS = frozenset({"stuck", "mute", "unreachable", "slow_s", "wakes_on", "retained_set"})
"""Faults that a device of any family can have."""


def wrong_faults(faults: DeviceFaults, possible: frozenset[str]) -> list[str]:
    """Return the names of the faults that are set and that are not among the possible ones."""
    plain = DeviceFaults()
    names = DeviceFaults.__dataclass_fields__
    return [name for name in names if getattr(faults, name) != getattr(plain, name) and name not in possible]
