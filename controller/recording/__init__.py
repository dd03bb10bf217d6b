"""Recording of the engine's inputs, for a replay of its decisions."""
