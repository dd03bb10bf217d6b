"""The bytes of a request, shown to the user before they are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hw.meter_requests import Request


def frame_of(request: Request) -> bytes:
    """Return the frame that the library sends for a request, including its CRC."""
    from hw.meter_pdu import framed, pdu_of  # noqa: PLC0415 - brings the Modbus library in

    return framed(pdu_of(request))
