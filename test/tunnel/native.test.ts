/**
 * The native addon: that the binaries in the package are those of the source, that descriptors end
 * with the process and not before, and what a TUN device does with packets.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { addonCandidates, nativeAddonProblem } from '../../tunnel/native/addon.js';
import { errnoCode, errnoOf, errnoText } from '../../tunnel/native/errno.js';
import { inNetns } from '../../tunnel/native/netns.js';
import { createPersistentTun, openTun } from '../../tunnel/native/tun.js';
import { openKernel } from '../../tunnel/real-kernel.js';
import { skipReason } from '../support/capabilities.js';
import { createNamespace } from '../support/netns.js';
import { fromRoot } from '../support/root.js';

/** Reads and forgets. */
const deaf = { packets: () => undefined, failed: () => undefined };

interface Manifest {
  readonly napiVersion: number;
  readonly sourceSha256: string;
  readonly binaries: Readonly<Record<string, { readonly path: string; readonly tested: boolean }>>;
}

t.test('the prebuilt binaries belong to the source', (t) => {
  const manifest = JSON.parse(
    readFileSync(fromRoot('tunnel/native/prebuilds/manifest.json'), 'utf8'),
  ) as Manifest;
  const source = readFileSync(fromRoot('tunnel/native/selvage.c'));
  t.equal(
    manifest.sourceSha256,
    createHash('sha256').update(source).digest('hex'),
    'run tunnel/native/build.sh --prebuilds after a change of selvage.c',
  );
  t.match(source.toString(), `#define NAPI_VERSION ${manifest.napiVersion}`);
  // ELF header: machine at byte 18 (elf.h: EM_X86_64 62, EM_AARCH64 183).
  const machines: Readonly<Record<string, number>> = { 'linux-x64': 62, 'linux-arm64': 183 };
  for (const [platform, { path }] of Object.entries(manifest.binaries)) {
    const binary = readFileSync(fromRoot('tunnel/native/prebuilds', path));
    t.equal(binary.subarray(0, 4).toString('latin1'), '\x7fELF', platform);
    t.equal(binary.readUInt16LE(18), machines[platform], `${platform} is for its machine`);
  }
  t.equal(nativeAddonProblem(), undefined, 'and the one for this machine loads');
  t.end();
});

t.test('without a binary the error says what was tried and what to do', (t) => {
  const script = `
    import { nativeAddonProblem } from ${JSON.stringify(moduleUrl('tunnel/native/addon'))};
    Object.defineProperty(process, 'arch', { value: 'sparc' });
    console.log(nativeAddonProblem());`;
  const { stdout } = runModule(script);
  t.match(stdout, /cannot load the native addon for linux-sparc; tried/);
  t.match(stdout, /prebuilds\/linux-sparc\/selvage\.node: no such file/);
  t.match(stdout, /build it with .*tunnel\/native\/build\.sh/);
  t.same(
    addonCandidates('/r').map((path) => path.split('/')[4]),
    ['prebuilds', 'build'],
  );
  t.end();
});

t.test('errnos have their names', (t) => {
  t.same([17, 95, 77, 105, 9999].map(errnoCode), [
    'EEXIST',
    'EOPNOTSUPP',
    'EBADFD',
    'ENOBUFS',
    'E9999',
  ]);
  t.same(['EEXIST', 'EOPNOTSUPP', 'ENOBUFS', 'ENONE'].map(errnoOf), [17, 95, 105, 0]);
  t.equal(errnoText(113), 'host is unreachable');
  t.end();
});

const skip = skipReason('netns');

t.test('work in another namespace ends where it began', { skip }, (t) => {
  const namespace = createNamespace(t);
  const here = (): string => readFileSync('/proc/thread-self/net/dev', 'utf8');
  namespace.ip('link add only type bridge');
  const home = here();
  t.match(inNetns(namespace.name, here), /only:/);
  t.match(inNetns(namespace.path, here), /only:/, 'by path');
  t.throws(
    () =>
      inNetns(namespace.name, () => {
        throw new Error('inside');
      }),
    { message: 'inside' },
  );
  t.notMatch(here(), /only:/);
  t.equal(here().split('\n').length, home.split('\n').length);
  t.throws(() => inNetns('no-such-namespace', here), {
    message: /cannot open the network namespace \/run\/netns\/no-such-namespace: ENOENT/,
  });
  t.throws(() => inNetns('/etc/hostname', here), { message: /cannot enter .*EINVAL/ });
  t.end();
});

t.test('a TUN device hands over whole packets, and sends them', { skip }, async (t) => {
  const namespace = createNamespace(t);
  const seen: { length: number; destination: string; headroom: number }[] = [];
  let failure: { code: string } | undefined;
  const headroom = 20;
  const tun = openTun('tun0', {
    netns: namespace.name,
    headroom,
    listener: {
      packets(batch) {
        for (let i = 0; i < batch.count; i++) {
          const at = batch.offset(i);
          const packet = batch.slab.subarray(at, at + batch.length(i));
          if (packet[0]! >> 4 !== 4) continue;
          seen.push({
            length: packet.length,
            destination: packet.subarray(16, 20).join('.'),
            headroom: at >= headroom ? headroom : at,
          });
          echo(packet);
          tun.write(batch.slab, at, packet.length);
        }
      },
      failed: (error) => void (failure = error),
    },
  });
  t.teardown(() => tun.close());
  t.equal(tun.write(new Uint8Array(20)), false, 'a device that is down takes nothing');
  namespace.ip('addr add 10.1.0.1/24 dev tun0', 'link set tun0 mtu 65535 up');
  const ping = namespace.spawn('ping', ['-q', '-c', '100', '-f', '-s', '1400', '10.1.0.2']);
  const [status] = (await once(ping, 'exit')) as [number];
  t.equal(status, 0, 'every ping was answered');
  const small = seen.filter(({ length }) => length === 1428);
  t.equal(small.length, 100);
  t.same(small[0], { length: 1428, destination: '10.1.0.2', headroom });
  const large = namespace.spawn('ping', ['-q', '-c', '1', '-s', '65507', '10.1.0.2']);
  await once(large, 'exit');
  t.ok(
    seen.some(({ length }) => length === 65_535),
    'the largest packet there is',
  );

  t.throws(() => openTun('tun0', { netns: namespace.name, listener: deaf }), {
    code: 'EBUSY',
    message: /another process holds it/,
  });
  namespace.ip('link del tun0');
  await pause(100);
  t.equal(failure?.code, 'EBADFD', 'a deleted device ends the reading');
  tun.close();
  tun.close();
  t.equal(tun.write(new Uint8Array(20)), false);
});

t.test('a persistent device waits for who opens it', { skip }, (t) => {
  const namespace = createNamespace(t);
  createPersistentTun('tun1', { netns: namespace.name });
  t.equal(namespace.ipJson<unknown[]>('link', 'show', 'tun1').length, 1);
  const tun = openTun('tun1', { netns: namespace.name, listener: deaf });
  tun.persist(false);
  tun.close();
  t.throws(() => createPersistentTun('much-too-long-name'), { message: /1 to 15 characters/ });
  t.end();
});

t.test('open descriptors neither hold a process nor break its end', { skip }, (t) => {
  const namespace = createNamespace(t);
  const prologue = `
    import { openKernel } from ${JSON.stringify(moduleUrl('tunnel/real-kernel'))};
    import { openTun } from ${JSON.stringify(moduleUrl('tunnel/native/tun'))};
    const netns = ${JSON.stringify(namespace.name)};
    const kernel = openKernel({ netns });
    await kernel.dump();`;
  const idle = runModule(prologue);
  t.same([idle.status, idle.signal, idle.stderr], [0, null, ''], 'an idle kernel lets it end');
  const busy = runModule(`${prologue}
    kernel.watch(() => undefined);
    openTun('tun2', { netns, listener: { packets() {}, failed() {} } });
    void kernel.dump();
    setTimeout(() => process.exit(3), 50);`);
  t.same([busy.status, busy.signal, busy.stderr], [3, null, ''], 'open handles do not abort it');
  t.end();
});

t.test('a listener that throws is an uncaught exception, not a silent stop', { skip }, (t) => {
  const namespace = createNamespace(t);
  const { status, stdout } = runModule(`
    import { openKernel } from ${JSON.stringify(moduleUrl('tunnel/real-kernel'))};
    process.on('uncaughtException', (error) => { console.log('caught', error.message); process.exit(7); });
    const kernel = openKernel({ netns: ${JSON.stringify(namespace.name)} });
    kernel.watch(() => { throw new Error('from a listener'); });
    const address = { family: 4, bytes: Uint8Array.of(10, 0, 0, 1), text: '10.0.0.1' };
    setInterval(() => kernel.apply([{ verb: 'set', object:
      { type: 'address', device: 'lo', address: { address, length: 32 } } }]), 50);`);
  t.same([status, stdout.trim()], [7, 'caught from a listener']);
  t.end();
});

t.test('a closed kernel refuses, with the reason', { skip }, async (t) => {
  const kernel = openKernel({ netns: createNamespace(t).name });
  const running = kernel.dump();
  kernel.close();
  await t.rejects(running, { message: /was closed/ });
  await t.rejects(kernel.dump(), { message: /was closed/ });
});

/** Turns an ICMP echo request into its reply (RFC 792), checksum and all. */
function echo(packet: Uint8Array): void {
  const source = packet.slice(12, 16);
  packet.copyWithin(12, 16, 20);
  packet.set(source, 16);
  const fragmentOffset = ((packet[6]! & 0x1f) << 8) | packet[7]!;
  if (fragmentOffset !== 0 || packet[9] !== 1 || packet[20] !== 8) return;
  packet[20] = 0;
  const sum = ((packet[22]! << 8) | packet[23]!) + 0x0800;
  const folded = (sum & 0xffff) + (sum >> 16);
  packet[22] = folded >> 8;
  packet[23] = folded & 0xff;
}

/** The module beside this test: compiled when the test is, else its source. */
function moduleUrl(path: string): string {
  const isCompiled = import.meta.url.endsWith('.js');
  return pathToFileURL(fromRoot(isCompiled ? `dist/${path}.js` : `${path}.ts`)).href;
}

function runModule(source: string) {
  const loader = import.meta.url.endsWith('.js') ? [] : ['--import', 'tsx'];
  return spawnSync(process.execPath, [...loader, '--input-type=module', '--eval', source], {
    cwd: fromRoot(),
    encoding: 'utf8',
    timeout: 20_000,
  });
}
