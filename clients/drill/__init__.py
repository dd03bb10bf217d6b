"""A drill as people meet it: what it would do, how it goes, and the report of it."""
