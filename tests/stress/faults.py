"""The faults of a plan, done to a real house; and their end, after which everything must come right by itself."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from clients.bus_client.request import send_request
from hw.simulated.breakers import SOUND, BreakerFaults, Report
from rules.panel import CircuitId, Position
from tests.processes import LIMIT_S
from tests.stress import oracle
from tests.system import small_disk
from tests.system.process_house import SITE, circuits_toml

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from rules.requests import AskKind
    from tests.stress.plan import Fault
    from tests.system.process_house import ProcessHouse, Wired

ASK_S = 3.0
LEDGER = "ledger.db"
WAL_DELETED = "a deleted WAL"


@dataclass
class Mischief:
    """Does the faults of one outage. `roomy`: the state folder is a small file system of its own, which can be filled.

    `wrong`: what the program did wrong meanwhile. `forgets`: why the disk may not know what was on; empty: it must.
    """

    house: ProcessHouse
    roomy: bool
    off_before: frozenset[str]
    wrong: list[str] = field(default_factory=list)
    forgets: str = ""
    held: set[str] = field(default_factory=set)
    _changed_file: bool = False
    _asking: list[asyncio.Task[None]] = field(default_factory=list)

    async def do(self, fault: Fault) -> None:
        """Do it; return when it is done, which for some is when it is over."""
        does: dict[str, Callable[[Fault], Awaitable[None] | None]] = {
            "kill -9": self._kill,
            "SIGTERM": self._terminate,
            "SIGSTOP": self._stall,
            "SIGSTOP beyond the keepalive": self._stall,
            "broker stopped, memory kept": self._stop_broker,
            "broker stopped, memory lost": self._forget_broker,
            "broker killed": self._kill_broker,
            "broker frozen": self._freeze_broker,
            "start while the broker is down": self._start_alone,
            "disk full": self._fill_disk,
            "write permission removed": self._read_only,
            "database corrupt": self._corrupt,
            "database truncated": self._truncate,
            "WAL deleted": self._delete_wal,
            "configuration wrong at restart": self._wrong_file,
            "reload with retag": self._retag,
            "breaker silent": lambda _: self._ill(fault, BreakerFaults(silent=True)),
            "breaker slow": lambda _: self._ill(fault, BreakerFaults(slow_s=0.05 + fault.lasts_s)),
            "breaker refuses": lambda _: self._ill(fault, BreakerFaults(refuses=True)),
            "breaker rebooted": self._reboot,
            "breaker offline for the outage": self._lose_power,
            "breaker tripped": self._trip,
            "breaker moved by hand": self._hand,
        }
        act = self._ask if fault.name.startswith("person asks") else does[fault.name]
        if (waits := act(fault)) is not None:
            await waits

    # --- the program -------------------------------------------------------------------------------------------------

    async def _kill(self, fault: Fault) -> None:
        await self.house.program.kill()
        await asyncio.sleep(fault.lasts_s / 2)
        await self.start()

    async def _terminate(self, _: Fault) -> None:
        if not self.house.program.running:
            return
        # Before it has said that it started it is Python that starts, and SIGTERM ends that.
        up = self.house.program.up
        if (code := await self.house.program.terminate()) != 0 and up:
            self.wrong.append(f"SIGTERM ended it with {code}")
        await self.start()

    async def start(self) -> None:
        """Start the program; it must have ended."""
        if self.house.program.running:
            self.wrong.append("it did not end")
        self.house.recorder.note(oracle.PROGRAM_STARTED)
        await self.house.program.start()

    def _stall(self, fault: Fault) -> None:
        if self.house.program.running:
            self.house.program.stall(0.1 + fault.lasts_s)

    # --- the broker --------------------------------------------------------------------------------------------------

    async def _stop_broker(self, fault: Fault) -> None:
        await self.house.stop_broker()
        await self._broker_back(fault)

    async def _forget_broker(self, fault: Fault) -> None:
        await self.house.stop_broker()
        for memory in self.house.folder.glob("mosquitto.db*"):
            memory.unlink()
        await self._broker_back(fault)

    async def _kill_broker(self, fault: Fault) -> None:
        await self.house.kill_broker()
        await self._broker_back(fault)

    async def _broker_back(self, fault: Fault) -> None:
        await asyncio.sleep(fault.lasts_s / 2)
        self.house.recorder.note(oracle.BROKER_STARTED)
        await self.house.start_broker()

    async def _freeze_broker(self, fault: Fault) -> None:
        self.house.mosquitto.freeze()
        await asyncio.sleep(0.1 + fault.lasts_s / 2)
        self.house.mosquitto.thaw()

    async def _start_alone(self, fault: Fault) -> None:
        await self.house.kill_broker()
        await self.house.program.kill()
        await self.start()
        await self._broker_back(replace(fault, lasts_s=0.4 + fault.lasts_s))

    # --- the disk ----------------------------------------------------------------------------------------------------

    def _fill_disk(self, _: Fault) -> None:
        if self.roomy:
            small_disk.fill(self.house.state_dir)
        elif self.house.program.running:
            self.house.program.no_file_above(0)
        self._forget("a full disk")

    async def _read_only(self, _: Fault) -> None:
        """Take the right to write away, which a program that starts then must live with."""
        await self.house.program.kill()
        self._writable(False)
        self._forget("a read-only disk")
        await self.start()

    def _writable(self, writable: bool) -> None:
        folder = self.house.state_dir
        for path in (folder, *(one for one in folder.rglob("*") if one.is_dir())):
            path.chmod(0o755 if writable else 0o555)
        for file in folder.glob("*.db*"):
            file.chmod(0o644 if writable else 0o444)

    async def _corrupt(self, fault: Fault) -> None:
        """Write garbage over the ledger, from some place on."""
        ledger = await self._at_the_ledger("a corrupt database")
        size = ledger.stat().st_size if ledger.exists() else 0
        start = fault.luck % max(1, size // 2)
        with ledger.open("r+b" if size else "wb") as file:
            file.seek(start)
            file.write(bytes(range(256)) * max(16, (size - start) // 256))
        await self.start()

    async def _truncate(self, fault: Fault) -> None:
        ledger = await self._at_the_ledger("a truncated database")
        with ledger.open("ab") as file:
            file.truncate(fault.luck % max(1, file.tell()))
        await self.start()

    async def _delete_wal(self, _: Fault) -> None:
        """Bring the ledger back to its last checkpoint, outages ago perhaps: no program can know."""
        ledger = await self._at_the_ledger(WAL_DELETED)
        ledger.with_name(f"{LEDGER}-wal").unlink(missing_ok=True)
        self.house.recorder.note(oracle.ROLLED_BACK)
        await self.start()

    async def _at_the_ledger(self, why: str) -> Path:
        """End the program and return its ledger."""
        await self.house.program.kill()
        self._writable(True)
        small_disk.make_room(self.house.state_dir)
        if self.forgets != WAL_DELETED:
            # Of a deleted log no program can know; what it left may be nothing, and nothing cut off is not damaged.
            self.forgets = why
        self.house.recorder.note(oracle.LEDGER_LOST)
        return self.house.state_dir / LEDGER

    def _forget(self, why: str) -> None:
        self.forgets = self.forgets or why
        self.house.recorder.note(oracle.LEDGER_LOST)

    # --- the file ----------------------------------------------------------------------------------------------------

    async def _wrong_file(self, fault: Fault) -> None:
        self.house.write_circuits(circuits_toml(self.house.circuits).replace('"nonessential"', '"nonesential"', 1))
        self._changed_file = True
        await self._kill(fault)

    def _retag(self, fault: Fault) -> None:
        """Change a circuit's tag, or the fridge's, and have the file read again."""
        name = "fridge" if fault.luck % 3 == 0 else fault.circuit
        self.house.recorder.note(oracle.RETAGGED, name)
        self.house.write_circuits(_retagged(one) if one.id == name else one for one in self.house.circuits)
        self._changed_file = True
        self._reload()

    def _reload(self) -> None:
        # Before it is up the signal would end Python; then it reads the file anyway.
        if self.house.program.running and self.house.program.up:
            self.house.program.send(signal.SIGHUP)

    # --- devices and people ------------------------------------------------------------------------------------------

    def _ill(self, fault: Fault, faults: BreakerFaults) -> None:
        self.house.breaker(fault.circuit).faults = faults

    def _reboot(self, fault: Fault) -> None:
        breaker = self.house.breaker(fault.circuit)
        breaker.faults = replace(breaker.faults, wakes=fault.wakes)
        self.house.hub.say(breaker.reboot())

    def _lose_power(self, fault: Fault) -> None:
        self.house.hub.say(self.house.breaker(fault.circuit).power_lost())
        # As the broker would say by the device's last will.
        self.house.hub.say([Report(CircuitId(fault.circuit), "availability", "offline")])

    def _trip(self, fault: Fault) -> None:
        self.house.recorder.note(oracle.MOVED, fault.circuit)
        self.house.hub.say(self.house.breaker(fault.circuit).trip())

    def _hand(self, fault: Fault) -> None:
        if fault.circuit not in self.off_before and self.house.breaker(fault.circuit).position is Position.OFF:
            self.house.recorder.note(oracle.MOVED, fault.circuit)
            self.house.flip(fault.circuit, Position.ON)

    def _ask(self, fault: Fault) -> None:
        request = cast("AskKind", fault.name.removeprefix("person asks "))
        if request in ("drill", "drill-end"):
            self._asking.append(asyncio.create_task(self.drill(5.0 if request == "drill" else None)))
            return
        # Sometimes of the router, which is protected: no command may ever reach it.
        circuit = "router" if fault.luck % 5 == 0 else fault.circuit
        if request == "hold":
            self.held.add(circuit)
        self._asking.append(asyncio.create_task(self._asked(request, circuit)))

    async def drill(self, for_s: float | None) -> None:
        """Request a drill of this duration; None: request its end."""
        if for_s is None:
            self.house.recorder.note(oracle.DRILL_ENDED)
            await send_request(self.house.mosquitto.broker, SITE, "drill-end", {"by": "Ann"}, timeout_s=ASK_S)
            return
        self.house.recorder.note(oracle.DRILL_ASKED, str(for_s))
        await send_request(self.house.mosquitto.broker, SITE, "drill", {"by": "Ann", "for_s": for_s}, timeout_s=ASK_S)

    async def _asked(self, request: AskKind, circuit: str) -> None:
        told = json.dumps({"request": request, "circuit": circuit})
        self.house.recorder.note(oracle.ASKED, told)
        fields = {"circuit": circuit, "by": "Ann"}
        ok, _ = await send_request(self.house.mosquitto.broker, SITE, request, fields, timeout_s=ASK_S)
        if ok:
            self.house.recorder.note(oracle.OBEYED, told)

    # --- the end of it -----------------------------------------------------------------------------------------------

    async def end(self) -> None:
        """End every fault: what comes now must come by itself."""
        house = self.house
        house.program.go_on()
        self._writable(True)
        small_disk.make_room(house.state_dir)
        for breaker in house.hub.breakers.values():
            breaker.faults = SOUND
            if not breaker.powered:
                house.hub.say(breaker.power_back())
        if house.contact.offline:
            house.contact.presence(offline=False)
        if not house.program.running:
            await self.start()
        house.program.no_file_above(None)
        async with asyncio.timeout(LIMIT_S):
            await asyncio.gather(*self._asking)
        if self._changed_file:
            await self._file_as_it_was()

    async def _file_as_it_was(self) -> None:
        house = self.house
        house.write_circuits(house.circuits)
        await house.until(lambda: house.program.up, "it has started")
        mark = house.mark
        self._reload()
        await house.until(lambda: house.happened("circuits_reloaded", mark), "the file is in force as it was")

    def slow_ones_are_done(self) -> bool:
        """Return whether every slow breaker has executed its command."""
        breakers = self.house.hub.breakers.values()
        for breaker in breakers:
            self.house.hub.say(breaker.advance(time.monotonic()))
        return all(breaker.next_due is None for breaker in breakers)


def _retagged(circuit: Wired) -> Wired:
    return replace(circuit, tag="essential" if circuit.tag == "nonessential" else "nonessential")
