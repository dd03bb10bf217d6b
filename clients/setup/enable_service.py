"""The last step: the unit is enabled and started, once the contact was seen both ways and both files are right."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

from clients.bus_client.named_files import unreadable_files
from controller.config.errors import ConfigErrors
from controller.config.loader import load

if TYPE_CHECKING:
    from clients.setup.session import SetupSession

UNIT = "loadshed"


async def enable(ground: SetupSession) -> bool:
    """Let systemd start the controller, now and at each boot; return whether it did. Obstacles are printed."""
    person = ground.prompt
    reasons = _reasons(ground)
    if reasons:
        person.say("Not yet:\n" + "\n".join(f"- {reason}" for reason in reasons))
        return False
    if not await person.confirm("Start the controller now, and at each boot?", default=True):
        return False
    systemctl = shutil.which("systemctl")
    if systemctl is None:
        person.say("There is no systemctl here: start `loadshed run` by whatever starts programs on this machine.")
        return False
    process = await asyncio.create_subprocess_exec(systemctl, "enable", "--now", UNIT, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    if process.returncode != 0:
        person.say(f"systemctl enable --now {UNIT} failed: {said.decode('utf-8', 'replace').strip()}")
        return False
    person.say("If it was already running: `systemctl restart loadshed` loads the new installer.toml.")
    person.say(
        "It runs. `loadshed status` shows the house; let the transfer switch transfer once, with the real loads."
    )
    return True


def _reasons(ground: SetupSession) -> tuple[str, ...]:
    """Return why the unit may not be enabled; empty if it may."""
    seen = ground.seen.contact_seen(ground.installer.contact)
    reasons = []
    if seen is None or not seen.both_ways:
        reasons.append("the contact has not been seen closed and open as it is wired now: `loadshed setup contact`")
    if not len(ground.panel):
        reasons.append("no circuit is configured yet: `loadshed setup circuits`")
    configuration = load(ground.config_dir.absolute())
    wrong = configuration if isinstance(configuration, ConfigErrors) else ConfigErrors(unreadable_files(configuration))
    reasons += wrong.sentences
    reasons += [
        f"{circuit} is left off by an earlier setup: `loadshed setup prove`" for circuit in ground.seen.left_off
    ]
    return tuple(reasons)
