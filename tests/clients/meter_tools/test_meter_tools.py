"""The electrician's tools against a simulated meter, over a pseudo-terminal and over TCP."""

from __future__ import annotations

import asyncio
import random
import socket
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from clients.cli.simulate import SimulatedSite, quirks_from, simulate
from clients.meter_tools.context import DONE, NOT_DONE, MeterToolContext, identify, on_line, read
from clients.meter_tools.controller_view import ControllerView
from clients.meter_tools.doctor import Doctor, KnownLoad, OutageEvidence, measured_kw
from clients.meter_tools.meter_write import reset_peak, set_id
from clients.meter_tools.scan import record, scan
from hw import meter_pdu  # noqa: F401 - not in a thread while virtual time runs
from hw.meter_line import RtuLine
from hw.meter_registers import Block
from hw.simulated.meter import MeterFaults, SimulatedMeter
from hw.simulated.meter_server import serve_modbus_tcp, serve_pty, serve_tcp
from hw.simulated.serial_line import FaultyLine, LineFaults
from hw.simulated.virtual_time import run_virtual
from tests.processes import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from hw.meter_line import NoResponse, Response

    Serve = Callable[[list[SimulatedMeter]], AbstractAsyncContextManager[str]]
    Tool = Callable[[MeterToolContext, RtuLine], Awaitable[int]]


@pytest.fixture(params=[serve_pty, serve_tcp], ids=["pseudo-terminal", "TCP"])
def serve(request: pytest.FixtureRequest) -> Serve:
    """Both ways to reach a meter."""
    return request.param  # type: ignore[no-any-return]


@dataclass
class Electrician:
    """Reads what is said and answers what is asked."""

    yes: bool = True
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def ask(self, question: str) -> bool:
        self.asked.append(question)
        return self.yes

    @property
    def text(self) -> str:
        return "\n".join(self.said)

    def bench(self, port: str, device_id: int = 1, **settings: object) -> MeterToolContext:
        bench = MeterToolContext(port, self.said.append, device_id, self.ask, timeout_s=0.15, quiet_s=0.02)
        return replace(bench, **settings)  # type: ignore[arg-type]


def _use(
    serve: Serve, tool: Tool, *meters: SimulatedMeter, yes: bool = True, **bench: object
) -> tuple[int, Electrician]:
    """Return the exit code of a tool on these meters, and the electrician who used it."""
    electrician = Electrician(yes)

    async def scene() -> int:
        async with serve(list(meters)) as port:
            return await on_line(electrician.bench(port, **bench), tool)  # type: ignore[arg-type]

    return asyncio.run(scene()), electrician


def _meter(device_id: int = 1, energy_kwh: float = 1234.5, **quirks: object) -> SimulatedMeter:
    return SimulatedMeter(device_id=device_id, energy_kwh=energy_kwh, quirks=MeterFaults(**quirks))  # type: ignore[arg-type]


# --- read ------------------------------------------------------------------------------------------------------------


def test_read_shows_every_register(serve: Serve) -> None:
    """A table with raw values and meanings; the ambiguous 40005 in both."""
    code, electrician = _use(serve, read, _meter(), model="2N208-021")
    assert code == DONE
    assert "40001    energy from the grid                        12345  1234.5 kWh" in electrician.text
    assert "the peak as labelled, or the present 5-minute demand" in electrician.text
    assert "45002    hardware version                              770  V3.2" in electrician.text
    assert "model 2N208-021: 3-phase 4-wire, 208 V, CTs 200 A, 72.1 kW at most; Modbus RTU" in electrician.text
    assert [line[:5] for line in electrician.said[3:]] == [
        *("40001", "40003", "40005", "40061", "45002", "45003", "45004", "45006", "45007")
    ]


def test_read_of_a_silent_meter_says_where_to_go_on(serve: Serve) -> None:
    """No value is shown, and the exit code says it could not be done."""
    code, electrician = _use(serve, read, _meter(silent=True))
    assert code == NOT_DONE
    assert electrician.said[-1] == "the meter did not answer: try `loadshed meter doctor`"


def test_read_survives_refusals_and_noise(serve: Serve) -> None:
    """What the meter refuses is shown as refused, beside the rest."""
    code, electrician = _use(serve, read, _meter(to_grid="refused"))
    assert code == DONE
    assert "the meter refused with exception 2" in electrician.text


# --- identify --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["counted", "uncounted"])
def test_identify_compares_answer_and_registers(serve: Serve, form: str) -> None:
    """Both forms of 0x11 are understood, and agree with the registers."""
    code, electrician = _use(serve, identify, _meter(report_id=form))
    assert code == DONE
    assert "Leviton 2N208-021, V3.2-V3.2,fn45678001" in electrician.text
    assert electrician.said[-1] == "the answer and the registers agree"


def test_identify_reports_a_difference(serve: Serve) -> None:
    """A meter that says one thing and holds another is not identified."""
    meter = _meter()
    meter.answer = _lying(meter.answer)  # type: ignore[method-assign]
    code, electrician = _use(serve, identify, meter)
    assert code == NOT_DONE
    assert "DIFFERENT: program id: 45678 by 0x11, 17 by 45004" in electrician.text


def _lying(answer: Callable[..., bytes | None]) -> Callable[..., bytes | None]:
    from hw.simulated.meter_frames import sealed  # noqa: PLC0415

    def lie(frame: bytes, now: float | None = None) -> bytes | None:
        asks_program_id = frame[:6] == bytes.fromhex("0103138B0001")
        return sealed(bytes.fromhex("0103020011")) if asks_program_id else answer(frame, now)

    return lie


def test_identify_without_0x11_shows_the_registers(serve: Serve) -> None:
    """A meter that knows no 0x11 can still be metered."""
    code, electrician = _use(serve, identify, _meter(report_id="silent"))
    assert code == NOT_DONE
    assert "0x11 (who are you?): no response within 0.15 s" in electrician.text
    assert "  program id: 45678" in electrician.text


# --- reset-peak ------------------------------------------------------------------------------------------------------


def _loaded(**quirks: object) -> SimulatedMeter:
    """Return a meter with a peak to lose: a clock of its own, half an hour at 12 kW."""
    clock = [0.0]
    meter = SimulatedMeter(clock=lambda: clock[0], quirks=MeterFaults(**quirks))  # type: ignore[arg-type]
    meter.kw = 12.0
    clock[0] = 1800.0
    return meter


def test_reset_peak_asks_and_reports_the_result(serve: Serve) -> None:
    """The frame is shown before, the three effects after."""
    code, electrician = _use(serve, reset_peak, _loaded())
    assert code == DONE
    assert "to be sent: 01 06 01 f4 00 aa 49 bb" in electrician.text
    assert electrician.asked == ["Reset the peak of the meter with id 1?"]
    assert "confirmation by the meter: seen" in electrician.text
    assert "reset counter one higher: seen (1 → 2)" in electrician.text
    assert "peak lower: seen (12.00 → 0.00 kW)" in electrician.text


def test_reset_peak_sends_nothing_without_a_yes(serve: Serve) -> None:
    """The peak and its counter stay."""
    meter = _loaded()
    code, electrician = _use(serve, reset_peak, meter, yes=False)
    assert code == NOT_DONE
    assert electrician.said[-1] == "nothing was sent"
    assert meter.reset_counter == 1


def test_a_confirmation_alone_is_no_reset(serve: Serve) -> None:
    """A meter that confirms and does nothing is found out; so is an adapter's echo."""
    for quirks in ({"reset_obeyed": False}, {"reset_obeyed": False, "echo": True}):
        code, electrician = _use(serve, reset_peak, _loaded(**quirks))
        assert code == NOT_DONE
        assert "reset counter one higher: not seen" in electrician.text
        assert "NOT reset" in electrician.said[-1]


# --- set-id ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["old", "new", "none"])
@pytest.mark.parametrize(("form", "number"), [("legal", 1), ("printed", 2), ("doubled", 3)])
def test_set_id_finds_the_form_the_meter_takes(form: str, number: int, answer: str) -> None:
    """Whether or not it is confirmed: done is when the new id responds and the old one is silent."""
    meter = _meter(set_id=form, set_id_answer=answer)
    code, electrician = _use(serve_pty, set_id(18), meter)
    assert code == DONE, electrician.text
    assert meter.device_id == 18
    assert f"done with form {number}:" in electrician.text


def test_set_id_over_tcp() -> None:
    """Through a gateway all the same."""
    meter = _meter()
    code, _ = _use(serve_tcp, set_id(7), meter)
    assert (code, meter.device_id) == (DONE, 7)


def test_set_id_that_no_form_achieves_says_so() -> None:
    """All three were sent, the meter stayed: nothing is claimed."""
    code, electrician = _use(serve_pty, set_id(18), _meter(set_id="refused"))
    assert code == NOT_DONE
    assert "NOT changed" in electrician.said[-1]
    assert len([line for line in electrician.said if line.startswith("sent ")]) == 3


@pytest.mark.parametrize(
    ("new_id", "others", "reason"),
    [
        (0, [], "id 0: use 1 to 247"),
        (248, [], "id 248: use 1 to 247"),
        (1, [], "the meter is asked at 1 already"),
        (18, [18], "something answers at 18 already"),
        (18, [1], "not exactly one meter answers at 1"),
    ],
    ids=["broadcast", "beyond", "the same", "taken", "two meters"],
)
def test_set_id_refuses_what_could_go_wrong(new_id: int, others: list[int], reason: str) -> None:
    """Refused before anything is sent or asked."""
    meters = [_meter(), *(_meter(other, energy_kwh=77.7, delay_s=0.01) for other in others)]
    if others == [1]:
        meters[1].lose_power()
        meters[1].regain_power()
        meters[1]._powered_at -= 54_321  # so that both uptimes differ and the answers collide
    code, electrician = _use(serve_pty, set_id(new_id), *meters)
    assert code == NOT_DONE
    assert electrician.said[-1].startswith("refused: ")
    assert reason in electrician.said[-1]
    assert electrician.asked == []
    assert meters[0].device_id == 1


def test_set_id_sends_nothing_without_a_yes() -> None:
    """The frames are shown, the answer is no."""
    meter = _meter()
    code, electrician = _use(serve_pty, set_id(18), meter, yes=False)
    assert code == NOT_DONE
    assert "  01 10 13 88 00 01 02 00 12 1a 14" in electrician.said
    assert meter.device_id == 1


# --- scan, record ----------------------------------------------------------------------------------------------------


def test_scan_finds_every_meter(serve: Serve) -> None:
    """Bounded, with progress."""
    code, electrician = _use(serve, scan(1, 60), _meter(5), _meter(42), timeout_s=0.03)
    assert code == DONE
    assert [line.split(",")[0] for line in electrician.said if line.startswith("id ")] == [
        *("id 5: a meter", "id 42: a meter")
    ]
    assert "… 50 of 60 asked, 2 found" in electrician.said
    assert electrician.said[-1] == "2 found"


def test_scan_of_an_empty_bus(serve: Serve) -> None:
    """A missing response is reported, with the next thing to try."""
    code, electrician = _use(serve, scan(1, 3), _meter(9), timeout_s=0.03)
    assert code == NOT_DONE
    assert "doctor" in electrician.said[-1]


def test_record_writes_what_comes_unasked(serve: Serve, tmp_path: Path) -> None:
    """Seconds and bytes, one line per piece; nothing is sent."""
    electrician = Electrician()
    file = tmp_path / "bytes.txt"

    async def scene() -> int:
        async with serve([_meter(unasked_s=0.05)]) as port:
            return await record(electrician.bench(port), file, 0.3)

    assert asyncio.run(scene()) == DONE
    lines = file.read_text().splitlines()[1:]
    assert lines
    seconds, *heard = lines[0].split()
    assert 0 <= float(seconds) < 0.3
    assert len(bytes.fromhex("".join(heard))) == 24


def test_record_of_a_gateway_that_is_not_there(tmp_path: Path) -> None:
    """The reason, and exit code 1."""
    electrician = Electrician()
    bench = electrician.bench("tcp://127.0.0.1:9")
    assert asyncio.run(record(bench, tmp_path / "bytes.txt", 0.3)) == NOT_DONE
    assert "ended early: tcp://127.0.0.1:9" in electrician.said[-1]


# --- doctor ----------------------------------------------------------------------------------------------------------


def test_the_doctor_finds_nothing_wrong_with_a_healthy_meter(serve: Serve) -> None:
    """It says what it saw and what it did not try."""
    code, electrician = _use(serve, Doctor(), _meter())
    assert code == DONE
    assert "ok: a meter answers at id 1, energy 1234.5 kWh" in electrician.said
    assert electrician.said[-1] == "nothing wrong was found"


def test_the_doctor_on_silence_advises_and_listens(serve: Serve) -> None:
    """Wires, id, gateway; then it listens for a meter that sends by itself."""
    code, electrician = _use(serve, Doctor(listen_s=0.1), _meter(silent=True))
    assert code == NOT_DONE
    assert "  do: swap A and B: makers name them either way round" in electrician.said
    assert "nothing came unasked either" in electrician.said


def test_the_doctor_recognizes_a_legacy_meter(serve: Serve) -> None:
    """Unrequested bytes: made before 26 Feb 2011; its pulses work."""
    code, electrician = _use(serve, Doctor(listen_s=0.3), _meter(unasked_s=0.05))
    assert code == NOT_DONE
    assert "use its pulse outputs" in electrician.text


def test_the_doctor_on_noise_advises_to_swap_the_wires(serve: Serve) -> None:
    """Every answer is garbled."""
    code, electrician = _use(serve, Doctor(listen_s=0.0), _meter(noise=1.0))
    assert code == NOT_DONE
    assert "swap A and B" in electrician.text


@pytest.mark.parametrize(
    ("evidence", "code", "sentence"),
    [
        (OutageEvidence(standby_min=45, standby_kwh=0.0), NOT_DONE, "move them to its load side"),
        (OutageEvidence(standby_min=45, standby_kwh=3.2), DONE, "ok: 3.2 kWh were counted"),
        (OutageEvidence(standby_min=5, standby_kwh=0.0), DONE, "nothing wrong"),
        (OutageEvidence(edges=2000, register_tenths=100), DONE, "ok: 2000 edges counted"),
        (OutageEvidence(edges=1500, register_tenths=100), NOT_DONE, "edges are lost"),
        (OutageEvidence(edges=2500, register_tenths=100), NOT_DONE, "edges bounce or hum comes in"),
    ],
)
def test_the_doctor_reads_the_log(evidence: OutageEvidence, code: int, sentence: str) -> None:
    """CTs on the wrong side, edges lost, edges too many."""
    found, electrician = _use(serve_pty, Doctor(evidence=evidence), _meter())
    assert found == code
    assert sentence in electrician.text


def _through(view: ControllerView | None) -> tuple[int, Electrician]:
    """Return the exit code of the doctor while the controller holds the port, and what was said."""
    electrician = Electrician()

    async def measure() -> float | None:
        return None

    doctor = Doctor(controller=view)
    return asyncio.run(doctor.through_the_controller(electrician.bench("/dev/ttyX"), measure)), electrician


STALE = "meter-stale: The meter has not responded for three polls: 63 bytes received, but no complete response"


@pytest.mark.parametrize(
    ("view", "sentence"),
    [
        (ControllerView(alarms=(STALE,)), "WRONG: alarm meter-stale: The meter has not responded for three polls: 63"),
        (ControllerView(alarms=(STALE,)), "the adapter sends by itself"),
        (ControllerView(trouble="loadshed is not running"), "WRONG: the port is in use, and the controller cannot be"),
        (ControllerView(), "WRONG: the controller has no present reading of the meter"),
        (None, "nothing was examined"),
    ],
)
def test_the_doctor_finds_something_where_the_controller_does_not_read_the_meter(
    view: ControllerView | None, sentence: str
) -> None:
    """Never "nothing wrong": not while an alarm stands, and not for what it did not examine."""
    code, electrician = _through(view)
    assert code == NOT_DONE
    assert sentence in electrician.text
    assert "nothing wrong was found" not in electrician.text
    assert "not checked: wires, id and registers" in electrician.text


def test_the_doctor_reports_what_it_did_not_check_beside_a_controller_that_reads() -> None:
    """The controller's present reading is examined; wires and registers are not."""
    code, electrician = _through(ControllerView(energy_kwh=1234.5))
    assert code == DONE
    assert "ok: the controller reads the meter, energy 1234.5 kWh" in electrician.said
    assert electrician.said[-1] == "nothing wrong was found in what was checked"
    assert "not checked: wires, id and registers" in electrician.text


def test_an_alarm_is_something_wrong_also_where_the_meter_answers(serve: Serve) -> None:
    """The controller may poll it over a gateway, at the same time."""
    code, electrician = _use(serve, Doctor(controller=ControllerView(alarms=(STALE,))), _meter())
    assert code == NOT_DONE
    assert f"WRONG: alarm {STALE}" in electrician.said
    assert electrician.said[-1] == "something is wrong: see above"


def test_the_doctor_names_the_noise_of_an_adapter_that_sends_by_itself(serve: Serve) -> None:
    """Bytes without a valid frame, with what to check; the rest is not checked."""
    code, electrician = _use(serve, Doctor(listen_s=0.3), _meter(unasked_s=0.03))
    assert code == NOT_DONE
    assert "noise without a valid frame" in electrician.text
    assert "unplug both wires from the adapter" in electrician.text
    assert "not checked: registers, identity, CTs and pulses: no meter answers" in electrician.said


# --- a gateway in Modbus TCP -----------------------------------------------------------------------------------------


def test_the_doctor_recognizes_a_gateway_set_to_modbus_tcp() -> None:
    """From its answer to an RTU frame, or to one question in its own format."""
    electrician = Electrician()

    async def scene() -> int:
        async with serve_modbus_tcp(_meter()) as port:
            rtu = electrician.bench(port.replace("tcp+modbus", "tcp"))
            return await on_line(rtu, Doctor(listen_s=0.0))

    assert asyncio.run(scene()) == NOT_DONE
    assert "set the gateway to RTU over TCP (transparent), or write port" in electrician.text


def test_a_silent_gateway_is_asked_about_its_setting() -> None:
    """It does not answer in either format: the setting is among the hints."""
    electrician = Electrician()

    async def scene() -> int:
        async with serve_tcp([_meter(silent=True)]) as port:
            return await on_line(electrician.bench(port), Doctor(listen_s=0.0))

    assert asyncio.run(scene()) == NOT_DONE
    assert "is the gateway set to RTU over TCP (transparent)?" in electrician.text


@pytest.mark.parametrize("tool", [Doctor(), read, identify])
def test_the_tools_work_over_a_gateway_in_modbus_tcp(tool: Tool) -> None:
    """`tcp+modbus://host:port`: every request, also 0x11."""
    code, electrician = _use(serve_modbus_tcp, tool, _meter())
    assert code == DONE, electrician.text


def test_a_meter_behind_a_gateway_that_does_not_respond_is_silent() -> None:
    """The gateway's exception 11 is no refusal of the meter."""
    code, electrician = _use(serve_modbus_tcp, Doctor(listen_s=0.1), _meter(silent=True))
    assert code == NOT_DONE
    assert "the gateway reports that the meter does not respond (exception 11)" in electrician.text
    assert "does not pass them on" in electrician.text


@dataclass
class Oven:
    """A load of 8 kW on a circuit that can be switched, of which the meter sees a share."""

    meter: SimulatedMeter
    seen: float
    obeys: bool = True

    async def switch(self, on: bool) -> bool:
        self.meter.kw = 4.0 + (8.0 * self.seen if on else 0.0)
        return self.obeys


@pytest.mark.parametrize(
    ("seen", "obeys", "sentence"),
    [
        (1.0, True, "ok: oven is 8 kW"),
        (0.5, True, "one CT turned round"),
        (0.0, True, "the CTs do not see this circuit"),
        (1.0, False, "oven could not be switched"),
    ],
)
def test_the_doctor_switches_a_known_load(seen: float, obeys: bool, sentence: str) -> None:
    """Its drop shows in the register, or half of it, or none."""
    electrician = Electrician()

    async def scene() -> int:
        clock = asyncio.get_running_loop().time
        meter = SimulatedMeter(clock=clock)
        oven = Oven(meter, seen, obeys)
        line = FaultyLine([meter], LineFaults(random.Random(1)))  # noqa: S311
        doctor = Doctor(known_load=KnownLoad("oven", 8.0, oven.switch))
        return await doctor(electrician.bench("a line", clock=clock), RtuLine("a line", connect=line.connect))

    code = run_virtual(scene())
    assert sentence in electrician.text
    assert code == (DONE if sentence.startswith("ok") else NOT_DONE)


class StalledLine(RtuLine):
    """A line whose reader stands still for a while, once."""

    stalls_at_s = 20.0
    stalls_for_s = 40.0

    async def read(self, device_id: int, block: Block) -> Response | NoResponse:
        if asyncio.get_running_loop().time() >= self.stalls_at_s:
            self.stalls_at_s = float("inf")
            await asyncio.sleep(self.stalls_for_s)
        return await super().read(device_id, block)


def test_a_tick_that_was_read_late_is_no_measure() -> None:
    """12 kW are a tick each 30 s; a machine that stood still while one fell would make 18 of them."""
    electrician = Electrician()

    async def scene() -> float | None:
        clock = asyncio.get_running_loop().time
        meter = SimulatedMeter(clock=clock)
        meter.kw = 12.0
        connect = FaultyLine([meter], LineFaults(random.Random(1))).connect  # noqa: S311
        return await measured_kw(electrician.bench("a line", clock=clock), StalledLine("a line", connect=connect), 600)

    assert run_virtual(scene()) == pytest.approx(12.0, rel=0.05)


@pytest.mark.parametrize(("seen", "code"), [(1.0, DONE), (0.4, NOT_DONE)])
def test_the_doctor_goes_through_the_controller_where_that_holds_the_port(seen: float, code: int) -> None:
    """The log and the known load, by the figures the controller publishes; nothing is sent on the line."""
    electrician = Electrician()

    async def scene() -> int:
        meter = SimulatedMeter()
        oven = Oven(meter, seen)

        async def measure() -> float:
            return meter.kw

        doctor = Doctor(evidence=OutageEvidence(45, 3.2), known_load=KnownLoad("oven", 8.0, oven.switch))
        return await doctor.through_the_controller(electrician.bench("/dev/no-such-port"), measure)

    assert asyncio.run(scene()) == code
    assert "the controller holds it" in electrician.said[0]
    assert "ok: 3.2 kWh were counted" in electrician.text


# --- the port --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("served", [serve_pty, serve_tcp], ids=["pseudo-terminal", "TCP"])
def test_no_tool_works_while_the_controller_holds_the_port(served: Serve) -> None:
    """Refused with a sentence that says what to do; free again as soon as the controller lets go."""
    electrician = Electrician()

    async def scene() -> int:
        async with served([_meter()]) as port:
            controller = RtuLine(port)
            await controller.read(1, Block.ENERGY)
            assert await on_line(electrician.bench(port), read) == NOT_DONE
            controller.close()
            return await on_line(electrician.bench(port), read)

    assert asyncio.run(scene()) == DONE
    assert "by another program (possibly the controller): stop that first" in electrician.said[0]


def test_a_port_that_is_not_there_names_those_that_are() -> None:
    """The electrician learns what to plug in."""
    electrician = Electrician()
    assert asyncio.run(on_line(electrician.bench("/dev/no-such-port"), read)) == NOT_DONE
    assert "/dev/no-such-port does not exist" in electrician.said[0]


# --- simulate --------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _simulating(site: SimulatedSite, said: list[str]) -> AsyncIterator[None]:
    up, stop = asyncio.Event(), asyncio.Event()

    def say(line: str) -> None:
        said.append(line)
        up.set()

    task = asyncio.create_task(simulate(site, say, stop))
    async with asyncio.timeout(LIMIT_S):
        await up.wait()
    yield
    stop.set()
    async with asyncio.timeout(LIMIT_S):
        assert await task == 0


def test_simulate_serves_a_linked_pseudo_terminal(tmp_path: Path) -> None:
    """It shows the port and what to try on it, and serves the tools."""
    electrician, said = Electrician(), list[str]()
    site = SimulatedSite(tmp_path / "meter", tcp_port=0, model="1N240-02D", device_id=3)

    async def scene() -> int:
        async with _simulating(site, said):
            return await on_line(electrician.bench(str(tmp_path / "meter"), device_id=3), identify)

    assert asyncio.run(scene()) == DONE
    assert "Leviton 1N240-02D" in electrician.text
    assert said[1].startswith("Try: mbpoll -m rtu -a 3 ")
    assert said[2].startswith("Also listening on tcp://127.0.0.1:")


def test_simulate_leaves_a_file_alone(tmp_path: Path) -> None:
    """Something else stands where the link should be."""
    file = tmp_path / "file"
    file.write_text("precious")
    said: list[str] = []
    assert asyncio.run(simulate(SimulatedSite(file), said.append)) == 1
    assert "is not a link" in said[0]


def test_simulate_says_why_it_cannot(tmp_path: Path) -> None:
    """No folder for the link, or a port that is taken: a sentence and 1; nothing is left behind."""
    said: list[str] = []
    assert asyncio.run(simulate(SimulatedSite(tmp_path / "nowhere" / "meter"), said.append)) == 1
    assert said == [
        f"Cannot create a link to the pseudo-terminal at {tmp_path / 'nowhere' / 'meter'}: No such file or directory"
    ]
    with socket.create_server(("127.0.0.1", 0)) as other:
        site = SimulatedSite(tmp_path / "meter", tcp_port=other.getsockname()[1])
        assert asyncio.run(simulate(site, said.append)) == 1
    assert said[-1].startswith(f"Cannot listen on port {site.tcp_port}: ")
    assert not (tmp_path / "meter").is_symlink()


def test_quirks_are_written_as_name_and_value() -> None:
    """As the command line takes them."""
    quirks = quirks_from(["report-id=uncounted", "echo", "demand_option=no", "delay_s=0.45", "unasked_s=300"])
    assert quirks == MeterFaults(report_id="uncounted", echo=True, demand_option=False, delay_s=0.45, unasked_s=300.0)


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("colour=red", "there is no quirk colour: use one of report_id, "),
        ("echo=perhaps", "quirk echo = perhaps: use yes or no"),
        ("set_id=3", "quirk set_id = 3: use legal, printed, doubled, refused"),
        ("delay_s", "quirk delay_s = nothing: use a number, 0 or more"),
        ("delay_s=nan", "quirk delay_s = nan: use a number, 0 or more"),
        ("boot_s=-1", "quirk boot_s = -1: use a number, 0 or more"),
    ],
)
def test_a_wrong_quirk_says_what_is_allowed(setting: str, reason: str) -> None:
    """For the reader of an error message."""
    with pytest.raises(ValueError, match=r".") as caught:
        quirks_from([setting])
    assert str(caught.value).startswith(reason)
