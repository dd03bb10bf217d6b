"""MQTT: the broker connection, topics, payloads and publications."""
