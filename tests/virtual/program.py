"""The real engine as the daemon runs it, in virtual time: an inbox, turns, a disk; it stalls, crashes and starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard, cast, get_args

from controller.bus.publisher import Publishable
from controller.core import events as ev
from controller.core.effects import (
    LogEvent,
    PublishAlarm,
    PublishCircuit,
    PublishState,
    QueryDevice,
    SaveHistory,
    SaveOutage,
    SwitchOff,
    SwitchOn,
)
from controller.core.engine import Engine
from controller.core.meter_tracker import MeterTracker, MeterTrackerSettings
from controller.recording.format import SessionStart
from controller.runtime.startup import initial_panel
from rules.panel import Position
from tests.recorded_house import Tape
from tests.virtual import family_checks, invariants
from tests.virtual.device import Origin
from tests.virtual.disk import Disk, Loss
from tests.virtual.facts import Contact, Facts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from random import Random

    from controller.core.effects import DiskEffect, Effect, SavedState
    from controller.core.engine import EngineSettings
    from controller.recording.format import Part
    from rules.json_types import Json
    from rules.panel import Circuit, CircuitId, Panel
    from tests.virtual.device import Device

METER = MeterTrackerSettings(max_kw=48.0, poll_s=120.0, pulses=True)

# A process that dies within a flush of its first command knows nothing of it; `about` rows apart (decision 3).
UNSEEN_S = 0.2


TELL_EACH = 3


class Program:
    """One process after another on one disk. `send` is given each command that leaves, `query` each question.

    `file`: circuits.toml as its owner wrote it; `file_wrong`: with a mistake in it. `busy_until`: a stall, in the
    world's seconds. `lag_s`: once, so long lies between deciding and sending. `crash_after`: once, the process dies
    after so many commands of a turn, before any row is written.
    """

    def __init__(
        self,
        panel: Panel,
        settings: EngineSettings,
        devices: Mapping[CircuitId, Device],
        send: Callable[[CircuitId, Position, Origin, int], None],
        random: Random,
        *,
        query: Callable[[QueryDevice], None],
        metered: bool,
    ) -> None:
        self.panel = self.file = panel
        self.file_wrong = False
        self.settings = settings
        self.disk = Disk(self._disk_says)
        self.facts = Facts(panel, Contact(settings.settle_s, settings.on_lost_shed, settings.contact_on_bus))
        self.facts.confirm_s, self.facts.utility_stable_s = settings.retry.confirm_s, settings.utility_stable_s
        self.engine: Engine | None = None
        self.boot_at = 0.0
        self.busy_until = 0.0
        self.lag_s = 0.0
        self.crash_after: int | None = None
        self.no_settling = False  # standby without an edge: a retained message, or no connection
        self.stalled = False  # the turn was late: the row of the first edge had no time to be written
        self.inbox: list[Callable[[float], ev.Event | list[ev.Event]]] = []
        self.turns = self.crashes = self.most_tries = 0
        self.last_command_at = 0.0
        self.outages = 0
        self.energies: list[float | None] = []
        self.log: Callable[[str], None] | None = None
        self.trusts_clock = True
        self.tape: list[Part] | None = None  # the recording for `loadshed replay`, where one is wanted
        self._deadline: float | None = None
        self._kept: dict[CircuitId, Circuit] = dict(panel.circuits)
        self._doubt = False
        self._died_at = 0.0
        self._boots = 0
        self._devices = devices
        self._send = send
        self._query = query
        self._random = random
        self._metered = metered

    # --- life and death ----------------------------------------------------------------------------------------------

    def start(self, at: float, *, rebooted: bool) -> None:
        """Start the process; `rebooted`: the machine has booted since, and its clock restarts."""
        if rebooted or not self._boots:
            self._boots += 1
            self.boot_at = at - 7.5
        memory = self.disk.load(self.boot)
        now = at - self.boot_at
        again = memory.boot not in (None, self.boot)
        self._excuse(memory)
        panel, wrong = initial_panel(self.panel if self.file_wrong else self.file, memory, self._kept.get)
        self._keep(panel)
        self.facts.panel = self.panel
        self.facts.start(at, memory, rebooted=again)
        metering = MeterTracker(METER, now, memory.pulse_count) if self._metered else None
        self.engine = Engine(self.panel, self.settings, memory, self.boot, now, rebooted=again, metering=metering)
        if self.tape is not None:
            start = SessionStart(self.boot, now, again, self.panel, self.settings, memory)
            self.engine = cast("Engine", Tape(self.engine, start, self.tape))  # it does as the engine does
        self._deadline = self.engine.deadline()
        self.busy_until = at
        self.inbox = [ev.ClockTrusted] if self.trusts_clock else []
        if wrong or self.file_wrong:
            self.inbox.append(lambda now: ev.ConfigurationRefused(now, (*wrong, "circuits.toml:1: a mistake")))

    def die(self, at: float, loss: Loss = Loss.KILL) -> None:
        """Lose everything that is not on the disk."""
        late = self.disk.crash(at, loss, self._random)
        # The rules promise nothing where a commit takes longer than the contact does to settle.
        self._doubt = late or self.stalled or self.no_settling
        self._gone(at)

    def stop(self, at: float) -> None:
        """End as a service does that is stopped."""
        if self.engine is not None:
            self.disk.put([row for row in self.engine.closing() if _is_row(row)], at)
            self._doubt = not self.disk.stop(at)
            self._gone(at)

    def _gone(self, at: float) -> None:
        self.engine = None
        self.crashes += 1
        self._died_at = at
        self.facts.last_on_at = min(self.facts.last_on_at, at)  # what was decided and had not left never will
        self.inbox.clear()
        self.crash_after, self.lag_s = None, 0.0
        self.facts.connected = False

    def _excuse(self, memory: SavedState) -> None:
        """Note of which circuits the rules promise nothing after this crash."""
        is_open = memory.outage is not None and memory.outage.stage == "open"
        for circuit, known in self.facts.circuits.items():
            row = memory.entries.get(circuit, {})
            # Nor of a circuit that a user or the file made one to shed, within a flush.
            unseen = row.get("shed_record") is None and (row.get("position") in ("off", "tripped") or is_open)
            unseen = unseen and self._died_at <= known.owed_at + UNSEEN_S
            known.exempt = known.exempt or self._doubt or unseen or self.disk.damaged
            if known.exempt:
                known.before_off = False  # shed records and outages are as on disk, and this disk has lost some
            if known.owed and not known.exempt and row.get("shed_record") is not None:
                self.facts.guards["5 over a crash"] += 1
        self._doubt = False

    def change_file(self, panel: Panel, *, tell: bool) -> None:
        """Write circuits.toml; `tell`: and reload it, as the daemon does: not if it drops an owed circuit."""
        self.file, self.file_wrong = panel, False
        if not tell or self.engine is None:
            return
        if objections := self.engine.objections(panel):
            self.inbox.append(lambda now: ev.ConfigurationRefused(now, objections))
            return
        self._kept |= panel.circuits
        self.inbox.append(lambda now: ev.CircuitsChanged(now, panel))

    def _keep(self, panel: Panel) -> None:
        self.panel = panel
        self._kept |= panel.circuits

    def _disk_says(self, reason: str | None) -> None:
        if reason is None:
            self.inbox.append(ev.DiskRecovered)
        else:
            self.inbox.append(lambda now: ev.DiskFailed(now, reason))

    @property
    def boot(self) -> str:
        return f"boot-{self._boots}"

    # --- turns -------------------------------------------------------------------------------------------------------

    def due(self, at: float) -> float | None:
        """Return when the next turn is to be taken, in the world's seconds."""
        if self.engine is None:
            return None
        if self.inbox:
            return max(at, self.busy_until)
        return None if self._deadline is None else max(self._deadline + self.boot_at, self.busy_until, at)

    def turn(self, at: float) -> None:
        """Take one turn: all that waits, then what is to be done; each invariant is held on the way."""
        engine = self.engine
        assert engine is not None
        # The world's seconds and the machine's differ by a rounding: a deadline is met, never missed by it.
        now = at - self.boot_at
        deadline = self._deadline
        self.stalled = any(self.inbox) and self.busy_until >= at - 1e-6
        if deadline is not None and abs(deadline - now) < 1e-6:
            now = deadline
        events = [event for make in self.inbox for event in _events(make(now))]
        self.inbox.clear()
        self.turns += 1
        for event in sorted(events, key=lambda event: event.at):
            self.facts.take(event, at, boot_at=self.boot_at)
        effects = engine.advance(events, now)
        happened = [effect for effect in effects if isinstance(effect, LogEvent)]
        self.outages += sum(row.event == "outage_began" for row in happened)
        if self.log is not None:
            for row in happened:
                self.log(f"    {row.event} {row.circuit or ''} {dict(row.details) or ''}")
        self.facts.happened(happened, engine._context.panel.current, at)
        family_checks.what_is_confirmed_was_so(self.facts, self._devices, happened, at)
        for effect in effects:
            if isinstance(effect, SaveOutage):
                invariants.an_outage_is_what_opened_it(effect)
                self.energies += [effect.energy_kwh] * (effect.stage == "closed")
            if isinstance(effect, SaveHistory) and effect.end == "off_before":
                self.facts.left_off(effect.circuit)
        settled = [effect for effect in effects if isinstance(effect, LogEvent) and effect.event == "contact_settled"]
        self.no_settling = any(
            row.at - self._number(row.details["began_at"]) < self.settings.settle_s / 2 for row in settled
        )
        self.panel = self.facts.panel
        self._carry_out(engine, effects, at)
        if self.engine is not None:
            self._deadline = invariants.the_next_deadline_is_to_come(engine, engine._now)

    def _carry_out(self, engine: Engine, effects: Sequence[Effect], at: float) -> None:
        commands = [effect for effect in effects if isinstance(effect, SwitchOff | SwitchOn)]
        assert [*effects[: len(commands)]] == commands, "commands go first"
        sent_at = at + self.lag_s
        self.busy_until, self.lag_s = max(self.busy_until, sent_at), 0.0
        crash_after, self.crash_after = self.crash_after, None
        for number, command in enumerate(commands):
            if crash_after is not None and number >= crash_after:
                self.die(at)
                return
            self._command(engine, command, at, sent_at)
        if crash_after is not None and commands:
            self.die(at)
            return
        rows = [effect for effect in effects if _is_row(effect)]
        if rows:
            self.disk.put(rows, at)
        engine.commands_sent(sent_at - self.boot_at)
        for effect in effects:
            if isinstance(effect, QueryDevice):
                self._query(effect)
        self._hold(engine, at)
        if self.turns % TELL_EACH == 0:  # words of a turn between move nothing
            for effect in effects:
                self._tell(engine, effect)

    def _command(self, engine: Engine, command: SwitchOff | SwitchOn, at: float, sent_at: float) -> None:
        facts, settings = self.facts, self.settings
        circuit, word = command.circuit, Position.OFF if isinstance(command, SwitchOff) else Position.ON
        for hold in invariants.OF_EACH_COMMAND:
            hold(facts, circuit, word, at)
        invariants.no_on_but_on_stable_utility(facts, settings, circuit, word, at)
        invariants.no_retry_goes_before_a_first_try(facts, engine, circuit, word, at)
        invariants.no_command_twice_within_confirm_s(facts, settings.retry.confirm_s, circuit, word, at)
        invariants.no_two_on_within_stagger_s(facts, settings.stagger_s, circuit, word, sent_at)
        assert command.expires_s >= 1
        origin = invariants.origin(facts, circuit, word)
        known = facts[circuit]
        if word is Position.OFF:
            known.off_at = at
            if origin is Origin.RULES and not known.owed:
                known.owed, known.called, known.exempt, known.owed_at = True, False, False, sent_at
                known.at_first_off = known.at_first_edge
        else:
            known.on_at = at
            if origin is Origin.RULES:
                facts.last_on_at = sent_at
        self.last_command_at = at
        self.most_tries = max(self.most_tries, engine._ledger[circuit].attempts)
        if self.log is not None:
            self.log(f"the controller commands {circuit} {word.value.upper()} ({origin.value})")
        self._send(circuit, word, origin, command.expires_s)

    def _hold(self, engine: Engine, at: float) -> None:
        invariants.nothing_we_switched_off_is_forgotten(self.facts, engine, self._devices, at)
        invariants.a_settled_opening_moves_them_all(self.facts, self.settings.retry.confirm_s, at)
        invariants.a_drill_begins_in_a_quiet_house(self.facts, engine, self._devices, at)
        invariants.a_drill_ends(self.facts, at)
        family_checks.nothing_on_is_called_off(self.facts, engine, self._devices, at)

    @staticmethod
    def _number(value: Json) -> float:
        assert isinstance(value, float)
        return value

    @staticmethod
    def _tell(engine: Engine, effect: Effect) -> None:
        match effect:
            case PublishState():
                engine.state_view()
            case PublishCircuit():
                engine.circuit_view(effect.circuit)
            case PublishAlarm():
                engine.alarm_view(effect.id)
            case _:
                pass


_NO_ROWS = frozenset((SwitchOff, SwitchOn, *get_args(Publishable)))


def _events(made: ev.Event | list[ev.Event]) -> list[ev.Event]:
    """Return what was read at one moment: a message of a device may be several events, or none."""
    return made if isinstance(made, list) else [made]


def _is_row(effect: Effect) -> TypeGuard[DiskEffect]:
    """Return whether the daemon passes this to its store."""
    return type(effect) not in _NO_ROWS
