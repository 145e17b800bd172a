/**
 * The userspace IP-in-IP plane with real packets: two gateways, each running the real process,
 * a router between them and a workload behind the first.
 *
 *      workload          gatewayA                    router                    gatewayB
 *     10.1.0.10 ──────── 10.1.0.1
 *                        slip4 10.1.0.0 ═══════════ IP-in-IP ═══════════ slip4 10.2.0.0
 *                        192.0.2.1 ──── 192.0.2.254   198.51.100.254 ──── 198.51.100.2
 *                                                                         lo 10.2.0.10
 *
 * The test plays the agent's other half: it brings `slip4` up and gives it addresses and routes.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { parseAddress } from '../../encap/address.js';
import { parsePrefix } from '../../encap/prefix.js';
import { encodeIpv4 } from '../../encap/wire/ipv4.js';
import { ipProtocol } from '../../encap/wire/protocol.js';
import { userspacePlane } from '../../tunnel/userspace/client.js';
import type { PlaneSpec, PlaneStatus } from '../../tunnel/userspace/plane.js';
import { specToJson } from '../../tunnel/userspace/spec-json.js';
import { skipReason } from '../support/capabilities.js';
import { type Namespace, createNamespace, vethPair } from '../support/netns.js';
import { root } from '../support/root.js';

/** The compiled scripts, or the sources through tsx when the test itself runs so. */
function script(path: string): [string, ...string[]] {
  const fromSource = import.meta.url.endsWith('.ts');
  const file = fileURLToPath(
    new URL(fromSource ? path.replace(/\.js$/, '.ts') : path, import.meta.url),
  );
  const tsx = fromSource ? ['--import', createRequire(import.meta.url).resolve('tsx')] : [];
  return [process.execPath, ...tsx, file];
}
const planeCommand = script('../../src/plane/main.js');
const starterCommand = script('./plane-starter.js');

interface Gateway {
  readonly namespace: Namespace;
  readonly spec: PlaneSpec;
  readonly socketPath: string;
  readonly logFile: string;
  readonly command: [string, ...string[]];
}

const mtuA = 1380;
const specA: PlaneSpec = {
  device: 'slip4',
  mtu: 1480,
  local: parseAddress('192.0.2.1'),
  addresses: [{ address: parseAddress('10.1.0.0'), length: 32 }],
  ttl: 64,
  peers: [
    {
      node: 'b',
      remote: parseAddress('198.51.100.2'),
      outerSources: [parseAddress('198.51.100.2')],
      prefixes: [parsePrefix('10.2.0.0/24')],
      innerSources: [parsePrefix('10.2.0.0/24'), parsePrefix('198.51.100.2/32')],
      mtu: mtuA,
    },
  ],
};
const specB: PlaneSpec = {
  device: 'slip4',
  mtu: 1480,
  local: parseAddress('198.51.100.2'),
  addresses: [{ address: parseAddress('10.2.0.0'), length: 32 }],
  ttl: 64,
  peers: [
    {
      node: 'a',
      remote: parseAddress('192.0.2.1'),
      outerSources: [parseAddress('192.0.2.1')],
      prefixes: [parsePrefix('10.1.0.0/24')],
      innerSources: [parsePrefix('10.1.0.0/24'), parsePrefix('192.0.2.1/32')],
      mtu: 1480,
    },
  ],
};

const skip = skipReason('root', 'netns', 'ping', 'tcpdump', 'tshark');
void t.test('the userspace IP-in-IP plane between two namespaces', { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'slvp-'));
  const started = new Set<number>();
  t.teardown(() => {
    for (const pid of started) kill(pid);
    rmSync(folder, { recursive: true, force: true });
  });

  const workload = createNamespace(t);
  const router = createNamespace(t);
  const gateway = (name: string, spec: PlaneSpec): Gateway => {
    const namespace = createNamespace(t);
    // With the two capabilities that it says it needs and no other.
    const confined = ['setpriv', '--bounding-set=-all,+net_admin,+net_raw', ...planeCommand];
    const command: [string, ...string[]] = ['ip', 'netns', 'exec', namespace.name, ...confined];
    return {
      namespace,
      spec,
      command,
      socketPath: join(folder, `${name}.sock`),
      logFile: join(folder, `${name}.log`),
    };
  };
  const a = gateway('a', specA);
  const b = gateway('b', specB);
  buildUnderlay({ workload, router, a: a.namespace, b: b.namespace });

  const client = (gateway: Gateway): ReturnType<typeof userspacePlane> =>
    userspacePlane({
      socketPath: gateway.socketPath,
      start: { command: gateway.command, logFile: gateway.logFile },
    });
  const ensure = async (gateway: Gateway): Promise<PlaneStatus> => {
    const status = await client(gateway).ensure(gateway.spec);
    started.add(status.pid);
    return status;
  };
  const countersOf = async (gateway: Gateway): Promise<Readonly<Record<string, number>>> =>
    (await client(gateway).status())!.counters;

  await t.test('a plane is started, and the second ensure finds it', async (t) => {
    t.equal(await client(a).status(), undefined, 'nothing runs at first');
    const [first] = await Promise.all([ensure(a), ensure(b)]);
    t.match(first, { device: 'slip4', peers: 1 });
    t.equal((await ensure(a)).pid, first.pid);
    t.equal(statSync(a.socketPath).mode & 0o777, 0o600);
    t.equal(statSync(folder).mode & 0o777, 0o700);
    t.equal(readFileSync(a.logFile, 'utf8').match(/"configured"/g)?.length, 1, 'written once');
    setUpDevice(a.namespace, '10.1.0.0/32', '10.2.0.0/24');
    setUpDevice(b.namespace, '10.2.0.0/32', '10.1.0.0/24');
  });

  await t.test('on the wire: protocol 4, TTL 64, DF, right checksums, TOS inherited', async (t) => {
    const file = join(folder, 'wire.pcap');
    const capture = a.namespace.spawn(
      'tcpdump',
      ['-i', 'eth0', '--immediate-mode', '-U', '-w', file, 'ip proto 4'],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    await once(capture.stderr!, 'data');
    const ping = workload.run('ping', ['-c3', '-i0.2', '-W2', '-Q', '0x2a', '10.2.0.10']);
    t.match(ping, '3 packets transmitted, 3 received');
    await sleep(200);
    capture.kill('SIGINT');
    await once(capture, 'exit');
    const fields = [
      'ip.proto',
      'ip.ttl',
      'ip.checksum.status',
      'ip.dsfield',
      'ip.flags.df',
      'ip.src',
    ];
    const rows = router
      .run('tshark', [
        '-r',
        file,
        '-o',
        'ip.check_checksum:TRUE',
        '-T',
        'fields',
        ...fields.flatMap((name) => ['-e', name]),
      ])
      .trim()
      .split('\n')
      .map((row) => row.split('\t'));
    t.equal(rows.length, 6);
    for (const [index, [protocols, ttls, checksums, tos, df, sources]] of rows.entries()) {
      t.equal(protocols, '4,1');
      t.equal(checksums, '1,1', 'outer and inner header checksums verified by another program');
      t.equal(df!.split(',')[0], '1');
      t.equal(tos!.split(',')[0], tos!.split(',')[1]);
      if (index % 2 === 0) {
        t.equal(ttls, '64,63', 'the gateway took one off the inner TTL, the tunnel none');
        t.equal(sources, '192.0.2.1,10.1.0.10');
        t.match(tos, '0x2a,0x2a');
      }
    }
  });

  await t.test(
    'a DF packet of exactly the path MTU passes, one byte more is answered',
    async (t) => {
      const ping = (bytes: number): string =>
        workload.tryRun('ping', ['-c1', '-W2', '-M', 'do', '-s', String(bytes - 28), '10.2.0.10'])
          .stdout;
      t.match(ping(mtuA), ' 0% packet loss');
      const tooBig = ping(mtuA + 1);
      t.match(tooBig, `From 10.1.0.0 icmp_seq=1 Frag needed and DF set (mtu = ${mtuA})`);
      t.equal((await countersOf(a))['tun-too-big'], 1);
    },
  );

  await t.test('without DF it is cut before the tunnel and arrives whole', async (t) => {
    workload.ip('route flush cache');
    const ping = workload.run('ping', [
      '-c2',
      '-i0.2',
      '-W2',
      '-M',
      'dont',
      '-s',
      '1440',
      '10.2.0.10',
    ]);
    t.match(ping, ' 0% packet loss');
    const counters = await countersOf(a);
    t.equal(counters['tun-fragmented'], 2);
    t.equal(counters['tun-fragments'], 4);
  });

  await t.test('an address of no peer is answered with host unreachable', async (t) => {
    a.namespace.ip('route add 10.9.0.0/16 dev slip4');
    const { stdout } = workload.tryRun('ping', ['-c1', '-W2', '10.9.0.1']);
    t.match(stdout, 'From 10.1.0.0 icmp_seq=1 Destination Host Unreachable');
    t.equal((await countersOf(a))['tun-no-peer'], 1);
    a.namespace.ip('route del 10.9.0.0/16');
  });

  await t.test('TCP carries 8 MB both ways unharmed', async (t) => {
    for (const [from, to, address] of [
      [workload, b.namespace, '10.2.0.10'],
      [b.namespace, workload, '10.1.0.10'],
    ] as const) {
      const { sent, received } = await transfer({ from, to, address });
      t.equal(received, sent);
    }
  });

  await t.test('TCP segments that the NIC merged are cut again', async (t) => {
    router.run('ethtool', ['-K', 'toB', 'tso', 'off']);
    b.namespace.run('ethtool', ['-K', 'eth0', 'gro', 'on']);
    // Wait a little for the next segment, as the interrupts of a busy NIC do.
    b.namespace.run('sh', [
      '-c',
      'cd /sys/class/net/eth0; echo 1000000 >gro_flush_timeout; echo 10 >napi_defer_hard_irqs',
    ]);
    const before = await countersOf(b);
    const { sent, received } = await transfer({
      from: workload,
      to: b.namespace,
      address: '10.2.0.10',
    });
    t.equal(received, sent);
    const after = await countersOf(b);
    t.comment(JSON.stringify(after));
    t.ok(after['inner-unmerged']! > before['inner-unmerged']!, 'some were merged');
    b.namespace.run('ethtool', ['-K', 'eth0', 'gro', 'off']);
  });

  await t.test('forged packets are dropped and counted by reason', async (t) => {
    const before = await countersOf(b);
    const forge = (outerSource: string, innerSource: string): string =>
      Buffer.from(
        tunnelled({ outer: [outerSource, '198.51.100.2'], inner: [innerSource, '10.2.0.10'] }),
      ).toString('hex');
    sendRaw(router, '198.51.100.2', [
      forge('203.0.113.66', '10.1.0.10'),
      forge('203.0.113.66', '10.1.0.10'),
      forge('192.0.2.1', '10.77.0.1'),
      forge('192.0.2.1', '10.2.0.10'),
      forge('192.0.2.1', '10.1.0.10'),
    ]);
    await sleep(200);
    const after = await countersOf(b);
    const grown = (name: string): number => after[name]! - before[name]!;
    t.equal(grown('outer-foreign-source'), 2);
    t.equal(grown('inner-foreign-source'), 2, "a stranger's source, and this node's own");
    t.equal(grown('received'), 1, 'the true one is let in');
  });

  await t.test(
    'a smaller link in the underlay is learned and passed on to the sender',
    async (t) => {
      router.ip('link set toB mtu 1300');
      b.namespace.ip('link set eth0 mtu 1300');
      workload.ip('route flush cache');
      const ping = (bytes: number): string =>
        workload.tryRun('ping', ['-c1', '-W1', '-M', 'do', '-s', String(bytes - 28), '10.2.0.10'])
          .stdout;
      t.match(ping(1340), 'Frag needed and DF set (mtu = 1280)');
      t.same((await client(a).status())!.learnedMtus, { '198.51.100.2': 1300 });
      workload.ip('route flush cache');
      t.match(ping(1280), ' 0% packet loss');
      t.match(ping(1281), 'mtu = 1280');
      router.ip('link set toB mtu 1500');
      b.namespace.ip('link set eth0 mtu 1500');
      workload.ip('route flush cache');
    },
  );

  await t.test('a NIC that refuses a packet as too big lowers the path by a plateau', async (t) => {
    a.namespace.ip('link set eth0 mtu 1200');
    const ping = (): string =>
      workload.tryRun('ping', ['-c1', '-W1', '-M', 'do', '-s', '1252', '10.2.0.10']).stdout;
    t.match(ping(), 'Frag needed and DF set (mtu = 986)');
    t.same((await client(a).status())!.learnedMtus, { '198.51.100.2': 1006 });
    t.equal((await countersOf(a))['send-too-big'], 1);
    a.namespace.ip('link set eth0 mtu 1500');
    workload.ip('route flush cache');
  });

  await t.test(
    'a second plane is refused: on the same socket, and on the same device',
    async (t) => {
      const again = a.namespace.tryRun(planeCommand[0], [
        ...planeCommand.slice(1),
        '--socket',
        a.socketPath,
      ]);
      t.equal(again.status, 1);
      t.match(again.stderr, `another plane already serves ${a.socketPath}`);
      const other = { ...a, socketPath: join(folder, 'other.sock') };
      await t.rejects(ensure(other), /cannot open TUN device slip4.*another process holds it/);
      await client(other).stop();
      t.match(workload.run('ping', ['-c1', '-W2', '10.2.0.10']), ' 0% packet loss');
    },
  );

  await t.test(
    'a reconfiguration under traffic loses nothing, nor does the death of the agent',
    async (t) => {
      const agent = spawn(starterCommand[0], [
        ...starterCommand.slice(1),
        JSON.stringify({ socketPath: a.socketPath, command: a.command, spec: specToJson(specA) }),
      ]);
      t.teardown(() => agent.kill('SIGKILL'));
      await once(agent.stdout, 'data');
      const stream = udpStream({
        from: workload,
        to: b.namespace,
        address: '10.2.0.10',
        packets: 1000,
      });
      await stream.flowing;
      agent.kill('SIGKILL');
      const extra = {
        ...specA.peers[0]!,
        node: 'c',
        remote: parseAddress('198.51.100.9'),
        prefixes: [parsePrefix('10.3.0.0/24')],
      };
      for (let i = 0; i < 10; i++) {
        await client(a).ensure({
          ...specA,
          peers: i % 2 === 0 ? [extra, ...specA.peers] : specA.peers,
        });
      }
      t.same(await stream.result, { sent: 1000, received: 1000 });
    },
  );

  await t.test('killed and started again it forwards without an agent', async (t) => {
    const { pid } = (await client(a).status())!;
    kill(pid);
    await until(async () => (await client(a).status()) === undefined);
    t.not(workload.tryRun('ping', ['-c1', '-W1', '10.2.0.10']).status, 0, 'down without it');
    const child = a.namespace.spawn(
      planeCommand[0],
      [...planeCommand.slice(1), '--socket', a.socketPath],
      { stdio: 'ignore' },
    );
    started.add(child.pid!);
    await until(() =>
      Promise.resolve(workload.tryRun('ping', ['-c1', '-W1', '10.2.0.10']).status === 0),
    );
    t.equal((await client(a).status())!.peers, 1, 'from its state file');
    child.kill('SIGTERM');
    const [code] = (await once(child, 'exit')) as [number];
    t.equal(code, 0, 'SIGTERM is a clean end');
    t.match(a.namespace.ip('link show slip4'), 'NO-CARRIER', 'the device and its routes stay');
    t.match(a.namespace.ip('route show 10.2.0.0/24'), 'dev slip4');
    await ensure(a);
    t.match(workload.run('ping', ['-c1', '-W2', '10.2.0.10']), ' 0% packet loss');
  });

  await t.test('a device that was deleted comes back', async (t) => {
    const index = (): number =>
      a.namespace.ipJson<{ ifindex: number }[]>('link', 'show', 'slip4')[0]!.ifindex;
    const before = index();
    a.namespace.ip('link del slip4');
    await until(() =>
      Promise.resolve(a.namespace.tryRun('ip', ['link', 'show', 'slip4']).status === 0),
    );
    t.not(index(), before);
    setUpDevice(a.namespace, '10.1.0.0/32', '10.2.0.0/24');
    t.match(workload.run('ping', ['-c1', '-W2', '10.2.0.10']), ' 0% packet loss');
    t.match(readFileSync(a.logFile, 'utf8'), 'TUN device lost');
  });

  await t.test('stop removes the device, the socket and the state', async (t) => {
    for (const gateway of [a, b]) {
      await client(gateway).stop();
      t.equal(await client(gateway).status(), undefined);
      t.not(gateway.namespace.tryRun('ip', ['link', 'show', 'slip4']).status, 0);
      t.notOk(existsSync(gateway.socketPath));
      t.notOk(existsSync(`${gateway.socketPath}.state.json`));
    }
  });
});

function buildUnderlay(n: Record<'workload' | 'router' | 'a' | 'b', Namespace>): void {
  vethPair(
    { namespace: n.workload, device: 'eth0', addresses: ['10.1.0.10/24'] },
    { namespace: n.a, device: 'toW', addresses: ['10.1.0.1/24'] },
  );
  vethPair(
    { namespace: n.a, device: 'eth0', addresses: ['192.0.2.1/24'] },
    { namespace: n.router, device: 'toA', addresses: ['192.0.2.254/24'] },
  );
  vethPair(
    { namespace: n.b, device: 'eth0', addresses: ['198.51.100.2/24'] },
    { namespace: n.router, device: 'toB', addresses: ['198.51.100.254/24'] },
  );
  n.workload.ip('route add default via 10.1.0.1');
  n.a.ip('route add default via 192.0.2.254');
  n.b.ip('route add default via 198.51.100.254', 'addr add 10.2.0.10/32 dev lo');
  for (const namespace of [n.a, n.router, n.b]) namespace.sysctl({ 'net/ipv4/ip_forward': 1 });
}

function setUpDevice(namespace: Namespace, address: string, prefix: string): void {
  namespace.ip(
    `addr add ${address} dev slip4`,
    'link set slip4 mtu 1480 up',
    `route add ${prefix} dev slip4 src ${address.split('/')[0]}`,
  );
}

/** An ICMP-less inner packet of protocol 253 (for experiments, RFC 3692) in an outer one. */
function tunnelled(packet: {
  readonly outer: [string, string];
  readonly inner: [string, string];
}): Uint8Array {
  const bytes = new Uint8Array(20 + 20 + 32);
  const addresses = ([source, destination]: [string, string]) => ({
    source: parseAddress(source),
    destination: parseAddress(destination),
  });
  encodeIpv4(bytes, 0, {
    ...addresses(packet.outer),
    protocol: ipProtocol.ipv4,
    payloadLength: 52,
    dontFragment: true,
  });
  encodeIpv4(bytes, 20, { ...addresses(packet.inner), protocol: 253, payloadLength: 32 });
  return bytes;
}

function sendRaw(namespace: Namespace, destination: string, packetsHex: readonly string[]): void {
  const source = `
    const raw = require(${JSON.stringify(join(root, 'node_modules/raw-socket'))});
    const socket = raw.createSocket({ protocol: 255 }).pauseRecv();
    socket.setOption(0, 3, 1);
    const packets = ${JSON.stringify(packetsHex)}.map((hex) => Buffer.from(hex, 'hex'));
    let left = packets.length;
    for (const packet of packets)
      socket.send(packet, 0, packet.length, ${JSON.stringify(destination)}, (error) => {
        if (error) throw error;
        if (--left === 0) process.exit(0);
      });`;
  namespace.run(process.execPath, ['-e', source]);
}

interface Flow {
  readonly from: Namespace;
  readonly to: Namespace;
  readonly address: string;
}

/** 8 MB of noise over TCP; both ends give the SHA-256 of what they saw. */
async function transfer({ from, to, address }: Flow): Promise<{ sent: string; received: string }> {
  const receiver = to.spawn(process.execPath, [
    '-e',
    `const hash = require('crypto').createHash('sha256');
     require('net').createServer((socket) => {
       socket.on('data', (chunk) => hash.update(chunk));
       socket.on('end', () => { console.log(hash.digest('hex')); process.exit(0); });
     }).listen(5001, ${JSON.stringify(address)}, () => console.log('ready'));`,
  ]);
  const lines = lineReader(receiver.stdout!);
  if ((await lines()) !== 'ready') throw new Error('the receiver did not start');
  const sent = from.run(process.execPath, [
    '-e',
    `const crypto = require('crypto');
     const data = crypto.randomBytes(8 * 1024 * 1024);
     const socket = require('net').connect(5001, ${JSON.stringify(address)}, () => socket.end(data));
     socket.on('close', () => console.log(crypto.createHash('sha256').update(data).digest('hex')));`,
  ]);
  return { sent: sent.trim(), received: await lines() };
}

/** Numbered datagrams, one a millisecond. */
function udpStream({ from, to, address, packets }: Flow & { readonly packets: number }): {
  readonly flowing: Promise<void>;
  readonly result: Promise<{ sent: number; received: number }>;
} {
  const receiver = to.spawn(process.execPath, [
    '-e',
    `const seen = new Set();
     const socket = require('dgram').createSocket('udp4');
     socket.on('message', (message) => {
       const number = message.readUInt32BE(0);
       if (number === 0xffffffff) { console.log(seen.size); process.exit(0); }
       if (seen.size === 0) console.log('flowing');
       seen.add(number);
     });
     socket.bind(5002, ${JSON.stringify(address)}, () => console.log('ready'));`,
  ]);
  const lines = lineReader(receiver.stdout!);
  const source = `
    const socket = require('dgram').createSocket('udp4');
    let next = 0;
    const message = Buffer.alloc(200);
    const timer = setInterval(() => {
      message.writeUInt32BE(next++, 0);
      socket.send(Buffer.from(message), 5002, ${JSON.stringify(address)});
      if (next < ${packets}) return;
      clearInterval(timer);
      setTimeout(() => {
        message.writeUInt32BE(0xffffffff, 0);
        socket.send(message, 5002, ${JSON.stringify(address)}, () => socket.close());
      }, 200);
    }, 1);`;
  const flowing = (async () => {
    if ((await lines()) !== 'ready') throw new Error('the receiver did not start');
    from.spawn(process.execPath, ['-e', source], { stdio: 'inherit' });
    await lines();
  })();
  const result = flowing.then(async () => ({ sent: packets, received: Number(await lines()) }));
  return { flowing, result };
}

function lineReader(stream: NodeJS.ReadableStream): () => Promise<string> {
  const iterator = stream.setEncoding('utf8')[Symbol.asyncIterator]();
  let pending = '';
  return async () => {
    while (!pending.includes('\n')) {
      const next = await iterator.next();
      if (next.done === true) throw new Error(`the program ended after "${pending}"`);
      pending += String(next.value);
    }
    const [line, ...rest] = pending.split('\n');
    pending = rest.join('\n');
    return line!;
  };
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > deadlineMs) throw new Error('waited 10 s in vain');
    await sleep(50);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
