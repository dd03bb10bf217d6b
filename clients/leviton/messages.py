"""Texts of the bridge for the owner of the house."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rules.panel import Circuit

MOST_LETTERS = 330
"""Length of a list of circuits in a message: the rest is counted."""

LOGIN_ACTION = "Log in again: sudo loadshed leviton login."
INTERNET_ACTION = (
    "Check the modem, the router and the internet line, and whether they are on a UPS. "
    "Until then, switch these breakers at the panel."
)
HUB_ACTION = "Check that the hub in the panel has power and Wi-Fi. Until then, switch these breakers at the panel."
IDENTITY_ACTION = "Compare the panel with circuits.toml, then run: sudo loadshed leviton import."
COMMAND_ACTION = "Switch these breakers at the panel, and look at: loadshed leviton status."


def by_size(circuits: Iterable[Circuit]) -> list[Circuit]:
    """Return circuits in the order in which to switch them off by hand: the largest first."""
    return sorted(circuits, key=lambda one: (-(one.amps or 0.0) * len(one.spaces), -one.rank, one.spaces))


def at_the_panel(circuits: Sequence[Circuit]) -> str:
    """Return circuits as a list for a reader at the panel, largest first, cut to a readable length."""
    listed, length = [], 0
    ordered = by_size(circuits)
    for circuit in ordered:
        amps = f" ({circuit.amps:g} A)" if circuit.amps else ""
        text = f"{'+'.join(map(str, circuit.spaces))} {circuit.name}{amps}"
        length += len(text) + 2
        if length > MOST_LETTERS:
            break
        listed.append(text)
    rest = len(ordered) - len(listed)
    more = f", and {rest} more" if rest else ""
    return ", ".join(listed) + more


def unreachable(circuits: Sequence[Circuit], *, on_standby: bool) -> str:
    """Return what the loss of the cloud means. `circuits`: those that should be off and are not known to be."""
    text = "Leviton's cloud is unreachable: your 2nd Gen breakers cannot be commanded."
    if on_standby and circuits:
        return f"{text} Turn off at the panel: {at_the_panel(circuits)}."
    return text


def hub_away(names: Sequence[str], circuits: Sequence[Circuit], *, on_standby: bool) -> str:
    """Return what the loss of hubs means."""
    hubs = "The hub" if len(names) == 1 else "The hubs"
    verb = "does" if len(names) == 1 else "do"
    text = f"{hubs} {', '.join(names)} {verb} not report to Leviton's cloud: its breakers cannot be commanded."
    if on_standby and circuits:
        return f"{text} Turn off at the panel: {at_the_panel(circuits)}."
    return text


def no_login(reason: str) -> str:
    """Return what a missing login means."""
    return f"The bridge has no access to Leviton's cloud ({reason}): your 2nd Gen breakers cannot be commanded."


def login_ends(days: int) -> str:
    """Return that the login will end."""
    unit = "day" if days == 1 else "days"
    return f"The login to Leviton's cloud ends in {days} {unit}. After that, 2nd Gen breakers cannot be commanded."


def wrong_breakers(found: Sequence[tuple[Circuit, str]]) -> str:
    """Return which circuits are not commanded because the cloud lists their breakers otherwise."""
    return ("Not commanded: " + "; ".join(f"{circuit.label}: {reason}" for circuit, reason in found))[
        : MOST_LETTERS + 100
    ]


def not_accepted(circuits: Sequence[Circuit], reason: str) -> str:
    """Return that the cloud does not accept commands."""
    return f"Leviton's cloud does not accept commands ({reason}): {at_the_panel(circuits)}."


def may_still_come(circuits: Sequence[Circuit]) -> str:
    """Return that accepted commands may be carried out late."""
    return f"The hub went away after a command: it may still be carried out later: {at_the_panel(circuits)}."
