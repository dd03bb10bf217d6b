"""Header of a Modbus TCP frame: transaction, protocol (0), number of bytes that follow."""

from __future__ import annotations

HEADER_BYTES = 6
_LONGEST = 254
"""Device id and PDU: 1 + 253 bytes."""


def header(transaction: int, length: int) -> bytes:
    """Return the header of a frame of `length` bytes."""
    return transaction.to_bytes(2) + bytes(2) + length.to_bytes(2)


def is_header(received: bytes) -> bool:
    """Return whether bytes begin like a Modbus TCP frame."""
    follows = int.from_bytes(received[4:HEADER_BYTES])
    return len(received) >= HEADER_BYTES and received[2:4] == bytes(2) and 1 < follows <= _LONGEST


def length_of(received: bytes) -> int:
    """Return the length of the frame with this header."""
    return HEADER_BYTES + int.from_bytes(received[4:HEADER_BYTES])


def is_frame(received: bytes) -> bool:
    """Return whether these bytes are one or several Modbus TCP frames, and nothing else."""
    while is_header(received) and length_of(received) <= len(received):
        received = received[length_of(received) :]
        if not received:
            return True
    return False
