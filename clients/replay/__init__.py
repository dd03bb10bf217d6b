"""Replay a recording in a new engine and compare the commands."""
