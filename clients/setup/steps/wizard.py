"""The steps of setup in their order, each of which can be taken alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from clients.setup.breaker_test import run_breaker_tests
from clients.setup.enable_service import enable
from clients.setup.panel_card import FILE, write_card
from clients.setup.prompt import InputClosedError
from clients.setup.steps.broker import broker
from clients.setup.steps.circuits import circuits
from clients.setup.steps.contact import contact
from clients.setup.steps.devices import devices
from clients.setup.steps.meter import meter
from clients.terminal.tables import sentence
from controller.config.model import GpioContact

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from clients.setup.session import SetupSession

    Step = Callable[[SetupSession], Awaitable[bool]]

TITLES = {
    "broker": "the broker, where breakers and people meet",
    "contact": "the transfer switch's contact, seen closed and open",
    "meter": "the kWh meter, if there is one",
    "circuits": "the circuits, one by one",
    "devices": "the MQTT device of each circuit, and its settings",
    "prove": "each breaker, off and on",
    "card": "the card for the panel's door",
    "enable": "start it, now and at each boot",
}
"""Every step, in order: a contact on the bus needs the broker first."""


async def run_wizard(ground: SetupSession, step: str | None, card: Path | None) -> bool:
    """Run one step, or all of them in turn; return whether every started step was completed."""
    steps = _steps(card or ground.config_dir / FILE)
    try:
        if step is not None:
            return await steps[step](ground)
        return await _all(ground, steps)
    except asyncio.CancelledError:
        ground.prompt.say("\nSetup ends here. What was written stays; `loadshed setup` goes on from it.")
        raise
    except InputClosedError as error:
        ends = sentence(f"\nSetup ends here: {error}")
        ground.prompt.say(f"{ends} What was written stays; `loadshed setup` goes on from it.")
        return False
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        sudo = " Run it with sudo." if isinstance(error, PermissionError) else ""
        ground.prompt.say(f"\nSetup ends here: {error.strerror or error}{where}.{sudo}")
        return False


def _steps(card: Path) -> dict[str, Step]:
    async def print_card(ground: SetupSession) -> bool:
        return write_card(ground, card)

    return {
        "broker": broker,
        "contact": contact,
        "meter": meter,
        "circuits": circuits,
        "devices": devices,
        "prove": run_breaker_tests,
        "card": print_card,
        "enable": enable,
    }


async def _all(ground: SetupSession, steps: dict[str, Step]) -> bool:
    person = ground.prompt
    person.say(
        "Enter takes what stands in brackets. Ctrl-C ends; what was written stays, and each step can be repeated."
    )
    undone = []
    for number, (name, title) in enumerate(TITLES.items(), 1):
        person.say(f"\n— {number} of {len(TITLES)}: {title} (`loadshed setup {name}`) —")
        if await steps[name](ground):
            continue
        undone.append(name)
        if name == "broker" and not isinstance(ground.installer.contact, GpioContact):
            break
    if undone:
        person.say("\nNot done: " + ", ".join(f"`loadshed setup {name}`" for name in undone))
    return not undone
