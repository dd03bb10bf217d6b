"""Status and user requests over MQTT, and the description of an installation."""
