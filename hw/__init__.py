"""Hardware drivers, one file per device, with the simulated house beside them."""
