"""Client ids of the controller, and how long it leaves the broker to another program with the same id."""

from __future__ import annotations

FIRST_WAIT_S, LONGEST_WAIT_S = 5.0, 60.0


class ClientIds:
    """Our client id, and a second one that no other program has.

    A program that connects with our id ends our connection, and we would end the other one's in turn. With the second
    id both stay connected, and can report each other. If the broker refuses the second id, our attempts become rare.
    """

    def __init__(self, site: str, instance: str) -> None:
        self._first = self.current = f"loadshed-{site}"
        self._second = f"{self._first}-{instance}"
        self._second_refused = False
        self._wait_s = 0.0

    @property
    def wait_s(self) -> float:
        """Return the additional time to the next attempt in seconds."""
        return self._wait_s

    def taken_over(self) -> None:
        """Note that another program has connected with the current id."""
        if self._second_refused:
            self._wait_s = min(LONGEST_WAIT_S, 2 * self._wait_s or FIRST_WAIT_S)
        self.current = self._first if self._second_refused else self._second

    def refused(self) -> None:
        """Note that the broker has refused the connection: perhaps because of the second id."""
        if self.current == self._second:
            self._second_refused, self.current = True, self._first
            self._wait_s = FIRST_WAIT_S
