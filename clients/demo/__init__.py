"""The whole simulated house in one process tree."""
