"use strict";
// Run the real Zigbee2MQTT over the simulated radio. Arguments: the file of the relays. ZIGBEE2MQTT_DATA: its data folder.
// Orders come on stdin, one JSON object a line; each is answered by a line {"done": ORDER} on stdout.

const path = require("node:path");
const readline = require("node:readline");
const {Adapter} = require("zigbee-herdsman/dist/adapter/adapter.js");
const {Controller} = require("zigbee2mqtt/dist/controller.js");
const {Radio} = require("./radio.js");
const {World} = require("./world.js");

const world = new World(path.resolve(process.argv[2]));
let radio;
Adapter.create = async (...options) => {
    radio = new Radio(world, ...options);
    return radio;
};

const ORDERS = {
    /** Change facts of a relay or a device: {device, gang?, facts: {stuck, welded, reachable, …}}. */
    facts({device, gang, facts}) {
        Object.assign(gang === undefined ? world.devices[device] : world.relay(device, gang), facts);
        world.save();
    },
    /** Move a relay by hand. */
    move({device, gang, on}) {
        radio.device(device).move(gang, on);
    },
    /** Report a position once more. */
    report({device, gang}) {
        radio.device(device).report(gang);
    },
    /** Report the power that the device measures. */
    watts({device}) {
        radio.device(device).reportWatts();
    },
    /** Open the relay because of a fault: {device, event}: number of the event. */
    trip({device, event}) {
        const breaker = radio.device(device);
        breaker.reportEvent(event);
        breaker.move("1", false);
    },
    announce({device}) {
        radio.announce(device);
    },
    /** Restart with all relays closed. The device announces itself, and reports no position. */
    restart({device}) {
        for (const gang of Object.keys(world.devices[device].relays)) radio.device(device).move(gang, true, false);
        radio.announce(device);
    },
};

const controller = new Controller(
    async () => {},
    async (code) => process.exit(code),
);

process.on("SIGTERM", async () => {
    await controller.stop(false); // a clean stop: it saves its memory of the devices
    process.exit(0);
});

readline.createInterface({input: process.stdin}).on("line", (line) => {
    const order = JSON.parse(line);
    ORDERS[order.do](order);
    process.stdout.write(`${JSON.stringify({done: order.number})}\n`);
});
// The test is gone: so are its orders.
process.stdin.on("end", () => process.exit(1));

void controller.start();
