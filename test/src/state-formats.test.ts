/**
 * What one release leaves on disk and the next one finds there. Each file of `test/golden/state` was
 * written by a release; later ones must go on reading it. What a later release wrote is refused
 * with the reason, never taken for something else. (The last good configuration: last-good.test.ts.)
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { parseAddress } from '../../encap/address.js';
import { parsePrefix } from '../../encap/prefix.js';
import type { TermsHistory } from '../../routes/changeover.js';
import type { ChangeRecord } from '../../src/agent/change-record.js';
import { ChangeRecordFile, settleLeftover } from '../../src/agent/change-record.js';
import { readChecked, writeChecked } from '../../src/agent/checked-file.js';
import { SysctlRecord } from '../../src/agent/host-sysctls.js';
import { TermsFile } from '../../src/agent/terms-record.js';
import { loadState, saveState } from '../../src/plane/state-file.js';
import { createFakeKernel } from '../../tunnel/fake-kernel.js';
import type { PlaneSpec } from '../../tunnel/userspace/plane.js';
import { matchGolden } from '../support/golden.js';
import { fromRoot } from '../support/root.js';

const folder = mkdtempSync(join(tmpdir(), 'selvage-formats-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const scratch = (name: string): string => join(folder, name);
const golden = (name: string): string => fromRoot('test', 'golden', 'state', name);

const history: TermsHistory = [
  {
    sinceMs: 1_000,
    terms: {
      vxlan: { vni: 7, port: 4789 },
      receives: ['ipip:4:4', 'vxlan:4:4', 'vxlan:4:6'],
      underlay: { a: ['192.0.2.1/24'], b: ['192.0.2.2/24', '2001:db8::2/64'] },
    },
  },
  {
    sinceMs: 61_000,
    readyMs: 61_250,
    switchedMs: 71_300,
    terms: {
      vxlan: { vni: 8, port: 8472 },
      receives: ['native:4:4'],
      underlay: { a: ['192.0.2.1/24'] },
    },
  },
];

t.test('the record of changes under way', (t) => {
  const path = scratch('terms.json');
  new TermsFile(path).write(history);
  matchGolden(t, 'state/terms-1.json', readFileSync(path, 'utf8'));
  const read = (name: string): unknown =>
    new TermsFile(golden(name), { nowMs: () => 90_000 }).read();
  t.same(read('terms-1.json'), history);
  const [first, { readyMs: _, switchedMs: __, ...second }] = history as [
    TermsHistory[0],
    TermsHistory[0],
  ];
  t.same(read('terms-1-first.json'), [first, second], 'as written before steps were noted');

  const told: string[] = [];
  writeFileSync(path, readFileSync(path, 'utf8').replace('selvage.terms/1', 'selvage.terms/7'));
  t.equal(new TermsFile(path, { onRefused: (problem) => told.push(problem) }).read(), undefined);
  t.match(told, [/format selvage\.terms\/7, and this release reads selvage\.terms\/1; what peers/]);
  t.end();
});

t.test('a guarded change that was not settled', (t) => {
  const record: ChangeRecord = {
    schema: 'selvage.change-record/1',
    state: 'provisional',
    keeper: 'agent',
    node: 'a',
    file: '/root/next.yaml',
    candidateSha256: '00',
    configFile: '/etc/selvage/cluster.yaml',
    startedAt: '2026-01-02T03:04:05.678Z',
    reason: 'not confirmed yet',
    previous: { kind: 'configured' },
    terms: { boot: '7c4f1f0a', history },
  };
  const path = scratch('change');
  new ChangeRecordFile(path).write(record);
  matchGolden(t, 'state/change-1', readFileSync(path, 'utf8'));
  t.same(new ChangeRecordFile(golden('change-1')).read(), record);
  t.match(settleLeftover(new ChangeRecordFile(path), '/nowhere'), { state: 'rolled-back' });

  const later = JSON.stringify({ ...record, schema: 'selvage.change-record/2' });
  writeChecked(path, later);
  t.throws(() => settleLeftover(new ChangeRecordFile(path), '/nowhere'), {
    message:
      /format selvage\.change-record\/2, and this release reads selvage\.change-record\/1; settle/,
  });
  t.equal(readChecked(path), later, 'left as it is for the release that can read it');
  t.end();
});

t.test('host settings from before', (t) => {
  const path = scratch('host-sysctls.json');
  const kernel = createFakeKernel({
    nics: [],
    sysctls: { 'net/ipv4/ip_forward': '0', 'net/ipv4/conf/all/rp_filter': '1' },
  });
  new SysctlRecord(path).remember(kernel, [
    { type: 'sysctl', path: 'net/ipv4/ip_forward', value: '1' },
    { type: 'sysctl', path: 'net/ipv4/conf/all/rp_filter', value: '2' },
  ]);
  matchGolden(t, 'state/host-sysctls.json', readFileSync(path, 'utf8'));
  t.same(
    new SysctlRecord(golden('host-sysctls.json')).restoring().map((one) => [one.path, one.value]),
    [
      ['net/ipv4/conf/all/rp_filter', '1'],
      ['net/ipv4/ip_forward', '0'],
    ],
  );
  for (const text of ['{"version":2,"net/ipv4/ip_forward":"0"}', '{"kernel/core_pattern":"x"}']) {
    writeFileSync(path, text);
    t.throws(() => new SysctlRecord(path).restoring(), {
      message: /^cannot read the record of host settings .* not a list of settings below net/,
    });
  }
  t.end();
});

t.test("a userspace plane's configuration", (t) => {
  const spec: PlaneSpec = {
    device: 'slip4',
    mtu: 1480,
    local: parseAddress('192.0.2.1'),
    addresses: [{ address: parseAddress('10.64.1.0'), length: 32 }],
    ttl: 64,
    peers: [
      {
        node: 'b',
        remote: parseAddress('192.0.2.2'),
        outerSources: [parseAddress('192.0.2.2')],
        prefixes: [parsePrefix('10.64.2.0/24')],
        innerSources: [parsePrefix('10.64.2.0/24'), parsePrefix('192.0.2.2/32')],
        mtu: 1480,
      },
    ],
  };
  const path = scratch('plane.json');
  saveState(path, spec);
  matchGolden(t, 'state/plane-1.json', readFileSync(path, 'utf8'));
  t.match(loadState(golden('plane-1.json')), {
    device: 'slip4',
    local: { text: '192.0.2.1' },
    peers: [{ node: 'b', prefixes: [{ text: '10.64.2.0/24' }] }],
  });
  writeFileSync(path, readFileSync(path, 'utf8').replace('"version":1', '"version":2'));
  t.throws(() => loadState(path), { message: /has version 2, not 1/ });
  t.end();
});
