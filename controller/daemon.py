"""Wiring of the daemon. Read this first: all parts of the program meet here, and nothing is decided here.

One process, one loop. The contact's thread and the disk's only hand over; nothing on the way from the contact to the
breakers waits for the disk, the meter or a slow device. A task that ends, ends the program, and systemd starts it
again: a cold start during an outage is a normal start.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import threading
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from controller.bus.publisher import Publishable, render
from controller.config import history
from controller.config.errors import ConfigErrors
from controller.config.loader import reload_circuits
from controller.config.model import GpioContact
from controller.core import events as ev
from controller.core.effects import LogEvent, QueryDevice, SwitchOff, SwitchOn
from controller.core.engine import Engine
from controller.core.views import WallClock
from controller.recording.format import SessionStart
from controller.recording.recorder import Recorder
from controller.runtime import clock, startup, systemd_notify
from controller.runtime.engine_loop import EngineLoop
from controller.runtime.journal import error_lines, format_event
from controller.runtime.state_lock import StateDirLock, StateDirLockedError
from controller.storage import broker_address
from controller.storage.store import Store
from controller.version import version
from rules.panel import CircuitId

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from controller.bus.connection import BusClient
    from controller.bus.messages import Publication, ReplyAddress
    from controller.config.loader import Configuration
    from controller.core.effects import DiskEffect, Effect
    from controller.runtime.gpio_devices import ContactLine

ALREADY_RUNNING = 1
WRONG_CONFIGURATION = 78
"""EX_CONFIG of sysexits.h: systemd does not start us again for it."""

WATCHDOG_S = 2.0
CLOCK_S = 10.0
CLOCK_STEP_S = 1.0

STARTUP_DONE_S, STARTUP_DONE_OFFLINE_S = 1.0, 5.0
"""Time in seconds after the first connection, and without one after the start, when the remaining modules are imported.
"""

COMMANDS_PER_SEGMENT = 8

PUBLISH_DELAY_S = 0.02
"""Delay of status messages after commands, in seconds: broker and breakers are busy, often on this same small machine.
"""

_log = logging.getLogger("loadshed")


class Daemon:
    """One house, from its files and its memory to its breakers."""

    def __init__(
        self, configuration: Configuration, refused: tuple[str, ...], config_dir: Path, state_dir: Path
    ) -> None:
        self._started_at = now = clock.monotonic()
        self._configuration = configuration
        self._config_dir = config_dir
        self._state_dir = state_dir
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._failure: Exception | None = None
        self._reading = asyncio.Lock()
        self._startup_done = asyncio.Event()  # the first shed, if one was due, has left
        self._trusted = False
        self._offset_s = clock.offset()  # UTC seconds since 1970 at monotonic 0, when the clock was last looked at
        self._announced = False
        self._fed_at = float("-inf")
        self._pending_publications: list[Publishable] = []
        self._pending_journal: list[LogEvent] = []
        self._publications_deferred = False
        self._store = Store(
            state_dir,
            clock.boot_id(),
            self._disk_failed,
            lambda: self._inbox.put_from_thread(ev.DiskRecovered(clock.monotonic())),
            samples_days=configuration.store.samples_days,
            version=version,
        )
        memory = self._store.load()
        self._boot_offsets = memory.boot_offsets
        panel, wrong = startup.initial_panel(
            configuration.panel, memory, lambda circuit: history.last_entry(state_dir, circuit)
        )
        settings, rebooted = startup.engine_settings(configuration), memory.boot not in (None, clock.boot_id())
        metering = startup.meter_tracker(configuration, now, memory.pulse_count, memory.kwh_pulse_count)
        self._engine = Engine(panel, settings, memory, clock.boot_id(), now, rebooted=rebooted, metering=metering)
        start = SessionStart(clock.boot_id(), now, rebooted, panel, settings, memory)
        self._recorder = Recorder(start, self._store.record)
        doing = self._send, self._apply_effects, self._catch_up
        self._inbox = EngineLoop(self._engine, *doing, recorder=self._recorder, clock=clock.monotonic)
        self._contact = self._wired_contact()
        self._topics = startup.topics(configuration, panel)
        self._bus = self._connection()
        self._status_requests: asyncio.Queue[ReplyAddress | None] = asyncio.Queue()
        self._bus.on_status_request = self._status_requests.put_nowait
        self._bus.on_own_retained = self._clear_left_over
        self._bus.urgent = lambda: self._engine.sheds
        for sentence in error_lines(wrong):
            _log.error("%s", sentence)
        if refused or wrong:
            self._inbox.put(ev.ConfigurationRefused(now, (*refused, *wrong)))

    async def run(self) -> None:
        """Run until SIGTERM. Raise what a task, a callback of the loop or a thread raised.

        A program that goes on without one of its parts may never be noticed: it ends, and is started again.
        """
        self._loop.set_exception_handler(self._callback_failed)
        threading.excepthook = self._thread_failed
        self._loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        self._loop.add_signal_handler(signal.SIGINT, self._stop.set)
        self._loop.add_signal_handler(signal.SIGHUP, self._reload, None)
        try:
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(self._bus.run()), tasks.create_task(self._read_contact())]
                self._inbox.turn()
                self._loop.call_later(STARTUP_DONE_OFFLINE_S, self._startup_done.set)
                later = self._watch_meter(), self._watch_clock(), self._watch_bus()
                running += [tasks.create_task(one) for one in later]
                systemd_notify.notify("READY=1")
                await self._stop.wait()
                if self._failure is not None:
                    raise self._failure
                systemd_notify.notify("STOPPING=1")
                for task in running:
                    task.cancel()
                self._inbox.close()
                self._apply_effects(self._engine.closing())
                self._recorder.end(clock.monotonic())
                self._flush_publications()
        finally:
            self._inbox.close()
            await asyncio.to_thread(self._store.close)

    def _callback_failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """End the program: a callback of the loop, or a task that is not awaited, has raised an exception."""
        exception = context.get("exception")
        if not isinstance(exception, Exception):
            loop.default_exception_handler(context)  # a warning of asyncio itself
            return
        _log.critical("the program ends: an internal error in %s", context.get("handle") or context.get("task"))
        self._fail(exception)

    def _thread_failed(self, failed: threading.ExceptHookArgs) -> None:
        """End the program: a thread has raised an exception."""
        _log.critical("the program ends: an internal error in the thread %s", failed.thread and failed.thread.name)
        if isinstance(failed.exc_value, Exception):
            with suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._fail, failed.exc_value)

    def _fail(self, exception: Exception) -> None:
        """End with this exception; nothing more is decided."""
        self._inbox.close()
        self._failure = self._failure or exception
        self._stop.set()

    # --- in ----------------------------------------------------------------------------------------------------------

    def _on_event(self, event: ev.Event) -> None:
        if isinstance(event, ev.BusConnected):
            # Another connection, whether or not anybody looked in between: the broker has said our last will.
            self._announced = False
        if isinstance(event, ev.Requested) and event.request == "reload":
            self._reload(event.reply)
        else:
            self._inbox.put(event)

    def _disk_failed(self, reason: str) -> None:
        """Hand over what the store says, on its thread."""
        # The alarm goes with the trouble: that a database was set aside must still stand in the journal.
        _log.error("%s", reason)
        self._inbox.put_from_thread(ev.DiskFailed(clock.monotonic(), reason))

    def _wired_contact(self) -> ContactLine | None:
        contact = self._configuration.contact
        if not isinstance(contact, GpioContact):
            return None
        from controller.runtime.gpio_devices import (
            ContactLine,  # gpiozero is slow to import, and an MQTT contact does not need it
        )

        return ContactLine(contact, self._inbox.put, self._inbox.put_from_thread)

    def _connection(self) -> BusClient:
        # Imported after the contact is opened, which settles during the import: on a Pi both take equally long.
        from controller.bus.connection import BusClient

        broker = startup.broker(self._configuration)
        ways = startup.broker_addresses(broker, partial(broker_address.load, self._state_dir, broker.host))
        return BusClient(broker, self._topics, self._on_event, clock.monotonic, ways, clock_offset=self._clock_offset)

    def _clock_offset(self) -> float | None:
        return clock.offset() if self._trusted else None

    async def _read_contact(self) -> None:
        if self._contact is None:
            await self._stop.wait()
        else:
            await self._contact.run()

    def _catch_up(self) -> None:
        """Process events from the time of a stall: the contact's level, and data on the socket."""
        if self._contact is not None:
            self._contact.poll()
        self._bus.drain()

    async def _watch_meter(self) -> None:
        if self._configuration.meter is None:
            await self._stop.wait()
            return
        await self._startup_done.wait()
        from controller.runtime.gpio_devices import watch_meter  # after the first shed

        await watch_meter(self._configuration, self._inbox.put, self._inbox.put_from_thread)

    async def _watch_clock(self) -> None:
        await self._startup_done.wait()
        gc.freeze()  # objects of the start stay: later garbage collections, possibly during an outage, skip them
        gc.enable()
        while True:
            now, offset_s, was_trusted = clock.monotonic(), clock.offset(), self._trusted
            self._trusted = clock.trusted()
            if self._trusted and not was_trusted:
                self._inbox.put(ev.ClockTrusted(now))
            elif abs(offset_s - self._offset_s) > CLOCK_STEP_S:
                self._inbox.put(ev.ClockSet(now))
            self._offset_s = offset_s
            self._store.clock(offset_s, self._trusted)
            await asyncio.sleep(CLOCK_S)

    async def _watch_bus(self) -> None:
        await self._startup_done.wait()
        from controller.runtime.broker_watch import BrokerWatch  # all of these after the first shed
        from controller.runtime.presence import Presence

        presence = Presence(self._bus, self._publish_status, self._may_publish, self._wall, self._engine.on_standby)
        save_address = partial(broker_address.save, self._state_dir, self._configuration.broker.host)
        watch = BrokerWatch(self._bus, self._inbox.put, save_address, self._wall, clock.monotonic)
        watch.look()
        self._inbox.turn()  # a status that was requested during the start has these alarms as well
        await asyncio.gather(presence.run(self._status_requests, self._started_at), watch.run())

    # --- out ---------------------------------------------------------------------------------------------------------

    def _send(self, commands: Sequence[SwitchOff | SwitchOn]) -> None:
        """Send the first command alone, then some at a time: the broker passes them on while the next are packed."""
        for place, command in enumerate(commands, 1):
            self._bus.publish(self._topics.command(command))
            if place == 1 or place % COMMANDS_PER_SEGMENT == 0:
                self._bus.flush()
        if commands:
            self._bus.flush()
            self._defer_publications()

    def _defer_publications(self) -> None:
        """Defer publications until after the commands."""
        if not self._publications_deferred:
            self._publications_deferred = True
            self._loop.call_later(PUBLISH_DELAY_S, self._flush_publications)

    def _apply_effects(self, effects: Sequence[Effect]) -> None:
        """Do the rest of what the engine wants: rows at once, words when it is their turn."""
        rows: list[DiskEffect] = []
        for effect in effects:
            if isinstance(effect, Publishable):
                self._pending_publications.append(effect)
            elif not isinstance(effect, SwitchOff | SwitchOn):
                rows.append(effect)
        if rows:
            self._store.put(rows)
        self._pending_journal += [row for row in rows if isinstance(row, LogEvent)]
        self._feed_watchdog()
        if not self._publications_deferred:
            self._flush_publications()

    def _may_publish(self) -> bool:
        return not self._publications_deferred and self._engine.opening_settles_at() is None

    def _clear_left_over(self, name: str) -> None:
        """Remove a retained message of an earlier run if what it is about does not exist any more."""
        group, _, leaf = name.partition("/")
        exists = {
            "circuits": lambda: self._engine.circuit_view(CircuitId(leaf)) is not None,
            "alarms": lambda: self._engine.alarm_view(leaf) is not None,
            "meters": lambda: leaf in self._configuration.meters,
            "demand": lambda: self._configuration.meter is not None,
        }
        if not exists[group]():
            self._bus.publish(self._topics.cleared(name))

    def _publish_status(self, then: Sequence[Publication]) -> None:
        """Publish all of the status, and after it these messages."""
        self._pending_publications += [one for one in self._engine.status_effects() if isinstance(one, Publishable)]
        self._flush_publications()
        for publication in then:
            self._bus.publish(publication)

    def _flush_publications(self) -> None:
        """Publish pending messages and write pending journal lines."""
        self._publications_deferred = False
        self._announce_online()
        suppressed, self._pending_publications = self._pending_publications, []
        wall, now = self._wall(), clock.monotonic()
        for word in suppressed:
            if isinstance(word, QueryDevice) and word.ask == "retained":
                self._bus.resubscribe(self._topics.devices.state_topics(word.circuit))
            elif (said := render(word, self._engine, self._topics, wall, now)) is not None:
                self._bus.publish(said)
        unwritten, self._pending_journal = self._pending_journal, []
        for happened in unwritten:
            _log.info("%s", format_event(happened.event, happened.circuit, happened.details))

    def _wall(self) -> WallClock:
        return WallClock(clock.offset(), self._trusted, clock.boot_id(), self._boot_offsets)

    def _announce_online(self) -> None:
        """Publish `online` at each connection, after its first commands."""
        if self._bus.connected != self._announced:
            self._announced = self._bus.connected
            self._bus.publish(self._topics.availability(online=True))
        if self._announced:
            self._loop.call_later(STARTUP_DONE_S, self._startup_done.set)

    def _feed_watchdog(self) -> None:
        """Notify systemd that the engine has taken a turn: it restarts a hung program."""
        now = clock.monotonic()
        if now - self._fed_at >= WATCHDOG_S:
            if not self._store.alive:
                raise RuntimeError("the store's thread has ended")
            self._fed_at = now
            systemd_notify.notify("WATCHDOG=1")

    # --- the homeowner's file ----------------------------------------------------------------------------------------

    def _reload(self, reply: object) -> None:
        self._reloading = self._loop.create_task(self._reload_circuits(reply))
        self._reloading.add_done_callback(self._reloaded)

    def _reloaded(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and isinstance(exception := task.exception(), Exception):
            _log.critical("the program ends: an internal error in reading circuits.toml again")
            self._fail(exception)

    async def _reload_circuits(self, reply: object) -> None:
        # One after the other: of two at once the older may be kept later, and would be in force from then on.
        async with self._reading:
            await self._read_circuits(reply)

    async def _read_circuits(self, reply: object) -> None:
        """Read circuits.toml again. A wrong file is refused whole, and so is one that drops what is owed."""
        read = await asyncio.to_thread(reload_circuits, self._configuration, self._config_dir)
        wrong = read.sentences if isinstance(read, ConfigErrors) else self._engine.objections(read.panel)
        if isinstance(read, ConfigErrors) or wrong:
            self._refuse(wrong, reply)
            return
        await asyncio.to_thread(history.save, self._state_dir, read)
        if wrong := self._engine.objections(read.panel):  # circuits that became owed in the meantime count, too
            await asyncio.to_thread(history.save, self._state_dir, self._configuration)
            self._refuse(wrong, reply)
            return
        self._configuration = read
        profiles = startup.device_profiles(read, read.panel)
        self._topics = replace(self._topics, circuits=read.panel.circuits.keys(), profiles=profiles)
        self._inbox.put(ev.CircuitsChanged(clock.monotonic(), read.panel, reply))
        self._bus.set_topics(self._topics)

    def _refuse(self, wrong: Sequence[str], reply: object = None) -> None:
        """Refuse a file, and say why in the journal: who sends SIGHUP gets no other answer."""
        for sentence in error_lines(wrong):
            _log.error("%s", sentence)
        self._inbox.put(ev.ConfigurationRefused(clock.monotonic(), tuple(wrong), reply))


def run(config_dir: Path, state_dir: Path) -> int:
    """Run the daemon; return the exit code.

    0 on SIGTERM; 1 if another daemon uses the same state folder; 78 if no valid configuration was ever in force.
    """
    try:
        lock = StateDirLock(state_dir)
    except StateDirLockedError as error:
        _log.error("%s", error)
        return ALREADY_RUNNING
    if lock.unheld is not None:
        _log.warning("%s", lock.unheld)
    start = history.configuration_for_start(config_dir, state_dir)
    for sentence in error_lines(start.refused):
        _log.error("%s", sentence)
    if start.configuration is None:
        _log.error("no valid configuration was ever in force: correct the files; `loadshed check` shows all errors")
        return WRONG_CONFIGURATION
    if start.save_error is not None:
        _log.warning("%s", start.save_error)
    asyncio.run(_serve(start.configuration, start.refused, config_dir, state_dir))
    return 0


async def _serve(configuration: Configuration, refused: tuple[str, ...], config_dir: Path, state_dir: Path) -> None:
    await Daemon(configuration, refused, config_dir, state_dir).run()
