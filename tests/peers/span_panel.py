"""The real `ebus-panel-sim`: a SPAN panel over eBus, with its circuits in a file that tests compare with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.peers.peer_process import TOOLS, PeerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_PROGRAM = Path(__file__).parent / "panel" / "panel.py"
ROOT_DEVICE = "panel-1"
"""Id of the enclosure: the device with the last will."""


class SpanPanel:
    """Panel with some circuits. `locked`: circuits whose relay cannot be controlled. `port`: of the broker."""

    def __init__(
        self, folder: Path, port: int, circuits: Iterable[str], locked: Iterable[str], on_news: Callable[[], None]
    ) -> None:
        folder.mkdir()
        self._world = folder / "relays.json"
        self._before = 0.0  # modification time of the file at the last start
        python = TOOLS / "panel" / "bin" / "python"
        command = (str(python), str(_PROGRAM), str(port), str(self._world), ",".join(circuits), ",".join(locked))
        self.process = PeerProcess(command, {}, on_news)

    @property
    def started(self) -> bool:
        """Return whether it has published its circuits, since it was started last."""
        return self._world.exists() and self._world.stat().st_mtime != self._before

    async def start(self) -> None:
        """Start it; return at once. Its relays are closed, and have received nothing."""
        self._before = self._world.stat().st_mtime if self._world.exists() else 0.0
        await self.process.start()

    def relay(self, circuit: str) -> dict[str, Any]:
        """Return the truth about a relay: `on`, and the `commands` it has received since its start."""
        return dict(json.loads(self._world.read_text(encoding="utf-8"))[circuit])
