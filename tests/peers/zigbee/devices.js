"use strict";
// Relays on the radio: what they answer to a frame, and what they report by themselves.

const {Zcl} = require("zigbee-herdsman");

const MOVES_MS = 150; // from the acknowledgment to the relay's new position
const REPORTS_MS = 150; // from there to the report of it
const DP_STATE = 16; // data points of the Tongou TOQCB2-80
const DP_LAST_EVENT = 110;
const DP_BOOL = 1;
const DP_ENUM = 4;

const later = (ms, action) => setTimeout(action, ms).unref();
const acknowledge = (frame, statusCode = Zcl.Status.SUCCESS) => ({
    command: "defaultRsp",
    payload: {cmdId: frame.command.ID, statusCode},
});

/** A device with a relay per endpoint. `send(endpoint, cluster, type, command, payload)` transmits a frame of its own. */
class Device {
    constructor(name, world, send) {
        this.name = name;
        this.world = world;
        this.send = send;
    }

    get facts() {
        return this.world.devices[this.name];
    }

    /** Obey a command. A stuck relay acknowledges, and stays as it is. */
    command(gang, on) {
        this.world.command(this.name, gang, on);
        if (this.world.relay(this.name, gang).stuck) return;
        later(MOVES_MS, () => this.move(gang, on));
    }

    /** Move a relay, by command or by hand, and report it. */
    move(gang, on, reports = true) {
        if (this.world.move(this.name, gang, on) && reports) later(REPORTS_MS, () => this.report(gang));
    }
}

/** Plain Zigbee: one endpoint per gang, positions in genOnOff, watts in a meter cluster. */
class PlainDevice extends Device {
    receive(gang, frame) {
        const cluster = frame.cluster;
        switch (frame.command.name) {
            case "read":
                return {command: "readRsp", payload: frame.payload.map(({attrId}) => this.read(gang, cluster, attrId))};
            case "write":
                for (const {attrId, attrData} of frame.payload) this.facts.settings[`${cluster.name}/${attrId}`] = attrData;
                this.world.save();
                return {command: "writeRsp", payload: [{status: Zcl.Status.SUCCESS}]};
            case "configReport":
                return {command: "configReportRsp", payload: [{status: Zcl.Status.SUCCESS}]};
            case "on":
            case "off":
                if (cluster.name === "genOnOff") this.command(gang, frame.command.name === "on");
                return acknowledge(frame);
            default:
                return acknowledge(frame);
        }
    }

    read(gang, cluster, attrId) {
        const attribute = Object.values(cluster.attributes).find((one) => one.ID === attrId);
        const value = attribute && this.value(gang, cluster.name, attribute.name, attrId);
        if (value === undefined) return {attrId, status: Zcl.Status.UNSUPPORTED_ATTRIBUTE};
        return {attrId, status: Zcl.Status.SUCCESS, dataType: attribute.type, attrData: value};
    }

    value(gang, cluster, attribute, attrId) {
        switch (`${cluster}.${attribute}`) {
            case "genOnOff.onOff":
                return this.world.relay(this.name, gang).on ? 1 : 0;
            case "seMetering.instantaneousDemand":
            case "haElectricalMeasurement.activePower":
                return this.world.watts(this.name);
            default:
                return this.facts.settings[`${cluster}/${attrId}`];
        }
    }

    report(gang) {
        this.reportAttribute(gang, "genOnOff", "onOff");
    }

    reportWatts() {
        if (this.facts.meter === "seMetering") this.reportAttribute("1", "seMetering", "instantaneousDemand");
        else this.reportAttribute("1", "haElectricalMeasurement", "activePower");
    }

    reportAttribute(gang, cluster, name) {
        const {ID, type} = Zcl.Utils.getCluster(cluster, undefined, {}).attributes[name];
        const payload = [{attrId: ID, dataType: type, attrData: this.value(gang, cluster, name, ID)}];
        this.send(gang, cluster, Zcl.FrameType.GLOBAL, "report", payload);
    }
}

/** A Tuya breaker (TS0601): everything in data points; a position can be set, and cannot be asked for. */
class TuyaDevice extends Device {
    receive(gang, frame) {
        if (frame.cluster.name === "manuSpecificTuya" && frame.command.name === "dataRequest") {
            for (const {dp, data} of frame.payload.dpValues) if (dp === DP_STATE) this.command(gang, data[0] === 1);
        }
        return acknowledge(frame);
    }

    report(gang) {
        this.reportPoint(DP_STATE, DP_BOOL, this.world.relay(this.name, gang).on ? 1 : 0);
    }

    /** Report an event by its number, as after a trip. */
    reportEvent(number) {
        this.reportPoint(DP_LAST_EVENT, DP_ENUM, number);
    }

    reportPoint(dp, datatype, value) {
        this.sequence = ((this.sequence ?? 0) + 1) & 0xffff;
        const payload = {seq: this.sequence, dpValues: [{dp, datatype, data: Buffer.from([value])}]};
        this.send("1", "manuSpecificTuya", Zcl.FrameType.SPECIFIC, "dataReport", payload);
    }
}

module.exports = {PlainDevice, TuyaDevice};
