"""Decisions. Pure: the standard library only; no clock, socket, pin or file."""
