"""Judges a recorder's log of a real house: every command, in the broker's order, against what must never happen.

It knows only what was said on the bus, and when it came; processes and networks take their time, hence the slack.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.system.on_bus import CONTACT, RECONNECTED, WENT_ON

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from tests.system.house import Timing
    from tests.system.on_bus import Said

# A word may be under way while another is said; so may the reader be late on a machine with other work.
UNDER_WAY_S = 0.4
LATE_S = 0.15
NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds in one outage. `may`: circuits the rules may command. `off_before`: those that stay off."""

    timing: Timing
    may: AbstractSet[str]
    off_before: AbstractSet[str]


@dataclass
class Judge:
    """Reads on where it stopped. `wrong`: sentences. `checked`: commands seen so far."""

    wrong: list[str] = field(default_factory=list)
    checked: int = 0
    _open: bool | None = None
    _since: float = NEVER
    _went_on: float = NEVER
    _last_on: float = NEVER
    _last: dict[str, tuple[str, float]] = field(default_factory=dict)
    _tripped: set[str] = field(default_factory=set)
    _unless_new: list[tuple[float, str]] = field(default_factory=list)

    def read(self, said: Iterable[Said], rules: Rules) -> None:
        """Take what was said since the last time."""
        for one in said:
            self._take(one, rules)
        self._stand(None)

    def _take(self, one: Said, rules: Rules) -> None:
        if one.topic == RECONNECTED:
            self._open, self._since = None, one.at
            self._last.clear()
            return
        if one.topic == WENT_ON:
            self._went_on = one.at
            return
        if one.topic == CONTACT and one.payload:
            self._contact(one)
            return
        match one.topic.split("/")[2:]:
            case ["controller", "availability"]:
                self._last.clear()
                self._stand(one.at)
            case ["breakers", circuit, "availability"]:
                self._last.pop(circuit, None)
            case ["breakers", circuit, "state"]:
                (self._tripped.add if one.payload == b"TRIPPED" else self._tripped.discard)(circuit)
            case ["breakers", circuit, "set"]:
                self.checked += 1
                self._command(circuit, one.payload.decode(), one.at, rules)

    def _contact(self, one: Said) -> None:
        is_open = one.payload == b"open"
        if is_open is not self._open:
            self._open, self._since = is_open, one.at
            self._last.clear()

    def _command(self, circuit: str, word: str, at: float, rules: Rules) -> None:
        if circuit not in rules.may:
            self._say(f"{word} to {circuit}, which may not be commanded")
        (self._on if word == "ON" else self._off)(circuit, at, rules)
        last_word, last_at = self._last.get(circuit, ("", NEVER))
        if word == last_word and at - last_at < rules.timing.confirm_s - LATE_S:
            self._say(f"{word} to {circuit} again after {at - last_at:.3f} s")
        self._last[circuit] = (word, at)

    def _on(self, circuit: str, at: float, rules: Rules) -> None:
        held_s = at - self._since
        if circuit in rules.off_before:
            self._say(f"ON to {circuit}, which was off before")
        if circuit in self._tripped:
            self._say(f"ON to {circuit}, which has tripped")
        if self._open and held_s > UNDER_WAY_S:
            self._say(f"ON to {circuit}, {held_s:.3f} s after the contact opened")
        if self._open is False and held_s < rules.timing.utility_stable_s - LATE_S:
            self._say(f"ON to {circuit}, {held_s:.3f} s after the contact closed")
        if at - self._last_on < rules.timing.stagger_s - LATE_S:
            self._say(f"ON to {circuit}, {at - self._last_on:.3f} s after the last")
        self._last_on = at

    def _off(self, circuit: str, at: float, _rules: Rules) -> None:
        # An edge that was read late must still settle.
        if self._open is False and at - max(self._since, self._went_on) > UNDER_WAY_S:
            self._unless_new.append((at, f"OFF to {circuit}, {at - self._since:.3f} s after the contact closed"))

    def _stand(self, connected_at: float | None) -> None:
        """Let stand what was held against OFFs, save those just before the program said that it had connected.

        Its first commands leave before it says so, and before it can have heard of the contact: what was under way to
        be switched off while the source is unknown is tried on.
        """
        for at, sentence in self._unless_new:
            if connected_at is None or connected_at - at > UNDER_WAY_S:
                self._say(sentence)
        self._unless_new.clear()

    def _say(self, sentence: str) -> None:
        self.wrong.append(sentence)
