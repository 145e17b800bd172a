/**
 * A machine joins a fleet, leaves it, and is listed: by itself, against a real etcd with users, and
 * as the command in a namespace that has the machine's addresses.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { parsePrefix, prefixesOverlap } from '../../encap/prefix.js';
import { parseClusterFile } from '../../src/config/index.js';
import {
  removeAccessFiles,
  writeAccessFiles,
  writeNodeName,
} from '../../src/fleet/access-files.js';
import { checkIpam } from '../../src/fleet/ipam-check.js';
import { leaveFleet } from '../../src/fleet/leave.js';
import { listNodes } from '../../src/fleet/list.js';
import { placeMachine } from '../../src/fleet/placement.js';
import { readFleet } from '../../src/fleet/reading.js';
import { readAccessFile } from '../../src/store/access-file.js';
import { accountName, nodePermissions } from '../../src/store/accounts.js';
import { fleetKeys } from '../../src/store/fleet/keys.js';
import type { KeyValue } from '../../src/store/kv.js';
import { KeyValueError } from '../../src/store/kv.js';
import { openAccounts } from '../../src/store/open-accounts.js';
import { openKeyValue, storeAddress } from '../../src/store/registry.js';
import { hasCapability, skipReason } from '../support/capabilities.js';
import { requireLogin, startEtcd } from '../support/etcd.js';
import { fleetOf, joinAs, joinRequest, writeConfig } from '../support/fleet.js';
import { createNamespace } from '../support/netns.js';
import { selvageProgram } from '../../src/lab/program.js';

t.setTimeout(180_000);

const folder = mkdtempSync(join(tmpdir(), 'selvage-join-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

const zones = `
zones:
  - { name: az-1, subnets: [10.1.0.0/24, "fd01::/64"] }
  - { name: az-2, subnets: [10.2.0.0/24, 10.3.0.0/24] }
  - { name: shared-1, subnets: 10.9.0.0/16 }
  - { name: shared-2, subnets: 10.9.0.0/16 }
  - { name: anywhere }
`;
const overlay = `
overlay:
  pools: [10.64.0.0/16, "fd64::/48"]
  blocks:
    - { within: 10.64.0.0/18, zones: az-1 }
    - { within: 10.64.64.0/18, zones: [az-2, shared-1, shared-2], size: 25 }
`;

t.test('a machine is where its address is', (t) => {
  const read = parseClusterFile({ text: zones + overlay, file: 'f', members: 'registering' });
  if (!read.ok) throw new Error('the configuration is wrong');
  const place = (
    found: Readonly<Record<string, readonly string[]>>,
    more: { zone?: string; address?: string; told?: string } = {},
  ): string => {
    const { zone, address = [], told } = more;
    const request = joinRequest({ name: 'n', address });
    const { zone: placed, underlay } = placeMachine({
      cluster: read.cluster,
      found: Object.entries(found).flatMap(([device, texts]) =>
        joinRequest({ name: 'n', address: texts }).machine.addresses.map((one) => ({
          ...one,
          device,
        })),
      ),
      addresses: request.machine.addresses.map(({ address: one }) => one),
      zone,
      toldZone: told,
    });
    return `${placed} ${underlay.map((one) => `${one.address.text}/${one.length}`).join(' ')}`;
  };
  const cases: readonly [ReturnType<typeof place> | RegExp, ...Parameters<typeof place>][] = [
    ['az-1 10.1.0.7/24', { eth0: ['10.1.0.7/24'] }],
    [
      'az-1 10.1.0.7/24 fd01::7/64',
      { eth0: ['10.1.0.7/24', 'fd01::7/64'], eth1: ['172.16.0.1/24'] },
    ],
    // The first of its device is the kernel's own choice.
    ['az-2 10.2.0.7/24', { eth0: ['10.2.0.7/24', '10.2.0.8/24'] }],
    [
      /several IPv4 addresses in zone az-2: 10\.2\.0\.7\/24, 10\.3\.0\.7\/24; name one with --address/,
      { eth0: ['10.2.0.7/24'], eth1: ['10.3.0.7/24'] },
    ],
    ['az-2 10.3.0.7/24', { eth0: ['10.2.0.7/24'], eth1: ['10.3.0.7/24'] }, { address: '10.3.0.7' }],
    [
      /several zones: .*az-1, az-2; name its zone with --zone/,
      { eth0: ['10.2.0.7/24'], eth1: ['10.1.0.7/24'] },
    ],
    ['az-1 10.1.0.7/24', { eth0: ['10.2.0.7/24'], eth1: ['10.1.0.7/24'] }, { zone: 'az-1' }],
    [/several zones: shared-1, shared-2/, { eth0: ['10.9.0.7/16'] }],
    ['shared-2 10.9.0.7/16', { eth0: ['10.9.0.7/16'] }, { told: 'Shared-2' }],
    ['anywhere 172.16.0.1/24', { eth0: ['172.16.0.1/24'] }, { told: 'anywhere' }],
    [
      /no zone has a subnet with an address of this machine \(172\.16\.0\.1\/24\)/,
      { eth0: ['172.16.0.1/24'] },
    ],
    [/has no zone "az-9"; it has az-1, az-2/, { eth0: ['10.1.0.7/24'] }, { zone: 'az-9' }],
    [
      /no address in zone az-1 \(10\.1\.0\.0\/24, fd01::\/64\): it has 10\.2\.0\.7\/24/,
      { eth0: ['10.2.0.7/24'] },
      { zone: 'az-1' },
    ],
    // Workloads' addresses are not the machine's.
    [/an address of this machine \(none\)/, { cni0: ['10.64.0.1/24'] }],
    // On GCE a NIC has a host's mask.
    ['az-1 10.1.0.7/32', { eth0: ['10.1.0.7/32'] }],
    ['az-1 10.1.0.7/24', {}, { address: '10.1.0.7' }],
  ];
  for (const [expected, ...question] of cases) {
    let answer: string;
    try {
      answer = place(...question);
    } catch (error) {
      answer = (error as Error).message;
    }
    if (typeof expected === 'string') t.equal(answer, expected, JSON.stringify(question));
    else t.match(answer, expected, JSON.stringify(question));
  }
  t.end();
});

t.test('what stands in the way of a join, and what does not', async (t) => {
  const { server, keys } = await fleetOf(
    `${zones}${overlay}nodes:\n  - { name: fixed, address: 10.1.0.200/24, overlay: 10.64.200.0/24 }\n`,
  );
  const kv = server.client();
  const one = await joinAs(kv, { name: 'one', address: '10.1.0.1/24', labels: { rack: 'r1' } });
  t.same(one.overlay, ['10.64.0.0/24', 'fd64::/64']);

  await kv.put(keys.alive('one'), JSON.stringify({ version: 1, instance: 'i', since: 'noon' }));
  const again = { name: 'one', address: '10.1.0.2/24' } as const;
  await t.rejects(joinAs(kv, again), {
    message: /an agent called one is alive elsewhere \(at 10\.1\.0\.1\), since noon; .*--replace/,
  });
  t.same((await joinAs(kv, { ...again, agentIsHere: true })).overlay, one.overlay);
  t.same((await joinAs(kv, { ...again, replace: true })).overlay, one.overlay);
  const record = JSON.parse((await kv.get(keys.record('one')))!.value) as { node: object };
  t.same(record.node, {
    name: 'one',
    zone: 'az-1',
    address: '10.1.0.2/24',
    overlay: one.overlay,
    labels: { rack: 'r1' },
  });

  await t.rejects(joinAs(kv, { name: 'two', address: '10.1.0.2/24' }), {
    message: /10\.1\.0\.2 is the address of node one already/,
  });
  await t.rejects(joinAs(kv, { name: 'two', address: '10.1.0.200/24' }), {
    message: /10\.1\.0\.200 is the address of node fixed already/,
  });
  t.same((await kv.list(keys.blocks)).entries.length, 2, 'who is refused leaves no blocks behind');
  const listed = await joinAs(kv, { name: 'fixed', address: '10.1.0.200/24' });
  t.same([listed.kind, listed.overlay, listed.made], ['listed', ['10.64.200.0/24'], []]);
  t.equal(await kv.get(keys.record('fixed')), undefined);

  // What another release or a person wrote into the record stays.
  await kv.put(
    keys.record('one'),
    JSON.stringify({
      ...record,
      later: 7,
      node: { ...record.node, accepts: { ipip: 'none' }, fancy: 1 },
    }),
  );
  const moved = await joinAs(kv, { name: 'one', address: '10.2.0.1/24', replace: true });
  t.match(moved.notes.join('\n'), /it was in zone az-1 before, and is in az-2 now/);
  t.match(
    moved.notes.join('\n'),
    /its block 10\.64\.0\.0\/24 is outside of the ranges of zone az-2/,
  );
  const after = JSON.parse((await kv.get(keys.record('one')))!.value) as Record<string, unknown>;
  t.equal(after['later'], 7);
  t.match(after['node'], { accepts: { ipip: 'none' }, fancy: 1, zone: 'az-2' });

  await t.rejects(
    leaveFleet(kv, { keys, cluster: 'c', name: 'one', accounts: undefined, evenIfAlive: false }),
    { message: /the agent of one is alive, and would go on sending/ },
  );

  // The newest version cannot be used: the one before counts, as it does for agents.
  await writeConfig(kv, { version: 2, text: 'zones: [' });
  t.equal((await joinAs(kv, { name: 'three', address: '10.1.0.3/24' })).config, 1);
  const empty = await fleetOf(`${zones}overlay: { vxlan: { port: 4789 } }\n`);
  await t.rejects(joinAs(empty.server, { name: 'one', address: '10.1.0.1/24' }), {
    message: /configuration 1 has no blocks for nodes of zone az-1; add "overlay: \{ pools/,
  });
});

t.test('blocks of different sizes at once: of two that overlap the first stays', async (t) => {
  const config = (size: number): string =>
    `overlay: { pools: 10.64.0.0/22, blocks: { within: 10.64.0.0/22, size: ${size} } }\n`;
  let overlapped = 0;
  const check = fc.asyncProperty(fc.scheduler(), async (scheduler) => {
    const { server, keys } = await fleetOf(config(24));
    const kv = server.client();
    const configs = [24, 25, 26].map((size) => ({
      key: keys.config(1),
      value: JSON.stringify({ version: 1, text: config(size), at: '', by: '' }),
      createRevision: 1,
      modRevision: 1,
    }));
    const joined = configs.map((entry, index) => {
      const turn = async <T>(call: () => Promise<T>): Promise<T> => {
        await scheduler.schedule(Promise.resolve());
        return call();
      };
      const client: KeyValue = {
        ...kv,
        name: kv.name,
        get: (key) => turn(() => kv.get(key)),
        // Each has read another version of the configuration.
        list: (prefix) =>
          turn(async () => {
            const listing = await kv.list(prefix);
            return prefix === keys.configs ? { ...listing, entries: [entry] } : listing;
          }),
        put: (key, value, options) => turn(() => kv.put(key, value, options)),
        delete: (key, condition) =>
          turn(() => {
            overlapped++;
            return kv.delete(key, condition);
          }),
      };
      return joinAs(client, { name: `n${index}`, address: `10.0.0.${index + 1}/24` });
    });
    await scheduler.waitFor(Promise.allSettled(joined));
    const prefixes = (await Promise.all(joined)).flatMap((one) => one.overlay.map(parsePrefix));
    const blocks = (await readFleet(kv, keys)).blocks.length;
    return (
      blocks === 3 &&
      prefixes.every((a, i) => prefixes.slice(0, i).every((b) => !prefixesOverlap(a, b)))
    );
  });
  await fc.assert(check, { seed: 20261122, numRuns: 40 });
  t.ok(overlapped > 10, `${overlapped} blocks were given back`);
});

t.test('the check names what is wrong, and nothing else', async (t) => {
  const { server, keys } = await fleetOf(`${zones}${overlay}`);
  const kv = server.client();
  for (const [name, host] of [
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ] as const)
    await joinAs(kv, { name, address: `10.1.0.${host}/24` });
  t.same(checkIpam(await readFleet(kv, keys)), []);
  const block = (node: string): string =>
    JSON.stringify({ version: 1, node, at: '2026-01-01T00:00:00Z' });
  await kv.put(keys.block(parsePrefix('10.64.0.0/25')), block('c'));
  await kv.put(keys.block(parsePrefix('10.80.0.0/24')), block('gone'));
  await kv.put(`${keys.blocks}rubbish`, block('a'));
  await kv.put(
    keys.record('b'),
    JSON.stringify({
      version: 1,
      node: {
        name: 'b',
        zone: 'az-1',
        address: '10.1.0.1/24',
        overlay: ['10.64.0.0/24', '10.64.1.0/24'],
      },
    }),
  );
  const found = checkIpam(await readFleet(kv, keys)).map(({ code, subject, node }) =>
    `${code} ${subject} ${node ?? ''}`.trimEnd(),
  );
  t.same(found.sort(), [
    'address-conflict 10.1.0.1 b',
    'block-outside-pools 10.80.0.0/24 gone',
    'block-overlap 10.64.0.0/25 c',
    'block-unclaimed 10.64.0.0/25 c',
    'block-unclaimed fd64:0:0:1::/64 b',
    'block-without-node 10.80.0.0/24 gone',
    'claim-without-block 10.64.0.0/24 b',
    'unreadable-value',
  ]);
  await kv.put(keys.alive('a'), JSON.stringify({ version: 1, instance: 'i', since: 'noon' }));
  const { nodes, counts } = await listNodes(kv, { keys, cluster: 'c', now: new Date() });
  t.same(
    nodes.map(({ name, state }) => `${name} ${state}`),
    ['a alive', 'b refused', 'c stale'],
  );
  t.same(counts, { alive: 1, stale: 1, withdrawn: 0, refused: 1, listed: 0 });
  t.match(nodes[1]?.problems.join(), /node b claims 10\.1\.0\.1, which a was given when it joined/);
});

t.test('the files of a node: for root alone, and only its own go', async (t) => {
  const path = join(folder, 'etc', 'store.yaml');
  const ca = join(folder, 'operators-ca.pem');
  writeFileSync(ca, '-----BEGIN CERTIFICATE-----\n');
  const address = storeAddress('etcd://10.0.0.1:2379,10.0.0.2:2379/c');
  const access = {
    node: 'one',
    address,
    operator: { ca, user: 'root', password: 'secret', serverName: 'etcd.example' },
    login: { user: 'selvage-c/one', password: 'own' },
    certificate: undefined,
  };
  const written = writeAccessFiles(path, access);
  t.same(
    written.map((file) => (statSync(file).mode & 0o777).toString(8)),
    ['600', '600', '644'],
  );
  t.notMatch(readFileSync(path, 'utf8'), /secret|root/, "nothing of the operator's");
  t.same(await readAccessFile(path), {
    store: address.text,
    access: {
      ca: join(folder, 'etc', 'store-ca.pem'),
      serverName: 'etcd.example',
      user: 'selvage-c/one',
      passwordFile: join(folder, 'etc', 'store-password'),
    },
  });
  t.same(removeAccessFiles(path, 'two'), [], "another node's files stay");
  t.equal(removeAccessFiles(path, 'one').length, 3);
  t.notOk(existsSync(path));
  const defaults = join(folder, 'default');
  writeFileSync(defaults, 'SELVAGE_NODE=old\nSELVAGE_AGENT_OPTIONS=--flush-on-exit\n');
  t.equal(writeNodeName(defaults, 'one'), true);
  t.equal(
    readFileSync(defaults, 'utf8'),
    'SELVAGE_AGENT_OPTIONS=--flush-on-exit\nSELVAGE_NODE=one\n',
  );
  t.equal(writeNodeName(defaults, 'one'), false);
});

t.test(
  "a node's account may write its own three keys, and nothing else",
  { skip: skipReason('etcd') },
  async (t) => {
    const etcd = await startEtcd(t);
    const address = storeAddress(`etcd://${etcd.authority}/c`);
    const admin = { user: 'root', password: 'root' };
    const before = (await openAccounts({ address, access: {} }))!;
    t.equal(await before.enabled(), false);
    before.close();
    requireLogin(etcd, 'root');
    const accounts = (await openAccounts({ address, access: admin }))!;
    const operator = await openKeyValue({ address, access: admin });
    const keys = fleetKeys('c');
    const opened: { close(): void }[] = [accounts, operator];
    t.teardown(() => opened.forEach((one) => one.close()));
    t.equal(await accounts.enabled(), true);
    await writeConfig(operator, { version: 1, text: zones + overlay });
    await joinAs(operator, { name: 'one', address: '10.1.0.1/24' });
    await joinAs(operator, { name: 'two', address: '10.1.0.2/24' });

    const name = accountName('c', 'one');
    const permissions = nodePermissions('c', 'one');
    t.equal(await accounts.has(name), false);
    // As if an earlier one had been given too much.
    await accounts.put({
      name,
      password: 'old',
      permissions: [{ scope: 'prefix', key: '/', access: 'read-write' }],
    });
    await accounts.put({ name, password: 'new', permissions });
    t.equal(await accounts.has(name), true);
    const as = async (password: string): Promise<KeyValue> => {
      const kv = await openKeyValue({ address, access: { user: name, password } });
      opened.push(kv);
      return kv;
    };
    const node = await as('new');
    const own = (await node.get(keys.record('one')))!;
    t.equal((await node.put(own.key, own.value, { ifRevision: own.modRevision })).kind, 'written');
    const lease = await node.lease(30);
    for (const key of [keys.alive('one'), keys.status('one')])
      t.equal((await node.put(key, '{}', { lease })).kind, 'written');
    t.equal((await node.list(keys.all)).entries.length, 9, 'it reads all of its cluster');
    await lease.revoke();

    const block = (await node.list(keys.blocks)).entries[0]!;
    const denied: readonly (readonly [string, () => Promise<unknown>])[] = [
      ["another's record", () => node.put(keys.record('two'), own.value)],
      ['a record whose name goes on', () => node.put(keys.record('one-more'), own.value)],
      ["another's sign of life", () => node.put(keys.alive('two'), '{}')],
      ["removing another's record", () => node.delete(keys.record('two'))],
      ['the configuration', () => node.put(keys.config(2), 'x', { ifRevision: 0 })],
      ['removing the configuration', () => node.delete(keys.config(1))],
      [
        'a new block',
        () => node.put(keys.block(parsePrefix('10.64.9.0/24')), 'x', { ifRevision: 0 }),
      ],
      ['a block that it has', () => node.put(block.key, 'x', { ifRevision: block.modRevision })],
      ['giving a block back', () => node.delete(block.key)],
      ['another cluster', () => node.put('/selvage/other/record/one', 'x')],
      ["reading another cluster's", () => node.list('/selvage/other/')],
      ['a join', () => joinAs(node, { name: 'evil', address: '10.1.0.9/24' })],
    ];
    for (const [what, attempt] of denied)
      await t.rejects(attempt(), { name: 'KeyValueError', failure: 'denied' }, what);
    const admins = (await openAccounts({ address, access: { user: name, password: 'new' } }))!;
    opened.push(admins);
    await t.rejects(admins.put({ name: 'selvage-c/evil', password: 'x', permissions }), {
      name: 'KeyValueError',
      failure: 'denied',
    });
    t.same(checkIpam(await readFleet(operator, keys)), [], 'and all is as it was');

    const outdated = await as('old');
    await t.rejects(
      outdated.get(own.key),
      KeyValueError,
      'the password of before is worth nothing',
    );
    const left = await leaveFleet(operator, {
      keys,
      cluster: 'c',
      name: 'one',
      accounts,
      evenIfAlive: false,
    });
    t.same(left.removed, ['account', 'record']);
    const gone = await as('new');
    await t.rejects(gone.get(own.key), { name: 'KeyValueError', failure: 'denied' });
    t.equal(await accounts.remove(name), false);
  },
);

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

t.test('the command, on a machine of its own', { skip: skipReason('netns', 'etcd') }, async (t) => {
  const machine = createNamespace(t);
  machine.ip(
    'link add eth0 type bridge',
    'link set eth0 up mtu 1400',
    'addr add 10.1.0.7/24 dev eth0',
    'addr add fd01::7/64 dev eth0 nodad',
    'link add other type bridge',
    'addr add 172.16.0.1/24 dev other',
  );
  const etcd = await startEtcd(t, { places: [{ namespace: machine.name, address: '127.0.0.1' }] });
  requireLogin(etcd, 'root');
  const ctl = (...args: readonly string[]): string => etcd.ctl(['--user=root:root', ...args]);
  const value = { version: 1, text: zones + overlay, at: '', by: 'test' };
  ctl('put', fleetKeys('prod').config(1), JSON.stringify(value));

  const password = join(folder, 'root.pw');
  writeFileSync(password, 'root\n', { mode: 0o600 });
  const write = join(folder, 'machine', 'store.yaml');
  const operator = [
    '--store',
    `etcd://${etcd.authority}/prod`,
    '--store-user',
    'root',
    '--store-password-file',
    password,
  ];
  const itself = ['--store-file', write];
  const local = [
    '--no-cloud',
    '--write',
    write,
    '--socket',
    join(folder, 'none.sock'),
    '--runtime-dir',
    folder,
  ];
  const run = (...args: readonly string[]): Promise<Ran> => {
    const command = [...selvageProgram(), ...args];
    const { NO_COLOR, FORCE_COLOR, ...env } = process.env;
    return new Promise((resolve) => {
      execFile('ip', ['netns', 'exec', machine.name, ...command], { env }, (error, out, err) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
        resolve({ code, out, err });
      });
    });
  };

  const joined = await run('node', 'join', ...operator, '--name', 'web-1', ...local);
  t.equal(joined.code, 0, joined.err);
  t.match(
    joined.out,
    /✓ web-1 is a node of prod\n.*zone +az-1\n.*address +10\.1\.0\.7\/24, fd01::7\/64\n/,
  );
  t.match(joined.out, /prefixes +10\.64\.0\.0\/24 \(new\), fd64::\/64 \(new\)\n/);
  t.match(
    joined.out,
    /account +selvage-prod\/web-1\n[^]*next: .*SELVAGE_NODE=web-1 .*systemctl enable --now selvage-agent/,
  );
  const record = (): Record<string, unknown> => {
    const text = ctl('get', '--print-value-only', fleetKeys('prod').record('web-1'));
    return (JSON.parse(text) as { node: Record<string, unknown> }).node;
  };
  const { accepts, ...told } = record();
  // What this machine's kernel lacks, and nothing where it lacks nothing.
  const ipip = (accepts as Record<string, string> | undefined)?.['ipip/4/4'];
  t.equal(ipip, hasCapability('kernel-ipip') ? undefined : 'userspace');
  t.same(told, {
    name: 'web-1',
    zone: 'az-1',
    addresses: ['10.1.0.7/24', 'fd01::7/64'],
    overlay: ['10.64.0.0/24', 'fd64::/64'],
    mtu: 1400,
  });

  // With what the join left for the agent, and nothing else.
  const list = await run('node', 'list', ...itself, '-o', 'json');
  t.match(JSON.parse(list.out), {
    counts: { stale: 1 },
    nodes: [{ name: 'web-1', zone: 'az-1', state: 'stale' }],
  });
  const check = await run('ipam', 'check', ...itself);
  t.same(
    [check.code, check.out],
    [0, '✓ prod, configuration 1: 2 blocks and 1 records, and nothing wrong\n'],
  );
  const shown = await run('ipam', 'show', '--zone', 'az-1', ...itself);
  t.match(shown.out, /10\.64\.0\.0\/18 +64 × \/24 +1 +63 +az-1\n/);
  t.match(shown.out, /az-1 +2 +10\.64\.0\.0\/18 fd64::\/64\n/);
  const robbery = await run('ipam', 'release', '10.64.0.0/24', '--force', ...itself);
  t.equal(robbery.code, 3);
  t.match(robbery.err, /^selvage: cannot delete .* as user selvage-prod\/web-1: /);
  const unable = await run('node', 'join', ...itself, '--name', 'web-2', ...local);
  t.equal(unable.code, 3);
  t.match(unable.err, /these credentials may not make one: .*name a user with etcd's role root/);

  const before = readFileSync(join(folder, 'machine', 'store-password'), 'utf8');
  const again = await run(
    'node',
    'join',
    ...operator,
    '--name',
    'web-1',
    '--label',
    'rack=r1',
    ...local,
  );
  t.match(again.out, /prefixes +10\.64\.0\.0\/24, fd64::\/64\n/, 'it keeps its blocks');
  t.same(record()['labels'], { rack: 'r1' });
  t.not(
    readFileSync(join(folder, 'machine', 'store-password'), 'utf8'),
    before,
    'the password is new',
  );

  // A join that ended between its blocks and its record.
  const stray = { version: 1, node: 'web-3', at: '2026-01-01T00:00:00Z' };
  ctl('put', fleetKeys('prod').block(parsePrefix('10.64.1.0/24')), JSON.stringify(stray));
  const leaked = await run('ipam', 'check', ...itself);
  t.equal(leaked.code, 1);
  t.match(leaked.out, /✗ block 10\.64\.1\.0\/24 is of web-3, which is not registered/);
  const used = await run('ipam', 'release', '10.64.0.0/24', ...operator);
  t.same([used.code, used.out], [3, '']);
  t.match(used.err, /10\.64\.0\.0\/24 is in use: the record of web-1 claims it/);
  const freed = await run('ipam', 'release', '--node', 'web-3', ...operator);
  t.equal(freed.out, '✓ 10.64.1.0/24 is free; it was that of web-3\n');

  const left = await run('node', 'leave', ...operator, '--name', 'web-1');
  t.equal(
    left.out,
    '✓ web-1 is no node of prod any more\n  removed: account, record, blocks 10.64.0.0/24, fd64::/64\n',
  );
  t.equal(ctl('get', '--prefix', '--keys-only', '/selvage/').trim(), fleetKeys('prod').config(1));
  t.equal(ctl('user', 'list'), 'root\n');
});
