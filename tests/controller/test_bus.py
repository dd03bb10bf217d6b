"""The bus against a real Mosquitto on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import subprocess
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeVar

import pytest

from controller.bus import Allowance, Bus
from controller.commands.ask import ask
from controller.effects import Answer, SwitchOff
from controller.events import Asked, BreakerReported, BusConnected, BusLost, ContactAlive, ContactChanged
from controller.topics import ContactTopics, Publication, Topics
from hw.dial import Broker, BrokerError, dial
from hw.mqtt import Link
from rules.panel import CircuitId, Position
from tests.mosquitto import Mosquitto, held_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from controller.events import Event
    from hw.mqtt import Heard

T = TypeVar("T")

HOT_TUB = CircuitId("hot-tub")
CIRCUITS = tuple(CircuitId(f"c{n}") for n in range(40))
TOPICS = Topics("home", {HOT_TUB, *CIRCUITS}, ContactTopics("ats/contact", "ats/status"))
SOON_S = 10.0
CONNACK = bytes((0x20, 3, 0, 0, 0))  # MQTT v5, 3.2: accepted, no session, no properties


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """Run a broker for one test."""
    with Mosquitto(tmp_path) as running:
        yield running


class Listener:
    """A bus whose events are kept, and waited for by name. `do`: what the engine would do about each."""

    def __init__(self, broker: Broker, topics: Topics = TOPICS) -> None:
        self.bus = Bus(broker, topics, self._hear, time.monotonic)
        self.do: Callable[[Event], None] = lambda _event: None
        self.events: list[Event] = []
        self._news = asyncio.Event()

    def _hear(self, event: Event) -> None:
        self.events.append(event)
        self.do(event)
        self._news.set()

    async def ready(self) -> None:
        """Return when the broker has taken our subscriptions: a word of our own comes back."""
        await self.until(BusConnected)
        self.bus.publish(Publication("ats/status", b"online"))
        await self.until(ContactAlive)

    async def until(self, kind: type[T], count: int = 1) -> T:
        """Return the so-manieth event of a kind, when it has come."""
        async with asyncio.timeout(SOON_S):
            while len(found := [event for event in self.events if isinstance(event, kind)]) < count:
                self._news.clear()
                await self._news.wait()
        return found[count - 1]


@contextlib.asynccontextmanager
async def listening(broker: Broker, topics: Topics = TOPICS) -> AsyncIterator[Listener]:
    """Run a bus, connected or not."""
    listener = Listener(broker, topics)
    task = asyncio.create_task(listener.bus.run())
    try:
        yield listener
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class World:
    """Another client of the broker: it publishes, and keeps what it hears."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.heard: list[Heard] = []

    def say(self, topic: str, payload: bytes, *, retain: bool = False, response_topic: str | None = None) -> None:
        self.link.publish(topic, payload, retain=retain, response_topic=response_topic)
        self.link.flush()

    async def until(self, enough: Callable[[list[Heard]], bool]) -> list[Heard]:
        async with asyncio.timeout(SOON_S):
            while not enough(self.heard):
                await self.link.wait()
                self.heard += self.link.read()
        return self.heard


@contextlib.asynccontextmanager
async def world(broker: Broker, *filters: str) -> AsyncIterator[World]:
    """Be another client, subscribed to these."""
    name = f"world-{time.monotonic_ns()}"
    link = await Link.open(broker, name)
    other = World(link)
    link.subscribe((*filters, name))
    other.say(name, b"")  # its return shows that the broker has taken the subscriptions
    try:
        await other.until(lambda heard: any(one.topic == name for one in heard))
        other.heard.clear()
        yield other
    finally:
        await link.close()


def run(story: Awaitable[T]) -> T:
    """Return how a story ends."""

    async def tell() -> T:
        return await story

    return asyncio.run(tell())


def sets(heard: list[Heard]) -> list[Heard]:
    """Return the commands among what was heard."""
    return [one for one in heard if one.topic.endswith("/set")]


def settled(heard: list[Heard]) -> bool:
    """Return whether the last word of a story was heard: whatever was under way before it has come."""
    return any(one.topic == "settled" for one in heard)


# --- commands --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_forty_commands_at_connecting_arrive_in_order_and_unretained(
    mosquitto: Mosquitto, version: Literal["5", "3.1.1"]
) -> None:
    """They go out with the connection, in one go, though the broker says it takes twenty at a time."""

    async def story() -> list[Heard]:
        broker = replace(mosquitto.broker, version=version)
        listener = Listener(broker)
        listener.do = lambda event: shed(listener.bus, event)
        async with world(mosquitto.broker, "loadshed/home/breakers/+/set") as other:
            task = asyncio.create_task(listener.bus.run())
            heard = await other.until(lambda heard: len(heard) == len(CIRCUITS))
            task.cancel()
            await asyncio.wait([task])
            return heard

    def shed(bus: Bus, event: Event) -> None:
        if isinstance(event, BusConnected):
            for circuit in CIRCUITS:
                assert bus.publish(bus.topics.command(SwitchOff(circuit, 5)))

    heard = run(story())
    assert [one.topic.split("/")[3] for one in heard] == [*CIRCUITS]
    assert {one.payload for one in heard} == {b"OFF"}
    assert not any(one.retained for one in heard)


def test_all_forty_commands_are_sent_before_the_broker_answers_one(mosquitto: Mosquitto) -> None:
    """No waves: a broker that is slow to confirm holds none of them back."""

    async def story() -> int:
        async with listening(mosquitto.broker) as listener, world(mosquitto.broker, "#") as other:
            await listener.until(BusConnected)
            mosquitto.freeze()
            for circuit in CIRCUITS:
                listener.bus.publish(TOPICS.command(SwitchOff(circuit, 5)))
            listener.bus.flush()
            link = listener.bus._link
            assert link is not None
            unsent = link._client.want_write()
            mosquitto.thaw()
            await other.until(lambda heard: len(sets(heard)) == len(CIRCUITS))
            return int(unsent)

    assert run(story()) == 0


def test_what_is_said_while_the_broker_is_away_is_never_said_later(mosquitto: Mosquitto) -> None:
    """A late OFF switches off what somebody has since given back."""

    async def story() -> list[Heard]:
        async with listening(mosquitto.broker) as listener:
            await listener.until(BusConnected)
            mosquitto.kill()
            await listener.until(BusLost)
            assert not listener.bus.connected
            assert not listener.bus.publish(TOPICS.command(SwitchOff(HOT_TUB, 60)))
            mosquitto.start()
            async with world(mosquitto.broker, "#") as other:
                await listener.until(BusConnected, 2)
                assert listener.bus.publish(Publication("settled", b""))
                return await other.until(settled)

    assert sets(run(story())) == []


def test_a_command_the_broker_could_not_confirm_is_not_repeated_by_the_library(mosquitto: Mosquitto) -> None:
    """What was under way when the broker died is decided anew, not replayed."""

    async def story() -> list[Heard]:
        async with listening(mosquitto.broker) as listener:
            await listener.until(BusConnected)
            mosquitto.freeze()
            listener.bus.publish(TOPICS.command(SwitchOff(HOT_TUB, 60)))
            listener.bus.flush()
            mosquitto.kill()
            await listener.until(BusLost)
            mosquitto.start()
            async with world(mosquitto.broker, "#") as other:
                await listener.until(BusConnected, 2)
                listener.bus.publish(Publication("settled", b""))
                return await other.until(settled)

    assert sets(run(story())) == []


def test_a_command_carries_its_expiry(mosquitto: Mosquitto) -> None:
    """The broker forgets it when the next try is due."""

    async def story() -> None:
        async with listening(mosquitto.broker) as listener:
            await listener.until(BusConnected)
            reader = subscriber(mosquitto, "%E %p", "loadshed/home/breakers/hot-tub/set")
            listener.bus.publish(TOPICS.command(SwitchOff(HOT_TUB, 7)))
            try:
                output, _ = await asyncio.to_thread(reader.communicate, timeout=SOON_S)
            finally:
                reader.kill()
            assert output.split() == ["7", "OFF"]

    run(story())


def subscriber(mosquitto: Mosquitto, form: str, topic: str) -> subprocess.Popen[str]:
    """Return a mosquitto_sub that is subscribed, and ends with the first message."""
    command = ["mosquitto_sub", "-V", "5", "-p", str(mosquitto.port), "-t", topic, "-C", "1", "-F", form]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + SOON_S
    while not any("Sending SUBACK to auto-" in line for line in mosquitto.log):
        assert time.monotonic() < deadline
    return process


# --- the connection --------------------------------------------------------------------------------------------------


def test_the_controller_says_when_it_leaves_and_the_broker_when_it_dies(mosquitto: Mosquitto) -> None:
    """A clean stop says `offline` itself; a crash has it said by the last will. Both are retained."""

    async def story() -> list[bytes]:
        availability = TOPICS.availability_topic
        async with world(mosquitto.broker, availability) as other:
            async with listening(mosquitto.broker) as listener:
                await listener.until(BusConnected)
                listener.bus.publish(TOPICS.availability(online=True))
            await other.until(lambda heard: len(heard) == 2)
            async with listening(mosquitto.broker) as listener:
                await listener.until(BusConnected)
                listener.bus.publish(TOPICS.availability(online=True))
                await other.until(lambda heard: len(heard) == 3)
                link = listener.bus._link
                assert link is not None
                link._sock.shutdown(socket.SHUT_RDWR)
                await other.until(lambda heard: len(heard) == 4)
            return [one.payload for one in other.heard]

    assert run(story())[:4] == [b"online", b"offline", b"online", b"offline"]


def test_the_broker_is_told_of_once_while_it_is_away_and_found_soon_after(mosquitto: Mosquitto) -> None:
    """Tries are never more than two seconds apart, and the journal is not filled by them."""

    async def story() -> tuple[float, int]:
        async with listening(mosquitto.broker) as listener:
            await listener.until(BusConnected)
            mosquitto.stop()
            await listener.until(BusLost, 2)
            mosquitto.start()
            began = time.monotonic()
            await listener.until(BusConnected, 2)
            lost = [event for event in listener.events if isinstance(event, BusLost)]
            return time.monotonic() - began, len({event.reason for event in lost}) - len(lost)

    took_s, repeated = run(story())
    assert took_s <= 2.0
    assert repeated == 0


def test_a_broker_that_hangs_is_noticed(mosquitto: Mosquitto) -> None:
    """The kernel still takes bytes for it; only its silence tells."""

    async def story() -> None:
        link = await Link.open(mosquitto.broker, "curious", keepalive_s=1)
        mosquitto.freeze()
        try:
            async with asyncio.timeout(SOON_S):
                while True:
                    link.read()
                    await link.wait(0.1)
        finally:
            link.abort()

    with pytest.raises(BrokerError, match="silent"):
        run(story())


def test_a_second_daemon_of_the_same_site_is_suspected(mosquitto: Mosquitto) -> None:
    """They throw each other out; each says so once, not at each loss, and neither spins."""

    async def story() -> list[str]:
        async with listening(mosquitto.broker) as first, listening(mosquitto.broker):
            await first.until(BusLost, 6)
            return [event.reason for event in first.events if isinstance(event, BusLost)]

    assert ["second loadshed" in reason for reason in run(story())].count(True) == 1


def test_confirmations_are_heard_live_because_subscriptions_go_first(mosquitto: Mosquitto) -> None:
    """A device that answers at once is not taken for the broker's memory."""

    async def story() -> BreakerReported:
        async with world(mosquitto.broker, "loadshed/home/breakers/+/set") as device:
            listener = Listener(mosquitto.broker)
            listener.do = sheds_at_its_next_turn(listener)
            task = asyncio.create_task(listener.bus.run())
            await device.until(bool)
            device.say("loadshed/home/breakers/hot-tub/state", b"OFF", retain=True)
            report = await listener.until(BreakerReported)
            task.cancel()
            await asyncio.wait([task])
            return report

    report = run(story())
    assert (report.circuit, report.position, report.retained) == (HOT_TUB, Position.OFF, False)


@pytest.mark.parametrize("host", ["192.168.1..5", ".lan", f"{'x' * 64}.lan"])
def test_a_host_that_is_no_name_is_a_broker_that_cannot_be_reached(host: str) -> None:
    """What Python's codec for names says of it is no accident of ours: one sentence, at once."""
    with pytest.raises(BrokerError, match="is not found"):
        run(dial(Broker(host=host)))


def test_what_is_due_leaves_in_one_segment_with_the_subscriptions() -> None:
    """A broker on this same core would answer those first, and the OFF would wait for its turn."""

    def first_words(door: socket.socket) -> bytes:
        # In a thread: it hears each segment as it comes.
        conversation, _ = door.accept()
        with conversation:
            conversation.recv(1000)
            conversation.sendall(CONNACK)
            return conversation.recv(1000)

    async def story(door: socket.socket) -> bytes:
        async with listening(Broker(port=door.getsockname()[1])) as listener:
            listener.do = sheds_at_its_next_turn(listener)
            async with asyncio.timeout(SOON_S):
                return await asyncio.to_thread(first_words, door)

    with socket.create_server(("127.0.0.1", 0)) as door:
        said = run(story(door))
    assert said.index(b"breakers/+/state") < said.index(b"loadshed/home/ask/+") < said.index(b"breakers/hot-tub/set")


def sheds_at_its_next_turn(listener: Listener) -> Callable[[Event], None]:
    """Return what the daemon does when the bus tells it of a connection: it takes its turn, and sends at once."""

    def shed() -> None:
        listener.bus.publish(TOPICS.command(SwitchOff(HOT_TUB, 5)))
        listener.bus.flush()

    def hear(event: Event) -> None:
        if isinstance(event, BusConnected):
            asyncio.get_running_loop().call_soon(shed)

    return hear


def test_what_the_broker_remembers_comes_with_the_retain_flag(mosquitto: Mosquitto) -> None:
    """The contact's retained word is heard at connecting."""

    async def story() -> ContactChanged:
        async with world(mosquitto.broker, "ats/contact") as other:
            other.say("ats/contact", b"open", retain=True)
            await other.until(bool)
        async with listening(mosquitto.broker) as listener:
            return await listener.until(ContactChanged)

    word = run(story())
    assert word.open
    assert word.retained


def test_a_new_circuits_retained_position_is_fetched(mosquitto: Mosquitto) -> None:
    """A circuit added while the daemon runs is known at once, not when its device next speaks."""
    cellar = CircuitId("cellar")

    async def story() -> BreakerReported:
        async with world(mosquitto.broker, "#") as other:
            other.say("loadshed/home/breakers/cellar/state", b"ON", retain=True)
            await other.until(bool)
            async with listening(mosquitto.broker) as listener:
                await listener.until(BusConnected)
                topics = replace(TOPICS, circuits={cellar})
                listener.bus.know(topics, (topics.of_circuit(cellar),))
                return await listener.until(BreakerReported)

    report = run(story())
    assert (report.circuit, report.position, report.retained) == (cellar, Position.ON, True)


def test_drain_takes_what_lies_on_the_socket_now(mosquitto: Mosquitto) -> None:
    """After a stall of ours the confirmations are heard before anything is judged late."""

    async def story() -> int:
        async with listening(mosquitto.broker) as listener:
            await listener.ready()
            tell_five(mosquitto)
            deadline = time.monotonic() + SOON_S
            while len(reports(listener)) < 5:  # the broker's own kernel may hold some back for an instant
                assert time.monotonic() < deadline
                listener.bus.drain()
            return len(reports(listener))

    def reports(listener: Listener) -> list[Event]:
        return [event for event in listener.events if isinstance(event, BreakerReported)]

    def tell_five(mosquitto: Mosquitto) -> None:
        # A process of its own, waited for without the loop: the loop stalls here.
        for circuit in CIRCUITS[:5]:
            topic = f"loadshed/home/breakers/{circuit}/state"
            subprocess.run(
                ["mosquitto_pub", "-p", str(mosquitto.port), "-q", "1", "-t", topic, "-m", "OFF"], check=True
            )

    assert run(story()) == 5


# --- what anybody may publish ----------------------------------------------------------------------------------------


def test_hostile_messages_change_nothing_and_leave_few_lines(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    """Binary, a megabyte, deep JSON, wrong case, unknown circuits: fifty of them, ten lines, and the bus goes on."""
    state, on = "loadshed/home/breakers/hot-tub/state", "loadshed/home/ask/on"
    hostile = [
        (state, b"\xff\x00\xfe"),
        (state, b"O" * 1_000_000),
        (state, b"on"),
        ("loadshed/home/breakers/cellar/state", b"ON"),
        ("loadshed/home/breakers/a\nb\u2028/state".replace("\n", ""), b"ON"),
        (on, b"[" * 4000),
        (on, b'{"circuit":"cellar"}'),
        ("loadshed/home/ask/explode", b"{}"),
        ("ats/contact", b"\x00"),
        ("ats/status", b"?"),
    ]

    async def story() -> list[Event]:
        async with listening(mosquitto.broker) as listener, world(mosquitto.broker) as other:
            await listener.ready()
            for topic, payload in hostile * 5:
                other.say(topic, payload)
            other.say(state, b"OFF")
            await listener.until(BreakerReported)
            return listener.events

    with caplog.at_level(logging.WARNING):
        events = run(story())
    assert [type(event) for event in events] == [BusConnected, ContactAlive, BreakerReported]
    assert len(caplog.records) == 10
    assert all(len(record.getMessage()) < 400 for record in caplog.records)


def test_lines_left_out_are_counted() -> None:
    """A flood is told of with its size."""
    lines = Allowance(most=2, window_s=60.0)
    assert [lines.take(now) for now in (0.0, 1.0, 2.0, 59.0)] == [0, 0, None, None]
    assert [lines.take(now) for now in (61.0, 62.0)] == [2, 0]


# --- requests --------------------------------------------------------------------------------------------------------


def answering(listener: Listener) -> None:
    """Let the engine say yes to everything."""

    def answer(event: Event) -> None:
        if isinstance(event, Asked):
            said = TOPICS.answer(Answer(event.reply, ok=True, reason="done"))
            assert said is not None
            listener.bus.publish(said)

    listener.do = answer


def test_a_request_is_answered(mosquitto: Mosquitto) -> None:
    """`loadshed ask` hears yes from the engine, and no from the bus where the request is wrong."""

    async def story() -> list[tuple[bool, str]]:
        async with listening(mosquitto.broker) as listener:
            answering(listener)
            await listener.ready()
            return [
                await ask(mosquitto.broker, "home", "on", {"circuit": "hot-tub", "by": "Ada"}),
                await ask(mosquitto.broker, "home", "on", {"circuit": "cellar"}),
            ]

    assert run(story()) == [(True, "done"), (False, "no circuit is named 'cellar'")]


def test_a_request_nobody_answers_says_so(mosquitto: Mosquitto) -> None:
    """The daemon may be down, or another site be meant; or the broker."""

    async def story() -> list[tuple[bool, str]]:
        with held_port() as port:
            return [
                await ask(mosquitto.broker, "home", "reload", {}, timeout_s=0.2),
                await ask(Broker(port=port), "home", "reload", {}),
            ]

    (nobody, why_nobody), (nowhere, why_nowhere) = run(story())
    assert (nobody, nowhere) == (False, False)
    assert "is loadshed running" in why_nobody
    assert "is the broker running" in why_nowhere


def test_a_request_repeated_with_its_correlation_is_done_once(mosquitto: Mosquitto) -> None:
    """A program that is unsure sends again; the second is refused."""

    async def story() -> tuple[list[bytes], int]:
        async with listening(mosquitto.broker) as listener, world(mosquitto.broker, "ada/answers") as other:
            answering(listener)
            await listener.ready()
            for _ in range(2):
                other.link.publish(
                    "loadshed/home/ask/off", b'{"circuit":"hot-tub"}', response_topic="ada/answers", correlation=b"1"
                )
            heard = await other.until(lambda heard: len(heard) == 2)
            asked = sum(isinstance(event, Asked) for event in listener.events)
            return [one.payload for one in heard], asked

    answers, asked = run(story())
    assert asked == 1
    assert [json.loads(answer)["ok"] for answer in answers] == [True, False]


# --- what a broker may be like ---------------------------------------------------------------------------------------


async def refused(broker: Broker) -> str:
    """Return the sentence with which a connection fails."""
    try:
        link = await Link.open(broker, "curious")
    except BrokerError as error:
        return str(error)
    await link.close()
    return "accepted"


def password_file(folder: Path, name: str, password: str) -> Path:
    """Write a password as an owner would, with a line's end."""
    file = folder / name
    file.write_text(password + "\n", encoding="utf-8")
    return file


def test_a_password_is_needed_and_its_absence_explained(tmp_path: Path) -> None:
    """The sentence names the settings to look at."""
    users = tmp_path / "users"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(users), "loadshed", "secret"], check=True, capture_output=True)
    users.chmod(0o644)
    right, wrong = password_file(tmp_path, "right", "secret"), password_file(tmp_path, "wrong", "guess")
    with Mosquitto(tmp_path, f"password_file {users}", "allow_anonymous false") as mosquitto:
        named = replace(mosquitto.broker, username="loadshed")
        assert run(refused(replace(named, password_file=right))) == "accepted"
        assert "password" in run(refused(replace(named, password_file=wrong)))
        assert "password" in run(refused(replace(named, password_file=wrong, version="3.1.1")))
        assert "not authorized" in run(refused(mosquitto.broker))
        assert "cannot read" in run(refused(replace(named, password_file=tmp_path / "none")))


def test_what_the_access_list_forbids_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A broker drops what is not allowed without a word to anybody else."""
    rules = tmp_path / "acl"
    rules.write_text("topic read loadshed/#\n", encoding="utf-8")
    rules.chmod(0o644)

    async def story() -> None:
        async with listening(strict.broker) as listener:
            await listener.until(BusConnected)
            listener.bus.publish(TOPICS.command(SwitchOff(HOT_TUB, 5)))
            link = listener.bus._link
            assert link is not None
            while not caplog.records:
                await link.wait(0.1)

    with Mosquitto(tmp_path, f"acl_file {rules}") as strict, caplog.at_level(logging.WARNING):
        run(story())
    assert "access list" in caplog.text


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for localhost on the spot; return it and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    key.chmod(0o644)
    return cert, key


def test_tls_is_spoken_and_a_wrong_certificate_refused(tmp_path: Path) -> None:
    """Forty commands and a megabyte go through it; a certificate nobody vouches for does not."""
    cert, key = certificate(tmp_path)
    (tmp_path / "other").mkdir()
    stranger, _ = certificate(tmp_path / "other")

    async def story(broker: Broker) -> int:
        async with listening(broker) as listener, world(broker, "#") as other:
            await listener.ready()
            for circuit in CIRCUITS:
                listener.bus.publish(TOPICS.command(SwitchOff(circuit, 5)))
            listener.bus.publish(Publication("settled", b"x" * 1_000_000))
            return len(sets(await other.until(settled)))

    with Mosquitto(tmp_path, f"certfile {cert}", f"keyfile {key}") as mosquitto:
        tls = replace(mosquitto.broker, ca_file=cert)
        assert run(story(tls)) == len(CIRCUITS)
        assert run(refused(replace(tls, host="localhost"))) == "accepted"
        assert "vouches" in run(refused(replace(tls, ca_file=stranger)))
        assert "ca_file" in run(refused(replace(tls, ca_file=key)))
        assert "hung up" in run(refused(mosquitto.broker))


def test_tls_to_a_plain_listener_is_explained(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """The port is often the only thing that is wrong."""
    cert, _ = certificate(tmp_path)
    assert "TLS listener" in run(refused(replace(mosquitto.broker, ca_file=cert)))


def test_a_name_that_is_not_found_is_explained() -> None:
    """`.invalid` never is."""
    assert "write its address" in run(refused(Broker(host="broker.invalid")))


def test_nothing_waits_for_a_resolver_that_hangs(mosquitto: Mosquitto) -> None:
    """A name is looked up beside the loop; `localhost` shows the way is whole."""
    assert run(refused(replace(mosquitto.broker, host="localhost"))) == "accepted"
