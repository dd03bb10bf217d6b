"""The simulated house: contact, breakers, loads, and a meter that responds with real bytes.

Simulated devices of real MQTT families (`device_catalog.FAMILIES`): each class has the messages of its family and its
peculiarities, takes the time as an argument, and has no socket.

    devices = simulated_devices(["tasmota/heater#1", "zigbee2mqtt/Water Heater"], faults={...}, load_w=4500.0)
    device.subscriptions, device.will, device.retained_at_broker, device.keepalive_s, device.wants_connection(now)
    messages = device.on_connected(now)      # publish them, then subscribe
    messages = device.on_message(topic, payload, retained, now)      # and advance(now)
    device.next_due                          # when advance has something to do; None: nothing is pending
    device.on_disconnected(now)              # the broker went away
    messages = device.move_manually(address, on, now)      # and trip, set_load, power_back, reboot
    device.power_cut(now)                    # behind a gateway: power_cut(now, address) cuts one device
    gateway.stop(now), gateway.start(now)    # Zigbee2MQTT and Z-Wave JS UI
    device.relays[address].energized         # actual state of the contacts; switched_on is what is reported

A message is a `DeviceMessage(topic, payload, qos, retain)`. Faults are `DeviceFaults` by name, and start from the
`FACTORY_FAULTS` of the family: `replace(SimulatedTasmota.FACTORY_FAULTS, stuck=True)`; `set_faults(address, faults)`
changes them later. `DeviceRunner(device, broker, clock).run()` connects a device to a real broker;
`runner.say(device.trip(...))` publishes what happened to it. `VirtualBroker(devices)` connects them in virtual time.
"""
