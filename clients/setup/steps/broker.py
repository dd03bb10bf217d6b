"""The broker: its address, the login, and a round trip of a message."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from clients.broker_admin.acl import CONTROLLER_NAME
from clients.broker_admin.mosquitto import PORT
from clients.setup.config_files import text_of
from clients.setup.prompt import by_key, or_nothing
from clients.setup.recap import RecapLine, confirm_recap, sure
from controller.bus.topics import SiteTopics
from controller.config.model import BrokerSettings, SiteSettings
from controller.runtime import startup
from controller.storage.atomic_file import write
from hw.broker_socket import BrokerError
from hw.mqtt import MqttConnection

if TYPE_CHECKING:
    from clients.setup.prompt import Prompt
    from clients.setup.session import SetupSession
    from hw.broker_socket import Broker

ECHO_S = 5.0
AGAIN_S = 0.5
LOOPBACK = ("127.0.0.1", "::1", "localhost")


async def broker(ground: SetupSession) -> bool:
    """Set the house's name on the bus and its broker, and try it; return whether the broker responds."""
    person = ground.prompt
    person.say(
        "The MQTT broker connects breakers, this controller and other programs. The house's name is in every topic."
    )
    answers = _Answers(ground)
    await answers.ask()
    while True:
        await answers.recap()
        site, there = answers.site, answers.broker
        made_now = await _made(ground, site, there)
        settings = ground.installer.broker if made_now else there
        tried = replace(ground.configuration, installer=replace(ground.installer, site=site, broker=settings))
        for_s = ground.timeouts.restart_s if made_now else 0.0
        trouble = await _tried(person, startup.broker(tried), site.id, for_s)
        if trouble is None:
            return ground.write_installer(site=site, broker=settings)
        person.say(f"It does not work: {trouble}")
        if not await person.confirm("Change something?", default=person.at_terminal):
            return False


class _Answers:
    """Answers about the house's name and its broker, each of which can be changed."""

    def __init__(self, ground: SetupSession) -> None:
        self._ground = ground
        self._person = ground.prompt
        self.site = ground.installer.site
        self.broker = ground.installer.broker

    async def ask(self) -> None:
        """Ask everything, in order."""
        await self._house()
        await self._host()
        await self._port()
        if not _may_be_made(self.broker):
            await self._login()

    async def recap(self) -> None:
        """Let the user change single answers."""
        await confirm_recap(self._person, "The broker", self._lines)

    def _lines(self) -> tuple[RecapLine, ...]:
        broker = self.broker
        login = (
            "none"
            if broker.username is None
            else f"{broker.username}, password in {broker.password_file or 'the unit'}"
        )
        tls = "no TLS" if broker.ca_file is None else f"TLS, {broker.ca_file}"
        if _may_be_made(broker):
            login = "set up on this machine next, or none"
        return (
            RecapLine("house", self.site.id, self._house),
            RecapLine("host", broker.host, self._host),
            RecapLine("port", str(broker.port), self._port),
            RecapLine("login", f"{login}; {tls}", self._login),
        )

    async def _house(self) -> None:
        while True:
            name = str(await self._person.value("Name of this house", by_key(SiteSettings, "id"), self.site.id))
            doubtful = name.isdigit() or name in _SLIPS
            if await sure(self._person, "The house's name is in every topic", name, doubtful=doubtful):
                self.site = replace(self.site, id=name)
                return

    async def _host(self) -> None:
        while True:
            host = str(await self._person.value("Its host", by_key(BrokerSettings, "host"), self.broker.host))
            doubtful = host.isdigit() or host.lower() in _SLIPS
            if await sure(self._person, "The broker's host", host, doubtful=doubtful):
                self.broker = replace(self.broker, host=host)
                return

    async def _port(self) -> None:
        port = await self._person.value("Its port", by_key(BrokerSettings, "port"), str(self.broker.port))
        self.broker = replace(self.broker, port=cast("int", port))

    async def _login(self) -> None:
        self.broker = await _login(self._ground, self.broker)


_SLIPS = ("y", "n", "yes", "no", "q", "ok", "done", "exit", "quit", "-")
"""Answers to another question than the one that was asked."""


def _may_be_made(settings: BrokerSettings) -> bool:
    """Return whether this machine's own broker can be set up for the house."""
    can = settings.username is None and settings.host in LOOPBACK and settings.port == PORT
    return can and shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


async def _made(ground: SetupSession, site: SiteSettings, settings: BrokerSettings) -> bool:
    """Set up this machine's own broker for the house, if it exists and the user agrees; return whether it is set up."""
    if not _may_be_made(settings):
        return False
    question = "Set up this machine's own Mosquitto, with a password and an access list for each client?"
    if not await ground.prompt.confirm(question, default=ground.prompt.at_terminal):
        return False
    if not ground.write_installer(site=site, broker=settings):
        return False
    words = ["broker", "init", "--config", str(ground.config_dir), "--etc", str(ground.mosquitto)]
    return ground.run_command(words) == 0 and ground.read_again()


async def _login(ground: SetupSession, settings: BrokerSettings) -> BrokerSettings:
    """Return the settings with the login there, and the authority to trust."""
    person = ground.prompt
    username = await _or_none(person, 'User name of the controller there ("-": none)', "username", settings.username)
    password_file = None
    if username is not None:
        usual = settings.password_file or str(ground.config_dir.absolute() / "broker.password")
        says = 'File with its password ("-": the unit provides it)'
        password_file = await _or_none(person, says, "password_file", usual)
        if password_file is not None:
            await _password(person, Path(password_file))
    authority = 'TLS: file with the certificate of the authority to trust ("-": no TLS)'
    ca_file = await _or_none(person, authority, "ca_file", settings.ca_file)
    return replace(settings, username=username, password_file=password_file, ca_file=ca_file)


async def _or_none(person: Prompt, question: str, key: str, default: str | None) -> str | None:
    read = or_nothing(lambda answer: str(by_key(BrokerSettings, key)(answer)))
    return await person.value(question, read, default or "-")


async def _password(person: Prompt, path: Path) -> None:
    """Write the password file, if there is none or a new password is wanted."""
    if text_of(path) is not None and not await person.confirm(f"{path} exists. Type another password?"):
        return
    password = await person.secret("The password")
    _keep_password(path, password)
    person.say(f"Written: {path}. Only its owner and the controller can read it.")


def _keep_password(path: Path, password: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, password + "\n", mode=0o640, group=CONTROLLER_NAME)


# --- a round trip --------------------------------------------------------------------------------------------------


async def _tried(person: Prompt, at: Broker, site: str, for_s: float) -> str | None:
    """Print the round-trip time of a message and return None; or return why it failed.

    `for_s`: how long to retry; a broker that was just started is not ready yet.
    """
    until = time.monotonic() + for_s
    while True:
        try:
            took_s = await round_trip(at, site)
            break
        except BrokerError as error:
            if time.monotonic() >= until:
                return str(error)
            await asyncio.sleep(AGAIN_S)
    person.say(f"The broker at {at} responds: a message came back after {1000 * took_s:.0f} ms.")
    return None


async def round_trip(at: Broker, site: str, within_s: float = ECHO_S) -> float:
    """Return the round-trip time of a message to the broker, in seconds. Raises BrokerError if it fails."""
    link = await MqttConnection.open(at, f"loadshed-setup-{secrets.token_hex(4)}", complain=lambda _words: None)
    echo, word = SiteTopics(site).answers(secrets.token_hex(8)), secrets.token_bytes(8)
    try:
        link.subscribe([echo])
        began = time.monotonic()
        link.publish(echo, word)
        link.flush()
        async with asyncio.timeout(within_s):
            while not any(heard.topic == echo and heard.payload == word for heard in link.read()):
                await link.wait()
    except TimeoutError:
        who = at.username or "anonymous clients"
        raise BrokerError(
            f"the broker at {at} accepts a message and does not return it: allow {who} to read and write "
            f"{SiteTopics(site).everything} in its access list"
        ) from None
    finally:
        await link.close()
    return time.monotonic() - began
