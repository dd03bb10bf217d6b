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
    """Set the house's name on the bus and its broker, and try it; return whether it answers."""
    person = ground.prompt
    person.say(
        "The MQTT broker: breakers, people and other programs meet there. The house's name stands in every topic."
    )
    while True:
        site = SiteSettings(str(await person.value("Name of this house", by_key(SiteSettings, "id"), ground.site)))
        now = ground.installer.broker
        host = str(await person.value("Its host", by_key(BrokerSettings, "host"), now.host))
        port = cast("int", await person.value("Its port", by_key(BrokerSettings, "port"), str(now.port)))
        there = replace(now, host=host, port=port)
        made_now = await _made(ground, site, there)
        settings = ground.installer.broker if made_now else await _login(ground, there)
        tried = replace(ground.configuration, installer=replace(ground.installer, site=site, broker=settings))
        for_s = ground.timeouts.restart_s if made_now else 0.0
        trouble = await _tried(person, startup.broker(tried), site.id, for_s)
        if trouble is None:
            return ground.write_installer(site=site, broker=settings)
        person.say(f"It does not work: {trouble}")
        if not await person.confirm("Change something?", default=person.at_terminal):
            return False


async def _made(ground: SetupSession, site: SiteSettings, settings: BrokerSettings) -> bool:
    """Set up this machine's own broker for the house, if it exists and the user agrees; return whether it is set up."""
    can = settings.username is None and settings.host in LOOPBACK and settings.port == PORT
    if not can or shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
        return False
    question = "Set up this machine's own Mosquitto: a password for each, and who may say what?"
    if not await ground.prompt.confirm(question, default=ground.prompt.at_terminal):
        return False
    if not ground.write_installer(site=site, broker=settings):
        return False
    words = ["broker", "init", "--config", str(ground.config_dir), "--etc", str(ground.mosquitto)]
    return ground.run_command(words) == 0 and ground.read_again()


async def _login(ground: SetupSession, settings: BrokerSettings) -> BrokerSettings:
    """Return the settings with who we are there, and whom to trust."""
    person = ground.prompt
    username = await _or_none(person, 'Our user name there ("-": none)', "username", settings.username)
    password_file = None
    if username is not None:
        usual = settings.password_file or str(ground.config_dir.absolute() / "broker.password")
        says = 'File with our password ("-": the unit hands it over)'
        password_file = await _or_none(person, says, "password_file", usual)
        if password_file is not None:
            await _password(person, Path(password_file))
    authority = 'TLS: file of the authority to trust ("-": no TLS)'
    ca_file = await _or_none(person, authority, "ca_file", settings.ca_file)
    return replace(settings, username=username, password_file=password_file, ca_file=ca_file)


async def _or_none(person: Prompt, question: str, key: str, default: str | None) -> str | None:
    read = or_nothing(lambda answer: str(by_key(BrokerSettings, key)(answer)))
    return await person.value(question, read, default or "-")


async def _password(person: Prompt, path: Path) -> None:
    """Write the password file, if there is none or a new password is wanted."""
    if text_of(path) is not None and not await person.confirm(f"{path} is there. Type another password?"):
        return
    password = await person.secret("The password")
    _keep_password(path, password)
    person.say(f"Written: {path}, to be read by its owner and the controller.")


def _keep_password(path: Path, password: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, password + "\n", mode=0o640, group=CONTROLLER_NAME)


# --- a word there and back -------------------------------------------------------------------------------------------


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
    person.say(f"The broker at {at} answers: a word of ours came back after {1000 * took_s:.0f} ms.")
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
            f"the broker at {at} takes our word and does not give it back: allow {who} to read and write "
            f"{SiteTopics(site).everything} in its access list"
        ) from None
    finally:
        await link.close()
    return time.monotonic() - began
