"""A house whose devices are other makers' programs: their relays have a truth, which loadshed is compared with."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rules.panel import Position
from tests.peers.span_panel import ROOT_DEVICE, SpanPanel
from tests.peers.zigbee_gateway import ZigbeeDevice, ZigbeeGateway
from tests.system.process_house import SITE, WITHIN_S, ProcessHouse, Wired

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Self

    from tests.system.on_bus import Said

LATE_MESSAGES_S = 1.0
"""Time in seconds in which loadshed has sent the messages that its rate limit delays."""

ZIGBEE, SPAN = "zigbee2mqtt", "span"


@dataclass
class PeerHouse(ProcessHouse):
    """House of Zigbee devices and SPAN circuits.

    `devices`: on the radio. `panel`: circuits of the panel; `locked`: those that it does not control. `own_reports`:
    devices with the two options. `confirm_s`: of the family zigbee2mqtt, in seconds; None: as shipped. `availability`:
    whether Zigbee2MQTT publishes it (as shipped: no). `false_offs`: circuits that loadshed called off while the relay
    was closed.
    """

    devices: tuple[ZigbeeDevice, ...] = ()
    panel: tuple[str, ...] = ()
    locked: tuple[str, ...] = ()
    own_reports: tuple[str, ...] = ()
    confirm_s: float | None = None
    availability: bool = True
    also_recorded: tuple[str, ...] = ("zigbee2mqtt/#", "ebus/#")
    false_offs: list[str] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        confirm = "" if self.confirm_s is None else f"confirm_s = {self.confirm_s}\n"
        names = ", ".join(f'"{name}"' for name in self.own_reports)
        self.installer_more += f"[families.zigbee2mqtt]\n{confirm}own_reports = [{names}]\n"
        self.installer_more += f'[families.span]\npanel = "{ROOT_DEVICE}"\n'
        await super().__aenter__()
        self._audited = 0
        port = self.server.port
        self.gateway = ZigbeeGateway(
            self.folder / "zigbee", port, self.devices, self._wake, availability=self.availability
        )
        self.span = SpanPanel(self.folder / "span", port, self.panel, self.locked, self._wake)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        await self.gateway.process.kill()
        await self.span.process.kill()
        await super().__aexit__(kind, *rest)

    # --- what is done ------------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Start broker, peers and daemon on utility, and wait until every circuit that can be asked is known."""
        await self.start_broker()
        await self.start_peers()
        await self.program.start()
        await self.reaches("utility")
        devices = [one.id for one in self.circuits if one.has_device]
        tuya = [one.name for one in self.devices if one.kind == "tuya"]
        reports = [("report", one) for one in tuya]  # such a device is not asked, but reports now and then
        await self.reporting_until(reports, lambda: all(self.says(one) == "on" for one in devices), "all are on", 1.0)
        await self.until(lambda: all(self.on_disk(one) == "on" for one in devices), "the disk has their positions")

    async def are(self, position: str, circuits: Iterable[str]) -> None:
        """Wait until loadshed publishes this position of each of these circuits."""
        wanted = tuple(circuits)
        what = f"{wanted} are reported {position}"
        await self.until(lambda: all(self.says(one) == position for one in wanted), what)

    async def reporting_until(
        self, reports: Iterable[tuple[str, str]], found: Callable[[], object], what: str, each_s: float = 2.0
    ) -> None:
        """Have devices send a report (`report`, `watts`) at this interval, until something is true."""
        for _ in range(int(WITHIN_S / each_s)):
            for kind, device in reports:
                about = {"gang": "1"} if kind == "report" else {}
                await self.gateway.process.order(kind, device=device, **about)
            with suppress(AssertionError):
                await self.until(found, what, within_s=each_s)
                return
        await self.until(found, what, within_s=each_s)

    async def is_missed(self, *circuits: str) -> None:
        """Wait until loadshed has published that these circuits' devices are away, and what follows from it."""
        await self.until(lambda: not any(self.circuit(one)["available"] for one in circuits), f"{circuits} are missed")
        await self.is_quiet()

    async def is_quiet(self) -> None:
        """Wait until loadshed has sent what its rate limit delays: it describes the relays as they were before."""
        with suppress(AssertionError):
            await self.until(lambda: False, "that time is over", within_s=LATE_MESSAGES_S)

    async def start_peers(self) -> None:
        """Start what the house has of the two."""
        if self.devices:
            await self.start_gateway()
        if self.panel:
            await self.start_panel()

    async def start_panel(self) -> None:
        await self.span.start()
        await self.until(lambda: self.span.started, "the panel has started")

    async def start_gateway(self) -> None:
        await self.gateway.process.start()
        await self.until(lambda: self.gateway.started, "the gateway has started")

    # --- what is seen ------------------------------------------------------------------------------------------------

    @property
    def known(self) -> tuple[str, ...]:
        """Return the circuits whose position can be proven: not breakers as shipped that cannot be asked."""
        unknowable = {one.name for one in self.devices if one.kind == "tuya"} - {*self.own_reports}
        return tuple(one.id for one in self.circuits if one.has_device and self._address(one)[1] not in unknowable)

    @staticmethod
    def _address(circuit: Wired) -> tuple[str, str, int]:
        """Return family, name and gang of a circuit's device."""
        line = next(line for line in circuit.more if line.startswith("device ="))
        family, _, rest = line.split('"')[1].partition("/")
        name, _, gang = rest.partition("#l")
        return family, name, int(gang or 1)

    def relay(self, circuit: str) -> dict[str, Any]:
        """Return the truth about a circuit's relay: `on`, and the `commands` it has received."""
        family, name, gang = self._address(next(one for one in self.circuits if one.id == circuit))
        return self.gateway.relay(name, gang) if family == ZIGBEE else self.span.relay(name)

    def is_on(self, circuit: str) -> bool:
        """Return whether a circuit's relay really is closed."""
        return bool(self.relay(circuit)["on"])

    def received(self, circuit: str) -> list[str]:
        """Return the commands that a circuit's relay has received."""
        return list(self.relay(circuit)["commands"])

    def at(self, position: Position) -> set[str]:
        wanted = position is Position.ON
        return {one.id for one in self.circuits if one.has_device and self.is_on(one.id) is wanted}

    def says(self, circuit: str) -> str:
        """Return the position that loadshed publishes of a circuit; empty: none yet."""
        return str(self.circuit(circuit).get("position", ""))

    def alarm(self, name: str) -> dict[str, Any] | None:
        """Return an alarm that is active; None: it is not."""
        last = self.recorder.last(f"alarms/{name}")
        return None if last is None or not last.payload else dict(last.fields)

    def unconfirmed_but(self, *shed: str) -> bool:
        """Return whether just these circuits are confirmed off, and each other one that is to be off is unconfirmed."""
        wanted = {one.id for one in self.shed}
        return (set(self.state["shed"]), set(self.state["unconfirmed"])) == ({*shed}, wanted - {*shed})

    # --- claims ------------------------------------------------------------------------------------------------------

    async def sheds(self, *but: str, since: int = 0) -> None:
        """Wait until loadshed has everything confirmed off that is to be off; the relays must agree."""
        wanted = {one.id for one in self.shed} - {*but}
        await self.until(lambda: wanted <= {*self.state.get("shed", ())}, f"{sorted(wanted)} are confirmed off")
        await self.reaches("standby", since)
        assert wanted <= self.at(Position.OFF)

    async def restores(self, *but: str) -> None:
        """Wait until every relay is closed again and loadshed says so, with nothing owed."""
        wanted = {one.id for one in self.circuits if one.has_device} - {*but}
        await self.until(lambda: wanted <= self.at(Position.ON), f"{sorted(wanted)} are closed")
        await self.until(self._at_rest, "on utility, nothing is owed")
        await self.are("on", wanted & {*self.known})

    def _at_rest(self) -> bool:
        state = self.state
        return state.get("state") == "utility" and state["outage"] is None and not state["owed"]

    def _wake(self) -> None:
        """Compare each message that calls a circuit off with its relay, as it arrives."""
        if hasattr(self, "_audited"):
            news, self._audited = self.recorder.said[self._audited :], self.mark
            for one in news:
                self.false_offs += (f"{name} in {one.topic}" for name in self._called_off(one) if self._is_false(name))
        super()._wake()

    def _is_false(self, circuit: str) -> bool:
        """Return whether a circuit that is called off is on, and not just because of an ON that is on its way."""
        return self.is_on(circuit) and self.received(circuit)[-1:] != ["ON"]

    def _called_off(self, said: Said) -> Iterator[str]:
        """Yield the circuits that a message of loadshed calls off, or confirmed off."""
        leaf = said.topic.removeprefix(f"loadshed/{SITE}/")
        if not said.payload or said.retained:
            return
        if leaf == "controller/state":
            yield from said.fields["shed"]
        elif leaf.startswith("circuits/") and said.fields["position"] == "off":
            yield leaf.removeprefix("circuits/")

    def nobody_else_was_touched(self) -> None:
        """Check that only the circuits to shed were ever commanded."""
        for one in self.circuits:
            if one.has_device and one not in self.shed:
                assert not self.received(one.id), one.id
        super().nobody_else_was_touched()

    def gateway_said(self, device: str, since: int = 0) -> list[dict[str, Any]]:
        """Return what the gateway published on a device's topic."""
        return [one.fields for one in self.recorder.said[since:] if one.topic == f"{ZIGBEE}/{device}"]
