"""The daemon: joins devices to decisions."""
