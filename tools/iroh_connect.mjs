// How long and how much CPU a connection of iroh takes on loopback, both ends in this process, relays off.
// usage: node iroh_connect.mjs FOLDER N     FOLDER holds node_modules/@number0/iroh (npm install @number0/iroh)
// Prints: p50 in milliseconds, CPU milliseconds a connection.
import { createRequire } from 'node:module';
import path from 'node:path';

const [folder, count] = [process.argv[2], Number(process.argv[3])];
const iroh = createRequire(path.join(path.resolve(folder), 'package.json'))('@number0/iroh');
const alpn = Array.from(Buffer.from('hanse-bench'));

async function endpoint() {
  const builder = iroh.Endpoint.builder();
  builder.applyMinimal();
  builder.relayMode(iroh.RelayMode.disabled());
  builder.alpns([alpn]);
  builder.bindAddr('127.0.0.1:0');
  return builder.bind();
}

const server = await endpoint();
const client = await endpoint();
const address = new iroh.EndpointAddr(server.id(), null, server.boundSockets().filter((a) => a.startsWith('127.')));
const accepted = (async () => {
  for (let i = 0; i < count; ++i) {
    const incoming = await server.acceptNext();
    const accepting = await incoming.accept();
    await accepting.connect();
  }
})();
const times = [];
const before = process.cpuUsage();
for (let i = 0; i < count; ++i) {
  const began = performance.now();
  const connection = await client.connect(address, alpn);
  times.push(performance.now() - began);
  connection.close(0n, []);
}
await accepted;
const used = process.cpuUsage(before);
times.sort((a, b) => a - b);
console.log(`${times[Math.floor(count / 2)].toFixed(3)} ${((used.user + used.system) / 1000 / count).toFixed(3)}`);
process.exit(0);
