"use strict";
// A Zigbee radio without hardware: frames go to simulated devices. Everything above the radio is the real Zigbee2MQTT.

const {setTimeout: sleep} = require("node:timers/promises");
const {Zcl} = require("zigbee-herdsman");
const {Adapter} = require("zigbee-herdsman/dist/adapter/adapter.js");
const {PlainDevice, TuyaDevice} = require("./devices.js");

const ROUND_TRIP_MS = 30;
const UNREACHABLE_MS = 1000; // until the radio gives up
const COORDINATOR = "0x00124b0000000000";
const DEVICE_ANNOUNCE = 0x0013;
const LINK_QUALITY = 120;

class Radio extends Adapter {
    constructor(world, ...options) {
        super(...options);
        this.hasZdoMessageOverhead = false;
        this.devices = new Map();
        for (const [name, {ieee, address, kind}] of Object.entries(world.devices)) {
            const send = (endpoint, cluster, type, command, payload) =>
                this.emit("zclPayload", this.payload(address, endpoint, cluster, type, command, payload));
            const made = kind === "tuya" ? new TuyaDevice(name, world, send) : new PlainDevice(name, world, send);
            this.devices.set(ieee, made);
        }
        this.transaction = 0;
    }

    device(name) {
        return [...this.devices.values()].find((one) => one.name === name);
    }

    /** A device has started, and announces itself. */
    announce(name) {
        const {address, ieee} = this.device(name).facts;
        this.emit("zdoResponse", DEVICE_ANNOUNCE, [0, {nwkAddress: address, eui64: ieee, capabilities: {}}]);
    }

    // What herdsman asks of an adapter

    async start() {
        return "resumed";
    }

    async getCoordinatorIEEE() {
        return COORDINATOR;
    }

    async getCoordinatorVersion() {
        return {type: "simulated", meta: {revision: "1"}};
    }

    async getNetworkParameters() {
        const {panID, extendedPanID, channelList} = this.networkOptions;
        return {panID, extendedPanID: Buffer.from(extendedPanID ?? []).toString("hex"), channel: channelList[0], nwkUpdateID: 0};
    }

    async supportsBackup() {
        return false;
    }

    async sendZdo(_ieee, _address, _cluster, _payload, disableResponse) {
        await sleep(ROUND_TRIP_MS);
        return disableResponse ? undefined : [0, {}];
    }

    waitFor() {
        return {promise: new Promise(() => {}), cancel() {}};
    }

    async sendZclFrameToEndpoint(ieee, address, endpoint, frame, _timeout, disableResponse) {
        const device = this.devices.get(ieee);
        await sleep(device?.facts.reachable ? ROUND_TRIP_MS + device.facts.delay_ms : UNREACHABLE_MS);
        if (!device?.facts.reachable) throw new Error(`no acknowledgment from ${address}`);
        const answer = device.receive(String(endpoint), frame);
        if (disableResponse) return undefined;
        const {transactionSequenceNumber, manufacturerCode} = frame.header;
        const cluster = frame.cluster.name;
        const {command, payload} = answer;
        const response = this.payload(address, endpoint, cluster, Zcl.FrameType.GLOBAL, command, payload, {
            transaction: transactionSequenceNumber,
            manufacturer: manufacturerCode,
        });
        this.emit("zclPayload", response); // a real adapter passes on every frame, answers included
        return response;
    }

    payload(address, endpoint, cluster, type, command, payload, {transaction, manufacturer} = {}) {
        this.transaction = (this.transaction + 1) & 0xff;
        const frame = Zcl.Frame.create(
            type,
            Zcl.Direction.SERVER_TO_CLIENT,
            true,
            manufacturer,
            transaction ?? this.transaction,
            command,
            cluster,
            payload,
            {},
        );
        const data = frame.toBuffer();
        return {
            clusterID: frame.cluster.ID,
            header: Zcl.Header.fromBuffer(data),
            data,
            address,
            endpoint: Number(endpoint),
            linkquality: LINK_QUALITY,
            groupID: 0,
            wasBroadcast: false,
            destinationEndpoint: 1,
        };
    }

    async stop() {}
    async reset() {}
    async backup() {}
    async permitJoin() {}
    async addInstallCode() {}
    async sendZclFrameToGroup() {}
    async sendZclFrameToAll() {}
    async setChannelInterPAN() {}
    async sendZclFrameInterPANToIeeeAddr() {}
    async sendZclFrameInterPANBroadcast() {}
    async restoreChannelInterPAN() {}
}

module.exports = {Radio};
