"""Is the house ready for its next outage? Facts in, a score and reasons out, each with what to do. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clients.devices.assessment import DeviceFinding

TEST_EACH_DAYS = 182.0
"""26 weeks: contacts oxidize and generators fail to start; only a test shows it."""

READY, LIMITED = 90, 60
"""Minimum scores: ready, and ready with limitations."""

LEAST_FREE_MB, LITTLE_FREE_MB = 50.0, 500.0
WORN_PERCENT = 80
CERTIFICATE_DAYS = 30.0
"""Days before the expiry of the broker's certificate from which on it is a reason."""

UNDERVOLTAGE_NOW, UNDERVOLTAGE_SINCE_BOOT = 1 << 0, 1 << 16
"""Bits of the Pi's `get_throttled`."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts about a house. Tuples list circuits, unless stated otherwise. None: unknown.

    `trouble`: why the controller cannot be reached; then its facts are missing. `alarms`: their ids. `never_reported`:
    controllable, and no report ever. `untested`: are shed, and were never tested. `left_off`: by setup.
    `unprotected_infrastructure`: by their names, they supply the controller or the network, and they are not protected.
    `opened_days`: since the last transfer. `meter_stale`: False also if there is no meter. `drill_days`: since the last
    drill; `drill_failed`: circuits that failed in it. `disk_worn_percent`: reported by the card.
    `anonymous_listeners`: addresses of the broker that accept clients without a password. `throttled`: the Pi's own
    flags about its supply. `not_checked`: what could not be examined, and why, in sentences. `certificate_days`: until
    the broker's certificate expires; 0 if it is not valid now; None without TLS. `device_findings`: about the settings
    of the circuits' devices.
    """

    trouble: str | None = None
    alarms: tuple[str, ...] = ()
    offline: tuple[str, ...] = ()
    never_reported: tuple[str, ...] = ()
    uncontrollable: tuple[str, ...] = ()
    untested: tuple[str, ...] = ()
    left_off: tuple[str, ...] = ()
    unprotected_infrastructure: tuple[str, ...] = ()
    none_protected: bool = False
    inverted: bool = False
    contact_seen: bool = True
    opened_days: float | None = 0.0
    meter_stale: bool = False
    drill_days: float | None = 0.0
    drill_failed: tuple[str, ...] = ()
    clock_trusted: bool = True
    certificate_days: float | None = None
    disk_free_mb: float | None = None
    disk_read_only: bool = False
    disk_worn_percent: int | None = None
    anonymous_listeners: tuple[str, ...] = ()
    throttled: int | None = None
    ups_known: bool = True
    device_findings: tuple[DeviceFinding, ...] = ()
    not_checked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that stands in the way. `cost`: points of a hundred."""

    id: str
    cost: int
    message: str
    action: str


@dataclass(frozen=True, slots=True)
class Readiness:
    """The assessment. `score`: 0 to 100. `reasons`: the highest cost first. `not_checked`: in sentences."""

    score: int
    reasons: tuple[Reason, ...]
    not_checked: tuple[str, ...] = ()

    @property
    def level(self) -> str:
        """Return it in a word, as programs read it."""
        return "ready" if self.score >= READY else "limited" if self.score >= LIMITED else "not-ready"


def assess(facts: Facts) -> Readiness:
    """Return how ready a house is, and why not more."""
    reasons = (
        *_controller(facts),
        *_circuits(facts),
        *_devices(facts),
        *_tests(facts),
        *_machine(facts),
        *_surroundings(facts),
    )
    score = max(0, 100 - sum(reason.cost for reason in reasons))
    return Readiness(score, tuple(sorted(reasons, key=lambda reason: -reason.cost)), facts.not_checked)


def _controller(facts: Facts) -> Iterator[Reason]:
    if facts.trouble is not None:
        yield Reason(
            "controller-unavailable", 60, facts.trouble, "Check both services: `systemctl status loadshed mosquitto`."
        )
    if facts.alarms:
        means = f"Active alarms: {', '.join(facts.alarms)}."
        yield Reason("alarms", min(40, 15 * len(facts.alarms)), means, "`loadshed status` shows what to do about each.")
    if facts.left_off:
        yield Reason(
            "left-off",
            30,
            f"Setup switched these circuits off, and they did not report on again: {'; '.join(facts.left_off)}.",
            "Switch them on at the panel, then run `sudo loadshed setup prove`.",
        )
    if not facts.contact_seen:
        means = "The transfer switch contact has not been tested: setup has not seen it both closed and open."
        yield Reason("contact-untested", 25, means, "Run `sudo loadshed setup contact`.")
    if facts.inverted:
        means = "The contact is open on utility: a cut wire reads as utility, and nothing is shed."
        yield Reason("contact-inverted", 10, means, "Wire the switch's normally closed contact.")


def _circuits(facts: Facts) -> Iterator[Reason]:
    if facts.offline:
        means = f"The devices of these circuits do not respond: {'; '.join(facts.offline)}."
        do = "Check their hub, their network and their power."
        yield Reason("breakers-offline", min(40, 10 + 10 * len(facts.offline)), means, do)
    if facts.never_reported:
        means = f"The devices of these circuits have never reported a position: {'; '.join(facts.never_reported)}."
        do = "Compare their ids or `device` in circuits.toml with the topics on which the devices publish."
        yield Reason("breakers-never-reported", min(40, 10 + 10 * len(facts.never_reported)), means, do)
    if facts.uncontrollable:
        means = f"Nonessential, but no command can switch them off: {'; '.join(facts.uncontrollable)}."
        do = "Switch them off by hand in an outage, as the card on the panel door shows, or replace the breaker."
        yield Reason("uncontrollable", 5, means, do)
    if facts.untested:
        means = f"Never tested: {'; '.join(facts.untested)}."
        yield Reason(
            "breakers-untested",
            10,
            means,
            "Run `sudo loadshed setup prove` or `loadshed drill --live`, or let the transfer switch transfer.",
        )
    if facts.unprotected_infrastructure:
        names = "; ".join(facts.unprotected_infrastructure)
        means = f"By their names, these circuits supply the controller, the network or the broker: {names}."
        yield Reason("infrastructure-unprotected", 15, means, "Mark them `protected = true` in circuits.toml.")
    elif facts.none_protected:
        do = "Mark the circuit that supplies controller, router, broker and breaker hub `protected = true`."
        yield Reason("none-protected", 10, "No circuit is marked protected.", do)


_DEVICE_COSTS = {
    "wakes-on": 10,
    "wakes-otherwise": 3,
    "device-watchdog": 10,
    "stored-command": 20,
    "unconfirmable": 10,
    "device-silent": 2,
}
_MOST_FOR_DEVICES = 2
"""Maximum cost of one kind of finding, as a multiple of its cost: many circuits have the same cause."""


def _devices(facts: Facts) -> Iterator[Reason]:
    for kind, cost in _DEVICE_COSTS.items():
        if found := [one for one in facts.device_findings if one.kind == kind]:
            actions = dict.fromkeys(one.action for one in found)
            means = " ".join(one.message for one in found)
            yield Reason(kind, cost * min(len(found), _MOST_FOR_DEVICES), means, " ".join(actions))


def _tests(facts: Facts) -> Iterator[Reason]:
    if facts.opened_days is None:
        means = "No transfer is on record."
        yield Reason("transfer-never", 10, means, "Let the transfer switch transfer once, with the real loads.")
    elif facts.opened_days > TEST_EACH_DAYS:
        means = f"The last transfer was {facts.opened_days / 7:.0f} weeks ago."
        yield Reason(
            "transfer-long-ago",
            10,
            means,
            "Let the transfer switch transfer once. This tests generator, contact and breakers.",
        )
    if facts.drill_failed:
        means = f"These circuits failed in the last drill: {'; '.join(facts.drill_failed)}."
        yield Reason("drill-failed", 20, means, "Repair them, then run `loadshed drill --live` again.")
    if facts.drill_days is None:
        yield Reason(
            "drill-never",
            2,
            "No drill is on record.",
            "Run `loadshed drill --live`, or let the transfer switch transfer.",
        )
    elif facts.drill_days > TEST_EACH_DAYS:
        means = f"The last drill was {facts.drill_days / 7:.0f} weeks ago."
        yield Reason("drill-long-ago", 5, means, "Run `loadshed drill --live`.")


def _machine(facts: Facts) -> Iterator[Reason]:
    if facts.disk_read_only:
        means = (
            "The disk does not accept writes: after a power cut it would be unknown which circuits were switched off."
        )
        yield Reason("disk-read-only", 30, means, "Replace the SD card.")
    if facts.disk_free_mb is not None and facts.disk_free_mb < LITTLE_FREE_MB:
        cost = 30 if facts.disk_free_mb < LEAST_FREE_MB else 5
        yield Reason("disk-full", cost, f"The disk has {facts.disk_free_mb:.0f} MB left.", "Free some space.")
    if facts.disk_worn_percent is not None and facts.disk_worn_percent >= WORN_PERCENT:
        means = f"The SD card reports {facts.disk_worn_percent} % wear."
        yield Reason("disk-worn", 15, means, "Replace it before it fails.")
    if not facts.clock_trusted:
        means = "The clock is not synchronized: times of day in the log may be wrong."
        yield Reason("clock", 5, means, "Check `timedatectl`. Without internet, fit a clock module with a battery.")
    if facts.throttled is not None and facts.throttled & UNDERVOLTAGE_NOW:
        yield Reason("undervoltage", 20, "The Pi's power supply is too weak now.", _SUPPLY)
    elif facts.throttled is not None and facts.throttled & UNDERVOLTAGE_SINCE_BOOT:
        yield Reason("undervoltage", 10, "The Pi's power supply was too weak at some time since it booted.", _SUPPLY)


_SUPPLY = "Use the maker's power supply and a short cable. Low voltage can stop the Pi and damage its SD card."


def _surroundings(facts: Facts) -> Iterator[Reason]:
    if facts.certificate_days is not None and facts.certificate_days < CERTIFICATE_DAYS:
        left = int(facts.certificate_days)
        when = f"expires in {left} days" if left > 0 else "has expired, expires today, or is not valid yet"
        means = f"The broker's certificate {when}. The controller stays connected, but other programs lose the broker."
        do = "Issue a new one: `sudo loadshed broker init --tls` for the house's own Mosquitto. Check the clock."
        yield Reason("certificate-dates", 10, means, do)
    if facts.meter_stale:
        yield Reason(
            "meter-stale", 5, "The meter does not respond.", "Stop the daemon and run `loadshed meter doctor`."
        )
    if facts.anonymous_listeners:
        doors = ", ".join(facts.anonymous_listeners)
        means = (
            f"The broker accepts connections without a password at {doors}: anyone on the network can switch breakers."
        )
        yield Reason(
            "broker-anonymous-access", 30, means, "Set passwords and an access list: `sudo loadshed broker init`."
        )
    if not facts.ups_known:
        means = (
            "No UPS is known here. Without one, controller, network and hub lose power with the house, "
            "and shed nothing."
        )
        yield Reason(
            "no-ups",
            5,
            means,
            "Put all of them on one UPS that lasts ten minutes. If there is one: set [ups] present = true in "
            "installer.toml.",
        )
