"""Validation rules for addresses: the broker's host, a meter's port, MQTT topics, files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from controller.bus.profiles.family import AddressError, parse_address
from controller.config.validators import InvalidValueError, TextValue

if TYPE_CHECKING:
    from controller.config.validators import Schema

_PORT = r"0*(?:[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])"
# The longest text of MQTT, in bytes.
_LONGEST_TOPIC = 65_535

FILE = TextValue(r"/.*\S", "a path from the root, such as /etc/loadshed/broker.password")
CA_FILE = TextValue(FILE.pattern, "a path from the root, such as /etc/loadshed/ca.crt")
METER_PORT = TextValue(
    rf"/.*\S|tcp(?:\+modbus)?://(?:[^/:\[\]\s]+|\[[0-9a-fA-F:.]+\]):{_PORT}",
    "a device such as /dev/ttyUSB0, or tcp://host:port (RTU over TCP), or tcp+modbus://host:port",
)


@dataclass(frozen=True, slots=True)
class DeviceAddressValue:
    """A device: its family, its address there, and its channel if it has several."""

    allowed: str = '"family/address" or "family/address#channel", such as "shelly/shellypro4pm-a1b2c3#0"'

    def read(self, value: object) -> str:
        if isinstance(value, list):
            raise InvalidValueError(
                "write one device: it must switch both poles (a two-pole relay, or a contactor behind one relay)"
            )
        if not isinstance(value, str):
            raise InvalidValueError(f"use {self.allowed}")
        try:
            return str(parse_address(value))
        except AddressError as error:
            raise InvalidValueError(str(error)) from None

    def schema(self) -> Schema:
        return {"type": "string", "pattern": r"^[^/#+]+/[^#+]+(?:#[^#+]+)?$"}


@dataclass(frozen=True, slots=True)
class HostName:
    """A host name, or an IPv4 or IPv6 address: without scheme, port and path."""

    allowed: str = "a host name or an address, such as 192.168.1.10"

    def read(self, value: object) -> str:
        if not isinstance(value, str) or not value.isprintable() or not value.strip():
            raise InvalidValueError(f"use {self.allowed}")
        if value != value.strip():
            raise InvalidValueError(f'use {self.allowed}, without blanks: host = "{value.strip()}"')
        if (alone := _alone(value)) != value:
            raise InvalidValueError(f"use {self.allowed}; {alone}")
        if set(value.split(".")) in ({"0"}, {"255"}) or not value.strip(":0"):
            raise InvalidValueError(f"no machine has this address: use {self.allowed}; 127.0.0.1 is this machine")
        return self._ipv6(value) if ":" in value else self._name(value)

    def _name(self, value: str) -> str:
        parts = value.rstrip(".").split(".")
        if all(part.isdecimal() for part in parts):
            plain = [str(int(part)) for part in parts]
            if len(parts) != _IPV4_PARTS or any(int(part) > _IPV4_MAX for part in parts):
                raise InvalidValueError(f"not an address: an IPv4 address has four numbers up to {_IPV4_MAX}")
            if plain != parts or value.endswith("."):
                raise InvalidValueError(
                    f'write it without zeros in front and without a dot: host = "{".".join(plain)}"'
                )
            return value
        if not re.fullmatch(r"[^\s.\[\]/@?#,;:\"'<>()\\*+]{1,63}(\.[^\s.\[\]/@?#,;:\"'<>()\\*+]{1,63})*\.?", value):
            raise InvalidValueError(f"use {self.allowed}")
        return value

    def _ipv6(self, value: str) -> str:
        from ipaddress import IPv6Address  # noqa: PLC0415  # cold start: few houses have an IPv6 address here

        try:
            IPv6Address(value)
        except ValueError:
            raise InvalidValueError(f"use {self.allowed}; an IPv6 address stands alone, without brackets") from None
        return value

    def schema(self) -> Schema:
        return {"type": "string", "pattern": r"^[^\s\[\]/@?#]+$"}


_IPV4_PARTS, _IPV4_MAX = 4, 255


def _alone(value: str) -> str:
    """Return a host without scheme, login, port and path: the value itself, or what to write instead."""
    _, scheme, behind = value.partition("//")
    rest = behind if scheme else value
    login, at, rest = rest.rpartition("@")
    rest = re.split(r"[/?#]", rest)[0]
    found = re.fullmatch(r"\[(?P<six>[^\]]*)\](?::(?P<port6>\d+))?|(?P<name>[^:]*):(?P<port>\d*)", rest)
    host = rest if found is None else found["six"] or found["name"] or ""
    port = "" if found is None else found["port6"] or found["port"] or ""
    if host == value:
        return value
    keys = [f'host = "{host}"', *([f"port = {port}"] if port else [])]
    if at and (name := login.partition(":")[0]):
        keys.append(f'username = "{name}"')
    if port and not scheme and not at:
        return f"write the port as a key of its own: {' and '.join(keys)}"
    return f"write the host alone: {' and '.join(keys)}"


@dataclass(frozen=True, slots=True)
class Topic:
    """An MQTT topic to publish on: no wildcards, no blanks at its ends."""

    allowed: str = "an MQTT topic without + and #"

    def read(self, value: object) -> str:
        if not isinstance(value, str) or not value.isprintable() or not value or any(sign in value for sign in "+#"):
            raise InvalidValueError(f"use {self.allowed}")
        if value != value.strip():
            raise InvalidValueError(f'use {self.allowed}, without blanks at its ends: "{value.strip()}"')
        if "://" in value:
            raise InvalidValueError(f"use {self.allowed}; the address of the broker stands in [broker] host")
        if len(value.encode()) > _LONGEST_TOPIC:
            raise InvalidValueError(f"use {self.allowed}, of at most {_LONGEST_TOPIC} bytes")
        return value

    def schema(self) -> Schema:
        return {"type": "string", "pattern": r"^[^+#\s]([^+#]*[^+#\s])?$"}
