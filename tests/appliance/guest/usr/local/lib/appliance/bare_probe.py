"""The reference for every figure: gpiozero, paho, nothing else. OFF to four circuits when the contact is open."""

import threading

from gpiozero import Button
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

CIRCUITS = ("car", "tub", "dryer", "pump")


def main() -> None:
    """Serve until killed."""
    client = Client(CallbackAPIVersion.VERSION2, "bare-probe")

    def shed() -> None:
        for circuit in CIRCUITS:
            client.publish(f"loadshed/probe/breakers/{circuit}/set", "OFF", qos=1)

    contact = Button(17, pull_up=True)
    client.connect("127.0.0.1")
    client.loop_start()
    contact.when_released = shed
    if not contact.is_pressed:
        shed()
    threading.Event().wait()


if __name__ == "__main__":
    main()
