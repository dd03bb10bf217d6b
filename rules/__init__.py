"""Decisions. Pure: the standard library only, no clock, no wire, no disk."""
