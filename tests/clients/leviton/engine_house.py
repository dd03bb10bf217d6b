"""The real engine and topics, the bridge, and the simulated cloud, in virtual time."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from clients.leviton import signals as sig
from controller.bus.messages import IncomingMessage
from controller.bus.profiles.registry import DeviceCatalog, profile_of
from controller.bus.topics import Topics
from controller.core import events as ev
from controller.core.effects import LogEvent, SavedState, SwitchOff, SwitchOn
from controller.core.engine import Engine, EngineSettings
from hw.simulated.leviton_cloud import LevitonCloud
from rules.panel import CircuitId, Panel
from tests.clients.leviton.leviton_house import LevitonHouse, circuits_of

if TYPE_CHECKING:
    from controller.core.effects import Effect
    from hw.simulated.leviton_panel import CloudHub

EPOCH_S = 1_800_000_000.0


class EngineHouse:
    """A house on utility, with the bridge connected. `home`: bridge and cloud. `log`: the engine's events."""

    def __init__(self, hub: CloudHub, *, companion: bool = False) -> None:
        catalog = DeviceCatalog()
        bound = [(one, one.device) for one in circuits_of([hub])]
        panel = Panel.of(*(replace(one, device=catalog.traits(device.address)) for one, device in bound if device))
        self.panel = panel.with_companion() if companion else panel
        profiles = {one.id: profile_of(one, "home", catalog) for one in self.panel}
        self.topics = Topics("home", [*profiles], profiles=profiles)
        self.log: list[LogEvent] = []
        self.home = LevitonHouse(LevitonCloud([hub]), list(panel), companion=companion, on_effect=self._published)
        self._inbox: list[ev.Event] = []
        self._next = float("inf")
        self._state = ""
        self.engine = Engine(self.panel, EngineSettings(), SavedState(), "boot", 0.0)
        self._put(ev.ContactChanged(0.0, open=False))
        self._put(ev.BusConnected(0.0))
        self.home.start()
        self.run(60.0)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.home.run(self.home.now + seconds)

    def contact(self, *, is_open: bool) -> None:
        """Move the contact."""
        self._put(ev.ContactChanged(self.home.now, open=is_open))

    def events(self, name: str) -> list[str | None]:
        """Return the circuits of the events of this name."""
        return [one.circuit for one in self.log if one.event == name]

    def alarms(self) -> dict[str, str]:
        """Return the active alarms: id → message."""
        return {one.id: one.message for one in self.engine.alarm_views()}

    def state(self) -> dict[str, Any]:
        """Return the state that the controller publishes, its lists sorted."""
        view = self.engine.state_view()
        return {"state": view.state, "shed": sorted(view.shed), "unconfirmed": sorted(view.unconfirmed)}

    # --- inside ------------------------------------------------------------------------------------------------------

    def _put(self, event: ev.Event) -> None:
        self._inbox.append(event)
        self.home.at(self.home.now, self._turn)

    def _published(self, at: float, effect: sig.BridgeEffect) -> None:
        names = self.topics.names
        match effect:
            case sig.PublishPosition(circuit, position):
                topic, payload = names.breaker_state(circuit), position.name
            case sig.PublishAvailability(circuit, online):
                topic, payload = names.breaker_availability(circuit), "online" if online else "offline"
            case sig.PublishCircuitDetails(circuit, details):
                topic, payload = names.client_circuit("leviton", circuit), json.dumps(details)
            case sig.PublishBridge(report):
                topic, payload = names.client_state("leviton"), json.dumps(report)
            case _:
                return
        message = IncomingMessage(at, topic, payload.encode(), offset_s=EPOCH_S)
        for one in self.topics.read(message):
            assert not type(one).__name__.startswith("Rejection"), one
            self._put(one)  # type: ignore[arg-type]

    def _turn(self) -> None:
        now = self.home.now
        deadline = self.engine.deadline()
        if self._inbox or (deadline is not None and deadline <= now):
            events, self._inbox = self._inbox, []
            for effect in self.engine.advance(events, now):
                self._carry_out(effect)
            self.engine.commands_sent(now)
        state = self.engine.state_view().state
        if state != self._state:
            self._state = state
            self.home.at(now, lambda: self.home.feed(sig.HouseReported(state)))
        deadline = self.engine.deadline()
        if deadline is not None and (deadline < self._next or self._next <= now):
            self._next = deadline
            self.home.at(deadline, self._turn)

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case SwitchOff(circuit=circuit) | SwitchOn(circuit=circuit):
                on = isinstance(effect, SwitchOn)
                self.home.at(self.home.now, lambda: self.home.command(CircuitId(circuit), on=on))
            case LogEvent():
                self.log.append(effect)
            case _:
                pass
