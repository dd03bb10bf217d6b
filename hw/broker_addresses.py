"""Ways to the broker: the addresses of its name, and connections to all of them side by side.

A name may have a dead address beside a working one (RFC 8305), and a resolver may hang. Neither delays a working way.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from hw import tcp_options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# One address. A booting router answers nothing at first: a new attempt every 2 s succeeds sooner than TCP's own
# doubling.
REACH_S = 2.0
NEXT_ADDRESS_S = 0.25
"""Time in seconds after which the next address is tried as well (RFC 8305, 5)."""
MAX_ADDRESSES = 8
MAX_LOOKUPS = 4
"""Maximum number of lookups at the same time. A new one may be answered while an older one hangs."""
KNOWN_S = 0.5
"""Time for a lookup, in seconds, if an address is known from before."""

Address = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]


def look_up(host: str | bytes, port: int, flags: int = 0) -> list[Address]:
    """Return the addresses of a host, from the system's resolver. Raises OSError, UnicodeError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [(family, address) for family, _, _, _, address in found]


def is_numeric(host: str) -> bool:
    """Return whether a host is a numeric address, which needs no resolver."""
    try:
        look_up(host.encode(), 0, socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return False
    return True


class BrokerAddresses:
    """Finds the addresses of one broker, over all attempts to connect.

    A lookup runs in a daemon thread and is never waited for longer than `wait_s`. An answer that comes later serves the
    next attempt. If there is none, the addresses of the last answer are used, or `saved`: a numeric address that worked
    in an earlier run of the program. `connected`: the address of the last connection.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        wait_s: float = REACH_S,
        saved: str | None = None,
        resolver: Callable[[str, int], list[Address]] = look_up,
    ) -> None:
        self._host, self._port = host, port
        self._wait_s = wait_s
        self._saved = saved
        self._resolver = resolver
        self._running = 0
        self._news = asyncio.Event()
        self._answer: list[Address] | OSError | None = None  # not used yet
        self._known: list[Address] = []
        self.connected: Address | None = None
        self._silent: list[Address] = []

    @property
    def worked(self) -> str | None:
        """Return the numeric address of the last connection, if the host is a name; None: there is nothing to save."""
        return str(self.connected[1][0]) if self.connected is not None and self._known else None

    async def find(self) -> list[Address]:
        """Return the addresses, in the order in which to try them. Raises OSError."""
        try:
            # A numeric address needs no resolver and no thread at a start; given as bytes, it needs no codec for names.
            return look_up(self._host.encode(), self._port, socket.AI_NUMERICHOST)
        except socket.gaierror:
            found = await self._resolved()
        in_turn = _families_in_turn(found)
        self._silent = [one for one in self._silent if one in in_turn]
        return sorted(in_turn, key=lambda one: one in self._silent)[:MAX_ADDRESSES]

    def another(self) -> bool:
        """Note that the connection was useless; return whether there is an address that was not noted yet.

        Noted addresses are tried last. When all are noted, they are all tried again.
        """
        if self.connected is not None:
            self._silent.append(self.connected)
        if all(one in self._silent for one in self._known):
            self._silent.clear()
            return False
        return True

    async def _resolved(self) -> list[Address]:
        fallback = self._known or self._from_earlier_run()
        wait_s = min(self._wait_s, KNOWN_S) if fallback else self._wait_s
        if not isinstance(self._answer, list):
            self._answer = None
            if self._running < MAX_LOOKUPS:
                self._look_up()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._answered()
        answer, self._answer = self._answer, None
        if isinstance(answer, list):
            self._known = answer
        elif fallback:
            return fallback
        elif answer is None:
            raise OSError(f"no answer within {self._wait_s:g} s")
        else:
            raise answer
        return answer

    async def _answered(self) -> None:
        """Return when there is an answer; an error counts once no other lookup runs."""
        while self._answer is None or (isinstance(self._answer, OSError) and self._running):
            self._news.clear()
            await self._news.wait()

    def _from_earlier_run(self) -> list[Address]:
        if self._saved is None:
            return []
        with contextlib.suppress(OSError, UnicodeError):
            return look_up(self._saved.encode(), self._port, socket.AI_NUMERICHOST)
        return []

    def _look_up(self) -> None:
        """Query the resolver in a daemon thread: without a router it may hang for half a minute."""
        loop = asyncio.get_running_loop()

        def settle(answer: list[Address] | OSError) -> None:
            self._running -= 1
            if not isinstance(self._answer, list):
                self._answer = answer
            self._news.set()

        def ask() -> None:
            try:
                answer: list[Address] | OSError = self._resolver(self._host, self._port)
            except OSError as error:
                answer = error
            except UnicodeError as error:  # not a host name: an empty label, or one that is too long
                answer = OSError(str(error))
            with contextlib.suppress(RuntimeError):  # the loop ended in the meantime
                loop.call_soon_threadsafe(settle, answer)

        self._running += 1
        threading.Thread(target=ask, name="resolver", daemon=True).start()


async def first_connected(addresses: Sequence[Address]) -> tuple[socket.socket, Address]:
    """Return a non-blocking socket that is connected to one of these addresses, and the address. Raises OSError.

    The next address is tried when one has failed, or has not answered for a moment; all attempts go on side by side.
    """
    if len(addresses) == 1:
        return await _dialled(addresses[0])
    waiting: set[asyncio.Task[tuple[socket.socket, Address]]] = set()
    left, failures = [*addresses], []
    try:
        while left or waiting:
            if left:
                waiting.add(asyncio.create_task(_dialled(left.pop(0))))
            patience_s = NEXT_ADDRESS_S if left else None
            done, waiting = await asyncio.wait(waiting, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
            connected = [task.result() for task in done if task.exception() is None]
            failures += [error for task in done if isinstance(error := task.exception(), OSError)]
            for sock, _ in connected[1:]:
                sock.close()
            if connected:
                return connected[0]
    finally:
        await _given_up(waiting)
    raise min(failures, key=lambda error: not isinstance(error, ConnectionRefusedError), default=OSError("no address"))


async def _given_up(tasks: set[asyncio.Task[tuple[socket.socket, Address]]]) -> None:
    """Cancel attempts, and close those that succeeded in the same moment."""
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, tuple):
            result[0].close()


async def _dialled(where: Address) -> tuple[socket.socket, Address]:
    family, address = where
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        async with asyncio.timeout(REACH_S):
            await asyncio.get_running_loop().sock_connect(sock, address)
    except (OSError, asyncio.CancelledError):
        sock.close()
        raise
    tcp_options.for_commands(sock)
    return sock, where


def _families_in_turn(addresses: list[Address]) -> list[Address]:
    """Return addresses with the families alternating: often only one family is dead."""
    first = [one for one in addresses if one[0] == addresses[0][0]]
    second = [one for one in addresses if one[0] != addresses[0][0]]
    return [one for one in chain.from_iterable(zip_longest(first, second)) if one is not None]
