/**
 * Around the packets of the userspace plane: its configuration as JSON, the control socket, the
 * state file, and the agent's handle, which must tell an operator what to do when there is no plane.
 * (The plane at work is in test/netns/plane.test.ts.)
 */
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { register } from 'node:module';
import { type Server, type Socket, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import t from 'tap';
import { parseAddress } from '../../encap/address.js';
import { parsePrefix } from '../../encap/prefix.js';
import { controlServer } from '../../src/plane/control.js';
import { claimSocket } from '../../src/plane/socket-claim.js';
import { loadState, saveState } from '../../src/plane/state-file.js';
import { userspacePlane } from '../../tunnel/userspace/client.js';
import type { PlanePeer, PlaneSpec } from '../../tunnel/userspace/plane.js';
import { type WireStatus, onLines, protocolVersion } from '../../tunnel/userspace/protocol.js';
import { openRawSockets } from '../../tunnel/userspace/raw-sockets.js';
import { specFromJson, specHash, specToJson } from '../../tunnel/userspace/spec-json.js';

const folder = mkdtempSync(join(tmpdir(), 'slvu-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

const peer = (node: string, number: number): PlanePeer => ({
  node,
  remote: parseAddress(`192.0.2.${number}`),
  outerSources: [parseAddress(`192.0.2.${number}`), parseAddress(`203.0.113.${number}`)],
  prefixes: [parsePrefix(`10.${number}.0.0/24`), parsePrefix(`10.${number}.7.0/24`)],
  innerSources: [parsePrefix(`10.${number}.0.0/16`), parsePrefix(`192.0.2.${number}/32`)],
  mtu: 1480,
});
const spec: PlaneSpec = {
  device: 'slip4',
  mtu: 1480,
  local: parseAddress('192.0.2.1'),
  addresses: [{ address: parseAddress('10.1.0.0'), length: 32 }],
  ttl: 64,
  peers: [peer('b', 2), peer('c', 3)],
};
const json = JSON.parse(JSON.stringify(specToJson(spec))) as Record<string, unknown>;
const hash = specHash(spec);

void t.test(
  'a configuration survives its JSON, and its hash ignores the order of lists',
  async (t) => {
    const back = specFromJson(json);
    t.equal(specHash(back), hash);
    t.same(back.peers[1], { ...spec.peers[1], outerSources: back.peers[1]!.outerSources });
    const shuffled = {
      ...spec,
      peers: [...spec.peers].reverse().map((entry) => ({
        ...entry,
        prefixes: [...entry.prefixes].reverse(),
        outerSources: [...entry.outerSources].reverse(),
        innerSources: [...entry.innerSources].reverse(),
      })),
    };
    t.equal(specHash(shuffled), hash);
    const changes: readonly Partial<PlaneSpec>[] = [
      { mtu: 1479 },
      { ttl: 63 },
      { device: 'slip5' },
      { local: parseAddress('192.0.2.9') },
      { addresses: [] },
      { peers: [spec.peers[0]!] },
      { peers: [{ ...spec.peers[0]!, mtu: 1400 }, spec.peers[1]!] },
    ];
    const hashes = new Set(changes.map((change) => specHash({ ...spec, ...change })));
    t.equal(hashes.size, changes.length, 'every difference shows');
    t.notOk(hashes.has(hash));
  },
);

void t.test(
  'a wrong configuration is refused with the field, the value and what is right',
  async (t) => {
    const peers = json['peers'] as Record<string, unknown>[];
    const cases: readonly (readonly [string, unknown])[] = [
      ['plane configuration: spec is [], must be an object', []],
      [
        'plane configuration: device is "a/b", must be a device name of 1 to 15 letters, digits, ".", "_" or "-"',
        { ...json, device: 'a/b' },
      ],
      [
        'plane configuration: mtu is 67, must be a whole number from 68 to 65515',
        { ...json, mtu: 67 },
      ],
      [
        'plane configuration: ttl is "64", must be a whole number from 1 to 255',
        { ...json, ttl: '64' },
      ],
      [
        'plane configuration: local is "fd00::1", must be an IPv4 address: only IPv4 in IPv4 is carried',
        { ...json, local: 'fd00::1' },
      ],
      [
        'plane configuration: addresses[0] is "10.1.0.0", must be ADDRESS/LENGTH (no-length)',
        { ...json, addresses: ['10.1.0.0'] },
      ],
      ['plane configuration: peers is nothing, must be a list', { ...json, peers: undefined }],
      [
        'plane configuration: peers[1].prefixes[0] is "10.3.0.1/24", must be a prefix (host-bits)',
        { ...json, peers: [peers[0], { ...peers[1], prefixes: ['10.3.0.1/24'] }] },
      ],
      [
        'plane configuration: peers[0].prefixes[0] is "fd00::/64", must be an IPv4 prefix: only IPv4 in IPv4 is carried',
        { ...json, peers: [{ ...peers[0], prefixes: ['fd00::/64'] }] },
      ],
      [
        'plane configuration: peers[0].remote is 5, must be an IP address',
        { ...json, peers: [{ ...peers[0], remote: 5 }] },
      ],
      [
        'plane configuration: peer c is "10.2.0.0/24", must be a prefix of one peer only (b has it too)',
        { ...json, peers: [peers[0], { ...peers[1], prefixes: ['10.2.0.0/24'] }] },
      ],
    ];
    for (const [message, value] of cases) t.throws(() => specFromJson(value), { message });
  },
);

void t.test('the state file is read back, and a bad one is told apart from none', async (t) => {
  const path = join(folder, 'state.json');
  t.equal(loadState(path), undefined);
  saveState(path, spec);
  t.equal(specHash(loadState(path)!), hash);
  t.equal(statSync(path).mode & 0o777, 0o600);
  const good = readFileSync(path, 'utf8');
  writeFileSync(path, good.slice(0, 100));
  t.throws(() => loadState(path), SyntaxError);
  writeFileSync(path, good.replace('"version":1', '"version":2'));
  t.throws(() => loadState(path), { message: `state file ${path} has version 2, not 1` });
});

void t.test('the control socket is root’s, and one plane’s at a time', async (t) => {
  const directory = join(folder, 'claim');
  const path = join(directory, 'plane.sock');
  const servers: Server[] = [];
  const newServer = (): Server => {
    const server = createServer();
    servers.push(server);
    return server;
  };
  t.teardown(() => servers.forEach((server) => server.close()));
  await claimSocket(newServer(), path);
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.equal(statSync(directory).mode & 0o777, 0o700);
  await t.rejects(claimSocket(newServer(), path), {
    message: `another plane already serves ${path}: stop it first, or give this one a path of its own`,
  });

  const open = join(folder, 'open');
  mkdirSync(open);
  chmodSync(open, 0o755);
  await t.rejects(
    claimSocket(newServer(), join(open, 's')),
    /has mode 755, which lets others in: chmod 700/,
  );
  await t.rejects(claimSocket(newServer(), `/${'x'.repeat(120)}`), /is longer than 107 bytes/);
});

interface Plane {
  readonly path: string;
  readonly log: string[];
  readonly requests: unknown[];
  /** What the next configurations shall fail with. */
  refusal: string | undefined;
}

/** The real control server around actions that only note what they were asked. */
async function plane(t: { teardown(handler: () => void): void }, name: string): Promise<Plane> {
  const path = join(folder, `${name}.sock`);
  const made: Plane = { path, log: [], requests: [], refusal: undefined };
  let active: string | null = null;
  const status = (): WireStatus => ({
    pid: process.pid,
    device: active === null ? null : 'slip4',
    hash: active,
    peers: 2,
    counters: { sent: 3 },
  });
  const server = controlServer(
    {
      configure: async (value) => {
        made.requests.push(value);
        await sleep(5);
        if (made.refusal !== undefined) throw new Error(made.refusal);
        active = specHash(specFromJson(value));
      },
      status,
      stop: (device) => made.requests.push(device),
    },
    pino({ level: 'warn' }, { write: (line: string) => made.log.push(line) }),
  );
  await claimSocket(server, path);
  t.teardown(() => server.close());
  return made;
}

void t.test('the agent writes a configuration only when the plane has another', async (t) => {
  const made = await plane(t, 'ensure');
  const client = userspacePlane({ socketPath: made.path });
  t.equal(await client.status(), undefined, 'running, but not configured');
  const wanted = { pid: process.pid, device: 'slip4', peers: 2, counters: { sent: 3 } };
  t.same(await client.ensure(spec), wanted);
  t.same(made.requests, [json]);
  t.same(await client.ensure(spec), wanted);
  t.equal(made.requests.length, 1);
  t.same(await client.status(), wanted);
  made.refusal = 'TUN device slip4 is on fire';
  await t.rejects(client.ensure({ ...spec, mtu: 1400 }), {
    message: 'the userspace data plane refused: TUN device slip4 is on fire',
  });
});

void t.test('requests of several connections are served one after the other', async (t) => {
  const made = await plane(t, 'queue');
  const specs = [1400, 1300, 1200].map((mtu) => ({ ...spec, mtu }));
  await Promise.all(specs.map((entry) => userspacePlane({ socketPath: made.path }).ensure(entry)));
  t.equal(made.requests.length, 3);
});

void t.test('the control socket answers nonsense with an error and a close', async (t) => {
  const made = await plane(t, 'nonsense');
  const dialogue = async (text: string): Promise<{ messages: unknown[]; socket: Socket }> => {
    const socket = connect(made.path);
    const messages: unknown[] = [];
    onLines(socket, { message: (message) => messages.push(message), invalid: () => undefined });
    socket.write(text);
    while (messages.length < 2 && !socket.closed) await sleep(5);
    return { messages, socket };
  };
  const unknown = await dialogue('{"id":7,"op":"dance"}\n');
  t.match(unknown.messages, [
    { type: 'hello', protocol: protocolVersion, pid: process.pid },
    { id: 7, ok: false, error: /unknown request .*dance.*: use configure, status or stop/ },
  ]);
  unknown.socket.destroy();
  const { socket } = await dialogue('no json\n');
  if (!socket.closed) await once(socket, 'close');
  t.match(made.log.join(''), 'not JSON');
});

void t.test('a message may come in any pieces', async (t) => {
  const messages: unknown[] = [];
  const server = createServer((socket) =>
    onLines(socket, { message: (m) => messages.push(m), invalid: (p) => messages.push(p) }),
  );
  await claimSocket(server, join(folder, 'pieces.sock'));
  t.teardown(() => server.close());
  const socket = connect(join(folder, 'pieces.sock'));
  const bytes = Buffer.from('{"a":"ü"}\n{"b":2}\n{"c"');
  for (const byte of bytes) {
    socket.write(Uint8Array.of(byte));
    await sleep(1);
  }
  socket.end(':3}\n');
  while (messages.length < 3) await sleep(5);
  t.same(messages, [{ a: 'ü' }, { b: 2 }, { c: 3 }]);
});

void t.test('without a plane the agent’s handle says what to do', async (t) => {
  const socketPath = join(folder, 'nobody.sock');
  const logFile = join(folder, 'plane.log');
  t.equal(await userspacePlane({ socketPath }).status(), undefined);
  await userspacePlane({ socketPath }).stop();
  await t.rejects(userspacePlane({ socketPath }).ensure(spec), {
    message: `no userspace data plane answers on ${socketPath}: start its service, or see its log`,
  });
  const failing = userspacePlane({
    socketPath,
    start: { command: ['/bin/sh', '-c', 'echo "no such thing as $1 $2"; exit 3', 'sh'], logFile },
  });
  const message = await failing.ensure(spec).catch((error: unknown) => (error as Error).message);
  t.match(message, 'cannot start the userspace data plane (/bin/sh -c');
  t.match(
    message,
    `it ended with 3; the end of ${logFile}:\nno such thing as --socket ${socketPath}`,
  );
  const mute = userspacePlane({
    socketPath,
    startTimeoutMs: 200,
    start: { command: ['/bin/sleep', '1', 'x'] },
  });
  await t.rejects(mute.ensure(spec), /cannot start the userspace data plane \(\/bin\/sleep 1 x\)/);
  const absent = userspacePlane({ socketPath, start: { command: ['/no/such/program'] } });
  await t.rejects(absent.ensure(spec), /ENOENT/);
});

void t.test('a plane of another protocol, or one that dies or hangs, is named', async (t) => {
  const serve = async (name: string, greet: (socket: Socket) => void): Promise<string> => {
    const path = join(folder, `${name}.sock`);
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      greet(socket);
    });
    await claimSocket(server, path);
    t.teardown(() => server.close());
    return path;
  };
  const other = await serve('other', (socket) =>
    socket.write('{"type":"hello","protocol":9,"pid":4242}\n'),
  );
  await t.rejects(
    userspacePlane({ socketPath: other }).ensure(spec),
    /\(pid 4242\) speaks protocol 9, this program 1: restart it/,
  );
  const dying = await serve('dying', (socket) => socket.destroy());
  t.equal(await userspacePlane({ socketPath: dying }).status(), undefined);
  await t.rejects(userspacePlane({ socketPath: dying }).ensure(spec), /has ended during a request/);
  const hanging = await serve('hanging', () => undefined);
  await t.rejects(
    userspacePlane({ socketPath: hanging, answerTimeoutMs: 50 }).status(),
    /has not answered in 50 ms/,
  );
});

void t.test('a missing raw-socket package is told with what to do', async (t) => {
  // The optional dependency was skipped at installation: importing it fails.
  const hook = `export async function resolve(name, context, next) {
    if (name === 'raw-socket') throw new Error("Cannot find package 'raw-socket'");
    return next(name, context);
  }`;
  register(`data:text/javascript,${encodeURIComponent(hook)}`);
  const handlers = {
    ipip: () => undefined,
    icmp: () => undefined,
    sendFailed: () => undefined,
    broken: () => undefined,
  };
  await t.rejects(
    openRawSockets(handlers),
    /cannot load raw-socket \(Cannot find package 'raw-socket'\); .* run "npm rebuild raw-socket"/,
  );
});
