"""Diagnosis of a meter, from the port to the current transformers, each cause with what to do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from clients.meter_tools.context import DONE, NOT_DONE, ask_identity, read_twice, say_model
from hw.meter_line import MODBUS_TCP_HINT, FailureKind, NoResponse, Response, RtuLine
from hw.meter_registers import ROLLS_OVER_AT, Block, joined
from hw.passive_listener import listen
from hw.serial_port import MODBUS_TCP

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from clients.meter_tools.context import MeterToolContext
    from clients.meter_tools.controller_view import ControllerView

    Measure = Callable[[], Awaitable[float | None]]

# A meter of before 26 Feb 2011 sends each 5 minutes; half a minute more for its clock.
LISTEN_S = 330.0
_STOP = "`sudo systemctl stop loadshed`"
MEASURE_AT_MOST_S = 600.0
_BLIND_AFTER_MIN = 10.0
_EDGES_PER_TICK = 20
_TICK_KW_S = 360.0
# When a tick fell is known as well as the register was read near it: a busy machine reads it late.
_MOST_UNSURE = 0.05
_SEES_NOTHING, _READS_LOW = 0.1, 0.75


@dataclass(frozen=True, slots=True)
class OutageEvidence:
    """Data from the log of the running controller; None: unknown.

    `standby_min`, `standby_kwh`: of the last outage with circuits on. `edges`, `register_tenths`: counted by the 10 Wh
    output and by the register over the same time.
    """

    standby_min: float | None = None
    standby_kwh: float | None = None
    edges: int | None = None
    register_tenths: int | None = None


@dataclass(frozen=True, slots=True)
class KnownLoad:
    """A load of known power on a controllable circuit. `switch`: switches it and returns whether that succeeded."""

    name: str
    kw: float
    switch: Callable[[bool], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Doctor:
    """The examination. `listen_s`: how long to listen to a meter that does not answer; 0: not at all.

    `controller`: what the running controller publishes about the meter; None: it was not asked.
    """

    listen_s: float = LISTEN_S
    evidence: OutageEvidence = OutageEvidence()
    known_load: KnownLoad | None = None
    measure_at_most_s: float = MEASURE_AT_MOST_S
    controller: ControllerView | None = None

    async def __call__(self, bench: MeterToolContext, line: RtuLine) -> int:
        """Examine the meter; return 0 if no fault was found."""
        bench.say(f"{bench.port}: opens, and no other program uses it")
        answers = await self._answers(bench, line)
        wrong = [not answers, not self._no_alarm(bench), not self._logged(bench)]
        if answers:
            await self._registers(bench, line)
            measure = partial(measured_kw, bench, line, self.measure_at_most_s)
            wrong.append(not await self._load_seen(bench, measure))
        else:
            bench.say("not checked: registers, identity, CTs and pulses: no meter answers")
        return _verdict(bench, any(wrong))

    async def through_the_controller(self, bench: MeterToolContext, measure: Measure) -> int:
        """Examine what can be while the controller runs and holds the port: its log, and a known load by its figures.

        Only then can the known load be switched by the controller itself. `measure`: the kW it publishes, once they
        have settled; None: it does not know.
        """
        bench.say(f"{bench.port}: the controller holds it: wires and registers are not examined")
        reads = self._controller_reads(bench)
        wrong = [reads is False, not self._logged(bench), not await self._load_seen(bench, measure)]
        bench.say(f"not checked: wires, id and registers. To check them, stop the controller: {_STOP}")
        if reads is None and self.known_load is None and not any(wrong):
            bench.say("nothing was examined: see what was not checked above")
            return NOT_DONE
        return _verdict(bench, any(wrong), all_checked=False)

    def _controller_reads(self, bench: MeterToolContext) -> bool | None:
        """Return whether the controller reads the meter; None: it was not asked."""
        view = self.controller
        if view is None:
            return None
        if view.trouble is not None:
            bench.say(f"WRONG: the port is in use, and the controller cannot be asked about it: {view.trouble}")
            bench.say("  do: if another program uses the port, stop that first")
            return False
        if not self._no_alarm(bench):
            return False
        if view.energy_kwh is None:
            bench.say("WRONG: the controller has no present reading of the meter")
            for advice in _ADVICE[FailureKind.SILENCE]:
                bench.say(f"  do: {advice}")
            return False
        bench.say(f"ok: the controller reads the meter, energy {view.energy_kwh:.1f} kWh")
        return True

    def _no_alarm(self, bench: MeterToolContext) -> bool:
        """Report each alarm about the meter that is active; return whether there is none."""
        if self.controller is None or self.controller.trouble is not None:
            why = "" if self.controller is None else f": {self.controller.trouble}"
            bench.say(f"not checked: the controller's alarms about the meter{why}")
            return True
        for alarm in self.controller.alarms:
            bench.say(f"WRONG: alarm {alarm}")
            for advice in _ADVICE[FailureKind.NOISE if "bytes received" in alarm else FailureKind.SILENCE]:
                bench.say(f"  do: {advice}")
            if bench.port.startswith("tcp://"):
                bench.say(f"  do: {_GATEWAY_SETTING}")
        return not self.controller.alarms

    # --- does it answer? ---------------------------------------------------------------------------------------------

    async def _answers(self, bench: MeterToolContext, line: RtuLine) -> bool:
        words = await read_twice(line, bench.device_id, Block.ENERGY)
        if not isinstance(words, NoResponse):
            bench.say(f"ok: a meter answers at id {bench.device_id}, energy {joined(words) / 10:.1f} kWh")
            return True
        bench.say(f"WRONG: id {bench.device_id}: {words.reason}")
        for advice in _ADVICE[words.failure]:
            bench.say(f"  do: {advice}")
        if bench.port.startswith("tcp://") and words.failure in {FailureKind.SILENCE, FailureKind.NOISE}:
            await self._try_modbus_tcp(bench, line)
        if bench.port.startswith(MODBUS_TCP):
            bench.say("not checked: unrequested bytes: a gateway in Modbus TCP does not pass them on")
        elif words.failure in {FailureKind.SILENCE, FailureKind.NOISE} and self.listen_s:
            line.close()
            await self._listen(bench)
        return False

    async def _try_modbus_tcp(self, bench: MeterToolContext, line: RtuLine) -> None:
        """Ask once with a Modbus TCP frame: a gateway set to it does not answer anything else."""
        line.close()
        other = RtuLine(bench.port.replace("tcp://", MODBUS_TCP, 1), timeout_s=bench.timeout_s, quiet_s=bench.quiet_s)
        try:
            heard = await other.read(bench.device_id, Block.ENERGY)
        finally:
            other.close()
        if isinstance(heard, Response) or heard.failure is FailureKind.REFUSED or heard.raw:
            bench.say(f"WRONG: {MODBUS_TCP_HINT}")
        else:
            bench.say(f"  do: {_GATEWAY_SETTING}")

    async def _listen(self, bench: MeterToolContext) -> None:
        count = 0

        def hear(_at_s: float, data: bytes) -> None:
            nonlocal count
            count += len(data)

        bench.say(f"listening {self.listen_s:g} s for a meter that sends by itself …")
        failed = await listen(bench.port, self.listen_s, hear)
        if count:
            bench.say(
                f"{count} bytes received unrequested, without a valid frame: noise on the line, an adapter that sends "
                "by itself, or a meter made before 26 Feb 2011, with an undocumented format."
            )
            bench.say("  do: unplug both wires from the adapter: if bytes still arrive, replace the adapter")
            bench.say("  do: a meter made before 26 Feb 2011: use its pulse outputs; `loadshed meter record` saves the")
            bench.say("      bytes for analysis")
        else:
            bench.say(failed or "nothing came unasked either")

    # --- what it says ------------------------------------------------------------------------------------------------

    async def _registers(self, bench: MeterToolContext, line: RtuLine) -> None:
        identity = await ask_identity(bench, line)
        if identity and identity.model:
            say_model(bench, identity.model)
        peak = await read_twice(line, bench.device_id, Block.PEAK)
        if not isinstance(peak, NoResponse) and not joined(peak):
            bench.say("note: the peak register is 0: no demand option, or reset just now")
        everything = await read_twice(line, bench.device_id, Block.ENERGY_AND_ALL)
        if isinstance(everything, NoResponse):
            bench.say(f"note: the six-register read fails ({everything.reason}); the pairs are read one by one")
        elif joined(everything[2:4]) and joined(everything[2:4]) == joined(everything[:2]):
            bench.say("note: energy to the grid repeats energy from the grid: bogus, not used")

    # --- what the log says -------------------------------------------------------------------------------------------

    def _logged(self, bench: MeterToolContext) -> bool:
        return _sees_outages(bench, self.evidence) and _counts_agree(bench, self.evidence)

    # --- a load that is known ----------------------------------------------------------------------------------------

    async def _load_seen(self, bench: MeterToolContext, measure: Measure) -> bool:
        load = self.known_load
        if load is None:
            bench.say(
                "not checked: a known load (name a controllable circuit and its kW to see whether the CTs read true)"
            )
            return True
        bench.say(f"{load.name} on, measuring …")
        on = await _switched(load, True, measure)
        bench.say(f"{load.name} off, measuring …")
        off = await _switched(load, False, measure)
        bench.say(f"{load.name} is left off: `loadshed ask on {load.name}` brings it back")
        if on is None or off is None:
            bench.say(
                f"WRONG: {load.name} could not be switched, or the meter fell silent: nothing can be said of the CTs"
            )
            return False
        return _judge_drop(bench, load, on - off)


async def _switched(load: KnownLoad, on: bool, measure: Measure) -> float | None:
    return await measure() if await load.switch(on) else None


def _verdict(bench: MeterToolContext, wrong: bool, *, all_checked: bool = True) -> int:
    good = "nothing wrong was found" if all_checked else "nothing wrong was found in what was checked"
    bench.say("something is wrong: see above" if wrong else good)
    return NOT_DONE if wrong else DONE


class _Tick(NamedTuple):
    """A tick of the register, to `tenths`, seen at `at`; it fell within `unsure_s` before."""

    tenths: int
    at: float
    unsure_s: float


async def measured_kw(bench: MeterToolContext, line: RtuLine, at_most_s: float) -> float | None:
    """Return the present power, to a twentieth, from ticks of the register; None: no response.

    If they do not come in time, 0; if none was read close enough to its time, the best available value.
    """
    began = bench.clock()
    ticks: list[_Tick] = []
    kw = 0.0
    last: tuple[int, float] | None = None
    while bench.clock() - began < at_most_s:
        words = await read_twice(line, bench.device_id, Block.ENERGY)
        if isinstance(words, NoResponse):
            return None
        tenths, now = joined(words), bench.clock()
        if last is not None and tenths != last[0]:
            ticks.append(_Tick(tenths, now, now - last[1]))
            if len(ticks) > 1:
                kw, unsure = _between(*_surest(ticks))
                if unsure <= _MOST_UNSURE:
                    return kw
        last = tenths, now
    return kw


def _surest(ticks: Sequence[_Tick]) -> tuple[_Tick, _Tick]:
    """Return the last tick, after the earlier one that gives the most exact power."""
    *before, last = ticks
    return min(before, key=lambda tick: _between(tick, last)[1]), last


def _between(first: _Tick, last: _Tick) -> tuple[float, float]:
    """Return the power between two ticks in kW, and which part of it is not known."""
    took_s = last.at - first.at
    kw = _TICK_KW_S * ((last.tenths - first.tenths) % ROLLS_OVER_AT) / took_s
    return kw, (first.unsure_s + last.unsure_s) / took_s


def _judge_drop(bench: MeterToolContext, load: KnownLoad, drop_kw: float) -> bool:
    share = drop_kw / load.kw
    told = f"{load.name} is {load.kw:g} kW, the meter saw {drop_kw:.1f} kW go"
    if share < _SEES_NOTHING:
        bench.say(f"WRONG: {told}: the CTs do not see this circuit")
        bench.say(
            "  do: CTs round the conductors that feed the panel, on the load side of the transfer switch; plugs in"
        )
        return False
    if share < _READS_LOW:
        bench.say(f"WRONG: {told}: it reads low")
        bench.say("  do: look for one CT turned round, or on the other phase than its voltage lead, or not closed;")
        bench.say("      the reverse-phase LED means something above 1 A only, and does not always light")
        return False
    bench.say(f"ok: {told}")
    return True


def _sees_outages(bench: MeterToolContext, evidence: OutageEvidence) -> bool:
    if evidence.standby_min is None or evidence.standby_kwh is None:
        return True
    if evidence.standby_min > _BLIND_AFTER_MIN and evidence.standby_kwh <= 0:
        bench.say(f"WRONG: the register did not move in {evidence.standby_min:.0f} minutes on standby with circuits on")
        bench.say("  do: the CTs sit on the utility side of the transfer switch: move them to its load side")
        return False
    bench.say(f"ok: {evidence.standby_kwh:.1f} kWh were counted in the last outage ({evidence.standby_min:.0f} min)")
    return True


def _counts_agree(bench: MeterToolContext, evidence: OutageEvidence) -> bool:
    if evidence.edges is None or evidence.register_tenths is None:
        return True
    expected = evidence.register_tenths * _EDGES_PER_TICK
    # The register shows whole ticks: at either end most of one may be missing.
    slack = 0.01 * expected + 2 + _EDGES_PER_TICK
    told = f"{evidence.edges} edges counted, the register says {expected}"
    if abs(evidence.edges - expected) <= slack:
        bench.say(f"ok: {told}")
        return True
    what = "edges are lost" if evidence.edges < expected else "edges bounce or hum comes in"
    bench.say(f"WRONG: {told}: {what}")
    bench.say("  do: check the pulse wires and their pull-up; keep them apart from the mains")
    return False


_GATEWAY_SETTING = 'is the gateway set to RTU over TCP (transparent)? For Modbus TCP: port = "tcp+modbus://…"'
_ADVICE = {
    FailureKind.PORT: ("the port closed while it was used: check the adapter and its cable",),
    FailureKind.SILENCE: (
        "is the meter powered? its display shows kWh",
        "swap A and B: makers name them either way round",
        "is it another id? `loadshed meter scan`",
        "9600 baud, 8 data bits, no parity, 1 stop bit: a gateway must be set so too",
        "one wire for ground between adapter and meter, if the run is long",
    ),
    FailureKind.NOISE: (
        "swap A and B: a turned pair sounds like this",
        "two meters on one id sound like this as well: disconnect one",
        "unplug both wires from the adapter: if bytes still arrive, the adapter sends by itself: replace it",
        "is the gateway at 9600 baud, 8N1?",
        "keep the pair apart from the mains, terminate both ends of a long run",
    ),
    FailureKind.REFUSED: ("this is no Series 1000/2000 meter, or one we do not know: `loadshed meter identify`",),
    FailureKind.MODBUS_TCP: ("one of the two: the gateway's setting, or the port in installer.toml",),
    FailureKind.DOUBLED: ("two meters on one id: disconnect one, then `loadshed meter set-id` for the other",),
}
