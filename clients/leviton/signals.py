"""Events that the bridge's core receives, and effects that it returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rules.json_types import Json
    from rules.panel import CircuitId, Position

# --- events ----------------------------------------------------------------------------------------------------------


class BusJoined(NamedTuple):
    """The broker is connected: everything retained is published again."""


class CircuitCommanded(NamedTuple):
    """A live command has arrived on the bus."""

    circuit: CircuitId
    on: bool


class HouseReported(NamedTuple):
    """The controller has published its state, such as `shedding`; None: it is not known."""

    state: str | None


class LoginChanged(NamedTuple):
    """The stored login was read. `user`: id of the account; None: no login. `expires_in_s`: None: not known."""

    user: str | None
    expires_in_s: float | None = None


class LoginAged(NamedTuple):
    """Time has passed. `expires_in_s`: remaining time of the login in seconds; None: not known."""

    expires_in_s: float | None


class CloudAnswered(NamedTuple):
    """Answer to `CallCloud` of this number. `status` 0: none came, for this reason. `content`: JSON, if it is that."""

    number: int
    status: int
    content: object = None
    retry_after_s: float | None = None
    reason: str = ""


class PushOpened(NamedTuple):
    """A push connection was opened."""

    link: int


class PushReceived(NamedTuple):
    """A message of a push connection."""

    link: int
    message: Mapping[str, object]


class PushEnded(NamedTuple):
    """A push connection has ended or could not be opened. `silent`: nothing came any more, not even an answer."""

    link: int
    reason: str
    silent: bool = False


BridgeEvent = (
    BusJoined
    | CircuitCommanded
    | HouseReported
    | LoginChanged
    | LoginAged
    | CloudAnswered
    | PushOpened
    | PushReceived
    | PushEnded
)

# --- effects ---------------------------------------------------------------------------------------------------------


class CallCloud(NamedTuple):
    """Send a REST request. It is given up after `TIMEOUT_S`. `command`: it switches a breaker."""

    number: int
    method: Literal["GET", "PUT", "PATCH"]
    path: str
    body: Mapping[str, Json] | None = None
    command: bool = False


class OpenPush(NamedTuple):
    """Open a push connection."""

    link: int


class SendLogin(NamedTuple):
    """Send the whole stored login on a push connection."""

    link: int


class SendPush(NamedTuple):
    """Send a message on a push connection."""

    link: int
    message: Mapping[str, Json]


class ClosePush(NamedTuple):
    """Close a push connection."""

    link: int


class PublishPosition(NamedTuple):
    """Publish what a breaker has reported."""

    circuit: CircuitId
    position: Position


class PublishAvailability(NamedTuple):
    """Publish whether a breaker can be commanded now."""

    circuit: CircuitId
    online: bool


class PublishCircuitDetails(NamedTuple):
    """Publish the details of a circuit, for people: what was commanded, how far it has come, and the power."""

    circuit: CircuitId
    details: Mapping[str, Json]


class PublishBridge(NamedTuple):
    """Publish the state of the bridge with its problems."""

    report: Mapping[str, Json]


class WriteLog(NamedTuple):
    """Write a line to the journal."""

    text: str


Publication = PublishPosition | PublishAvailability | PublishCircuitDetails | PublishBridge
BridgeEffect = CallCloud | OpenPush | SendLogin | SendPush | ClosePush | WriteLog | Publication
