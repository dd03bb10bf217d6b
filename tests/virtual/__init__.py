"""A house in virtual time around the real engine: devices, a broker, a contact and a disk that fail by name."""
