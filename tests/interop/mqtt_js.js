// MQTT.js against the node; prints as features.py says.
"use strict";
const mqtt = require("mqtt");
const [host, port, version] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const root = `interop/mqtt-js/${version}/${process.pid}`;
const kShared = 10;
const kPatienceMs = 30000;
let number = 0;

function within(promise, what) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${what}`)), kPatienceMs);
    promise.then((value) => { clearTimeout(timer); resolve(value); }, (error) => { clearTimeout(timer); reject(error); });
  });
}

class Client {
  constructor(will) {
    const options = { host, port, protocolVersion: version, clientId: `mqtt-js-${process.pid}-${number++}`, reconnectPeriod: 0 };
    this.client = mqtt.connect(will ? { ...options, will: { topic: will, payload: "gone", qos: 1, retain: false } } : options);
    this.messages = [];
    this.waiting = [];
    this.client.on("message", (topic, payload, packet) => {
      const message = { topic, payload: payload.toString(), packet };
      const next = this.waiting.shift();
      next ? next(message) : this.messages.push(message);
    });
    this.ready = within(new Promise((resolve, reject) => {
      this.client.on("connect", () => resolve(this));
      this.client.on("error", reject);
    }), "CONNACK");
  }
  subscribe(topics, qos = 1) {
    return within(new Promise((resolve, reject) => this.client.subscribe(topics, { qos },
      (error, granted) => (error ? reject(error) : resolve(granted)))), "SUBACK");
  }
  publish(topic, payload, options) {
    return within(new Promise((resolve, reject) => this.client.publish(topic, payload, options,
      (error) => (error ? reject(error) : resolve()))), "acknowledgement");
  }
  message() {
    const first = this.messages.shift();
    return first ? Promise.resolve(first) : within(new Promise((resolve) => this.waiting.push(resolve)), "message");
  }
  leave() {
    return new Promise((resolve) => this.client.end(false, {}, resolve));
  }
}

function expect(found, wanted) {
  if (JSON.stringify(found) !== JSON.stringify(wanted)) {
    throw new Error(`${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`);
  }
}

async function roundTrip(qos) {
  const client = await new Client().ready;
  await client.subscribe(`${root}/q${qos}/+`, qos);
  await client.publish(`${root}/q${qos}/a`, "hello", { qos });
  const { topic, payload, packet } = await client.message();
  expect([topic, payload, packet.qos, packet.retain], [`${root}/q${qos}/a`, "hello", qos, false]);
  await client.leave();
}

async function retained() {
  const client = await new Client().ready;
  await client.publish(`${root}/kept`, "kept", { qos: 1, retain: true });
  await client.subscribe(`${root}/kept`);
  const { payload, packet } = await client.message();
  expect([payload, packet.qos, packet.retain], ["kept", 1, true]);
  await client.publish(`${root}/kept`, "", { qos: 1, retain: true });
  await client.leave();
}

async function will() {
  const watcher = await new Client().ready;
  await watcher.subscribe(`${root}/will`);
  const dying = await new Client(`${root}/will`).ready;
  dying.client.stream.destroy(); // Without a DISCONNECT.
  expect((await watcher.message()).payload, "gone");
  await watcher.leave();
}

async function shared() {
  const members = [await new Client().ready, await new Client().ready];
  for (const member of members) {
    await member.subscribe([`$share/g/${root}/s`, `${root}/end`]);
  }
  for (let i = 0; i < kShared; ++i) {
    await members[0].publish(`${root}/s`, String(i), { qos: 1 });
  }
  await members[0].publish(`${root}/end`, "end", { qos: 1 });
  const got = [];
  for (const member of members) {
    for (let message = await member.message(); message.payload !== "end"; message = await member.message()) {
      got.push(Number(message.payload));
    }
    await member.leave();
  }
  expect(got.sort((a, b) => a - b), [...Array(kShared).keys()]);
}

async function properties() {
  const client = await new Client().ready;
  await client.subscribe(`${root}/p`);
  const sent = { userProperties: { key: ["value", "again"] }, responseTopic: "a/b", correlationData: Buffer.from([0, 1]),
                 contentType: "text", messageExpiryInterval: 1000 };
  await client.publish(`${root}/p`, "x", { qos: 1, properties: sent });
  const got = (await client.message()).packet.properties;
  expect([got.userProperties, got.responseTopic, [...got.correlationData], got.contentType],
         [sent.userProperties, "a/b", [0, 1], "text"]);
  await client.leave();
}

async function main() {
  const tries = { qos0: () => roundTrip(0), qos1: () => roundTrip(1), qos2: () => roundTrip(2), retained, will, shared };
  if (version === 5) {
    tries.properties = properties;
  }
  for (const [feature, attempt] of Object.entries(tries)) {
    try {
      await attempt();
      console.log(`${feature} ok`);
    } catch (error) {
      process.exitCode = 1;
      console.log(`${feature} no: ${error.message}`);
    }
  }
  process.exit();
}
main();
