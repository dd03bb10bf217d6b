"""The reference of the benches: a bare paho v5 client that does nothing but command 40 breakers OFF.

It subscribes to the contact's topic; when it reads "open", live or retained, it publishes OFF to each breaker, QoS 1,
with message expiry. Run it as a process of its own: with a retained "open" it is the reference for the start, with a
live one for the reaction. `--once` ends it when the broker has confirmed all.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from paho.mqtt.client import Client, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions


class BareClient:
    """Everything it can do."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._v5 = options.version == "5"
        self._commands = [(f"loadshed/{options.site}/breakers/c{n}/set", "OFF") for n in range(options.circuits)]
        if options.commands is not None:
            self._commands = [(topic, payload) for topic, payload in json.loads(options.commands.read_text())]
        self._unconfirmed = 0
        self._expiry: Properties | None = None
        if self._v5:
            self._expiry = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            self._expiry.MessageExpiryInterval = 5
        protocol = MQTTv5 if self._v5 else MQTTv311
        self._client = Client(CallbackAPIVersion.VERSION2, f"bare-{options.site}", protocol=protocol)
        self._client.max_inflight_messages_set(0)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = self._on_subscribe

    def run(self) -> None:
        """Serve until stopped."""
        self._client.connect("127.0.0.1", self._options.port)
        self._client.loop_forever()

    def _on_connect(self, *_: object) -> None:
        topics = [self._options.topic, f"loadshed/{self._options.site}/breakers/+/state"]
        if self._v5:
            self._client.subscribe([(topic, SubscribeOptions(qos=0)) for topic in topics])
        else:
            self._client.subscribe([(topic, 0) for topic in topics])

    def _on_subscribe(self, *_: object) -> None:
        # Not earlier: the broker would not pass on a contact that moves now.
        sys.stdout.write("connected\n")
        sys.stdout.flush()

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        if message.topic == self._options.topic and message.payload == b"open":
            self._unconfirmed = len(self._commands)
            for topic, payload in self._commands:
                self._client.publish(topic, payload, 1, retain=False, properties=self._expiry)

    def _on_publish(self, *_: object) -> None:
        self._unconfirmed -= 1
        if self._options.once and self._unconfirmed == 0:
            self._client.disconnect()


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--site", default="home")
    parser.add_argument("--topic", default="ats/contact")
    parser.add_argument("--circuits", type=int, default=40)
    parser.add_argument("--commands", type=Path, help="JSON list of [topic, payload], instead of --circuits")
    parser.add_argument("--version", choices=("5", "3.1.1"), default="5")
    parser.add_argument("--once", action="store_true")
    BareClient(parser.parse_args()).run()


if __name__ == "__main__":
    main()
