"use strict";
// The relays of the simulated house, in a file: they keep their positions when the gateway stops, is killed or starts.

const fs = require("node:fs");

class World {
    /** @param path file of JSON: {NAME: {ieee, kind, watts, reachable, delay_ms, settings, relays: {GANG: {on, stuck, moves, commands}}}} */
    constructor(path) {
        this.path = path;
        this.devices = JSON.parse(fs.readFileSync(path, "utf8"));
    }

    /** Write the file so that a reader sees the old one or the new one, also after a kill. */
    save() {
        const half = `${this.path}.half`;
        fs.writeFileSync(half, JSON.stringify(this.devices));
        fs.renameSync(half, this.path);
    }

    relay(name, gang) {
        return this.devices[name].relays[gang];
    }

    command(name, gang, on) {
        this.relay(name, gang).commands.push(on ? "ON" : "OFF");
        this.save();
    }

    /** Move a relay. Return whether it has moved. */
    move(name, gang, on) {
        const relay = this.relay(name, gang);
        if (relay.on === on) return false;
        relay.on = on;
        relay.moves += 1;
        this.save();
        return true;
    }

    /** Power in W that the device measures: what its closed relays, and its welded contacts, carry. */
    watts(name) {
        const {relays, watts} = this.devices[name];
        return Object.values(relays).some((relay) => relay.on || relay.welded) ? watts : 0;
    }
}

module.exports = {World};
