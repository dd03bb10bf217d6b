"""The broker: where it is, who we are there, and that a word of ours comes back."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from controller import beginning
from controller.configuration.tables import BrokerSettings, SiteSettings
from controller.setup.files import text_of, write
from controller.setup.person import by_key, or_nothing
from hw.dial import BrokerError
from hw.mqtt import Link

if TYPE_CHECKING:
    from controller.setup.ground import Ground
    from controller.setup.person import Person
    from hw.dial import Broker

ECHO_S = 5.0


async def broker(ground: Ground) -> bool:
    """Set the house's name on the bus and its broker, and try it; return whether it answers."""
    person = ground.person
    person.say(
        "The MQTT broker: breakers, people and other programs meet there. The house's name stands in every topic."
    )
    while True:
        site = SiteSettings(str(await person.value("Name of this house", by_key(SiteSettings, "id"), ground.site)))
        settings = await _asked(ground)
        tried = replace(ground.configuration, installer=replace(ground.installer, site=site, broker=settings))
        trouble = await _tried(person, beginning.broker(tried), site.id)
        if trouble is None:
            return ground.write_installer(site=site, broker=settings)
        person.say(f"It does not work: {trouble}")
        if not await person.yes("Change something?", default=person.at_terminal):
            return False


async def _asked(ground: Ground) -> BrokerSettings:
    person, now = ground.person, ground.installer.broker
    host = str(await person.value("Its host", by_key(BrokerSettings, "host"), now.host))
    port = cast("int", await person.value("Its port", by_key(BrokerSettings, "port"), str(now.port)))
    username = await _or_none(person, 'Our user name there ("-": none)', "username", now.username)
    password_file = None
    if username is not None:
        usual = now.password_file or str(ground.config_dir.absolute() / "broker.password")
        says = 'File with our password ("-": the unit hands it over)'
        password_file = await _or_none(person, says, "password_file", usual)
        if password_file is not None:
            await _password(person, Path(password_file))
    ca_file = await _or_none(person, 'TLS: file of the authority to trust ("-": no TLS)', "ca_file", now.ca_file)
    return replace(now, host=host, port=port, username=username, password_file=password_file, ca_file=ca_file)


async def _or_none(person: Person, question: str, key: str, default: str | None) -> str | None:
    read = or_nothing(lambda answer: str(by_key(BrokerSettings, key)(answer)))
    return await person.value(question, read, default or "-")


async def _password(person: Person, path: Path) -> None:
    """Have the password written where none stands yet; what stands there is left alone."""
    if text_of(path) is not None:
        person.say(f"{path} is there, and is taken as it is.")
        return
    password = await person.secret("The password")
    write(path, password + "\n", mode=0o600)
    person.say(f"Written: {path}, for its owner's eyes alone.")


# --- a word there and back -------------------------------------------------------------------------------------------


async def _tried(person: Person, at: Broker, site: str) -> str | None:
    """Say how long a word takes there and back, and return None; or why it does not come back."""
    try:
        took_s = await round_trip(at, site)
    except BrokerError as error:
        return str(error)
    person.say(f"The broker at {at} answers: a word of ours came back after {1000 * took_s:.0f} ms.")
    return None


async def round_trip(at: Broker, site: str, within_s: float = ECHO_S) -> float:
    """Return how many seconds a word of ours takes to the broker and back. Raises BrokerError where it does not."""
    link = await Link.open(at, f"loadshed-setup-{secrets.token_hex(4)}", complain=lambda _words: None)
    echo, word = f"loadshed/{site}/answers/{secrets.token_hex(8)}", secrets.token_bytes(8)
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
            f"loadshed/{site}/# in its access list"
        ) from None
    finally:
        await link.close()
    return time.monotonic() - began
