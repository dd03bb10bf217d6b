"""Modbus RTU as bytes: the simulator's own framing.

Independent of the driver's library, so that it can show its faults.
"""

from __future__ import annotations

READ = 0x03
WRITE_ONE = 0x06
WRITE_MANY = 0x10
REPORT_ID = 0x11

ILLEGAL_FUNCTION = 1
ILLEGAL_ADDRESS = 2
ILLEGAL_VALUE = 3
GATEWAY_NO_ANSWER = 11

_FIXED_LENGTH = {READ: 8, WRITE_ONE: 8, REPORT_ID: 4}
_BYTE_COUNT_AT = 6  # in a WRITE_MANY request


def crc16(data: bytes) -> int:
    """Return the CRC of Modbus RTU (polynomial 0xA001 reflected, initial value 0xFFFF)."""
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
    """Return the body followed by its CRC, low byte first."""
    return body + crc16(body).to_bytes(2, "little")


def is_sealed(frame: bytes) -> bool:
    """Return whether a frame is long enough and its CRC is correct."""
    return len(frame) >= 4 and sealed(frame[:-2]) == frame  # id, function, CRC


def refusal(device_id: int, function: int, code: int) -> bytes:
    """Return an exception response."""
    return sealed(bytes((device_id, function | 0x80, code)))


def request_length(begun: bytes) -> int | None:
    """Return the length of the request that begins like this; None: not known (yet), silence ends it."""
    if len(begun) <= 1:
        return None
    if begun[1] == WRITE_MANY:
        return begun[_BYTE_COUNT_AT] + 9 if len(begun) > _BYTE_COUNT_AT else None
    return _FIXED_LENGTH.get(begun[1])
