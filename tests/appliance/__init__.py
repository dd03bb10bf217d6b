"""A virtual Pi: Debian in an emulator, with a real kernel's GPIO chip and a power switch. `make test-appliance`."""
