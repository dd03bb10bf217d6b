"""Texts of a drill that a user reads: its progress, the result of each circuit, and the verdict. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.terminal.tables import format_duration, format_span, sentence
from clients.terminal.times import time_of_day

if TYPE_CHECKING:
    from collections.abc import Sequence

# --- before the first OFF --------------------------------------------------------------------------------------------

INTERRUPTED = "it was interrupted before the request was sent; nothing was switched"


def listening(within_s: float) -> str:
    """Return that the meter is read first. `within_s`: longest wait, in seconds."""
    return f"Waiting up to {format_span(within_s)} for the meter: present demand of the house."


def accepted(reason: str) -> str:
    """Return the controller's positive reply."""
    return sentence(f"The controller accepted: {reason}")


def not_started(reason: str) -> str:
    """Return that the announced drill was canceled."""
    return f"The drill did not start: {reason}."


def no_start_reported(within_s: float) -> str:
    """Return why a drill counts as not started."""
    return f"the controller did not report the start within {format_span(within_s)}"


# --- progress --------------------------------------------------------------------------------------------------------


def started(drill: int) -> str:
    """Return that the OFF commands are on their way, and what is waited for."""
    return (
        f"Drill {drill} started: OFF is sent to every nonessential, controllable circuit. Waiting until each device "
        "reports off; an OFF without a report is repeated."
    )


def held_off(silent: Sequence[str], for_s: float, until: float | None) -> str:
    """Return that circuits are off, and until when. `silent`: names of those without a report.

    `for_s`: time off in seconds. `until`: end in seconds since 1970; None: not known.
    """
    off = f"NOT CONFIRMED after three attempts: {', '.join(silent)}." if silent else "All circuits are confirmed off."
    end = f" (until {time_of_day(until)})" if until is not None else ""
    return f"{off} They stay off for {format_span(for_s)}{end}. Ctrl-C ends the drill now."


def ended(reason: str, order: Sequence[str], last_after_s: float | None) -> str:
    """Return that restoring begins. `order`: names, first to be turned on first; `last_after_s`: when the last is."""
    if not order or last_after_s is None:
        return f"The drill has ended: {reason}. Waiting until the controller reports that restoring is complete."
    if len(order) == 1:
        when = f"in about {format_span(last_after_s)}" if last_after_s >= 1.0 else "now"
        return f"The drill has ended: {reason}. {order[0]} is turned on {when}."
    turned_on = f"Turned on one at a time: {', '.join(order)}"
    last = f"; the last one in about {format_span(last_after_s)}" if last_after_s >= 1.0 else ""
    return f"The drill has ended: {reason}. {turned_on}{last}."


def off_again(name: str, attempt: int) -> str:
    """Return that an OFF had no acknowledgment. `attempt`: number of this command."""
    return f"{name}: no report yet; OFF sent again (attempt {attempt})."


def on_again(name: str, attempt: int) -> str:
    """Return that an ON had no acknowledgment. `attempt`: number of this command."""
    return f"{name}: no report yet; ON sent again (attempt {attempt})."


def confirmed(name: str, *, off: bool, after_s: float | None) -> str:
    """Return that a device reported its position. `after_s`: from the first command, in seconds; None: unknown."""
    after = "" if after_s is None else f" after {format_duration(after_s)}"
    return f"{name}: reported {'off' if off else 'on'}{after}."


def unexpectedly_on(name: str) -> str:
    """Return that a circuit that was off reports on."""
    return f"{name}: reported on again although it was switched off."


def not_restored(name: str, reason: str) -> str:
    """Return that a circuit was not switched on again."""
    return sentence(f"{name} is not on again: {reason}")


RESTORE_COMPLETE = "Restoring is complete."
ENDED_UNSEEN = "The drill has ended; the house is on utility and no circuit is being restored."
BECAME_OUTAGE = "REAL TRANSFER: the contact has opened. The drill has become an outage; circuits stay off."
CONTROLLER_OFFLINE = (
    "CONTROLLER OFFLINE (last will). Waiting for it to restart; it then restores the circuits of the drill."
)
CONTROLLER_ONLINE = "The controller is online again."
CONTROLLER_RESTARTED = "The controller has restarted. It restores the circuits that the drill switched off."


def contact_unknown(reason: str) -> str:
    """Return that the contact position is unknown, and what that stops."""
    return f"CONTACT POSITION UNKNOWN: {reason}. No circuit is turned on until it is known."


def broker_lost(reason: str) -> str:
    """Return that the connection was lost, and what that means."""
    lost = sentence(f"BROKER DISCONNECTED: {reason}")
    return f"{lost} Messages may be missed. The controller ends the drill by itself. Reconnecting."


BROKER_BACK = "Connected to the broker again."


def controller_gone(after_s: float) -> str:
    """Return that following is given up."""
    return (
        f"No message from the controller for {format_span(after_s)}. Check it with `systemctl status loadshed`, and "
        "check the breakers at the panel."
    )


# --- what is being waited for, after a time without a message ---------------------------------------------------------


def waiting_for_start() -> str:
    """Return the wait between acceptance and first OFF."""
    return "Waiting for the controller to start the drill."


def waiting_for_off(names: Sequence[str]) -> str:
    """Return which circuits have not reported off."""
    return f"Waiting for {', '.join(names)} to report off; OFF is repeated until then."


def waiting_until_end(left_s: float, until: float | None) -> str:
    """Return how much longer circuits stay off."""
    end = f", until {time_of_day(until)}" if until is not None else ""
    return f"Circuits stay off for {format_span(left_s)} more{end}. Ctrl-C ends the drill now."


def waiting_for_on(names: Sequence[str]) -> str:
    """Return which circuits were sent ON and have not reported."""
    return f"Waiting for {', '.join(names)} to report on."


def waiting_for_turn(name: str, in_s: float) -> str:
    """Return which circuit is turned on next. `in_s`: expected time from now in seconds."""
    return f"Next: {name}, turned on in about {format_span(max(1.0, in_s))}."


def waiting_for_restore() -> str:
    """Return the wait for the controller's final message."""
    return "Waiting until the controller reports that restoring is complete."


def waiting_for_meter(within_s: float) -> str:
    """Return the wait for the load of the last circuit."""
    return f"Waiting up to {format_span(within_s)} for the meter: load of the last circuit."


# --- the user's two requests -----------------------------------------------------------------------------------------

LEFT = "Stopped following. The controller ends the drill by itself. `loadshed status` shows the state of the house."
ENDING = "Ending the drill: circuits are turned on one at a time. Press Ctrl-C again to stop following."


def end_refused(reason: str) -> str:
    """Return the controller's refusal to end the drill early."""
    return f"{sentence(f'Could not end the drill early: {reason}')} It ends by itself."


# --- result of one circuit -------------------------------------------------------------------------------------------

TRIPPED, TAKEN_OVER = "tripped", "manual override"
ON_WITHOUT_COMMAND = "turned on manually or by the device"
STAYED_ON = "stayed on: OFF was never confirmed"
RESET_BREAKER = "TRIPPED: find the cause, then reset the breaker at the panel"
OFF_AND_ON = "off and on again"
OFF_AND_ON_WATCHED = f"{OFF_AND_ON}; watched for one more minute because a late OFF may still take effect"
OFF_AND_ON_UNSEEN = f"{OFF_AND_ON}; the report was missed"
RESTORE_UNSEEN = "off; restoring was not followed"
OFF_WHEN_CUT_SHORT = "off when the drill was cut short"
NO_OFF_SENT = "no OFF was sent"
UNCONFIRMED_WHEN_CUT_SHORT = "OFF sent, not yet confirmed when the drill was cut short"
UNHEARD = "the controller or the connection to it was unavailable during the drill"


def waits_for_user(what_to_do: str) -> str:
    """Return that a circuit stays off until a user acts."""
    return f"off; waits for a user: {what_to_do}"


def not_back(reason: str | None) -> str:
    """Return that a circuit failed to come on again; None: the controller named no reason."""
    return f"NOT ON AGAIN: {reason or 'its device did not report on'}"


def never_confirmed(attempts: int) -> str:
    """Return that a circuit never reported off."""
    return f"NOT CONFIRMED OFF after {'1 command' if attempts == 1 else f'{attempts} commands'}; treat it as ON"


# --- why a load is unknown -------------------------------------------------------------------------------------------

NO_METER = "no meter is configured"
COARSE = "without pulses, the meter's register needs longer to show a change than the time between two circuits"
NO_FIGURE = "the meter had no reading"
TOO_SOON = "the next circuit was turned on before the meter reported"
TOO_LATE = "the meter had not reported when the drill ended"
NONE_SEEN = "no rise measured; the load may not have been running"


# --- verdict ---------------------------------------------------------------------------------------------------------


def counts(off: int, total: int, back: int, slowest_s: float | None) -> str:
    """Return how many circuits went off and came on again. `slowest_s`: longest time to a report of off."""
    within = "" if slowest_s is None else f" within {format_duration(slowest_s)}"
    return f"{off} of {total} circuits went off{within}, and {back} came on again"


def never_started(reason: str) -> str:
    """Return the verdict on a drill that did not start."""
    return f"NOT STARTED: {reason}."


def incomplete(counted: str) -> str:
    """Return the verdict on a drill of which messages were missed."""
    return f"INCOMPLETE: {UNHEARD}. As far as messages arrived, {counted}. Run the drill again."


def failed(circuits: Sequence[tuple[str, str]]) -> str:
    """Return the verdict on a failed drill. `circuits`: name and result of each failed circuit."""
    return f"FAILED: {'; '.join(f'{name}: {text}' for name, text in circuits)}."


def cut_short(counted: str) -> str:
    """Return the verdict on a drill that a transfer ended."""
    return f"CUT SHORT by a real transfer. Until then {counted}."


def not_followed(counted: str) -> str:
    """Return the verdict on a drill that the user stopped following."""
    return f"NOT FOLLOWED to the end. Until then {counted}."


def passed(counted: str, waiting: Sequence[str]) -> str:
    """Return the verdict on a passed drill. `waiting`: names of circuits that wait for a user."""
    return f"PASSED: {counted}" + (f"; waiting for a user: {', '.join(waiting)}." if waiting else ".")
