"""The facts of a house's readiness, gathered: from the bus, the log, both files, and the machine itself."""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import shutil
import socket
import sqlite3
import struct
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from clients.bus_client.status import HouseStatus, fetch_status, is_stale
from clients.devices.assessment import STORED, assess_devices
from clients.maintenance.readiness import Facts
from clients.setup import setup_record
from controller.config.advice import named
from controller.runtime import clock
from controller.storage.boot_clocks import elapsed
from controller.storage.log_reader import EventLog
from controller.storage.schema import UnusableDatabaseError
from hw.broker_socket import Broker, BrokerError
from hw.mqtt import MqttConnection
from rules.boot_time import BootTime
from rules.controllability import controllable, sheddable
from rules.panel import Tag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clients.bus_client.site import Site
    from controller.config.loader import Configuration
    from controller.storage.boot_clocks import LoggedTime
    from controller.storage.log_reader import OutageRow
    from hw.broker_tls import CertificateDates
    from rules.panel import Panel

LOOPBACK = ("127.0.0.1", "::1", "localhost")
USUAL_PORT = 1883
DAY_S = 86_400.0
# Ends in the log of circuits that were left to a user or released on request.
_BY_USERS = ("taken_over", "user_request")
_FEEDERS = ("router", "modem", "access point", "broker", "loadshed", "controller", "breaker hub", "network", "wifi")
_SIOCGIFADDR = 0x8915


@dataclass(frozen=True, slots=True)
class Installation:
    """What is examined. `root`: the folder with /sys, /etc and so on."""

    configuration: Configuration
    site: Site
    state_dir: Path
    root: Path = Path("/")


async def collect_facts(house: Installation) -> Facts:
    """Return all that can be known of this house now, with circuits by name and space."""
    return _labeled(await _collect(house), house.configuration.panel)


_CIRCUIT_FACTS = (
    "offline",
    "never_reported",
    "uncontrollable",
    "untested",
    "left_off",
    "unprotected_infrastructure",
    "drill_failed",
)


def _labeled(facts: Facts, panel: Panel) -> Facts:
    """Return the facts with labels instead of ids. Of a circuit that is not in the file, its id."""
    labels = {str(one.id): one.label for one in panel}
    named = {key: tuple(labels.get(one, one) for one in getattr(facts, key)) for key in _CIRCUIT_FACTS}
    return replace(facts, **named)  # type: ignore[arg-type]  # each is a tuple of texts


async def _collect(house: Installation) -> Facts:
    facts = replace(_written(house), **_machine(house))  # type: ignore[arg-type]  # each names its own
    facts = _logged(house, facts)
    try:
        told = await fetch_status(house.site.broker, house.site.id, house.configuration.panel.circuits)
    except BrokerError as error:
        return _unseen(replace(facts, trouble=str(error)), _OVER_THE_BROKER)
    facts = replace(_told(house, facts, told), anonymous_listeners=await anonymous_listeners(house.site.broker))
    facts = await _with_devices(house, facts)
    return facts if facts.trouble is None else _unseen(facts, _BY_THE_CONTROLLER)


async def _with_devices(house: Installation, facts: Facts) -> Facts:
    """Return the facts with what the circuits' devices report about their settings. They are only asked."""
    if not any(circuit.device is not None for circuit in house.configuration.panel):
        return facts
    try:
        found = await assess_devices(house.configuration)
    except BrokerError as error:
        return _unseen(facts, f"settings of the devices: {error}")
    if "retained-command" in facts.alarms:
        found = tuple(one for one in found if one.kind != STORED)  # the alarm has its own cost
    return replace(facts, device_findings=found)


_BY_THE_CONTROLLER = "alarms, breakers and meter: the controller cannot be asked"
_OVER_THE_BROKER = "alarms, breakers, meter and access without a password: the broker cannot be reached"


def _unseen(facts: Facts, sentence: str) -> Facts:
    return replace(facts, not_checked=(*facts.not_checked, sentence))


# --- what is written -------------------------------------------------------------------------------------------------


def _written(house: Installation) -> Facts:
    panel, seen = house.configuration.panel, setup_record.load(house.state_dir)
    contact = seen.contact_seen(house.configuration.contact)
    return Facts(
        uncontrollable=tuple(one.id for one in panel if one.tag is Tag.NONESSENTIAL and not controllable(one)),
        untested=tuple(one.id for one in panel if sheddable(one) and one.id not in seen.proofs),
        left_off=seen.left_off,
        unprotected_infrastructure=unprotected_infrastructure(panel),
        none_protected=not any(circuit.protected for circuit in panel),
        inverted=house.configuration.contact.normally == "open",
        contact_seen=contact is not None and contact.both_ways,
    )


def unprotected_infrastructure(panel: Panel) -> tuple[str, ...]:
    """Return the circuits that, by their names, supply the controller or the network, and that are not protected."""
    return tuple(circuit.id for circuit in panel if not circuit.protected and named(circuit, _FEEDERS))


# --- the log ---------------------------------------------------------------------------------------------------------


def _logged(house: Installation, facts: Facts) -> Facts:
    """Return the facts with what the log adds; without one there was no transfer, and no drill."""
    outages: tuple[OutageRow, ...] = ()
    now = None
    try:
        with EventLog(house.state_dir) as log:
            outages, now = log.outages(), log.time(BootTime(clock.boot_id(), clock.monotonic()))
    except FileNotFoundError:
        pass  # the program has not run yet
    except (OSError, sqlite3.DatabaseError, UnusableDatabaseError) as error:
        facts = _unseen(facts, f"transfers and drills: the event log cannot be read ({error})")
        return replace(facts, opened_days=0.0, drill_days=0.0)
    transfers = [one for one in outages if one.kind != "drill"]
    drills = [one for one in outages if one.kind == "drill" and one.ended is not None]
    shed = {row.circuit for one in outages for row in one.histories if row.confirmed_after_s is not None}
    opened_days = _days_since(transfers, now)
    return replace(
        facts,
        opened_days=opened_days,
        contact_seen=facts.contact_seen or opened_days is not None,
        untested=tuple(circuit for circuit in facts.untested if circuit not in shed),
        drill_days=_days_since(drills, now),
        drill_failed=drill_failed(drills[-1]) if drills else (),
    )


def drill_failed(drill: OutageRow) -> tuple[str, ...]:
    """Return the circuits that failed in a drill; not those that were off, or under manual override."""
    off_before = {circuit for circuit, position in drill.before.items() if position in ("off", "tripped")}
    return tuple(
        row.circuit
        for row in drill.histories
        if row.confirmed_after_s is None and row.circuit not in off_before and row.end not in _BY_USERS
    )


def _days_since(outages: Iterable[OutageRow], now: LoggedTime | None = None) -> float | None:
    """Return the days since the last of them began, or its contact opened; None: there is none.

    `now`: the present as the log has it. If a clock was not set, then or now: a lower bound, 0 at the least.
    """
    moments = [when for one in outages for when in (one.openings or (one.began,))]
    if not moments:
        return None
    passed = [ago_s for when in moments if (ago_s := _seconds_since(when, now)) is not None]
    return max(0.0, min(passed, default=0.0)) / DAY_S


def _seconds_since(when: LoggedTime, now: LoggedTime | None) -> float | None:
    """Return the seconds from a logged time to `now`, or a lower bound; None: unknown."""
    if now is not None and (passed := elapsed(when, now)) is not None:
        return passed.seconds
    # The program has not run since the machine booted: this boot is not in the log.
    return time.time() - when.utc_s if when.trusted and when.utc_s is not None else None


# --- the bus ---------------------------------------------------------------------------------------------------------


def _told(house: Installation, facts: Facts, told: HouseStatus) -> Facts:
    facts = replace(facts, certificate_days=_certificate_days(told.certificate, time.time()))
    if told.trouble is not None:
        return replace(facts, trouble=told.trouble)
    able = {name: one for name, one in told.circuits.items() if one.get("controllable") is True}
    stale = told.demand is None or is_stale(told.demand, house.site, time.time()) or told.demand.get("kw") is None
    return replace(
        facts,
        alarms=tuple(sorted(told.alarms)),
        offline=tuple(name for name, one in able.items() if one.get("available") is False),
        never_reported=tuple(
            name for name, one in able.items() if one.get("available") is True and one.get("position") == "unknown"
        ),
        meter_stale=house.configuration.meter is not None and stale,
    )


def _certificate_days(dates: CertificateDates | None, now: float) -> float | None:
    if dates is None:
        return None
    return max(0.0, dates.ends - now) / DAY_S if dates.begins <= now else 0.0


async def anonymous_listeners(broker: Broker) -> tuple[str, ...]:
    """Return the addresses at which the broker accepts clients without a name from the network."""
    hosts = own_addresses() if broker.host in LOOPBACK else (broker.host,)
    plain = replace(broker, ca_file=None)
    doors = [replace(plain, host=host, port=port) for host in hosts for port in sorted({broker.port, USUAL_PORT})]
    if broker.ca_file is not None:
        # By the name its certificate is for; who may come in there may from everywhere.
        doors.append(broker)
    opened = await asyncio.gather(*map(_lets_in, doors))
    return tuple(str(door) for door, is_open in zip(doors, opened, strict=True) if is_open)


async def _lets_in(door: Broker) -> bool:
    nobody = replace(door, username=None, password_file=None)
    try:
        link = await MqttConnection.open(nobody, f"stranger-{secrets.token_hex(4)}")
    except BrokerError:
        return False
    await link.close()
    return True


def own_addresses() -> tuple[str, ...]:
    """Return the IPv4 addresses of this machine, loopback left out; none where the system does not say."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for name in _interfaces():
            with suppress(OSError):  # an interface without an address
                answer = fcntl.ioctl(asking, _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
                found.append(socket.inet_ntoa(answer[20:24]))
    return tuple(address for address in found if not address.startswith("127."))


def _interfaces() -> tuple[str, ...]:
    try:
        return tuple(name for _, name in socket.if_nameindex())
    except OSError:  # a unit that may not ask the kernel for them
        return ()


# --- the machine -----------------------------------------------------------------------------------------------------


def _machine(house: Installation) -> dict[str, object]:
    free_mb, read_only = _disk(house.state_dir)
    return {
        "clock_trusted": clock.trusted(),
        "disk_free_mb": free_mb,
        "disk_read_only": read_only,
        "disk_worn_percent": worn_percent(house.root),
        "throttled": throttled(house.root),
        "ups_known": ups_present(house.configuration) or ups_known(house.root),
    }


def ups_present(configuration: Configuration) -> bool:
    """Return whether installer.toml states that there is a UPS: one without a data cable is not seen."""
    ups = configuration.installer.ups
    return ups is not None and ups.present


def _disk(state_dir: Path) -> tuple[float | None, bool]:
    try:
        return shutil.disk_usage(state_dir).free / 1e6, bool(os.statvfs(state_dir).f_flag & os.ST_RDONLY)
    except OSError:
        return None, False


def worn_percent(root: Path) -> int | None:
    """Return how much of its life an eMMC says it has used, in steps of ten; None: SD cards do not say."""
    worn = []
    for path in root.glob("sys/block/mmcblk*/device/life_time"):
        with suppress(OSError, ValueError):
            worn += [10 * int(word, 16) for word in path.read_text(encoding="ascii").split()]
    return max(worn, default=0) or None


def throttled(root: Path) -> int | None:
    """Return what the Pi says of its supply, as bits; None where this is no Pi."""
    with suppress(OSError, ValueError):
        text = (root / "sys/devices/platform/soc/soc:firmware/get_throttled").read_text(encoding="ascii")
        return int(text.strip(), 16)
    program = shutil.which("vcgencmd")
    if program is None:
        return None
    with suppress(OSError, ValueError, subprocess.SubprocessError):
        ran = subprocess.run([program, "get_throttled"], capture_output=True, text=True, timeout=5, check=True)  # noqa: S603
        return int(ran.stdout.strip().partition("=")[2], 16)
    return None


def ups_known(root: Path) -> bool:
    """Return whether a UPS is known: to the kernel, or to one of the two usual monitoring programs."""
    for path in root.glob("sys/class/power_supply/*/type"):
        with suppress(OSError):
            if path.read_text(encoding="ascii").strip() in ("UPS", "Battery"):
                return True
    return any((root / name).exists() for name in ("etc/nut/ups.conf", "etc/apcupsd/apcupsd.conf"))
