/** Taps with their filters, and echoes over raw sockets, in a namespace of their own. */
import t from 'tap';
import { parsePrefix } from '../../encap/prefix.js';
import { markedPayload } from '../../encap/probe/mark.js';
import { openTun } from '../../tunnel/native/tun.js';
import { prefixFilter, sessionFilter } from '../../tunnel/probe/filter.js';
import { type TappedFrame, openTap } from '../../tunnel/probe/tap.js';
import { rawSocketProblem } from '../../tunnel/raw-packets.js';
import { eventually } from '../support/agents.js';
import { skipReason } from '../support/capabilities.js';
import { type Namespace, createNamespace, vethPair } from '../support/netns.js';
import { hex, packets } from '../support/packets.js';

const skip = skipReason('root', 'netns');
const session = Uint8Array.from({ length: 12 }, (_, i) => 0xf0 ^ i);

type Seen = Pick<TappedFrame, 'device' | 'way' | 'link'> & { readonly bytes: string };

/** Collects what a tap sees. */
function watcher(): { readonly seen: Seen[]; readonly onFrame: (frame: TappedFrame) => void } {
  const seen: Seen[] = [];
  return { seen, onFrame: (frame) => void seen.push({ ...frame, bytes: hex(frame.bytes) }) };
}

/** UDP datagrams out of the namespace. */
function sendFrom(namespace: Namespace, to: string, payloads: readonly Uint8Array[]): void {
  const script = `
    const socket = require('node:dgram').createSocket('udp${to.includes(':') ? 6 : 4}');
    const all = ${JSON.stringify(payloads.map(hex))};
    let left = all.length;
    for (const one of all)
      socket.send(Buffer.from(one, 'hex'), 9999, '${to}', () => --left === 0 && socket.close());`;
  namespace.run(process.execPath, ['-e', script]);
}

function mac(namespace: Namespace): string {
  return namespace.ipJson<{ address: string }[]>('link', 'show', 'eth0')[0]!.address;
}

function packetSockets(namespace: Namespace): number {
  return namespace.run('cat', ['/proc/net/packet']).trim().split('\n').length - 1;
}

/** Modules of the product for a script: sources and compiled files alike. */
function moduleUrl(path: string): string {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  return JSON.stringify(new URL(`../../${path}${extension}`, import.meta.url).href);
}

t.test('a tap sees marked packets both ways, and no others', { skip }, async (t) => {
  const [a, b] = [createNamespace(t), createNamespace(t)];
  vethPair(
    { namespace: a, device: 'eth0', addresses: ['192.0.2.1/24', '2001:db8::1/64'] },
    { namespace: b, device: 'eth0', addresses: ['192.0.2.2/24', '2001:db8::2/64'] },
  );
  const [out, inside] = [watcher(), watcher()];
  const filter = sessionFilter(session);
  const taps = [
    openTap({ filter, netns: a.name, limitMs: 60_000, onFrame: out.onFrame }),
    openTap({ filter, netns: b.name, device: 'eth0', limitMs: 60_000, onFrame: inside.onFrame }),
  ];
  t.teardown(() => taps.forEach((tap) => tap.close()));
  const marked = markedPayload({ session, train: 7, sequence: 1 }, 100);
  const almost = Uint8Array.from(marked);
  almost[almost.length - 5]! ^= 1;
  const early = Uint8Array.from([...marked, 0]);
  const payloads = [almost, early, new Uint8Array(3), new Uint8Array(1400), marked];
  // In b nobody drops them early: dropping is what rules do, and taps look before them.
  b.run('nft', ['add table inet f']);
  b.run('nft', ['add chain inet f c { type filter hook prerouting priority -300; policy drop; }']);
  a.ip(
    `neigh add 192.0.2.2 lladdr ${mac(b)} dev eth0`,
    `neigh add 2001:db8::2 lladdr ${mac(b)} dev eth0`,
  );
  for (const to of ['192.0.2.2', '2001:db8::2']) sendFrom(a, to, payloads);
  await eventually(
    () => inside.seen.length >= 2 && out.seen.length >= 2,
    () => `seen: ${JSON.stringify([out.seen, inside.seen])}`,
  );
  const shape = ({ device, way, link, bytes }: Seen) => [device, way, link, bytes.slice(-32)];
  const end = hex(marked.subarray(-16));
  const twice = (way: string) => [1, 2].map(() => ['eth0', way, 'ethernet', end]);
  t.same(out.seen.map(shape), twice('out'));
  t.same(inside.seen.map(shape), twice('in'));
  t.same(
    taps.map(({ lost }) => lost),
    [0, 0],
  );

  // A frame for a MAC that nobody here has.
  a.ip('neigh replace 192.0.2.2 lladdr 02:00:00:00:00:99 dev eth0');
  sendFrom(a, '192.0.2.2', [marked]);
  await eventually(
    () => inside.seen.length === 3,
    () => 'the stray frame was not seen',
  );
  t.equal(inside.seen[2]!.way, 'stray');

  taps[1]!.close();
  taps[1]!.close();
  sendFrom(a, '192.0.2.2', [marked]);
  await eventually(
    () => out.seen.length === 4,
    () => 'the open tap sees no more',
  );
  t.equal(inside.seen.length, 3, 'a closed tap sees nothing');
  t.throws(
    () => openTap({ filter, netns: a.name, device: 'none0', limitMs: 1, onFrame: out.onFrame }),
    /cannot tap none0: ENODEV/,
  );
});

t.test('a tap ends by itself, also with its device', { skip }, async (t) => {
  const a = createNamespace(t);
  a.ip('link add v0 type veth peer name v1', 'link set v0 up', 'link set v1 up');
  const filter = sessionFilter(session);
  const failures: string[] = [];
  const tap = openTap({
    filter,
    netns: a.name,
    device: 'v0',
    limitMs: 60_000,
    onFrame: () => undefined,
    onFailed: ({ code }) => failures.push(code),
  });
  a.ip('link del v0');
  await eventually(
    () => failures.length > 0,
    () => 'the loss of the device is not told',
  );
  t.same(failures, ['ENETDOWN']);
  tap.close();
  const short = openTap({ filter, netns: a.name, limitMs: 300, onFrame: () => undefined });
  t.ok(packetSockets(a) > 0);
  await eventually(
    () => packetSockets(a) === 0,
    () => 'the packet socket is still there',
  );
  short.close();
});

t.test('prefixes choose packets of both families, at any link', { skip }, async (t) => {
  const a = createNamespace(t);
  const { seen, onFrame } = watcher();
  const tun = openTun('t0', {
    netns: a.name,
    listener: { packets: () => undefined, failed: () => undefined },
  });
  t.teardown(() => tun.close());
  a.ip('link set t0 up');
  const chosen = ['10.1.2.0/24', 'fd00:2::/64', '198.51.100.2/32', '2001:db8:2::/47'];
  const tap = openTap({
    filter: prefixFilter(chosen.map(parsePrefix)),
    netns: a.name,
    limitMs: 60_000,
    onFrame,
  });
  const none = watcher();
  const other = openTap({
    filter: prefixFilter(['10.1.3.0/24', '10.1.2.2/32', 'fd00:3::/64'].map(parsePrefix)),
    netns: a.name,
    limitMs: 60_000,
    onFrame: none.onFrame,
  });
  for (const { bytes } of packets) t.ok(tun.write(Uint8Array.from(bytes)));
  await eventually(
    () => seen.length >= packets.length,
    () => `${seen.length} of ${packets.length} were seen`,
  );
  t.same(
    seen.map(({ bytes }) => bytes),
    packets.map(({ bytes }) => hex(bytes)),
    'whole, and in their order',
  );
  t.ok(seen.every(({ link, way, device }) => link === 'ip' && way === 'in' && device === 't0'));
  t.same(none.seen, []);
  tap.close();
  other.close();
  t.throws(() => prefixFilter(Array.from({ length: 900 }, () => parsePrefix('2001:db8::/128'))), {
    message: /name fewer prefixes/,
  });
});

t.test('echoes in any size, as far as the device goes', { skip }, async (t) => {
  t.equal(await rawSocketProblem(), undefined);
  const a = createNamespace(t);
  a.ip('link set lo mtu 3000', 'route add unreachable 203.0.113.0/24');
  const script = `
    import { openEchoSockets } from ${moduleUrl('tunnel/probe/echo-sockets')};
    import { encodeEchoRequest } from ${moduleUrl('encap/probe/echo')};
    import { parseAddress } from ${moduleUrl('encap/address')};
    const token = new Uint8Array(8).fill(9);
    for (const [family, self] of [[4, '127.0.0.1'], [6, '::1']]) {
      const said = [];
      const sockets = await openEchoSockets({ family, onNews: (news) => said.push(news.kind + ' ' + news.sequence) });
      const source = parseAddress(self);
      for (const packetBytes of [100, 3000, 3001]) {
        const echo = { source, destination: source, identifier: 1, sequence: packetBytes, token, packetBytes };
        said.push(String(await sockets.send(encodeEchoRequest(echo), source)));
      }
      if (family === 4) {
        const destination = parseAddress('203.0.113.1');
        const echo = { source, destination, identifier: 1, sequence: 1, token, packetBytes: 100 };
        said.push(String(await sockets.send(encodeEchoRequest(echo), destination)));
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
      sockets.close();
      console.log(said.sort().join(', '));
    }`;
  const output = a.run(process.execPath, [
    ...process.execArgv,
    '--input-type=module',
    '-e',
    script,
  ]);
  t.same(output.trim().split('\n'), [
    'reply 100, reply 3000, too-big, undefined, undefined, unreachable',
    'reply 100, reply 3000, too-big, undefined, undefined',
  ]);
});

t.test('what waits for the kernel holds on to its socket', { skip }, (t) => {
  const a = createNamespace(t);
  a.ip('link set lo up');
  // The garbage is collected between the call and the turn of the event loop that would send.
  const script = `
    import { setTimeout as sleep } from 'node:timers/promises';
    import { openEchoSockets } from ${moduleUrl('tunnel/probe/echo-sockets')};
    import { encodeEchoRequest } from ${moduleUrl('encap/probe/echo')};
    import { parseAddress } from ${moduleUrl('encap/address')};
    const token = new Uint8Array(8).fill(9);
    async function sent(family, self) {
      const sockets = await openEchoSockets({ family, onNews: () => undefined });
      const source = parseAddress(self);
      const echo = { source, destination: source, identifier: 1, sequence: 1, token, packetBytes: 100 };
      return { answer: sockets.send(encodeEchoRequest(echo), source) };
    }
    for (const [family, self] of [[4, '127.0.0.1'], [6, '::1']]) {
      const { answer } = await sent(family, self);
      for (let turn = 0; turn < 3; turn++) gc();
      const late = sleep(5_000, 'never');
      console.log(family + ' ' + String(await Promise.race([answer, late])));
    }
    process.exit(0);`;
  const node = [...process.execArgv, '--expose-gc', '--input-type=module', '-e', script];
  const output = a.run(process.execPath, node);
  t.same(output.trim().split('\n'), ['4 undefined', '6 undefined'], 'the kernel took both');
  t.end();
});
