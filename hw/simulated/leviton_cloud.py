"""A simulated My Leviton cloud: REST and push, with its faults. Pure: the time is an argument, and there is no socket.

cloud = LevitonCloud([simulated_hub()], code="123456")      # the account is ACCOUNT
reply = cloud.request(CloudRequest("POST", "/Person/login", {"email": …}), now)      # answered after reply.after_s
session = cloud.connect(now); cloud.receive(session, text, now)
for session, text in cloud.advance(now): …      # text None: the cloud ends the connection
cloud.next_due                                   # when advance has something to do
cloud.faults.blackhole = True                    # and the other faults of LevitonFaults
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hw.simulated.leviton_faults import LevitonFaults

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hw.simulated.leviton_panel import CloudBreaker, CloudHub, Fields

ACCOUNT = ("owner@example.org", "correct horse")
"""E-mail address and password of the simulated account."""

TTL_S = 5_184_000
PUSH_ENDS_S = 3600.0
FAST_S = 60.0
"""Time in seconds for which a hub reports often after `bandwidth` was set to 1."""
FAST_REPORT_S, SLOW_REPORT_S = 3.0, 600.0
LOCK_AFTER, LOCKED_S = 5, 7200.0
READY_S = 0.3
HUB_HEARS_S = 0.3
"""Time in seconds from an accepted command to the hub."""
REPORT_S = 0.6
"""Time in seconds from a movement to the hub's report of it, while a program listens."""

_HTML = "<html><head><title>{status}</title></head><body>Bad Gateway</body></html>"


@dataclass(frozen=True, slots=True)
class CloudRequest:
    """A REST request. `path`: below the API, with its query. `token`: of the header `authorization`; None: left out."""

    method: str
    path: str
    body: Mapping[str, object] | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class CloudReply:
    """Answer of the cloud. `status` 0: no answer, the connection is reset. `after_s`: infinite if none ever comes."""

    status: int
    text: str
    after_s: float
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _PushSession:
    """A push connection. `subscribed`: pairs of model and id, as text."""

    opened_at: float
    ready_at: float | None = None
    ready: bool = False
    subscribed: set[tuple[str, str]] = field(default_factory=set)


class LevitonCloud:
    """The cloud with one account. `hubs`: of its one residence. `code`: of two-factor authentication; None: off.

    `start`: UTC at time 0. `guest`: the account was invited to the residence. `accepted`: commands in the order of
    their arrival, as (time, breaker, on). `logins`: number of requests to log in.
    """

    def __init__(
        self,
        hubs: Sequence[CloudHub],
        *,
        code: str | None = None,
        guest: bool = False,
        seed: int = 0,
        start: datetime = datetime(2026, 12, 1, tzinfo=UTC),
    ) -> None:
        self.hubs = list(hubs)
        self.faults = LevitonFaults()
        self.accepted: list[tuple[float, CloudBreaker, bool]] = []
        self.logins = 0
        self.requests = 0
        self._login = *ACCOUNT, code
        self._guest = guest
        self._random = random.Random(seed)  # noqa: S311  # a simulation
        self._start = start
        self._failures = 0
        self._locked_until = 0.0
        self._tokens: dict[str, bool] = {}
        self._sessions: dict[int, _PushSession] = {}
        self._numbers = 0
        self._pending: list[tuple[float, CloudHub, int, str]] = []
        self._reports: dict[str, float] = dict.fromkeys((hub.serial for hub in hubs), SLOW_REPORT_S)
        self._outbox: list[tuple[int, str | None]] = []
        self._shown_on: set[str] = set()
        for hub in self.hubs:
            hub.refresh()

    # --- REST --------------------------------------------------------------------------------------------------------

    def request(self, request: CloudRequest, now: float) -> CloudReply:
        """Return the answer to a request that has arrived at `now`."""
        self.requests += 1
        faults = self.faults
        if faults.blackhole:
            return CloudReply(0, "", float("inf"))
        if faults.status and (faults.status_for is None or faults.status_for > 0):
            if faults.status_for is not None:
                faults.status_for -= 1
            headers = {} if faults.retry_after_s is None else {"Retry-After": str(faults.retry_after_s)}
            if faults.status >= 500:
                return CloudReply(faults.status, _HTML.format(status=faults.status), faults.latency_s, headers)
            return self._error(faults.status, "Too Many Requests" if faults.status == 429 else "Error", headers)
        reply = self._answer(request, now)
        if faults.acts_then_resets and request.method in ("PATCH", "PUT"):
            return CloudReply(0, "", faults.latency_s)
        return reply

    def _answer(self, request: CloudRequest, now: float) -> CloudReply:
        path, _, query = request.path.strip("/").partition("?")
        parts = path.split("/")
        if request.method == "POST" and parts == ["Person", "login"]:
            return self._log_in(request.body or {}, now)
        if request.method == "POST" and parts == ["Person", "logout"]:
            self._tokens.pop(query.partition("access_token=")[2], None)
            return CloudReply(204, "", self.faults.latency_s)
        if self.faults.dead_tokens or not self._tokens.get(request.token or "", False):
            return self._error(401, "Authorization Required")
        if request.method == "GET":
            found = self._read(parts, now)
            if found is None:
                return self._error(404, "could not find a model", code="MODEL_NOT_FOUND")
            return self._ok(found)
        return self._write(parts, request.body or {}, now)

    def _log_in(self, body: Mapping[str, object], now: float) -> CloudReply:
        self.logins += 1
        email, password, code = self._login
        if now < self._locked_until:
            return self._error(403, "Too many failed attempts")
        if body.get("email") != email or body.get("password") != password:
            self._failures += 1
            if self._failures >= LOCK_AFTER:
                self._locked_until = now + LOCKED_S
            return self._error(401, "Login Failed")
        if code is not None and not body.get("code"):
            return self._error(406, "Insufficient Data: Person uses two factor authentication. Requires code.")
        if code is not None and body.get("code") != code:
            return self._error(408, "Error: Invalid code")
        self._failures = 0
        token = f"{self._random.getrandbits(256):064x}"
        self._tokens[token] = True
        created = self._time(now)
        return self._ok(
            {"id": token, "ttl": TTL_S, "created": created, "userId": "person-1", "user": {"id": "person-1"}}
        )

    def _read(self, parts: list[str], now: float) -> object:
        match parts:
            case ["IotWhems" | "ResidentialBreakers", *_]:
                return self._read_panel(parts, now)
            case ["Person", _, "residentialPermissions"]:
                account, residence = (None, 77) if self._guest else (55, None)
                permission: Fields = {"id": 9, "access": "owner", "status": "accepted", "personId": "person-1"}
                return [permission | {"residenceId": residence, "residentialAccountId": account}]
            case ["ResidentialAccounts", "55", "residences"]:
                return [self._residence()]
            case ["ResidentialPermissions", "9", "residence"]:
                return self._residence()
            case ["Residences", "77", "iotWhems"]:
                old = [{"id": "LDATA-1", "serial": "LDATA-1", "name": "old", "connected": False}]
                return [*old, *(hub.description(self._time(now)) for hub in self.hubs)]
        return None

    def _read_panel(self, parts: list[str], now: float) -> object:
        match parts:
            case ["IotWhems", serial] if (hub := self._hub(serial)) is not None:
                return hub.description(self._time(now))
            case ["IotWhems", serial, "residentialBreakers"] if (hub := self._hub(serial)) is not None:
                return [self._shown(hub, number) for number in range(len(hub.breakers))]
            case ["IotWhems", serial, "iotCts"] if (hub := self._hub(serial)) is not None:
                legs = {"activePower": hub.cts[0], "activePower2": hub.cts[1]}
                return [{"id": 1, "channel": 1, "usageType": "GRID_POWER", "connected": False} | legs]
            case ["ResidentialBreakers", breaker] if (found := self._find(breaker)) is not None:
                return self._shown(*found)
        return None

    def _shown(self, hub: CloudHub, number: int) -> Fields:
        breaker = hub.breakers[number]
        shown = breaker.description() | hub.cached[number] | {"iotWhemId": hub.serial, "connected": False}
        if self.faults.shows_on_once and breaker.id not in self._shown_on:
            self._shown_on.add(breaker.id)
            shown |= {"remoteState": "RemoteON"} if shown["remoteState"] else {}
        if not self.faults.shows_on_once:
            self._shown_on.clear()
        return shown

    def _write(self, parts: list[str], body: Mapping[str, object], now: float) -> CloudReply:
        match parts:
            case ["ResidentialBreakers", breaker] if (found := self._find(breaker)) is not None:
                hub, number = found
                for word, on in (("remoteTrip", False), ("remoteOn", True)):
                    if body.get(word) is True:
                        self._accept(hub, number, now, on=on)
                        self._notify("ResidentialBreaker", hub.breakers[number].id, {word: True})
                if isinstance(body.get("blinkLED"), bool):
                    hub.breakers[number].identified = bool(body["blinkLED"])
                return self._ok(self._shown(hub, number) | dict(body))
            case ["IotWhems", serial] if (owner := self._hub(serial)) is not None:
                if body.get("bandwidth") == 1 and owner.connected:
                    owner.bandwidth, owner.fast_until = 2, now + FAST_S
                    self._reports[owner.serial] = min(self._reports[owner.serial], now + 1.0)
                return self._ok(owner.description(self._time(now)))
        return self._error(404, "could not find a model", code="MODEL_NOT_FOUND")

    def _accept(self, hub: CloudHub, number: int, now: float, *, on: bool) -> None:
        self.accepted.append((now, hub.breakers[number], on))
        if self._random.random() < self.faults.lost_commands:
            return
        if hub.connected:
            self._pending.append((now + HUB_HEARS_S + hub.breakers[number].move_s, hub, number, "on" if on else "off"))
        elif self.faults.late_commands:
            hub.kept.append((number, on))

    def _residence(self) -> Fields:
        return {"id": 77, "name": "Home ", "timezone": {"id": "America/New_York"}, "residentialAccountId": 55}

    def _hub(self, serial: str) -> CloudHub | None:
        return next((hub for hub in self.hubs if hub.serial == serial), None)

    def _find(self, breaker: str) -> tuple[CloudHub, int] | None:
        places = ((hub, number) for hub in self.hubs for number in range(len(hub.breakers)))
        return next((one for one in places if one[0].breakers[one[1]].id == breaker), None)

    def _ok(self, content: object) -> CloudReply:
        return CloudReply(200, json.dumps(content), self.faults.latency_s, {"Content-Type": "application/json"})

    def _error(
        self, status: int, message: str, headers: Mapping[str, str] | None = None, code: str | None = None
    ) -> CloudReply:
        error: Fields = {"statusCode": status, "name": "Error", "message": message} | ({"code": code} if code else {})
        return CloudReply(status, json.dumps({"error": error}), self.faults.latency_s, headers or {})

    def _time(self, now: float) -> str:
        return (self._start + timedelta(seconds=now)).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    # --- what happens in the house -----------------------------------------------------------------------------------

    def hub_lost(self, hub: CloudHub) -> None:
        """Take a hub off the internet."""
        hub.connected = False
        self._pending = [one for one in self._pending if one[1] is not hub]
        self._notify("IotWhem", hub.serial, {"connected": False})

    def hub_back(self, hub: CloudHub, now: float) -> None:
        """Bring a hub back, with the commands that the cloud has kept for it."""
        hub.connected = True
        self._notify("IotWhem", hub.serial, {"connected": True})
        self._reports[hub.serial] = now + 2.0
        for number, on in hub.kept:
            self._pending.append((now + 1.0, hub, number, "on" if on else "off"))
        hub.kept.clear()

    def moved(self, hub: CloudHub, now: float) -> None:
        """Note that something has moved in the panel: the hub reports it soon if a program listens."""
        if self._listens(hub):
            self._pending.append((now + REPORT_S, hub, -1, "report"))

    def change_ids(self) -> None:
        """Give each breaker its new id, as the hub's firmware 2.2 does overnight."""
        for hub in self.hubs:
            hub.version = "2.2.0"
            for breaker in hub.breakers:
                breaker.id = f"{breaker.id}_{hub.serial.rpartition('_')[2]}"

    def end_tokens(self) -> None:
        """Let all tokens die early."""
        self._tokens.clear()

    def issue_token(self, now: float = 0.0) -> Fields:
        """Return a login answer without a login, for a test that begins with one."""
        email, password, code = self._login
        reply = self._log_in({"email": email, "password": password, "code": code}, now)
        found: Fields = json.loads(reply.text)
        return found

    # --- push --------------------------------------------------------------------------------------------------------

    def connect(self, now: float) -> int:
        """Open a push connection; return its number."""
        self._numbers += 1
        self._sessions[self._numbers] = _PushSession(now)
        self._outbox.append((self._numbers, json.dumps({"type": "challenge", "challenge": "x"})))
        return self._numbers

    def disconnect(self, session: int) -> None:
        """Forget a push connection that its client has closed."""
        self._sessions.pop(session, None)

    def receive(self, session: int, text: str, now: float) -> None:
        """Process what a client has sent."""
        if (state := self._sessions.get(session)) is None:
            return
        message = json.loads(text)
        if "token" in message:
            alive = self._tokens.get(str(message["token"].get("id")), False) and not self.faults.dead_tokens
            if alive and not self.faults.never_ready:
                state.ready_at = now + READY_S
        elif message.get("type") in ("subscribe", "unsubscribe"):
            wanted = message["subscription"]
            key = str(wanted["modelName"]), str(wanted["modelId"])
            (state.subscribed.add if message["type"] == "subscribe" else state.subscribed.discard)(key)

    def cut_push(self) -> None:
        """End all push connections, as a restart of the cloud does."""
        for session in list(self._sessions):
            self._sessions.pop(session)
            self._outbox.append((session, None))

    @property
    def next_due(self) -> float:
        """Return when `advance` next has something to do, in the time of the caller."""
        times = [one[0] for one in self._pending]
        times += [at for hub in self.hubs if hub.connected and (at := self._reports[hub.serial]) is not None]
        times += [one.opened_at + PUSH_ENDS_S for one in self._sessions.values()]
        times += [one.ready_at for one in self._sessions.values() if one.ready_at is not None and not one.ready]
        return 0.0 if self._outbox else min(times, default=float("inf"))

    def advance(self, now: float) -> list[tuple[int, str | None]]:
        """Let the time pass until `now`; return what is pushed, as (session, text). None: the connection ends."""
        for due in sorted((one for one in self._pending if one[0] <= now), key=lambda one: one[0]):
            self._pending.remove(due)
            self._carry_out(*due)
        for hub in self.hubs:
            if hub.connected and self._reports[hub.serial] <= now:
                self._report(hub, now)
        for number, session in list(self._sessions.items()):
            if session.ready_at is not None and session.ready_at <= now and not session.ready:
                session.ready = True
                ready = {"type": "status", "status": "ready", "connectionId": f"c{number}"}
                self._outbox.append((number, json.dumps(ready)))
            if now >= session.opened_at + PUSH_ENDS_S:
                del self._sessions[number]
                self._outbox.append((number, None))
        sent, self._outbox = self._outbox, []
        return [] if self.faults.blackhole else sent

    def _carry_out(self, at: float, hub: CloudHub, number: int, word: str) -> None:
        if word == "report":
            self._push_changes(hub)
            return
        breaker = hub.breakers[number]
        if hub.connected and not breaker.unheard:
            breaker.switch(on=word == "on")
            if self._listens(hub):
                self._pending.append((at + REPORT_S, hub, -1, "report"))

    def _report(self, hub: CloudHub, now: float) -> None:
        fast = now < hub.fast_until and self._listens(hub)
        hub.bandwidth = 2 if fast else 0
        self._reports[hub.serial] = now + (FAST_REPORT_S if fast else SLOW_REPORT_S)
        self._push_changes(hub)
        if fast:
            life = [{"id": one.id, "bleRSSI": -60, "lastUpdated": self._time(now)} for one in hub.breakers]
            self._notify("IotWhem", hub.serial, {"rssi": -58, "ResidentialBreaker": life})

    def _push_changes(self, hub: CloudHub) -> None:
        if not hub.connected:
            return
        old_firmware = int(hub.version.partition(".")[0]) < 2
        for number, news in hub.refresh():
            breaker = hub.breakers[number]
            self._notify("ResidentialBreaker", breaker.id, news)
            if old_firmware:
                self._notify("IotWhem", hub.serial, {"ResidentialBreaker": [{"id": breaker.id} | news]})

    def _listens(self, hub: CloudHub) -> bool:
        keys = {("IotWhem", hub.serial), *(("ResidentialBreaker", one.id) for one in hub.breakers)}
        return any(session.ready and session.subscribed & keys for session in self._sessions.values())

    def _notify(self, model: str, identity: str, data: Fields) -> None:
        text = json.dumps(
            {"type": "notification", "notification": {"modelName": model, "modelId": identity, "data": data}}
        )
        for number, session in self._sessions.items():
            heard = session.ready and (model, identity) in session.subscribed and not self.faults.mute
            if heard and self._random.random() >= self.faults.lost_share:
                self._outbox.append((number, text))


def energized(hubs: Iterable[CloudHub]) -> list[CloudBreaker]:
    """Return the breakers whose loads have voltage."""
    return [breaker for hub in hubs for breaker in hub.breakers if breaker.energized]
