"""The connection to the cloud: login, push connection, discovery of hubs and breakers, signs of life.

Order of a connection: push gets ready, everything known is subscribed, REST is read, what is new is subscribed. A dead
login is not refused by push: it never gets ready, and a REST request decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from clients.leviton.inventory import ListedBreaker, ListedHub, read_breaker, read_hub
from clients.leviton.signals import CallCloud, ClosePush, CloudAnswered, OpenPush, SendLogin, SendPush, WriteLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Literal

    from clients.leviton.signals import BridgeEffect
    from rules.json_types import Json

READY_S = 20.0
"""Time in seconds in which a push connection must get ready."""
RENEW_S = 55 * 60.0
"""Age in seconds of a push connection at which the next one is opened: the cloud ends it after 60 minutes."""
GRACE_S = 8.0
"""Time in seconds in which a push connection that the cloud has closed may be replaced: then no breaker is away."""
RETRY_STEPS_S = (1.0, 2.0, 4.0, 8.0)
RETRY_URGENT_S, RETRY_S = 10.0, 60.0
BANDWIDTH_S = 50.0
"""Interval in seconds of `bandwidth` 1, which keeps a hub reporting."""
HUB_SILENT_URGENT_S, HUB_SILENT_S = 60.0, 90.0
"""Time in seconds without a notification after which a hub counts as away: on standby, and otherwise."""
CHECK_TIMES, CHECK_AGAIN_S = 3, 5.0
"""A login is dead when this number of requests, this number of seconds apart, was refused."""
DEAD_CHECK_S = 3600.0
DISCOVER_S = 600.0
CROSS_CHECK_URGENT_S, CROSS_CHECK_S = 30.0, 600.0
READ_AGAIN_S = 3.5
"""Time in seconds until a reading that is to confirm another one."""
LAST_WORDS_S = 5.0
"""Time in seconds after the loss of a hub in which messages may still come that were sent before it."""
LIVELY_S = 20.0
"""Time in seconds after a notification of a hub for which a REST answer that it is away is not believed."""
REFUSED = (401, 403)
OK_FROM, OK_BELOW = 200, 300


class CloudPhase(Enum):
    """Phase of the connection."""

    NO_LOGIN = "no login"
    WAITING = "waiting"
    OPENING = "opening"
    READING = "reading"
    ONLINE = "online"


class Purpose(NamedTuple):
    """What a request was sent for. `about`: a permission, residence, hub or circuit."""

    what: Literal["permissions", "residences", "hubs", "breakers", "bandwidth", "check", "breaker", "command"]
    about: str
    at: float


@dataclass(slots=True)
class HubState:
    """A hub on the present connection. `alive_at`: its first sign of life, `heard_at`: its last; None: none yet."""

    listed: ListedHub
    connected: bool | None = None
    alive_at: float | None = None
    heard_at: float | None = None
    breakers: tuple[ListedBreaker, ...] = ()
    was_read: bool = False
    silent: bool = False
    away_at: float = float("-inf")

    def go_away(self, now: float) -> None:
        """Note that the hub has no connection to the cloud."""
        if self.connected is not False:
            self.connected, self.away_at = False, now
        self.alive_at, self.was_read = None, False


@dataclass(slots=True)
class CloudSession:
    """The connection. `out`: effects, in order. `hubs`: by serial number. `jitter`: a factor around 1 for pauses."""

    out: list[BridgeEffect]
    jitter: Callable[[], float]
    phase: CloudPhase = CloudPhase.NO_LOGIN
    login_is_dead: bool = False
    expires_in_s: float | None = None
    reason: str = "not connected yet"
    hubs: dict[str, HubState] = field(default_factory=dict)
    urgent: bool = False
    link: int | None = None
    _user: str | None = None
    _link_at: float = 0.0
    _next: int | None = None  # a link that is being opened
    _next_until: float = 0.0
    _links: int = 0
    _numbers: int = 0
    _calls: dict[int, Purpose] = field(default_factory=dict)
    _retry_at: float = 0.0
    _failed: int = 0
    _offline_at: float | None = None
    _residences: set[str] = field(default_factory=set)
    _reading: int = 0
    _read_failed: bool = False
    _read_again_at: float | None = None
    _bandwidth_at: float = float("inf")
    _discover_at: float = float("inf")
    _cross_check_at: float = float("inf")
    _again: dict[str, float] = field(default_factory=dict)
    _checks: int = 0
    _check_at: float | None = None
    _subscribed: set[tuple[str, str]] = field(default_factory=set)
    _wanted: set[tuple[str, str]] = field(default_factory=set)

    # --- what others ask ---------------------------------------------------------------------------------------------

    @property
    def usable(self) -> bool:
        """Return whether commands can be sent: online, or for a moment between two push connections."""
        return self.phase is CloudPhase.ONLINE or self._offline_at is not None

    def call(
        self,
        purpose: Purpose,
        method: Literal["GET", "PUT", "PATCH"],
        path: str,
        body: Mapping[str, Json] | None = None,
    ) -> int:
        """Send a request; return its number."""
        self._numbers += 1
        self._calls[self._numbers] = purpose
        self.out.append(CallCloud(self._numbers, method, path, body, command=purpose.what == "command"))
        return self._numbers

    def purpose_of(self, number: int) -> Purpose | None:
        """Return what an answered request was sent for, once; None: it no longer matters."""
        return self._calls.pop(number, None)

    def want(self, subscriptions: Iterable[tuple[str, str]]) -> None:
        """Subscribe to these, as (model, id), now and on later connections."""
        self._wanted = set(subscriptions)
        if self.link is not None:
            self._subscribe(self.link)

    def discover_soon(self, now: float) -> None:
        """Read hubs and breakers again: an id is no longer known."""
        self._discover_at = now

    def doubt_login(self, now: float) -> None:
        """Check the login: a request was refused."""
        if self._check_at is None and self._user is not None and not self.login_is_dead:
            self._check_at = now

    # --- login -------------------------------------------------------------------------------------------------------

    def login_changed(self, user: str | None, expires_in_s: float | None, now: float) -> None:
        """Use another stored login, or none."""
        self.expires_in_s = expires_in_s
        self._user, self.login_is_dead, self._checks, self._check_at = user, False, 0, None
        self._end_links()
        self._residences.clear()
        if user is None:
            self.phase, self.reason, self._offline_at = CloudPhase.NO_LOGIN, "no login is stored", None
        else:
            self.phase, self._retry_at, self._failed = CloudPhase.WAITING, now, 0

    def _check(self, now: float) -> None:
        self._check_at = None
        self.call(Purpose("check", "", now), "GET", f"Person/{self._user}/residentialPermissions")

    def _checked(self, answer: CloudAnswered, now: float) -> None:
        if answer.status in REFUSED:
            self._checks += 1
            if self._checks >= CHECK_TIMES:
                self._die(now)
            else:
                self._check_at = now + CHECK_AGAIN_S
        elif OK_FROM <= answer.status < OK_BELOW:
            self._checks = 0
            if self.login_is_dead:  # it lives after all
                self.login_is_dead, self.phase, self._retry_at = False, CloudPhase.WAITING, now
        elif self.login_is_dead:
            self._check_at = now + DEAD_CHECK_S

    def _die(self, now: float) -> None:
        if not self.login_is_dead:
            self.out.append(WriteLog("The stored login is no longer accepted by Leviton's cloud"))
        self.login_is_dead, self.phase = True, CloudPhase.NO_LOGIN
        self.reason = "Leviton's cloud no longer accepts the stored login"
        self._end_links()
        self._offline_at = None
        self._checks, self._check_at = CHECK_TIMES - 1, now + DEAD_CHECK_S

    # --- push --------------------------------------------------------------------------------------------------------

    def push_opened(self, link: int) -> None:
        """Log in on a new push connection."""
        if link == self._next:
            self.out.append(SendLogin(link))

    def push_ready(self, link: int, now: float) -> bool:
        """Use a push connection that is ready; return whether reports may have been missed before it."""
        if link != self._next:
            return False
        if self.link is not None:
            self.out.append(ClosePush(self.link))
        missed = self.link is None
        self.link, self._next, self._link_at = link, None, now
        self._subscribed.clear()
        self._failed = 0
        for hub in self.hubs.values():
            hub.alive_at = None if missed else hub.alive_at
            hub.heard_at = hub.heard_at if self.usable else None
            hub.was_read = hub.was_read and self.usable
        self._subscribe(link)
        self._bandwidth_at = now
        if missed:
            self.phase = CloudPhase.READING
        self._begin_reading(now)
        return missed

    def push_ended(self, link: int, reason: str, now: float, *, silent: bool) -> None:
        """Note the end of a push connection."""
        if link == self._next:
            self._next = None
            self._plan_retry(now)
            if self.link is None:
                self.reason = reason
                self.phase = CloudPhase.WAITING
            return
        if link != self.link:
            return
        self.link, self.reason = None, reason
        self._offline_at = None if silent or self.phase is not CloudPhase.ONLINE else now + GRACE_S
        self.phase = CloudPhase.WAITING
        if self._next is None:
            self._retry_at = now
        self._stop_reading()

    def reopen(self, now: float, reason: str) -> None:
        """Open another push connection beside one that has become mute."""
        if self._next is None and self.link is not None and now >= self._retry_at:
            self.out.append(WriteLog(reason))
            self._open(now)

    def _open(self, now: float) -> None:
        self._links += 1
        self._next, self._next_until = self._links, now + READY_S
        self.out.append(OpenPush(self._links))
        if self.link is None:
            self.phase = CloudPhase.OPENING

    def _end_links(self) -> None:
        for link in (self.link, self._next):
            if link is not None:
                self.out.append(ClosePush(link))
        self.link = self._next = None
        self._stop_reading()

    def _plan_retry(self, now: float) -> None:
        steps = (*RETRY_STEPS_S, RETRY_URGENT_S if self.urgent else RETRY_S)
        self._retry_at = now + steps[min(self._failed, len(steps) - 1)] * self.jitter()
        self._failed += 1

    def _subscribe(self, link: int) -> None:
        for model, identity in sorted(self._wanted - self._subscribed):
            wanted: dict[str, Json] = {"modelName": model, "modelId": identity}
            self.out.append(SendPush(link, {"type": "subscribe", "subscription": wanted}))
        self._subscribed |= self._wanted

    # --- signs of life -----------------------------------------------------------------------------------------------

    def hub_heard(self, serial: str, connected: object, now: float) -> bool:
        """Note a notification about a hub or one of its breakers. Return whether the hub was away and is back."""
        if (hub := self.hubs.get(serial)) is None:
            return False
        if connected is False:
            hub.go_away(now)
            return False
        was_away = hub.silent or hub.connected is False
        if hub.connected is False and connected is not True and now < hub.away_at + LAST_WORDS_S:
            return False
        hub.connected = True
        hub.alive_at = now if was_away or hub.alive_at is None else hub.alive_at
        hub.heard_at, hub.silent = now, False
        if was_away:
            hub.was_read = False
            self.read_hub_again(serial, now)
            self._bandwidth_at = now
        return was_away

    def hub_is_there(self, serial: str) -> bool:
        """Return whether a hub reports on this connection."""
        hub = self.hubs.get(serial)
        is_here = hub is not None and hub.connected is not False and hub.was_read
        return is_here and hub is not None and hub.heard_at is not None and not hub.silent

    @property
    def _silent_s(self) -> float:
        return HUB_SILENT_URGENT_S if self.urgent else HUB_SILENT_S

    def _watch_hubs(self, now: float) -> None:
        if self.link is None:
            return
        limit_s = self._silent_s
        present = [hub for hub in self.hubs.values() if hub.connected is not False]
        for hub in present:
            since = max(hub.heard_at or 0.0, self._link_at)
            if not hub.silent and now >= since + limit_s:
                hub.silent, hub.was_read = True, False
                self.out.append(WriteLog(f"No report from hub {hub.listed.serial} for {limit_s:.0f} s"))
        if self._all_silent() and now >= self._link_at + self._silent_s:
            self.reopen(now, "The push connection is open and silent: opening another one")

    def _all_silent(self) -> bool:
        """Return whether no hub is heard that should be: the connection itself may be the reason."""
        present = [hub for hub in self.hubs.values() if hub.connected is not False]
        return bool(present) and all(hub.silent for hub in present)

    # --- reading -----------------------------------------------------------------------------------------------------

    def _begin_reading(self, now: float) -> None:
        self._stop_reading()
        self._read_failed, self._discover_at = False, now + DISCOVER_S
        if self._residences:
            for residence in sorted(self._residences):
                self._read(Purpose("hubs", residence, now), f"Residences/{residence}/iotWhems")
        else:
            self._read(Purpose("permissions", "", now), f"Person/{self._user}/residentialPermissions")

    def _read(self, purpose: Purpose, path: str) -> None:
        self._reading += 1
        self.call(purpose, "GET", path)

    def _stop_reading(self) -> None:
        readings = ("permissions", "residences", "hubs", "breakers")
        self._calls = {number: one for number, one in self._calls.items() if one.what not in readings}
        self._reading, self._read_again_at = 0, None
        self._again.clear()

    def read_hub_later(self, serial: str, now: float) -> None:
        """Read the breakers of a hub once more soon: a second reading must agree, or the first one was too early."""
        if self.link is not None:
            self._again.setdefault(serial, now + READ_AGAIN_S)

    def read_hub_again(self, serial: str, now: float) -> None:
        """Read the breakers of a hub once more."""
        if self.link is not None:
            self._read(Purpose("breakers", serial, now), f"IotWhems/{serial}/residentialBreakers")

    def answered(self, purpose: Purpose, answer: CloudAnswered, now: float) -> str | None:
        """Process the answer to a request of the session. Return the hub whose breakers were read; None: none."""
        if purpose.what == "check":
            self._checked(answer, now)
            return None
        if answer.status in REFUSED:
            self.doubt_login(now)
        if purpose.what == "bandwidth":
            return None
        self._reading -= 1
        read: str | None = None
        if not OK_FROM <= answer.status < OK_BELOW or not isinstance(answer.content, list | dict):
            self._read_failed = True
            if answer.status == 404:  # noqa: PLR2004  # a residence or hub of before
                self._residences.clear()
        else:
            read = self._take(purpose, answer.content, now)
        if self._reading == 0:
            self._finish_reading(now)
        return read

    def _take(self, purpose: Purpose, content: list[object] | dict[str, object], now: float) -> str | None:
        entries = content if isinstance(content, list) else [content]
        found = [one for one in entries if isinstance(one, dict)]
        match purpose.what:
            case "permissions":
                for one in found:
                    if (account := one.get("residentialAccountId")) is not None:
                        self._read(
                            Purpose("residences", str(account), now), f"ResidentialAccounts/{account}/residences"
                        )
                    elif one.get("residenceId") is not None:
                        path = f"ResidentialPermissions/{one.get('id')}/residence"
                        self._read(Purpose("residences", str(one.get("id")), now), path)
            case "residences":
                for residence in (str(one["id"]) for one in found if one.get("id") is not None):
                    self._residences.add(residence)
                    self._read(Purpose("hubs", residence, now), f"Residences/{residence}/iotWhems")
            case "hubs":
                for listed in filter(None, map(read_hub, found)):
                    self._take_hub(listed, now)
            case "breakers":
                hub = self.hubs[purpose.about]
                hub.breakers = tuple(filter(None, (read_breaker(one, purpose.about) for one in found)))
                hub.was_read = True
                return purpose.about
        return None

    def _take_hub(self, listed: ListedHub, now: float) -> None:
        hub = self.hubs.setdefault(listed.serial, HubState(listed))
        hub.listed = listed
        is_lively = hub.heard_at is not None and now - hub.heard_at < LIVELY_S and not hub.silent
        if listed.connected is False and not is_lively:
            hub.go_away(now)
        elif listed.connected and hub.connected is not True and now >= hub.away_at + LAST_WORDS_S:
            hub.connected, hub.heard_at = True, None  # its first report decides
            self._bandwidth_at = now
        self._read(Purpose("breakers", listed.serial, now), f"IotWhems/{listed.serial}/residentialBreakers")

    def _finish_reading(self, now: float) -> None:
        if self._read_failed:
            self._read_failed = False
            self._read_again_at = now + RETRY_STEPS_S[min(self._failed, 3)] * self.jitter()
            self._failed += 1
            return
        self._failed = 0
        if self.link is None:
            return
        if self.phase is CloudPhase.READING:
            self.phase, self.reason = CloudPhase.ONLINE, ""
            self._bandwidth_at = now  # the hubs are known now
        self._offline_at = None
        self._plan_cross_check(now)

    def _plan_cross_check(self, now: float) -> None:
        self._cross_check_at = now + (CROSS_CHECK_URGENT_S if self.urgent else CROSS_CHECK_S)

    # --- time --------------------------------------------------------------------------------------------------------

    def set_urgent(self, urgent: bool, now: float) -> None:
        """Note whether the house is on standby: then everything is tried more often."""
        if urgent and not self.urgent:
            self._failed = 0
            if self.phase is CloudPhase.WAITING:
                self._retry_at = min(self._retry_at, now)
            self._cross_check_at = min(self._cross_check_at, now + CROSS_CHECK_URGENT_S)
        self.urgent = urgent

    def advance(self, now: float) -> None:
        """Do what is due at `now`."""
        if self._offline_at is not None and now >= self._offline_at:
            self._offline_at = None
        if self._check_at is not None and now >= self._check_at:
            self._check(now)
        if self._next is not None and now >= self._next_until:
            self._give_up_opening(now)
        if self.phase is CloudPhase.WAITING and self._next is None and now >= self._retry_at:
            self._open(now)
        if self.link is not None:
            self._advance_link(now)

    def _give_up_opening(self, now: float) -> None:
        if self._next is not None:
            self.out.append(ClosePush(self._next))
        self._next = None
        self.doubt_login(now)
        self._plan_retry(now)
        if self.link is None:
            self.phase, self.reason = CloudPhase.WAITING, "the push connection does not get ready"

    def _advance_link(self, now: float) -> None:
        if now >= self._link_at + RENEW_S and self._next is None and now >= self._retry_at:
            self._open(now)
        if self._read_again_at is not None and now >= self._read_again_at:
            self._begin_reading(now)
        if now >= self._discover_at and self._reading == 0:
            self._begin_reading(now)
        for serial in [one for one, at in self._again.items() if at <= now]:
            del self._again[serial]
            self.read_hub_again(serial, now)
        if now >= self._cross_check_at and self._reading == 0:
            self._plan_cross_check(now)
            for serial in self.hubs:
                self.read_hub_again(serial, now)
        if now >= self._bandwidth_at:
            self._bandwidth_at = now + BANDWIDTH_S
            for serial, hub in self.hubs.items():
                if hub.connected is not False:
                    self.call(Purpose("bandwidth", serial, now), "PUT", f"IotWhems/{serial}", {"bandwidth": 1})
        self._watch_hubs(now)

    def deadline(self) -> float:
        """Return when `advance` next has something to do."""
        times = [float("inf")]
        times += [at for at in (self._offline_at, self._check_at) if at is not None]
        if self._next is not None:
            times.append(self._next_until)
        elif self.phase is CloudPhase.WAITING:
            times.append(self._retry_at)
        if self.link is not None:
            times += self._link_times()
        return min(times)

    def _link_times(self) -> list[float]:
        times = [self._bandwidth_at, *self._again.values()]
        if self._next is None:
            age_s = self._silent_s if self._all_silent() else RENEW_S
            times.append(max(self._link_at + age_s, self._retry_at))
        if self._reading == 0:
            times += [self._discover_at, self._cross_check_at]
        if self._read_again_at is not None:
            times.append(self._read_again_at)
        limit_s = self._silent_s
        for hub in self.hubs.values():
            if hub.connected is not False and not hub.silent:
                times.append(max(hub.heard_at or 0.0, self._link_at) + limit_s)
        return times
