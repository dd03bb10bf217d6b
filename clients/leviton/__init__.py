"""Bridge to the My Leviton cloud: a client of the bus in its own process. The controller does not wait for it."""
