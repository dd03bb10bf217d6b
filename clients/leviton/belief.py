"""What is known of one breaker on the present connection to the cloud, and how well.

REST is a cache of the cloud, and one wrong answer of it occurs. Push is the present. So a position of REST that differs
from the known one counts only when a second, later reading agrees; and `off` counts only if the hub has reported since
this connection began. Our own command, its echo and the cloud's 200 change nothing here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from clients.leviton.breaker_words import STATE_FIELDS, is_out_of_reach, position_of
from rules.panel import Position

if TYPE_CHECKING:
    from collections.abc import Mapping

FRESH_AFTER_S = 10.0
"""Time in seconds after the first sign of life of a hub after which the cloud's cache has its reports.

The hub reports within seconds after `bandwidth` 1; the rest is a margin.
"""

AGREE_AFTER_S = 3.0
"""Time in seconds between two readings that must agree."""

AFTER_ON_S = 10.0
"""Time in seconds after an ON of ours in which a pushed `off` may be older than the ON."""


class BeliefChange(NamedTuple):
    """What a message has changed. `report`: a position that the breaker has reported, perhaps the same as before.

    None: none. `ask_again`: a second reading is needed.
    """

    report: Position | None = None
    ask_again: bool = False


@dataclass(slots=True)
class _Known:
    value: object
    pushed_at: float | None


@dataclass(slots=True)
class BreakerBelief:
    """One breaker. `position`: None: not known on this connection. `power_w`: pushed, None: not known.

    `read_power_w`: the last power above zero that REST has shown; None: none.

    `poles`, `remote`: see `position_of`. All times in monotonic seconds.
    """

    poles: int = 1
    remote: bool = True
    position: Position | None = None
    out_of_reach: bool = False
    power_w: float | None = None
    power_at: float | None = None
    read_power_w: float | None = None
    _fields: dict[str, _Known] = field(default_factory=dict)
    _power: dict[str, float] = field(default_factory=dict)
    _alive_at: float | None = None
    _doubt: tuple[Position | None, float] | None = None
    _on_sent_at: float | None = None

    def forget(self) -> None:
        """Forget what an earlier connection has reported."""
        self._fields.clear()
        self._power.clear()
        self.position = self.power_w = self.power_at = self.read_power_w = self._alive_at = self._doubt = None
        self.out_of_reach = False

    def words(self) -> dict[str, object]:
        """Return the cloud's own words, for people."""
        return {name: known.value for name, known in self._fields.items()}

    def command_sent(self, at: float, *, on: bool) -> None:
        """Note a command: what follows may be older than it."""
        self._doubt = None
        if on:
            self._on_sent_at = at

    def alive(self, at: float) -> None:
        """Note a sign of life of this breaker."""
        if self._alive_at is None:
            self._alive_at = at

    def pushed(self, data: Mapping[str, object], at: float) -> BeliefChange:
        """Process a notification: members that have changed."""
        self.alive(at)
        self._measure(data, at)
        news = {name: data[name] for name in STATE_FIELDS if data.get(name) is not None}
        if not news:
            return BeliefChange()
        merged = {**self.words(), **news}
        off = position_of(merged, poles=self.poles, remote=self.remote) is Position.OFF
        if off and self._on_sent_at is not None and at - self._on_sent_at < AFTER_ON_S:
            return BeliefChange(ask_again=True)
        for name, value in news.items():
            self._fields[name] = _Known(value, at)
        self._doubt = None
        return BeliefChange(self._settle())

    def read(
        self,
        data: Mapping[str, object],
        requested_at: float,
        hub_alive_at: float | None,
        *,
        awaited: Position | None = None,
    ) -> BeliefChange:
        """Process an answer of REST to a request of `requested_at`.

        `hub_alive_at`: first sign of life of its hub on this connection; None: none yet. `awaited`: position that an
        accepted command of ours wants.
        """
        self.read_power_w = power_of(data) or self.read_power_w
        merged = dict(self.words())
        for name in STATE_FIELDS:
            known = self._fields.get(name)
            is_newer = known is not None and known.pushed_at is not None and known.pushed_at >= requested_at
            if data.get(name) is not None and not is_newer:
                merged[name] = data[name]
        position = None if is_out_of_reach(merged) else position_of(merged, poles=self.poles, remote=self.remote)
        if position is Position.OFF and not self._is_fresh(requested_at, hub_alive_at):
            return BeliefChange(ask_again=True)
        if self.position is not None and position not in (self.position, awaited):
            if self._doubt is None or self._doubt[0] is not position:
                self._doubt = position, requested_at
                return BeliefChange(ask_again=True)
            if requested_at - self._doubt[1] < AGREE_AFTER_S:
                return BeliefChange(ask_again=True)
        self._doubt = None
        for name, value in merged.items():
            if name not in self._fields or self._fields[name].value != value:
                self._fields[name] = _Known(value, None)
        return BeliefChange(self._settle())

    def _is_fresh(self, requested_at: float, hub_alive_at: float | None) -> bool:
        if self._alive_at is not None and requested_at - self._alive_at >= FRESH_AFTER_S:
            return True
        return hub_alive_at is not None and requested_at - hub_alive_at >= FRESH_AFTER_S

    def _settle(self) -> Position | None:
        words = self.words()
        self.out_of_reach = is_out_of_reach(words)
        position = position_of(words, poles=self.poles, remote=self.remote)
        if position is not None:
            self.position = position
        return position

    def _measure(self, data: Mapping[str, object], at: float) -> None:
        """Add up the power of both poles. Only push is measured now: REST has zeros that mean nothing."""
        for name in ("power", "power2"):
            value = data.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                self._power[name] = abs(float(value))
        if "power" in self._power and {"power", "power2"} & data.keys():
            self.power_w, self.power_at = sum(self._power.values()), at


def power_of(data: Mapping[str, object]) -> float:
    """Return the power in W that an answer of REST shows, both poles together. Zero means nothing there."""
    watts = (data.get(name) for name in ("power", "power2"))
    return sum(abs(float(one)) for one in watts if isinstance(one, int | float) and not isinstance(one, bool))
