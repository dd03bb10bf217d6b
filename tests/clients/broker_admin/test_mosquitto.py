"""Who may do what on the broker: shown on a real Mosquitto that reads what `loadshed broker` writes."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import pytest

from clients.broker_admin import passwords
from clients.broker_admin.acl import CONTROLLER_NAME, Role, TopicLayout, User
from clients.broker_admin.mosquitto import Listeners, MosquittoConfig
from hw.broker_socket import Broker, BrokerError
from hw.mqtt import MqttConnection
from hw.mqtt_messages import Will
from tests.mosquitto import HOST, Mosquitto, held_port
from tests.pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXAMPLES = ROOT / "docs" / "examples"
HOUSE = TopicLayout("home", contact=("ats/contact", "ats/status"))
PATIENCE_S = 10.0

USERS = (
    User(CONTROLLER_NAME, Role.CONTROLLER),
    User("tub", Role.DEVICE, ("hot-tub",)),
    User("hub", Role.DEVICE, ("range", "dryer")),
    User("switch", Role.DEVICE, contact=True),
    User("page", Role.INTEGRATOR),
    User("ann", Role.PERSON),
)
EVERYBODY = {user.name for user in USERS}


class Topic(NamedTuple):
    """A topic, who may publish on it, and who may hear it."""

    name: str
    says: set[str]
    hears: set[str]


LOOKS = {CONTROLLER_NAME, "page", "ann"}

# The table of docs/security.md, line by line.
TOPICS = (
    Topic("loadshed/home/breakers/hot-tub/set", {CONTROLLER_NAME}, LOOKS | {"tub"}),
    Topic("loadshed/home/breakers/range/set", {CONTROLLER_NAME}, LOOKS | {"hub"}),
    Topic("loadshed/home/breakers/hot-tub/state", {CONTROLLER_NAME, "tub"}, LOOKS),
    Topic("loadshed/home/breakers/hot-tub/availability", {CONTROLLER_NAME, "tub"}, LOOKS),
    Topic("loadshed/home/breakers/dryer/state", {CONTROLLER_NAME, "hub"}, LOOKS),
    Topic("loadshed/home/breakers/furnace/state", {CONTROLLER_NAME}, LOOKS),
    Topic("loadshed/home/controller/state", {CONTROLLER_NAME}, LOOKS),
    Topic("loadshed/home/controller/availability", {CONTROLLER_NAME}, LOOKS),
    Topic("loadshed/home/circuits/hot-tub", {CONTROLLER_NAME}, LOOKS),
    Topic("loadshed/home/demand", {CONTROLLER_NAME}, LOOKS),
    Topic("loadshed/home/events", {CONTROLLER_NAME}, LOOKS),
    Topic("loadshed/home/alarms/owed", {CONTROLLER_NAME}, LOOKS),
    Topic("loadshed/home/ask/off", {CONTROLLER_NAME, "ann"}, {CONTROLLER_NAME, "ann"}),
    Topic("loadshed/home/answers/4711", {CONTROLLER_NAME, "ann"}, {CONTROLLER_NAME, "ann"}),
    Topic("loadshed/another/breakers/hot-tub/set", set(), set()),
    Topic("ats/contact", {"switch"}, LOOKS),
    Topic("ats/status", {"switch"}, LOOKS),
    Topic("elsewhere", set(), set()),
)


@dataclass
class Guarded:
    """A house's broker, with a password for each of its users."""

    folder: Path
    mosquitto: Mosquitto
    listening: Listeners
    files: MosquittoConfig
    passwords: dict[str, str] = field(default_factory=dict)

    def let_in(self, user: User) -> None:
        self.passwords[user.name] = passwords.new_password()
        self.files.add_user(user, self.passwords[user.name], HOUSE)

    def login(self, name: str, *, tls: bool = False) -> Broker:
        """Return how this user reaches the broker."""
        (file := self.folder / f"{name}.password").write_text(self.passwords[name], encoding="utf-8")
        port = self.listening.tls_port if tls else self.listening.port
        ca_file = self.files.authority if tls else None
        return Broker(host=HOST, port=port, username=name, password_file=file, ca_file=ca_file)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Run a real Mosquitto on what `set_up` and `let_in` write, with every kind of user."""
    folder = tmp_path_factory.mktemp("guarded")
    files = MosquittoConfig(folder / "etc")
    mosquitto = Mosquitto(folder, f"include_dir {files.configuration.parent}")
    with held_port() as port, held_port() as tls_port:
        listening = Listeners((HOST, "localhost"), plain=True, port=port, tls_port=tls_port)
        house = Guarded(folder, mosquitto, listening, files, {CONTROLLER_NAME: passwords.new_password()})
        files.set_up(HOUSE, listening, house.passwords[CONTROLLER_NAME])
        for user in USERS[1:]:
            house.let_in(user)
        with mosquitto:
            yield house


async def heard(link: MqttConnection, until: str, times: int = 1) -> list[str]:
    """Return the topics of messages until this one has arrived, this number of times."""
    topics: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        while True:
            topics += [message.topic for message in link.read()]
            if topics.count(until) >= times:
                return topics
            await link.wait()


# --- the table -------------------------------------------------------------------------------------------------------


async def _said_by(house: Guarded, name: str) -> set[str]:
    """Have a user publish on every topic; return those whose messages came through, to the one who may hear all."""
    listener = await MqttConnection.open(house.login(CONTROLLER_NAME), "ear")
    voice = await MqttConnection.open(house.login(name), f"voice-of-{name}", complain=lambda _: None)
    try:
        listener.subscribe(["#"])
        listener.flush()
        for topic in (*TOPICS, *(topic for topic in TOPICS if name in topic.says)):
            voice.publish(topic.name, b"said")
        await voice.close()  # the broker has answered the last by then, and all before it
        listener.publish("loadshed/home/end", b"")
        return {*await heard(listener, "loadshed/home/end")} - {"loadshed/home/end"}
    finally:
        await listener.close()


@pytest.mark.parametrize("name", sorted(EVERYBODY))
def test_each_says_only_what_it_may(guarded: Guarded, name: str) -> None:
    """A device commands no breaker and publishes for no other, an integrator requests nothing, a user requests."""
    assert asyncio.run(_said_by(guarded, name)) == {topic.name for topic in TOPICS if name in topic.says}


async def _heard_by(house: Guarded, name: str) -> set[str]:
    """Have every topic said by one who may; return those that a user hears who asks for all."""
    ear = await MqttConnection.open(house.login(name), f"ear-of-{name}")
    try:
        ear.subscribe(["#"])
        ear.flush()
        await _everything_is_said(house)
        await _everything_is_said(house)  # what came the first time has come by the second
        last = [topic.name for topic in TOPICS if name in topic.hears][-1]
        return {*await heard(ear, last, times=2)}
    finally:
        await ear.close()


async def _everything_is_said(house: Guarded) -> None:
    """Have each topic said by one who may, in the table's order."""
    for topic in TOPICS:
        if topic.says:
            voice = await MqttConnection.open(house.login(min(topic.says)), "voice")
            voice.publish(topic.name, b"said")
            await voice.close()


@pytest.mark.parametrize("name", sorted(EVERYBODY - {"switch"}))
def test_each_hears_only_what_it_may(guarded: Guarded, name: str) -> None:
    """A device hears its own commands alone; requests and answers are between the person and the controller."""
    assert asyncio.run(_heard_by(guarded, name)) == {topic.name for topic in TOPICS if name in topic.hears}


# --- the door --------------------------------------------------------------------------------------------------------


async def _comes_in(broker: Broker, will: Will | None = None) -> None:
    await (await MqttConnection.open(broker, "somebody", will=will)).close()


@pytest.mark.parametrize("name", [None, "tub", "nobody"])
def test_a_client_without_name_and_password_is_refused(guarded: Guarded, tmp_path: Path, name: str | None) -> None:
    """Neither without a name, nor with another's password, nor by a name that is not there; on both of its doors."""
    (wrong := tmp_path / "wrong").write_text(guarded.passwords["page"], encoding="utf-8")
    given = {"username": name, "password_file": wrong} if name else {}
    for port, ca_file in ((guarded.listening.port, None), (guarded.listening.tls_port, guarded.files.authority)):
        with pytest.raises(BrokerError, match=r"user name or password|not authorized"):
            asyncio.run(_comes_in(Broker(host=HOST, port=port, ca_file=ca_file, **given)))  # type: ignore[arg-type]


async def _last_words(house: Guarded, *topics: str) -> list[str]:
    """Have a device cut off several times, each time with a last will on one of these; return what is heard of it."""
    ear = await MqttConnection.open(house.login("page"), "ear")
    try:
        ear.subscribe(["loadshed/home/breakers/+/availability"])
        ear.flush()
        for topic in topics:
            (await MqttConnection.open(house.login("tub"), "tub", will=Will(topic, b"offline"))).abort()
        return await heard(ear, topics[-1])
    finally:
        await ear.close()


def test_a_device_leaves_no_will_in_anothers_name(guarded: Guarded) -> None:
    """What the broker says for it when it is cut off is bound like its own words."""
    own, anothers = (f"loadshed/home/breakers/{circuit}/availability" for circuit in ("hot-tub", "range"))
    assert anothers not in asyncio.run(_last_words(guarded, anothers, own))


def test_the_house_trusts_its_own_authority_and_no_other(guarded: Guarded, tmp_path: Path) -> None:
    """TLS from end to end, by the generated certificates; they are not accepted for another house's authority."""
    asyncio.run(_comes_in(guarded.login("tub", tls=True)))
    another = MosquittoConfig(tmp_path)
    another.set_up(HOUSE, Listeners((HOST,)), "secret")
    mine = guarded.login("tub", tls=True)
    with pytest.raises(BrokerError, match="is not signed by"):
        asyncio.run(_comes_in(Broker(HOST, mine.port, mine.username, mine.password_file, another.authority)))


def test_the_certificate_is_good_on_a_clock_that_is_years_behind(guarded: Guarded) -> None:
    """A Pi boots with an old time, and small devices have no clock."""
    shown = ssl._ssl._test_decode_cert(str(guarded.files.authority))  # type: ignore[attr-defined]
    assert ssl.cert_time_to_seconds(shown["notBefore"]) < ssl.cert_time_to_seconds("Jan  2 00:00:00 2020 GMT")
    assert ssl.cert_time_to_seconds(shown["notAfter"]) > ssl.cert_time_to_seconds("Jan  1 00:00:00 2049 GMT")


def test_who_is_removed_is_out_at_the_next_reload(guarded: Guarded) -> None:
    """And other clients connect as before."""
    guarded.let_in(User("guest", Role.PERSON))
    guarded.mosquitto.reload()
    asyncio.run(_comes_in(guarded.login("guest")))
    guarded.files.remove_user("guest")
    guarded.mosquitto.reload()
    with pytest.raises(BrokerError):
        asyncio.run(_comes_in(guarded.login("guest")))
    asyncio.run(_comes_in(guarded.login("tub")))
