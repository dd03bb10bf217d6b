"""The simulated house: contact, breakers, loads and a meter that answers real bytes."""
