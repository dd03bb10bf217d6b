"""Several ways to the broker: dead addresses beside working ones, and resolvers that are slow or hang."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from hw.broker_addresses import Address, BrokerAddresses, first_connected
from hw.broker_socket import Broker, BrokerError
from hw.mqtt import MqttConnection
from tests.mosquitto import HOST, free_port
from tests.scripted_broker import ScriptedBroker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = "broker.example"
SOON_S = 10.0


def at(port: int, host: str = HOST) -> Address:
    """Return an address of loopback."""
    return socket.AF_INET, (host, port)


@contextmanager
def swallowing() -> Iterator[Address]:
    """Yield an address that answers nothing: its queue of connections is full, and the kernel drops what comes."""
    with ExitStack() as held:
        door = held.enter_context(socket.create_server((HOST, 0), backlog=0))
        for _ in range(4):
            caller = held.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(door.getsockname())
        yield at(door.getsockname()[1])


@contextmanager
def silent() -> Iterator[Address]:
    """Yield an address that accepts connections and sends nothing."""
    with socket.create_server((HOST, 0)) as door:
        yield at(door.getsockname()[1])


def resolves_to(*addresses: Address) -> BrokerAddresses:
    """Return the ways to a broker whose name has these addresses, in this order."""
    return BrokerAddresses(NAME, 1883, resolver=lambda _host, _port: [*addresses])


def opened(broker: ScriptedBroker, ways: BrokerAddresses) -> float:
    """Return the seconds that a connection by these ways takes."""

    async def story() -> None:
        async with asyncio.timeout(3 * SOON_S):
            link = await MqttConnection.open(Broker(NAME, broker.port), "curious", addresses=ways)
        await link.close()

    began = time.monotonic()
    asyncio.run(story())
    return time.monotonic() - began


def test_a_dead_first_address_does_not_delay_the_second() -> None:
    """An IPv6 address that swallows everything, beside an IPv4 address that works."""
    with ScriptedBroker() as broker, swallowing() as dead:
        assert opened(broker, resolves_to(dead, at(broker.port))) < 1.5


def test_several_dead_addresses_do_not_prevent_a_connection() -> None:
    """Each has its own time."""
    with ScriptedBroker() as broker, swallowing() as one, swallowing() as two, swallowing() as three:
        assert opened(broker, resolves_to(one, two, three, at(broker.port))) < 3.0


def test_a_refused_address_is_followed_by_the_next_at_once() -> None:
    """Without the time for an answer."""
    with ScriptedBroker() as broker:
        refused = [at(free_port()) for _ in range(5)]
        assert opened(broker, resolves_to(*refused, at(broker.port))) < 1.0


def test_an_address_that_accepts_and_is_silent_is_followed_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another machine has the old address of the broker by now."""
    monkeypatch.setattr("hw.mqtt.ACCEPT_S", 0.3)
    with ScriptedBroker() as broker, silent() as other:
        assert opened(broker, resolves_to(other, at(broker.port))) < 3.0


def test_the_families_are_tried_in_turn() -> None:
    """Two dead IPv6 addresses do not stand before the first IPv4 address."""
    six: list[Address] = [(socket.AF_INET6, (f"::{number}", 1, 0, 0)) for number in (2, 3)]
    four = [at(1), at(2)]
    found = asyncio.run(resolves_to(*six, *four).find())
    assert found == [six[0], four[0], six[1], four[1]]


def test_what_all_addresses_answer_is_reported_by_the_most_telling_one() -> None:
    """That no program listens is more than that nothing answers."""

    async def story(addresses: list[Address]) -> None:
        await first_connected(addresses)

    with swallowing() as dead, pytest.raises(ConnectionRefusedError):
        asyncio.run(story([dead, at(free_port())]))
    with swallowing() as dead, pytest.raises(TimeoutError):
        asyncio.run(story([dead, dead]))


# --- the resolver ----------------------------------------------------------------------------------------------------


class Resolver:
    """A resolver that answers when it is let, and counts how often it was asked."""

    def __init__(self, *answers: Callable[[], list[Address]]) -> None:
        self._answers = [*answers]
        self.asked = 0
        self.release = threading.Event()

    def __call__(self, _host: str, _port: int) -> list[Address]:
        self.asked += 1
        if self._answers:
            return self._answers.pop(0)()
        self.release.wait(SOON_S)
        return [at(1)]


def fails() -> list[Address]:
    """Answer as a resolver without a network."""
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


async def found(ways: BrokerAddresses) -> list[Address] | str:
    """Return the addresses, or the error."""
    try:
        return await ways.find()
    except OSError as error:
        return str(error)


def test_an_answer_that_comes_late_serves_a_later_attempt() -> None:
    """A resolver asks its second server after five seconds, longer than an attempt takes."""

    async def story() -> None:
        resolver = Resolver()
        ways = BrokerAddresses(NAME, 1883, wait_s=0.1, resolver=resolver)
        assert "no answer" in str(await found(ways))
        resolver.release.set()
        assert await found(ways) == [at(1)]

    asyncio.run(story())


def test_a_new_lookup_is_answered_while_an_older_one_hangs() -> None:
    """The first was sent before there was a network. Not more than a few hang at the same time."""

    async def story() -> None:
        hanging = threading.Event()

        def hangs() -> list[Address]:
            hanging.wait(SOON_S)
            return [at(2)]

        resolver = Resolver(hangs, hangs, lambda: [at(3)])
        ways = BrokerAddresses(NAME, 1883, wait_s=0.1, resolver=resolver)
        assert "no answer" in str(await found(ways))
        assert "no answer" in str(await found(ways))
        assert await found(ways) == [at(3)]
        hanging.set()

    asyncio.run(story())


def test_no_more_than_a_few_lookups_hang() -> None:
    """Each is a thread."""

    async def story() -> int:
        resolver = Resolver()
        ways = BrokerAddresses(NAME, 1883, wait_s=0.01, resolver=resolver)
        for _ in range(20):
            assert "no answer" in str(await found(ways))
        resolver.release.set()
        return resolver.asked

    assert asyncio.run(story()) == 4


def test_the_last_answer_is_used_when_the_resolver_fails_or_hangs() -> None:
    """The internet, and with it the resolver, is gone in an outage; the broker is not."""

    async def story() -> None:
        resolver = Resolver(lambda: [at(7)], fails)
        ways = BrokerAddresses(NAME, 1883, wait_s=0.1, resolver=resolver)
        assert await found(ways) == [at(7)]
        assert await found(ways) == [at(7)]
        assert await found(ways) == [at(7)]
        assert resolver.asked == 3
        resolver.release.set()

    asyncio.run(story())


def test_the_address_of_an_earlier_run_is_used_when_the_resolver_fails_or_hangs() -> None:
    """A cold start in an outage; a word that is no address is no help."""

    async def story(*answers: Callable[[], list[Address]], saved: str = "127.0.0.9") -> list[Address] | str:
        resolver = Resolver(*answers)
        answer = await found(BrokerAddresses(NAME, 1883, wait_s=0.1, saved=saved, resolver=resolver))
        resolver.release.set()
        return answer

    assert asyncio.run(story()) == [at(1883, "127.0.0.9")]
    assert asyncio.run(story(fails)) == [at(1883, "127.0.0.9")]
    assert asyncio.run(story(lambda: [at(5)])) == [at(5)]
    assert "no answer" in str(asyncio.run(story(saved="broker.lan")))


def test_a_name_that_is_not_found_is_an_error_with_a_remedy() -> None:
    """Where it stands in the file."""

    async def story() -> None:
        await MqttConnection.open(
            Broker(NAME), "curious", addresses=BrokerAddresses(NAME, 1883, resolver=Resolver(fails))
        )

    with pytest.raises(BrokerError, match="write its address in"):
        asyncio.run(story())
