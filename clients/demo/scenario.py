"""`loadshed demo`: the real daemon in a simulated house plays one outage in under a minute and shows it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import secrets
import signal
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from clients.demo.clock import HouseClock
from clients.demo.view_model import DemoView, PlainScreen
from clients.terminal.exit_codes import DONE, INTERRUPTED, NOT_DONE
from clients.terminal.interrupt import accept_ctrl_c
from clients.terminal.output import print_error, print_line
from controller.bus.topics import SiteTopics
from hw.simulated.broker import can_run

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from clients.demo.house import DemoHouse
    from clients.demo.view_model import Screen
    from hw.mqtt import MqttConnection

_NEEDS = ("gpiozero", "pymodbus")
_REFRESH_S = 0.1
# An OFF without acknowledgment is repeated without limit. The demo shows the first attempts only.
_ATTEMPT, _ATTEMPTS_SHOWN = re.compile(r"\battempt (\d+)\)"), 3
# Restoring takes half a minute of house time; if it does not end, something is wrong and the report shows it.
_PATIENCE_S = 180.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A wait, then an event of the scenario. `factor`: house seconds per real second during the wait."""

    factor: float
    lasts_s: float
    told: str
    happens: Callable[[], None]


def demo(*, short: bool, plain: bool, keep: Path | None) -> int:
    """Play the outage and print its report; return the exit code. `keep`: folder for the files; None: not kept."""
    missing = [name for name in _NEEDS if find_spec(name) is None] + ([] if can_run() else ["amqtt"])
    if missing:
        print_error(f"The demo needs {', '.join(missing)}. Run: pip install 'loadshed[demo]'")
        return NOT_DONE
    accept_ctrl_c()
    with _folder(keep) as folder:
        if not _played(folder, short=short, plain=plain or not sys.stdout.isatty() or find_spec("rich") is None):
            print_line("The demo was stopped.")
            return INTERRUPTED
        return _report(folder, keep)


@contextlib.contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        yield keep.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="loadshed-demo-") as folder:
        yield Path(folder)


def _played(folder: Path, *, short: bool, plain: bool) -> bool:
    """Play the outage on the house's clock; return whether it came to its end."""
    clock = HouseClock()
    view = DemoView(clock)
    with clock.patch_time(), _screen(view, plain=plain) as screen, _journal_on(screen):
        try:
            with asyncio.Runner(loop_factory=clock.loop) as runner:
                return runner.run(_Demo(clock, view, screen, folder, short=short).run())
        except KeyboardInterrupt:
            return False


@contextlib.contextmanager
def _screen(view: DemoView, *, plain: bool) -> Iterator[Screen]:
    if plain:
        yield PlainScreen(view)
        return
    from clients.demo.terminal_screen import live  # noqa: PLC0415  # rich is slow to import and optional

    with live(view) as screen:
        yield screen


@contextlib.contextmanager
def _journal_on(screen: Screen) -> Iterator[None]:
    """Show the journal of the daemon, and hide the log lines of libraries."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = record.getMessage()
            if (attempt := _ATTEMPT.search(text)) is None or int(attempt[1]) <= _ATTEMPTS_SHOWN:
                screen.tell(text)

    handler, journal = Handler(), logging.getLogger("loadshed")
    for name in ("amqtt", "transitions", "pymodbus"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    journal.setLevel(logging.INFO)
    journal.addHandler(handler)
    journal.propagate = False
    try:
        yield
    finally:
        journal.removeHandler(handler)


def _report(folder: Path, keep: Path | None) -> int:
    from clients.reports.outage_report import build_report  # noqa: PLC0415
    from clients.reports.text import report_text  # noqa: PLC0415
    from controller.config.history import last_valid  # noqa: PLC0415
    from controller.storage.log_reader import EventLog  # noqa: PLC0415

    state_dir = folder / "state"
    with EventLog(state_dir) as log:
        outage = log.outage()
        if outage is None:
            print_error("The daemon recorded no outage. This is an error in the program; please report it.")
            return NOT_DONE
        print_line("\n" + report_text(build_report(log, outage, last_valid(state_dir))))
    print_line("\nAll times and durations are those of the simulated house, whose clock ran faster than real time.")
    if keep is not None:
        print_line(f"Report with the demand chart: loadshed report --html --state {state_dir} > outage.html")
    return DONE


class _Demo:
    """The run: house, daemon, an observer on the bus, and the play."""

    def __init__(self, clock: HouseClock, view: DemoView, screen: Screen, folder: Path, *, short: bool) -> None:
        self._clock = clock
        self._view = view
        self._screen = screen
        self._folder = folder
        self._short = short
        self._link: MqttConnection | None = None

    async def run(self) -> bool:
        """Play to the end and return True; False if a user stopped the daemon (Ctrl-C) before."""
        from clients.demo.house import demo_house  # noqa: PLC0415  # it reads the time, which is by now the house's

        async with demo_house(self._clock) as house:
            house.write_files(self._folder / "config")
            self._view.house = house
            daemon = asyncio.create_task(self._daemon())
            watching = [asyncio.create_task(self._watch(house)), asyncio.create_task(self._refresh())]
            try:
                return await self._played_before(self._play(house), daemon)
            finally:
                for task in watching:
                    task.cancel()
                await asyncio.gather(*watching, return_exceptions=True)

    async def _daemon(self) -> None:
        """Run the daemon, starting with its files."""
        from controller.config import history  # noqa: PLC0415
        from controller.daemon import Daemon  # noqa: PLC0415

        state_dir = self._folder / "state"
        start = history.configuration_for_start(self._folder / "config", state_dir)
        if start.configuration is None:
            raise RuntimeError("; ".join(start.refused))
        await Daemon(start.configuration, start.refused, self._folder / "config", state_dir).run()

    @staticmethod
    async def _played_before(play: Coroutine[None, None, None], daemon: asyncio.Task[None]) -> bool:
        """Return whether the play ended before the daemon did; end both."""
        playing = asyncio.create_task(play)
        try:
            await asyncio.wait({playing, daemon}, return_when=asyncio.FIRST_COMPLETED)
            finished = playing.done()
            if finished:
                signal.raise_signal(signal.SIGTERM)  # as systemd would: the daemon disconnects and writes its rows
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
        await daemon
        if finished:
            playing.result()
        return finished

    # --- the play ----------------------------------------------------------------------------------------------------

    async def _play(self, house: DemoHouse) -> None:
        self._tell("A simulated house on utility power. Its clock runs faster than real time: ×16 is 16 times as fast")
        for scene in _short_scenes(house) if self._short else _scenes(house):
            self._clock.set_speed(scene.factor)
            await asyncio.sleep(scene.lasts_s)
            self._tell(scene.told)
            scene.happens()
        self._clock.set_speed(12.0 if self._short else 8.0)
        await self._until_over()
        self._tell("A user requests the range: `loadshed ask restore range`")
        if self._link is not None:
            self._link.publish(SiteTopics(self._view.site).ask("restore"), b'{"circuit": "range", "by": "a visitor"}')
        await asyncio.sleep(15.0)

    async def _until_over(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                await self._view.over.wait()

    def _tell(self, text: str) -> None:
        self._screen.tell(text, play=True)

    # --- what is shown -----------------------------------------------------------------------------------------------

    async def _watch(self, house: DemoHouse) -> None:
        """Receive what the daemon publishes, as any other program may."""
        from hw.mqtt import MqttConnection  # noqa: PLC0415

        topics = SiteTopics(self._view.site)
        link = await MqttConnection.open(house.broker, f"demo-{secrets.token_hex(4)}")
        link.subscribe(topics.status_filters())
        link.flush()
        self._link = link
        try:
            while True:
                for heard in link.read():
                    self._view.take(topics.name_of(heard.topic), heard.payload)
                await link.wait()
        finally:
            self._link = None
            link.abort()

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(_REFRESH_S * self._clock.factor)
            self._screen.refresh()


def _scenes(house: DemoHouse) -> tuple[Scene, ...]:
    return (
        Scene(8.0, 20.0, "Utility fails: the house has no power; the generator starts", house.darken),
        Scene(
            5.0,
            8.0,
            "The generator supplies the house: the transfer switch transfers and its contact opens",
            house.transfer,
        ),
        Scene(4.0, 24.0, "The outage continues; the clock runs faster", lambda: None),
        Scene(20.0, 40.0, "A user repairs the dishwasher's stuck breaker and switches it off", house.free_dishwasher),
        Scene(60.0, 90.0, "A faucet is opened: the well pump starts", lambda: house.draw("well-pump", 1.8)),
        Scene(60.0, 240.0, "The well pump stops", lambda: house.draw("well-pump", 0.0)),
        Scene(60.0, 150.0, "Space heaters are plugged in in the garage", lambda: house.draw("garage", 2.6)),
        Scene(60.0, 420.0, "The space heaters are unplugged", lambda: house.draw("garage", 0.5)),
        Scene(
            60.0, 210.0, "Utility is back: the transfer switch waits until it is stable", house.house.utility_returns
        ),
        Scene(20.0, 30.0, "The transfer switch returns to utility: its contact closes", house.house.retransfers),
    )


def _short_scenes(house: DemoHouse) -> tuple[Scene, ...]:
    return (
        Scene(16.0, 16.0, "Utility fails: the house has no power; the generator starts", house.darken),
        Scene(
            16.0,
            8.0,
            "The generator supplies the house: the transfer switch transfers and its contact opens",
            house.transfer,
        ),
        Scene(10.0, 20.0, "A user repairs the dishwasher's stuck breaker and switches it off", house.free_dishwasher),
        Scene(60.0, 10.0, "A faucet is opened: the well pump starts", lambda: house.draw("well-pump", 1.8)),
        Scene(60.0, 60.0, "The well pump stops", lambda: house.draw("well-pump", 0.0)),
        Scene(60.0, 60.0, "Utility is back: the transfer switch waits until it is stable", house.house.utility_returns),
        Scene(20.0, 10.0, "The transfer switch returns to utility: its contact closes", house.house.retransfers),
    )
