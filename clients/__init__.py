"""Programs beside the daemon. Each runs in its own process; none can delay or stop shedding."""
