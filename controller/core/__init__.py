"""The engine: events in, effects out. Pure: no clock, socket, pin or file."""
