"""The engine loop and what connects it to the machine: clock, devices, locks, systemd, journal."""
