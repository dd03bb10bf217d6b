"""Status of the house, collected from the daemon's retained messages, with their age."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from controller.bus import topics
from controller.bus.payloads import rfc3339
from controller.bus.topics import SiteTopics
from hw.mqtt import MqttConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clients.bus_client.site import Site
    from hw.broker_socket import Broker
    from rules.json_types import Json

    Fields = dict[str, Json]

# The broker sends what it keeps at once; what has not come by then is not there.
ENOUGH_S = 5.0
# The daemon publishes demand at each poll of the meter; after three polls the message is old, whatever it contains.
STALE_POLLS = 3

CLOCKS_APART_S = 2.0
"""Difference in seconds by which the clocks of two machines may differ if both are set."""

SETTLED_BY_EDGES_S, SETTLED_BY_TICKS_S = 30.0, 300.0


@dataclass
class HouseStatus:
    """Messages of one site's controller. None, or no entry: not received."""

    availability: str | None = None
    state: Fields | None = None
    demand: Fields | None = None
    circuits: dict[str, Fields] = field(default_factory=dict)
    alarms: dict[str, Fields] = field(default_factory=dict)

    def take(self, name: str, payload: bytes) -> None:
        """Process one message; `name` is its topic below the site's. Messages of other publishers are ignored."""
        if name == topics.AVAILABILITY:
            self.availability = payload.decode("utf-8", "replace")
            return
        fields = _fields(payload)
        group, _, leaf = name.partition("/")
        book = {topics.CIRCUITS: self.circuits, topics.ALARMS: self.alarms}.get(group)
        if name == topics.STATE:
            self.state = fields
        elif name == topics.DEMAND:
            self.demand = fields
        elif book is not None and fields is None:
            book.pop(leaf, None)
        elif book is not None and fields is not None:
            book[leaf] = fields

    @property
    def trouble(self) -> str | None:
        """Return why the present state is unknown; None if it is known."""
        if self.availability is None:
            return "no retained message of loadshed there: check [site] id, and that `loadshed run` has been started"
        if self.availability != "online":
            return (
                "loadshed is not running, or has lost the broker (so says its last will): `systemctl status loadshed`"
            )
        if self.state is None:
            return "loadshed is there, but has not said its state yet: try again"
        return None


async def fetch_status(broker: Broker, site: str, *, enough_s: float = ENOUGH_S) -> HouseStatus:
    """Return what the broker keeps of a site. Raises BrokerError where the broker is away."""
    link = await MqttConnection.open(broker, f"loadshed-status-{secrets.token_hex(4)}")
    told = HouseStatus()
    try:
        await remembered(link, site, told.take, SiteTopics(site).status_filters(), enough_s=enough_s)
    finally:
        await link.close()
    return told


async def remembered(
    link: MqttConnection,
    site: str,
    take: Callable[[str, bytes], object],
    filters: Iterable[str],
    *,
    enough_s: float = ENOUGH_S,
) -> None:
    """Subscribe, and return when all that the broker keeps has been taken, each by its topic below the site's.

    Raises BrokerError where the connection ends.
    """
    names = SiteTopics(site)
    # An echo of our own, asked for last: when it comes, all that is retained has come before it.
    echo = names.answers(secrets.token_hex(8))
    link.subscribe([*filters, echo])
    link.publish(echo, b"", qos=0)
    link.flush()
    with suppress(TimeoutError):  # the access list may forbid the echo
        async with asyncio.timeout(enough_s):
            while True:
                heard = link.read()
                for one in heard:
                    take(names.name_of(one.topic), one.payload)
                if any(one.topic == echo for one in heard):
                    return
                await link.wait()


async def settled_kw(site: Site) -> float | None:
    """Return the demand the controller publishes once it has settled after a switch; None: it does not know.

    By edges a step down shows within 16 s, by the register's ticks within five minutes.
    """
    before = (await fetch_status(site.broker, site.id)).demand or {}
    await asyncio.sleep(SETTLED_BY_TICKS_S if before.get("kw_quality") == "coarse" else SETTLED_BY_EDGES_S)
    return present_kw(await fetch_status(site.broker, site.id), site, time.time())


def present_kw(told: HouseStatus, site: Site, now: float) -> float | None:
    """Return what the house draws by the controller's last word; None: it has no figure, or that is not the present."""
    kw = None if told.demand is None or is_stale(told.demand, site, now) else told.demand.get("kw")
    return float(kw) if isinstance(kw, int | float) else None


def status_fields(site: Site, told: HouseStatus, reason: str | None, now: float) -> Fields:
    """Return the status for programs. `known` false: `reason` says why, and what was said last is called so."""
    said: Fields = {
        "state": told.state,
        "circuits": {**told.circuits},
        "demand": _present_demand(told, site, now) if reason is None else told.demand,
        "alarms": {**told.alarms},
    }
    fields: Fields = {"site": site.id, "seen_at": rfc3339(now), "known": reason is None}
    return {**fields, **said} if reason is None else {**fields, "reason": reason, "last_known": said}


def _present_demand(told: HouseStatus, site: Site, now: float) -> Fields | None:
    """Return demand, without its present figure where that is not the present."""
    if told.demand is None or not is_stale(told.demand, site, now):
        return told.demand
    return {**told.demand, "kw": None, "kw_quality": "stale", "age_s": ago_s(told.demand, now)}


def is_stale(demand: Fields, site: Site, now: float) -> bool:
    """Return whether demand is too old to be shown as present."""
    old_s = age_s(demand, now)
    # A time in the future is no better than an old one: a clock is wrong, and the age is unknown.
    return old_s is None or abs(old_s) > STALE_POLLS * site.poll_s + 1.0


def age_s(fields: Fields, now: float, key: str = "at") -> float | None:
    """Return how long ago something was, by this machine's clock (negative: in the future); None: not to be known."""
    try:
        return now - datetime.fromisoformat(str(fields.get(key))).timestamp()
    except ValueError:
        return None


def ago_s(fields: Fields, now: float, key: str = "at") -> float | None:
    """Return how long ago a past event was; None: unknown, also if it is in the future by this machine's clock."""
    old_s = age_s(fields, now, key)
    return None if old_s is None or old_s < -CLOCKS_APART_S else max(0.0, old_s)


def _fields(payload: bytes) -> Fields | None:
    try:
        fields = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None
