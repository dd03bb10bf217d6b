"""Advice about the broker's address and login and about the contact's topics: what is legal but cannot work."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from controller.config.model import MqttContact

if TYPE_CHECKING:
    from controller.config.errors import ErrorCollector
    from controller.config.installer import Installer
    from controller.config.model import BrokerSettings

TLS_PORT, PLAIN_PORT = 8883, 1883
_OTHER_PORTS = {
    **dict.fromkeys((80, 443, 8080, 8443), "a web server"),
    **dict.fromkeys((8083, 8084, 9001, 9883), "MQTT over WebSocket, which this program does not use"),
    8123: "Home Assistant's page",
    22: "SSH",
    502: "Modbus",
}
# Below the site's name, the controller itself publishes these.
_OWN = ("controller", "circuits", "demand", "meters", "events", "alarms", "readiness", "ask", "answers", "breakers")


def broker_advice(installer: Installer, notes: ErrorCollector) -> None:
    """Note what will not work with this broker, or not as it is meant."""
    _port(installer.broker, notes)
    _login(installer.broker, notes)
    if re.match(r"fe80:[^%]*$", installer.broker.host, re.IGNORECASE):
        says = "this address is valid on one network interface only: add it, as in fe80::1%eth0"
        notes.add(("broker", "host"), says, installer.broker.host)
    if isinstance(installer.contact, MqttContact):
        _topics(installer.contact, installer.site.id, notes)


def _port(broker: BrokerSettings, notes: ErrorCollector) -> None:
    place = ("broker", "port")
    if broker.version == "3.1.1":
        says = "commands cannot expire there, so an old one may reach a breaker late: take 5 where the broker knows it"
        notes.add(("broker", "version"), says, broker.version)
    if broker.port == TLS_PORT and not broker.ca_file:
        notes.add(place, "this port is usually TLS: without ca_file the connection will not be made", broker.port)
    if broker.port == PLAIN_PORT and broker.ca_file:
        notes.add(place, "with ca_file the connection is TLS, which usually has port 8883", broker.port)
    if (other := _OTHER_PORTS.get(broker.port)) is not None:
        notes.add(
            place, f"this is usually the port of {other}: MQTT has {PLAIN_PORT}, with TLS {TLS_PORT}", broker.port
        )


def _login(broker: BrokerSettings, notes: ErrorCollector) -> None:
    name, place = broker.username, ("broker", "username")
    if name and not broker.ca_file and broker.host not in {"127.0.0.1", "::1", "localhost"}:
        notes.add(place, "without ca_file (TLS) the password is readable on the way", name)
    if name and name != name.strip():
        notes.add(place, f'it begins or ends with a blank: username = "{name.strip()}"', name)
    if broker.password_file and not name:
        says = "without username most brokers refuse the password: write it too"
        notes.add(("broker", "password_file"), says, broker.password_file)


def _topics(contact: MqttContact, site: str, notes: ErrorCollector) -> None:
    for key in ("topic", "availability_topic", "query_topic"):
        topic = getattr(contact, key)
        if topic is not None and (message := _doubtful(topic, site)) is not None:
            notes.add(("contact", key), message, topic)
    for key in ("open", "closed", "available", "unavailable"):
        word = getattr(contact, key)
        if word != word.strip():
            notes.add(("contact", key), f'it begins or ends with a blank: {key} = "{word.strip()}"', word)


def _doubtful(topic: str, site: str) -> str | None:
    """Return why a device probably does not publish on this topic; None: nothing is unusual."""
    levels = topic.split("/")
    plain = "/".join(level.strip() for level in levels if level.strip())
    if "" in levels:
        return f'an empty level, by a slash at an end or two in a row, makes another topic: "{plain}" is usual'
    if any(level != level.strip() for level in levels):
        return f'a blank beside a slash makes another topic: "{plain}" is usual'
    if levels[:2] == ["loadshed", site] and {*levels[2:3]} & {*_OWN}:
        return f'the controller uses this topic: let the device publish on another, such as "loadshed/{site}/contact"'
    return None
