"""Modbus RTU as bytes: the simulator's own framing, so that it can catch the driver's library out."""

from __future__ import annotations

READ = 0x03
WRITE_ONE = 0x06
WRITE_MANY = 0x10
REPORT_ID = 0x11

ILLEGAL_FUNCTION = 1
ILLEGAL_ADDRESS = 2
ILLEGAL_VALUE = 3

_FIXED_LENGTH = {READ: 8, WRITE_ONE: 8, REPORT_ID: 4}
_BYTE_COUNT_AT = 6  # in a WRITE_MANY request


def crc16(data: bytes) -> int:
    """Return the CRC of Modbus RTU (polynomial 0xA001 reflected, begun at 0xFFFF)."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC_OF_BYTE[(crc ^ byte) & 0xFF]
    return crc


def _crc_of_byte(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ 0xA001 if byte & 1 else byte >> 1
    return byte


_CRC_OF_BYTE = tuple(_crc_of_byte(byte) for byte in range(256))


def sealed(body: bytes) -> bytes:
    """Return the body with its CRC behind it, low byte first."""
    return body + crc16(body).to_bytes(2, "little")


def is_sealed(frame: bytes) -> bool:
    """Tell whether a frame is long enough to be one and its CRC holds."""
    return len(frame) >= 4 and sealed(frame[:-2]) == frame  # noqa: PLR2004 - id, function, CRC


def refusal(device_id: int, function: int, code: int) -> bytes:
    """Return an exception answer."""
    return sealed(bytes((device_id, function | 0x80, code)))


def request_length(begun: bytes) -> int | None:
    """Return how long the request that begins like this will be; None: not to be told (yet), silence ends it."""
    if len(begun) <= 1:
        return None
    if begun[1] == WRITE_MANY:
        return begun[_BYTE_COUNT_AT] + 9 if len(begun) > _BYTE_COUNT_AT else None
    return _FIXED_LENGTH.get(begun[1])
