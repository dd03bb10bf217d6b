"""MQTT devices on the broker: found, inspected, recorded."""
