"""Devices, one file each: the real ones, and the simulated house beside them."""
