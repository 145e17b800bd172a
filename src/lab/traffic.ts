/**
 * The workloads behind one node: a process in the workload's namespace that sends and counts real
 * packets. It lives as long as its standard input.
 *
 * Probes are UDP from connected sockets. Linux sends such packets with don't-fragment set while
 * they fit the device, and gives the sender the network's refusal (EMSGSIZE for "fragmentation
 * needed") as a socket error: so a full-size packet passes whole or not at all.
 */
import { type Socket, createSocket } from 'node:dgram';
import { createServer, connect } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ProbeReply,
  type TrafficRequest,
  type TransferReply,
  probeHeaderBytes,
  probeMagic,
  probePort,
  transferByte,
  transferPort,
} from './traffic-protocol.js';

function say(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

async function answer(request: TrafficRequest): Promise<object> {
  switch (request.verb) {
    case 'listen':
      for (const address of request.addresses) await listen(address);
      return { id: request.id };
    case 'probe':
      return probe(request);
    case 'transfer':
      return transfer(request);
  }
}

async function listen(address: string): Promise<void> {
  const socket = createSocket(udpOf(address));
  socket.on('message', (message) => {
    if (message.length < probeHeaderBytes || message.readUInt32BE(0) !== probeMagic) return;
    say({
      arrived: message.readUInt32BE(4),
      sequence: message.readUInt32BE(8),
      bytes: message.length,
    });
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(probePort, address, resolve);
  });
  const server = createServer({ allowHalfOpen: true }, (connection) => {
    let received = 0;
    let damaged = false;
    connection.on('data', (chunk) => {
      for (const byte of chunk) damaged ||= byte !== transferByte(received++);
    });
    // The confirmation is the number of good bytes, in decimal.
    connection.on('end', () => connection.end(String(damaged ? -1 : received)));
    connection.on('error', () => connection.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port: transferPort, host: address }, resolve);
  });
}

async function probe(request: Extract<TrafficRequest, { verb: 'probe' }>): Promise<ProbeReply> {
  const { id, from, to, flow, payloads, lingerMs } = request;
  const socket = createSocket(udpOf(to));
  let refusal: string | undefined;
  let sent = 0;
  let wake: () => void = () => undefined;
  const refused = new Promise<void>((resolve) => (wake = resolve));
  socket.on('error', (error: NodeJS.ErrnoException) => {
    refusal = error.code ?? error.message;
    wake();
  });
  try {
    await new Promise<void>((resolve) => socket.bind(0, from, resolve));
    await new Promise<void>((resolve) => socket.connect(probePort, to, () => resolve()));
    for (const [sequence, bytes] of payloads.entries()) {
      const payload = Buffer.alloc(Math.max(bytes, probeHeaderBytes));
      payload.writeUInt32BE(probeMagic, 0);
      payload.writeUInt32BE(flow, 4);
      payload.writeUInt32BE(sequence, 8);
      // The refusal of an earlier packet comes out of a later call, and that packet is not sent:
      // such an error is taken, and the packet sent again.
      const first = await sendOne(socket, payload);
      const problem = first === null ? null : await sendOne(socket, payload);
      if (first !== null) refusal ??= first.code ?? first.message;
      if (problem === null) sent++;
    }
    if (lingerMs > 0 && refusal === undefined) await Promise.race([refused, sleep(lingerMs)]);
  } finally {
    socket.close();
  }
  return { id, sent, refusal };
}

function sendOne(socket: Socket, payload: Buffer): Promise<NodeJS.ErrnoException | null> {
  return new Promise((resolve) => socket.send(payload, (error) => resolve(error)));
}

function transfer(request: Extract<TrafficRequest, { verb: 'transfer' }>): Promise<TransferReply> {
  const { id, from, to, bytes, timeoutMs } = request;
  const started = performance.now();
  return new Promise((resolve) => {
    const connection = connect({ host: to, port: transferPort, localAddress: from });
    let confirmation = '';
    const finish = (problem: string | undefined): void => {
      connection.destroy();
      const confirmed = problem === undefined ? Number(confirmation) : 0;
      resolve({
        id,
        confirmed,
        durationMs: Math.round(performance.now() - started),
        problem:
          problem ?? (confirmed === bytes ? undefined : `confirmed ${confirmation || 'no'} bytes`),
      });
    };
    connection.setTimeout(timeoutMs, () => finish(`nothing moved for ${timeoutMs} ms`));
    connection.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
    connection.on('connect', () => connection.end(pattern(bytes)));
    connection.on('data', (chunk) => (confirmation += chunk.toString()));
    connection.on('close', () => finish(undefined));
  });
}

function pattern(bytes: number): Buffer {
  const content = Buffer.alloc(bytes);
  for (let i = 0; i < bytes; i++) content[i] = transferByte(i);
  return content;
}

function udpOf(address: string): 'udp4' | 'udp6' {
  return address.includes(':') ? 'udp6' : 'udp4';
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const request = JSON.parse(line) as TrafficRequest;
    answer(request).then(say, (error: unknown) =>
      say({ id: request.id, error: error instanceof Error ? error.message : String(error) }),
    );
  })
  .on('close', () => process.exit(0));
