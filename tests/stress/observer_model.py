"""What the program can have known of the contact when it said something: no guess, and no allowance for slow machines.

A witness is sent behind each edge on the edge's own connection, and answered as soon as it is read. So whatever the
program says after an answer, in the broker's order, it says with all in mind that came before the question; and it
says it between the second at which the question was asked and the one at which we hear it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

NEVER = float("-inf")
LATER = float("inf")

EdgeWord = Literal["open", "closed", "offline"]


@dataclass(slots=True)
class Edge:
    """One word of the contact. `at`: it was not said before. `read_by`: the program had surely read it then.

    `recalled`: a connection began while it was the last word, so that it may have come as the broker's memory.
    """

    at: float
    word: EdgeWord
    read_by: float = LATER
    recalled: bool = False


@dataclass(frozen=True, slots=True)
class Witness:
    """A question. `at`: when it was asked. `edges`: how many had been said before. `heard`: likewise, messages."""

    at: float
    edges: int
    heard: int = 0


@dataclass(slots=True)
class Knowledge:
    """Follows edges, witnesses and connections. `settle_s`: as the installer's file says.

    `since`: what the program says next it says after this second. `heard`: it has surely read the messages before this
    number. `connected_from`: it has heard nothing of this connection earlier. `rounds`: how many questions it has
    answered, one after the other, since the last edge had surely settled.
    """

    settle_s: float
    edges: list[Edge] = field(default_factory=list)
    since: float = NEVER
    heard: int = 0
    connected_from: float = NEVER
    rounds: int = 0
    _witnesses: dict[int, Witness] = field(default_factory=dict)
    _last_answer_at: float = NEVER
    _base: int = 0  # the last edge when this connection began
    _first: int = 0  # a new program cannot know of edges before this one
    _new: bool = False  # a new program, which has surely read nothing yet
    _memory: bool = False  # a new broker: what it has retained is unknown
    _read: int | None = None  # the last edge surely read in this connection

    # --- what happens ------------------------------------------------------------------------------------------------

    def edge(self, word: EdgeWord, at: float) -> bool:
        """Record what the contact's device is about to publish; return whether a new shed begins with it."""
        last = self.edges[-1] if self.edges else None
        if last is not None and last.word == word:
            return False
        # Who connects only now hears it as the broker's memory.
        self.edges.append(Edge(at, word, recalled=self._read is None))
        self.rounds = 0
        return word == "open" and (last is None or (last.word == "closed" and at > last.read_by + self.settle_s))

    def asked(self, number: int, at: float) -> None:
        """Record that a probe is about to be sent."""
        self._witnesses[number] = Witness(at, len(self.edges))

    def passed_on(self, number: int, heard: int) -> None:
        """Record that the broker has passed a probe on, behind this number of messages."""
        if (witness := self._witnesses.get(number)) is not None:
            self._witnesses[number] = Witness(witness.at, witness.edges, heard)

    def answered(self, number: int, at: float) -> None:
        """Take the answer to a witness."""
        if (witness := self._witnesses.pop(number, None)) is None:
            return
        self.since, self.heard = max(self.since, witness.at), max(self.heard, witness.heard)
        for edge in self.edges[: witness.edges]:
            edge.read_by = min(edge.read_by, at)
        if witness.edges:
            self._read, self._new, self._memory = witness.edges - 1, False, False
            settled_by = self.edges[witness.edges - 1].read_by + self.settle_s
            if witness.edges == len(self.edges) and witness.at > max(settled_by, self._last_answer_at):
                self.rounds += 1
        self._last_answer_at = at

    def connection_began(self, at: float, *, new_program: bool = False, new_broker: bool = False) -> None:
        """Record that the program's connection is a new one, begun no earlier than `at`."""
        self._read, self.rounds, self.heard = None, 0, 0
        self._witnesses.clear()
        if new_program or new_broker:
            self.connected_from = max(self.connected_from, at)
        # The broker remembers the last position too of a device that is offline, and a program hears it first.
        positions = [number for number, edge in enumerate(self.edges) if edge.word != "offline"]
        self._base = positions[-1] if positions else 0
        if new_program:
            self._new, self._first = True, self._base
        self._memory = self._memory or new_broker
        for edge in self.edges[self._base :]:
            edge.read_by, edge.recalled = LATER, True

    @property
    def moved(self) -> bool:
        """Return whether the last word of the contact is another position than the one before, losses apart."""
        positions = [edge.word for edge in self.edges if edge.word != "offline"]
        return self.edges[-1].word != "offline" and positions[-2:-1] != positions[-1:]

    # --- what can be said of it --------------------------------------------------------------------------------------

    @property
    def _possible(self) -> int:
        """Return the number of the first edge that may be the last the program has read."""
        return self._base if self._read is None else self._read

    def may_be_stable(self, by: float, stable_s: float) -> bool:
        """Return whether the program can have found utility uninterrupted for this time by then."""
        if self._memory and by - self.connected_from >= stable_s:
            return True
        return any(
            edge.word == "closed" and by - max(edge.at, self.connected_from) >= stable_s
            for edge in self.edges[self._possible :]
        )

    def may_shed(self, by: float) -> bool:
        """Return whether the program can have had a reason to switch off, by its messages between `since` and `by`."""
        if self._memory or (self._read is None and not self._new):
            return True  # tries under way go on while nothing is known
        for number in range(len(self.edges) - 1, self._first - 1, -1):
            edge = self.edges[number]
            following = self.edges[number + 1] if number + 1 < len(self.edges) else None
            if edge.word == "open" and self._may_settle(edge, following, by):
                return True
            if edge.word == "closed" and self._has_settled(edge, following):
                return False
        return False

    def _may_settle(self, edge: Edge, following: Edge | None, by: float) -> bool:
        """Return whether an opening can have held long enough; a retained one counts at once."""
        if edge.recalled:
            return True
        if following is not None and following.word == "closed" and following.read_by - edge.at < self.settle_s:
            return False
        return by - edge.at >= self.settle_s

    def _has_settled(self, edge: Edge, following: Edge | None) -> bool:
        """Return whether a closing has surely counted before the program's message."""
        settled_by = edge.read_by + self.settle_s
        return settled_by < self.since and (following is None or following.at > settled_by)
