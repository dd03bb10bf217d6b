"""Status of the house, which the controller publishes on request, with the age of its parts."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from controller.bus import topics
from controller.bus.payloads import rfc3339
from controller.bus.requests import STATUS_REQUEST
from controller.bus.topics import SiteTopics
from hw.mqtt import MqttConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clients.bus_client.site import Site
    from hw.broker_socket import Broker
    from hw.broker_tls import CertificateDates
    from hw.mqtt_messages import Message
    from rules.json_types import Json

    Fields = dict[str, Json]

ENOUGH_S = 6.5
"""Timeout for a sign of life of the controller, in seconds: a little longer than its interval."""

ASK_S = 2.0
"""Time for a reply, in seconds. After it, a sign of life is enough: the access list may forbid requests."""

GONE_S = 1.5
"""Time in seconds after which a controller does not run that does not reply, and is retained as offline or not at all.
"""

LOOK_S = 0.1
# The daemon publishes demand at each poll of the meter; after three polls the message is old, whatever it contains.
STALE_POLLS = 3

CLOCKS_APART_S = 2.0
"""Difference in seconds by which the clocks of two machines may differ if both are set."""

SETTLED_BY_EDGES_S, SETTLED_BY_TICKS_S = 30.0, 300.0


@dataclass
class HouseStatus:
    """Messages of one site's controller. None, or no entry: not received.

    `alive`: the controller has just replied or reported. A retained message never shows that: the broker may have
    returned from its disk without the controller. `certificate`: dates of the broker's certificate; None without TLS.
    """

    availability: str | None = None
    alive: bool = False
    certificate: CertificateDates | None = None
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
        book = self.circuits if group == topics.CIRCUITS else None
        if name == topics.STATE:
            self.state = fields
        elif name == topics.DEMAND:
            self.demand = fields
        elif name == topics.ALARM_LIST:
            self.alarms = _by_id(fields)
        elif book is not None and fields is None:
            book.pop(leaf, None)
        elif book is not None and fields is not None:
            book[leaf] = fields

    def forget(self) -> None:
        """Drop circuits and alarms before they are received again: some may be gone. The last state stays."""
        self.availability = None
        self.circuits.clear()
        self.alarms.clear()

    @property
    def trouble(self) -> str | None:
        """Return why the present state is unknown; None if it is known."""
        if self.alive:
            return None if self.state is not None else "loadshed runs, but has not published its state yet: try again"
        if self.availability is None:
            return "no message from loadshed: check [site] id, and that `loadshed run` has been started"
        if self.availability != "online":
            return "loadshed is not running, or has lost the broker (its last will): `systemctl status loadshed`"
        return (
            "loadshed does not respond. The broker still has its old message `online`: the controller or its machine "
            "has stopped: `systemctl status loadshed`"
        )


async def fetch_status(
    broker: Broker, site: str, circuits: Iterable[str] = (), *, enough_s: float = ENOUGH_S
) -> HouseStatus:
    """Return the status of a site. `circuits`: ids, needed for a broker without wildcards only.

    Raises BrokerError if the broker cannot be reached.
    """
    link = await MqttConnection.open(broker, f"loadshed-status-{secrets.token_hex(4)}")
    told = HouseStatus()
    names = SiteTopics(site)
    filters = names.status_filters() if link.limits.wildcards else names.status_filters(circuits)
    try:
        told.certificate = link.certificate_dates
        told.alive = await remembered(link, site, told.take, filters, enough_s=enough_s)
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
    take_live: Callable[[str, bytes], object] = lambda _name, _payload: None,
) -> bool:
    """Subscribe, and have the controller publish all of its status; return whether it responded.

    `take` receives each message, by its topic below the site's, retained ones first; `take_live` those that are
    published now. Raises BrokerError if the connection ends.
    """
    names = SiteTopics(site)
    answer = names.answers(secrets.token_hex(8))
    seen = _SignsOfLife(names, answer)
    link.subscribe([*dict.fromkeys((*filters, names.availability, *names.status_order())), answer])
    link.publish(names.ask(STATUS_REQUEST), b"", response_topic=answer, correlation=b"status")
    link.flush()
    began = time.monotonic()
    while not seen.enough(time.monotonic() - began, enough_s, replies=link.carries_replies):
        for one in link.read():
            seen.note(one)
            take(names.name_of(one.topic), one.payload)
            if not one.retained:
                take_live(names.name_of(one.topic), one.payload)
        await link.wait(LOOK_S)
    return seen.alive


class _SignsOfLife:
    """Messages that show whether the controller runs now. The reply is the last message of its status.

    With MQTT 3.1.1 a request has no reply. The status then ends with the topics of `SiteTopics.status_order`, live and
    in this order. One of them alone shows nothing: the controller also publishes each of them without a request.
    """

    def __init__(self, names: SiteTopics, answer: str) -> None:
        self._names = names
        self._answer = answer
        self._order = names.status_order()
        self._replied = False
        self._reached = 0
        self._availability: bytes | None = None
        self.alive = False

    def note(self, message: Message) -> None:
        if message.topic == self._names.availability:
            self._availability = message.payload
        if message.retained:
            return
        self._replied = self._replied or message.topic == self._answer
        self._reached += message.topic in self._order[self._reached : self._reached + 1]
        self.alive = self.alive or message.topic in (self._answer, self._names.alive)

    def enough(self, waited_s: float, enough_s: float, *, replies: bool) -> bool:
        """Return whether nothing more needs to be waited for."""
        if self.alive:
            complete = self._replied or (self._reached == len(self._order) and not replies)
            return complete or waited_s >= ASK_S
        return waited_s >= (enough_s if self._availability == b"online" else min(GONE_S, enough_s))


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


def _by_id(fields: Fields | None) -> dict[str, Fields]:
    """Return the alarms of `controller/alarms` by their ids."""
    listed = (fields or {}).get("alarms")
    found = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return {str(one.get("id")): one for one in found}
