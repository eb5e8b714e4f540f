// MQTT.js against a broker: node mqttjs_roundtrip.js PORT VERSION. Messages of each QoS come back once
// and in order; a retained message and a will arrive. Exit code 0 when all is well.
'use strict';
const mqtt = require('mqtt');

const [port, version] = process.argv.slice(2).map(Number);
const url = `mqtt://127.0.0.1:${port}`;
const prefix = `mqttjs/${version}`;
const perQos = 100;

function fail(text) {
  console.error(text);
  process.exit(1);
}

function open(name, more = {}) {
  return new Promise((resolve) => {
    const client = mqtt.connect(url, {
      clientId: `mqttjs-${version}-${name}`, protocolVersion: version, reconnectPeriod: 0, ...more,
    });
    client.on('error', (error) => fail(`${name}: ${error}`));
    client.once('connect', () => resolve(client));
  });
}

function call(target, method, ...values) {
  return new Promise((resolve) => {
    target[method](...values, (error, value) => (error ? fail(`${method}: ${error}`)
                                                       : resolve(value)));
  });
}

// The next `count` messages as [topic, text, qos, retain].
function collect(client, count) {
  const found = [];
  return new Promise((resolve) => {
    client.on('message', (topic, payload, packet) => {
      found.push([topic, payload.toString(), packet.qos, packet.retain]);
      if (found.length === count) resolve(found);
    });
  });
}

function expect(found, wanted, what) {
  if (JSON.stringify(found) !== JSON.stringify(wanted)) {
    fail(`${what}: found ${JSON.stringify(found)}, wanted ${JSON.stringify(wanted)}`);
  }
}

async function main() {
  const subscriber = await open('sub');
  const publisher = await open('pub');
  for (const qos of [0, 1, 2]) {
    const topic = `${prefix}/${qos}`;
    await call(subscriber, 'subscribe', topic, { qos });
    const messages = collect(subscriber, perQos);
    const wanted = [];
    for (let i = 0; i < perQos; ++i) {
      wanted.push([topic, `${i}`, qos, false]);
      await call(publisher, 'publish', topic, `${i}`, { qos });
    }
    expect(await messages, wanted, `QoS ${qos}`);
    subscriber.removeAllListeners('message');
  }
  await call(publisher, 'publish', `${prefix}/kept`, 'kept', { qos: 1, retain: true });
  const kept = collect(subscriber, 1);
  await call(subscriber, 'subscribe', `${prefix}/kept`, { qos: 1 });
  expect(await kept, [[`${prefix}/kept`, 'kept', 1, true]], 'retained');
  subscriber.removeAllListeners('message');
  await call(subscriber, 'subscribe', `${prefix}/will`, { qos: 1 });
  const will = collect(subscriber, 1);
  const mortal = await open('mortal', { will: { topic: `${prefix}/will`, payload: 'gone', qos: 1 } });
  mortal.stream.destroy();
  expect(await will, [[`${prefix}/will`, 'gone', 1, false]], 'will');
  process.exit(0);
}

setTimeout(() => fail('not done within 30 s'), 30000);
main().catch((error) => fail(error.stack));
