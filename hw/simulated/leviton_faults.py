"""Faults of the simulated My Leviton cloud and of the breakers behind it, by name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class LevitonFaults:
    """Faults of the cloud, which may change at any time.

    REST:
    `status`: each request is answered with this error; 0: none. 502, 503 and 504 are HTML pages.
    `status_for`: the number of requests that `status` still applies to; None: until it is cleared.
    `retry_after_s`: `Retry-After` of a 429 in seconds; None: the header is left out.
    `acts_then_resets`: a command is carried out, and the connection is reset instead of an answer.
    `blackhole`: no answer comes, and no connection opens.
    `latency_s`: seconds from a request to its answer.
    `dead_tokens`: every token is refused.
    `shows_on_once`: the next reading of each breaker shows it on.

    Push:
    `lost_share`: share of the notifications that are lost, 0 to 1.
    `mute`: nothing is pushed, and the connection stays open.
    `never_ready`: a new connection never gets ready.

    Commands:
    `lost_commands`: share of the accepted commands that the hub never receives, 0 to 1.
    `late_commands`: a command for an absent hub is carried out when the hub returns.
    """

    status: int = 0
    status_for: int | None = None
    retry_after_s: int | None = None
    acts_then_resets: bool = False
    blackhole: bool = False
    latency_s: float = 0.1
    dead_tokens: bool = False
    shows_on_once: bool = False
    lost_share: float = 0.0
    mute: bool = False
    never_ready: bool = False
    lost_commands: float = 0.0
    late_commands: bool = False
