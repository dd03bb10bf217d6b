"""Core of the bridge between the bus and Leviton's cloud. Pure: events in, effects out, the time is an argument.

A position is published only when the breaker has reported it on the present connection. What we sent, its echo, and an
answer of the cloud confirm nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from clients.leviton.belief import BreakerBelief, power_of
from clients.leviton.inventory import Binding, ListedBreaker, mismatch
from clients.leviton.loop_watch import LoopWatch
from clients.leviton.orders import Level, Order, OrderBook
from clients.leviton.report import away_patience_s, bridge_report, circuit_report, is_away
from clients.leviton.session import OK_BELOW, OK_FROM, REFUSED, CloudSession, Purpose
from clients.leviton.signals import (
    BusJoined,
    CircuitCommanded,
    CloudAnswered,
    HouseReported,
    LoginAged,
    LoginChanged,
    PublishAvailability,
    PublishBridge,
    PublishCircuitDetails,
    PublishPosition,
    PushEnded,
    PushOpened,
    PushReceived,
    WriteLog,
)
from rules.panel import CircuitId, Position

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from clients.leviton.signals import BridgeEffect, BridgeEvent
    from rules.json_types import Json

URGENT = ("shedding", "standby")
STILL_DRAWS_S = 16.0
"""Time in seconds after a reported OFF at which the power is read once more: the controller judges it after 15 s."""
DRAWS_ANSWER_S = 6.0
POWER_CHANGE_W, POWER_EVERY_S = 5.0, 30.0
"""Power is published after a change of this many watts, and at least at this interval in seconds while it is pushed."""
UNACCEPTED_S = 90.0
"""Time in seconds for which a command that was not accepted is reported: the controller sends again within it."""
NOT_FOUND, TOO_MANY = 404, 429


@dataclass(slots=True)
class BoundCircuit:
    """A circuit with what is known of its breaker. `reason`: why it cannot be commanded; empty: it can be.

    `shown`: position that was published while it could be commanded; None: none. `draws_read_at`: when its power is
    read once more after a reported OFF; None: not. `draws_until`: until when such a reading counts.
    """

    binding: Binding
    belief: BreakerBelief
    listed: ListedBreaker | None = None
    reason: str = "not connected yet"
    mismatch: str = ""
    online: bool | None = None
    shown: Position | None = None
    published_power: tuple[float, float] | None = None
    draws_read_at: float | None = None
    draws_until: float = 0.0
    logged: str = ""

    @property
    def id(self) -> CircuitId:
        """Return the circuit's id."""
        return self.binding.circuit.id


class Bridge:
    """All circuits that the bridge serves. `companion`: Leviton's hub sheds by its own loop, and nothing is commanded.

    `jitter`: returns a factor around 1 for pauses.
    """

    def __init__(
        self, bindings: Iterable[Binding], *, companion: bool = False, jitter: Callable[[], float] = lambda: 1.0
    ) -> None:
        self._out: list[BridgeEffect] = []
        self.companion = companion
        self.session = CloudSession(self._out, jitter)
        self.orders = OrderBook(jitter)
        self.circuits = {
            one.circuit.id: BoundCircuit(one, BreakerBelief(poles=len(one.circuit.spaces))) for one in bindings
        }
        self.loop_watch = LoopWatch()
        self.house: str | None = None
        self.away_since: float | None = None
        self.was_online = False
        self._by_breaker: dict[str, BoundCircuit] = {}
        self._report: Mapping[str, Json] | None = None
        self._bus = False

    def set_bindings(self, bindings: Iterable[Binding], now: float) -> None:
        """Serve these circuits from now on: circuits.toml has changed."""
        old, self.circuits = self.circuits, {}
        for one in bindings:
            known = old.get(one.circuit.id)
            if known is None or (known.binding.hub, known.binding.serial) != (one.hub, one.serial):
                known = BoundCircuit(one, BreakerBelief(poles=len(one.circuit.spaces)))
            known.binding = one
            self.circuits[one.circuit.id] = known
        self.orders.keep(self.circuits)
        self._by_breaker = {}
        self.session.discover_soon(now)

    # --- in and out --------------------------------------------------------------------------------------------------

    def decide(self, event: BridgeEvent | None, now: float) -> list[BridgeEffect]:
        """Process an event, None: none, and everything that is due at `now`; return the effects in order."""
        if event is not None:
            self._process(event, now)
        self.session.advance(now)
        self._advance_orders(now)
        self._update_circuits(now)
        self._publish_bridge(now)
        effects, self._out[:] = list(self._out), []
        return effects

    def deadline(self, now: float) -> float:
        """Return when `decide` must be called next without an event (monotonic seconds); infinite: never."""
        times = [self.session.deadline(), self.orders.deadline(now)]
        times += [one.draws_read_at for one in self.circuits.values() if one.draws_read_at is not None]
        if self.away_since is not None and not is_away(self, now):
            times.append(self.away_since + away_patience_s(self))
        return min(times)

    def _process(self, event: BridgeEvent, now: float) -> None:
        match event:
            case BusJoined():
                self._join_bus()
            case CircuitCommanded(circuit, on):
                self._command(circuit, now, on=on)
            case HouseReported(state):
                self._house_reported(state, now)
            case LoginChanged(user, expires_in_s):
                self.session.login_changed(user, expires_in_s, now)
            case LoginAged(expires_in_s):
                self.session.expires_in_s = expires_in_s
            case CloudAnswered():
                self._answered(event, now)
            case PushOpened(link):
                self.session.push_opened(link)
            case PushReceived(link, message):
                self._pushed(link, message, now)
            case PushEnded(link, reason, silent):
                self.session.push_ended(link, reason, now, silent=silent)
            case _:
                assert_never(event)

    # --- the bus -----------------------------------------------------------------------------------------------------

    def _join_bus(self) -> None:
        self._bus, self._report = True, None
        for circuit in self.circuits.values():
            circuit.online = None  # published again, with its position

    def _house_reported(self, state: str | None, now: float) -> None:
        before, self.house = self.house, state
        self.session.set_urgent(state in URGENT, now)
        if state == before:
            return
        if state in URGENT and before not in (None, *URGENT):
            on = [one.id for one in self.circuits.values() if one.belief.position is Position.ON]
            self.loop_watch.opened(now, on)
        elif state not in URGENT and before in URGENT:
            self.loop_watch.closed(now)

    def _command(self, name: CircuitId, now: float, *, on: bool) -> None:
        circuit = self.circuits.get(name)
        if circuit is None or self.companion:
            return
        word = "ON" if on else "OFF"
        if circuit.reason:
            if self._log(circuit, f"{word} not sent: {circuit.reason}"):
                self._publish(circuit, refused=word)
            return
        belief = circuit.belief
        power_w = belief.read_power_w if belief.power_w is None else belief.power_w
        order = self.orders.request(name, circuit.binding.circuit.rank, now, power_w, on=on)
        if order is not None:
            self._publish(circuit)

    # --- orders ------------------------------------------------------------------------------------------------------

    def _advance_orders(self, now: float) -> None:
        for order in self.orders.expire(now):
            circuit = self.circuits[order.circuit]
            refusal = f" ({order.refusal})" if order.refusal else ""
            self._log(circuit, f"{order.wanted.name} {order.level.value}{refusal}")
            self._publish(circuit)
        for order in self.orders.due(now):
            circuit = self.circuits[order.circuit]
            if circuit.listed is None:
                continue
            if not order.tries:
                circuit.belief.command_sent(now, on=order.on)
            path = f"ResidentialBreakers/{circuit.listed.id}"
            body: dict[str, Json] = {"remoteOn": True} if order.on else {"remoteTrip": True}
            number = self.session.call(Purpose("command", circuit.id, now), "PATCH", path, body)
            self.orders.sent(order, number, now)
        for order in self.orders.reads_due(now):
            self._read(self.circuits[order.circuit], now)

    def _read(self, circuit: BoundCircuit, now: float) -> None:
        if circuit.listed is not None:
            self.session.call(Purpose("breaker", circuit.id, now), "GET", f"ResidentialBreakers/{circuit.listed.id}")

    def _answered(self, answer: CloudAnswered, now: float) -> None:
        purpose = self.session.purpose_of(answer.number)
        if purpose is None:
            return
        if purpose.what == "command":
            self._command_answered(answer, now)
        elif purpose.what == "breaker":
            self._breaker_read(self.circuits[CircuitId(purpose.about)], purpose, answer, now)
        else:
            hub = self.session.answered(purpose, answer, now)
            if hub is not None:
                self._hub_read(hub, purpose.at, now)

    def _command_answered(self, answer: CloudAnswered, now: float) -> None:
        order = next((one for one in self.orders if one.number == answer.number), None)
        if order is None:
            return
        circuit = self.circuits[order.circuit]
        status, reason = answer.status, answer.reason or f"error {answer.status}"
        if OK_FROM <= status < OK_BELOW and isinstance(answer.content, dict):
            self.orders.answered(order, now)
        elif OK_FROM <= status < OK_BELOW:
            self.orders.try_again(order, now, "the answer is not from Leviton's cloud")
        elif status == TOO_MANY:
            pause_s = self.orders.slow_down(now, answer.retry_after_s)
            self.orders.try_again(order, now, "too many requests", pause_s)
        elif status == NOT_FOUND and not order.found_again:
            order.found_again = True
            self.session.discover_soon(now)
            self.orders.try_again(order, now, "the breaker's id has changed", 1.0)
        elif status in REFUSED:
            self.session.doubt_login(now)
            self.orders.try_again(order, now, "the login was refused", 5.0)
        elif status == 0 or status >= 500:  # noqa: PLR2004
            self.orders.try_again(order, now, reason)
        else:
            self.orders.refused(order, reason)
        if (new := self.orders.turn(order, now)) is not None:
            order = new
        if circuit.reason and order.open:
            self.orders.hub_gone(order.circuit)
        self._publish(circuit)

    # --- reports -----------------------------------------------------------------------------------------------------

    def _pushed(self, link: int, message: Mapping[str, object], now: float) -> None:
        if message.get("type") == "status" and message.get("status") == "ready":
            if self.session.push_ready(link, now) and not self.session.usable:
                for circuit in self.circuits.values():
                    circuit.belief.forget()
            return
        notice = message.get("notification")
        if message.get("type") != "notification" or not isinstance(notice, dict) or link != self.session.link:
            return
        data = notice.get("data")
        identity = str(notice.get("modelId", data.get("id") if isinstance(data, dict) else ""))
        if not isinstance(data, dict):
            return
        if notice.get("modelName") == "IotWhem":
            self._hub_heard(identity, data.get("connected"), now)
            children = data.get("ResidentialBreaker")
            for child in children if isinstance(children, list) else ():
                if isinstance(child, dict):
                    self._breaker_pushed(str(child.get("id")), child, now)
        elif notice.get("modelName") == "ResidentialBreaker":
            self._breaker_pushed(identity, data, now)

    def _hub_heard(self, serial: str, connected: object, now: float) -> None:
        if self.session.hub_heard(serial, connected, now):
            for circuit in self.circuits.values():
                if circuit.binding.hub == serial:
                    circuit.belief.forget()

    def _breaker_pushed(self, identity: str, data: Mapping[str, object], now: float) -> None:
        circuit = self._by_breaker.get(identity)
        if circuit is None:
            return
        if data.keys() <= {"remoteTrip", "remoteOn", "id"}:
            return  # the echo of a command is no sign of life
        self._hub_heard(circuit.binding.hub, None, now)
        learned = circuit.belief.pushed(data, now)
        if learned.report is not None:
            self._reported(circuit, learned.report, now)
        if learned.ask_again:
            self._read(circuit, now)
        self._measured(circuit, now)

    def _hub_read(self, serial: str, requested_at: float, now: float) -> None:
        hub = self.session.hubs[serial]
        ask_again = False
        for circuit in self.circuits.values():
            if circuit.binding.hub != serial:
                continue
            before = circuit.mismatch
            circuit.listed, circuit.mismatch = mismatch(circuit.binding, hub.breakers)
            if circuit.mismatch != before and circuit.mismatch:
                self._log(circuit, f"not commanded: {circuit.mismatch}")
            if circuit.listed is not None and not circuit.mismatch:
                ask_again |= self._take_reading(circuit, circuit.listed.fields, requested_at, now)
        self._by_breaker = {one.listed.id: one for one in self.circuits.values() if one.listed is not None}
        models = [("IotWhem", one) for one in self.session.hubs]
        self.session.want([*models, *(("ResidentialBreaker", one) for one in self._by_breaker)])
        if ask_again:
            self.session.read_hub_later(serial, now)

    def _breaker_read(self, circuit: BoundCircuit, purpose: Purpose, answer: CloudAnswered, now: float) -> None:
        if answer.status in REFUSED:
            self.session.doubt_login(now)
        elif answer.status == NOT_FOUND:
            self.session.discover_soon(now)
        if not OK_FROM <= answer.status < OK_BELOW or not isinstance(answer.content, dict):
            return
        if answer.content.get("serialNumber") not in (None, circuit.binding.serial):
            return
        if self._take_reading(circuit, answer.content, purpose.at, now):
            self.session.read_hub_later(circuit.binding.hub, now)

    def _take_reading(
        self, circuit: BoundCircuit, fields: Mapping[str, object], requested_at: float, now: float
    ) -> bool:
        """Process a reading of REST; return whether another one is needed."""
        hub = self.session.hubs.get(circuit.binding.hub)
        order = self.orders[circuit.id]
        accepted_at = order.accepted_at if order is not None else None
        awaited = (
            order.wanted if order is not None and accepted_at is not None and requested_at >= accepted_at else None
        )
        alive_at = hub.alive_at if hub is not None else None
        learned = circuit.belief.read(fields, requested_at, alive_at, awaited=awaited)
        if learned.report is not None:
            self._reported(circuit, learned.report, now, requested_at)
        self._still_draws(circuit, fields, now)
        return learned.ask_again

    def _reported(
        self, circuit: BoundCircuit, position: Position, now: float, requested_at: float | None = None
    ) -> None:
        """Publish a position that the breaker has reported, and see whether it confirms a command."""
        order = self.orders[circuit.id]
        confirmed = False
        if order is not None and self.orders.reported(order, now if requested_at is None else requested_at, position):
            confirmed = True
            self._log(circuit, f"{position.name} reported by the breaker")
        ours = confirmed or (order is not None and order.open and order.wanted is position)
        if not ours and circuit.shown not in (None, position):
            self.loop_watch.switched(circuit.id, position, now)
        if not circuit.reason and (confirmed or circuit.shown is not position):
            circuit.shown = position
            circuit.draws_read_at = now + STILL_DRAWS_S if position is Position.OFF else None
            self._out.append(PublishPosition(circuit.id, position))
            self._publish(circuit)

    # --- power -------------------------------------------------------------------------------------------------------

    def _measured(self, circuit: BoundCircuit, now: float) -> None:
        belief, last = circuit.belief, circuit.published_power
        if belief.power_w is None or belief.power_at != now:
            return
        order = self.orders[circuit.id]
        seen = order is not None and self.orders.seen(order, belief.power_w)
        changed = last is None or abs(belief.power_w - last[0]) >= POWER_CHANGE_W
        if seen or changed or (last is not None and now - last[1] >= POWER_EVERY_S):
            circuit.published_power = belief.power_w, now
            self._publish(circuit, power_w=belief.power_w)

    def _still_draws(self, circuit: BoundCircuit, fields: Mapping[str, object], now: float) -> None:
        """Publish power that a reading shows some time after a reported OFF. A zero of REST means nothing."""
        if now > circuit.draws_until or not self._is_there(circuit):
            return
        total = power_of(fields)
        if total and circuit.belief.position is Position.OFF:
            self._publish(circuit, power_w=total)

    # --- availability ------------------------------------------------------------------------------------------------

    def _is_there(self, circuit: BoundCircuit) -> bool:
        return self.session.usable and self.session.hub_is_there(circuit.binding.hub)

    def _why_not(self, circuit: BoundCircuit) -> str:
        """Return why a circuit cannot be commanded; empty: it can be."""
        if not self.session.usable:
            return self.session.reason or "Leviton's cloud is unreachable"
        hub = self.session.hubs.get(circuit.binding.hub)
        if hub is None:
            return "its hub is not in this account"
        if circuit.mismatch:
            return circuit.mismatch
        if not self.session.hub_is_there(circuit.binding.hub):
            return "its hub does not report to Leviton's cloud"
        return "its hub does not reach the breaker" if circuit.belief.out_of_reach else ""

    def _update_circuits(self, now: float) -> None:
        for circuit in self.circuits.values():
            circuit.reason = self._why_not(circuit)
            if circuit.draws_read_at is not None and (circuit.reason or now >= circuit.draws_read_at):
                circuit.draws_read_at = None
                if not circuit.reason:
                    circuit.draws_until = now + DRAWS_ANSWER_S
                    self._read(circuit, now)
            if circuit.reason:
                self._gone(circuit)
            if circuit.online != (not circuit.reason) and self._bus:
                circuit.online = not circuit.reason
                if circuit.online and circuit.belief.position is not None:
                    circuit.shown = circuit.belief.position
                    circuit.draws_read_at = now + STILL_DRAWS_S if circuit.shown is Position.OFF else None
                    self._out.append(PublishPosition(circuit.id, circuit.shown))
                self._out.append(PublishAvailability(circuit.id, circuit.online))
                self._publish(circuit)

    def _gone(self, circuit: BoundCircuit) -> None:
        order = self.orders.hub_gone(circuit.id)
        if order is not None:
            self._log(circuit, f"{order.wanted.name} {order.level.value}")
            self._publish(circuit)
        if circuit.shown is not None:
            circuit.shown = None
            self._publish(circuit)

    def _log(self, circuit: BoundCircuit, text: str) -> bool:
        """Log a line about a circuit, unless it repeats the last one: the controller sends again and again."""
        if circuit.logged == text:
            return False
        circuit.logged = text
        self._out.append(WriteLog(f"{circuit.id}: {text}"))
        return True

    # --- publications ------------------------------------------------------------------------------------------------

    def _publish(self, circuit: BoundCircuit, *, power_w: float | None = None, refused: str = "") -> None:
        if self._bus:
            order: Order | None = self.orders[circuit.id]
            self._out.append(
                PublishCircuitDetails(circuit.id, circuit_report(circuit, order, power_w=power_w, refused=refused))
            )

    def _publish_bridge(self, now: float) -> None:
        if self.session.usable:
            self.away_since, self.was_online = None, True
        elif self.away_since is None:
            self.away_since = now
        if not self._bus:
            return
        report = bridge_report(self, now)
        if report != self._report:
            self._report = report
            # The loss of the cloud is published before that of its circuits: it explains them.
            self._out.insert(0, PublishBridge(report)) if report["state"] != "online" else self._out.append(
                PublishBridge(report)
            )

    def unaccepted(self, now: float) -> list[Order]:
        """Return the orders that the cloud has recently not accepted although it is connected."""
        failed = (one for one in self.orders if one.level is Level.NOT_ACCEPTED and one.refusal)
        return [one for one in failed if now < one.valid_until + UNACCEPTED_S]
