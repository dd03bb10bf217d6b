"""The contact: which it is, and that it was seen closed and open before anything hangs on it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from clients.bus_client.status import fetch_status
from clients.setup.contact_monitor import UnreadableError, contact_monitor
from clients.setup.prompt import by_key, or_nothing
from clients.setup.recap import confirm_settings
from clients.setup.session import now_utc
from clients.setup.setup_record import ContactSeen, wired
from controller.config.model import DeviceContact, GpioContact, MqttContact
from controller.runtime import startup
from hw.broker_socket import BrokerError

if TYPE_CHECKING:
    from clients.setup.contact_monitor import ContactMonitor
    from clients.setup.contact_movement import ContactMovement
    from clients.setup.prompt import Prompt
    from clients.setup.session import SetupSession
    from controller.config.loader import Configuration
    from controller.config.model import ContactSettings

_NOTHING_SEEN_ON_BUS = (
    "Nothing was seen. The usual causes, the likeliest first:\n"
    "- The device publishes on another topic, or with other words: watch it with `mosquitto_sub -v -t '#'`.\n"
    "- Its wires are on other terminals of the switch: it is the auxiliary contact, common and normally closed side.\n"
    "- The device has lost its power, its network or its broker.\n"
    "- The wire that was lifted is not one of this loop."
)
_NOTHING_SEEN = (
    "Nothing was seen. The usual causes, the likeliest first:\n"
    "- The wires are on another pin. The number is the BCM one: GPIO 17 is pin 11, ground is pin 9 or 14.\n"
    "- They are on other terminals of the switch: it is the auxiliary contact, its common and normally closed side.\n"
    "- The loop's supply or the input board is dark: its LED goes on and off with the contact.\n"
    "- The wire that was lifted is not one of this loop."
)
_OPEN_ON_UTILITY = (
    "It should be CLOSED on utility. Either the loop is open (a wire, the loop's supply, the input), or "
    "this contact is inverted: open on utility. With an inverted contact, a cut wire reads as utility, and nothing is "
    "shed. Use the normally closed side of the switch's contact if it has one."
)
_CHATTERS = (
    "This is not a bounce but a wiring fault: a loose terminal, a corroded contact, or hum from a power conductor "
    "beside the wire. It does not count as seen. Fix it, then move the contact again."
)
_GPIO = {"pin": "BCM number of its pin", "normally": "Its position on utility (closed, open)"}
_MQTT = {
    "topic": "Its topic",
    "open": "Its payload for open",
    "closed": "Its payload for closed",
    "availability_topic": 'Its availability topic ("-": it has none)',
    "normally": "Its position on utility (closed, open)",
}
_DEVICE = {
    "device": "Its device, FAMILY/ADDRESS#INPUT",
    "normally": "Its position on utility (closed, open)",
}
_CANNOT_BE_ASKED = "This device cannot be asked for its position. Move the contact once now, so that it reports."
ASLEEP_S = 120.0
"""Time in seconds for a user at the contact to move it once."""

_HOW = {True: "lift one wire of the loop, or let the switch transfer", False: "put the wire back"}


async def contact(ground: SetupSession) -> bool:
    """Set the contact, watch it close and open, and write both down; return whether it was seen both ways."""
    person = ground.prompt
    settings = await _asked(person, ground.installer.contact)
    questions = {GpioContact: _GPIO, DeviceContact: _DEVICE}.get(type(settings), _MQTT)
    settings = await confirm_settings(person, "The contact", settings, questions)
    if not await _may_be_moved(ground):
        return False
    while not isinstance(seen := await _looked(ground, settings), ContactSeen):
        if seen is not None:
            settings = seen
        elif not await person.confirm("Look again?", default=person.at_terminal):
            ground.write_installer(contact=settings)
            person.say("The contact was not seen closed and open: the unit cannot be enabled before it is.")
            return False
    if not ground.write_installer(contact=settings):
        return False
    ground.keep(replace(ground.seen, contact=seen))
    person.say("Seen closed and open. The result is saved.")
    return True


async def _may_be_moved(ground: SetupSession) -> bool:
    """Return whether the contact may be opened: a running controller would really shed."""
    try:
        told = await fetch_status(ground.broker, ground.site)
    except BrokerError:
        return True
    if not told.alive:
        return True
    question = "The controller is running: if this contact opens, it sheds. Continue?"
    return await ground.prompt.confirm(question)


# --- which contact ---------------------------------------------------------------------------------------------------


async def _asked(person: Prompt, now: ContactSettings) -> ContactSettings:
    person.say("The transfer switch's auxiliary contact: closed on utility, open on standby.")
    source = await person.choose("Is it on a pin of this Pi, or an MQTT device?", ("gpio", "mqtt"), now.source)
    if source == "gpio":
        person.say("Never put a voltage on the pin.")
        usual = now if isinstance(now, GpioContact) else GpioContact("gpio", 17)
        pin = await person.value("BCM number of its pin", by_key(GpioContact, "pin"), str(usual.pin))
        return replace(usual, pin=cast("int", pin))
    if isinstance(now, DeviceContact):
        device = await person.value("Its device, FAMILY/ADDRESS#INPUT", by_key(DeviceContact, "device"), now.device)
        return replace(now, device=str(device))
    usual_topic = now.topic if isinstance(now, MqttContact) else "ats/contact"
    device = now if isinstance(now, MqttContact) else MqttContact("mqtt", usual_topic)
    return replace(
        device,
        topic=await _word(person, "Its topic", "topic", device.topic),
        open=await _word(person, "Its payload for open", "open", device.open),
        closed=await _word(person, "Its payload for closed", "closed", device.closed),
        availability_topic=await person.value(
            'Its availability topic ("-": it has none)',
            or_nothing(lambda answer: str(by_key(MqttContact, "availability_topic")(answer))),
            device.availability_topic or "-",
        ),
    )


async def _word(person: Prompt, question: str, key: str, default: str) -> str:
    return str(await person.value(question, by_key(MqttContact, key), default))


# --- what it does ----------------------------------------------------------------------------------------------------


async def _looked(ground: SetupSession, settings: ContactSettings) -> ContactSeen | ContactSettings | None:
    """Return the result; the settings to try next; None if it was not seen, and cannot be."""
    try:
        return await _seen(ground, settings)
    except UnreadableError as error:
        ground.prompt.say(f"The contact cannot be read: {error}")
        return None


async def _seen(ground: SetupSession, settings: ContactSettings) -> ContactSeen | ContactSettings | None:
    configuration = replace(ground.configuration, installer=replace(ground.installer, contact=settings))
    async with contact_monitor(settings, configuration) as watch:
        is_open = await _first(ground, configuration, watch)
        ground.prompt.say(f"It reads {_reads(is_open)} now.")
        if is_open:
            return await _not_closed(ground.prompt, settings)
        seen = ContactSeen(wired(settings), closed_at=now_utc())
        opened = await _moved(ground, watch, settings, wanted_open=True)
        if opened is None:
            return None
        seen = replace(seen, open_at=now_utc(), bounces=opened.bounces, settled_ms=round(1000 * opened.settled_s, 1))
        closed = await _moved(ground, watch, settings, wanted_open=False)
        return None if closed is None else replace(seen, closed_at=now_utc())


async def _first(ground: SetupSession, configuration: Configuration, watch: ContactMonitor) -> bool:
    """Return whether the contact stands open. Raises UnreadableError."""
    profile = startup.contact_profile(configuration)
    if profile is None or profile.query is not None:
        return await watch.first()
    ground.prompt.say(_CANNOT_BE_ASKED)
    return await watch.first(min(ASLEEP_S, ground.timeouts.contact_s))


def _reads(is_open: bool) -> str:
    return "OPEN (standby)" if is_open else "CLOSED (utility)"


async def _not_closed(person: Prompt, settings: ContactSettings) -> ContactSettings | None:
    """Find out why it reads open: the house is on standby, a wire is open, or the contact is inverted."""
    if not await person.confirm("Is the house on utility now?", default=True):
        person.say("Setup does not move the contact while the house is on its generator. Continue on utility.")
        return None
    person.say(_OPEN_ON_UTILITY)
    does = await person.choose("Fix the loop and look again, or is it inverted?", ("look", "inverted"), "look")
    if does == "look":
        return settings
    inverted = replace(settings, normally="open" if settings.normally == "closed" else "closed")
    person.say(f"The contact is now configured as {inverted.normally} on utility. `loadshed check` shows the risk.")
    return inverted


async def _moved(
    ground: SetupSession, watch: ContactMonitor, settings: ContactSettings, *, wanted_open: bool
) -> ContactMovement | None:
    """Let the user move the contact and print the result; None if the user moved it and nothing was seen."""
    person = ground.prompt
    word = "Open" if wanted_open else "Close"
    while True:
        hint = "  (Enter: it was moved, and nothing was seen)" if person.at_terminal else ""
        person.forget_typed()
        person.say(f"{word} it now: {_HOW[wanted_open]} …{hint}")
        swing = await _swing_or_word(ground, watch)
        if swing is None:
            on_bus = not isinstance(settings, GpioContact)
            person.say(_NOTHING_SEEN_ON_BUS if on_bus else _NOTHING_SEEN)
            return None
        if swing.chatters:
            person.say(f"{swing.told}. {_CHATTERS}")
            await watch.rests()
            if watch.open is wanted_open:
                return None
        elif swing.open is not wanted_open:
            person.say(f"It moved and came back ({swing.told}): it reads {_reads(swing.open)} again.")
        else:
            person.say(f"… seen: {_reads(swing.open)}, {swing.told}.")
            return swing


async def _swing_or_word(ground: SetupSession, watch: ContactMonitor) -> ContactMovement | None:
    """Return the next movement; None: the user pressed Enter first, or no user is there and it took too long."""
    if not ground.prompt.at_terminal:
        try:
            async with asyncio.timeout(ground.timeouts.contact_s):
                return await watch.moves()
        except TimeoutError:
            return None
    moving = asyncio.create_task(watch.moves())
    typing = asyncio.create_task(ground.prompt.line())
    try:
        await asyncio.wait((moving, typing), return_when=asyncio.FIRST_COMPLETED)
        if not moving.done():
            await typing  # raises if the input has ended
            return None
        return await moving
    finally:
        for task in (moving, typing):
            task.cancel()
        await asyncio.gather(moving, typing, return_exceptions=True)
