"""The simulated house: contact, breakers, loads, and a meter that responds with real bytes."""
