/**
 * The lab on kernel tunnels: real agents on three nodes, one pair of each mode, packets between
 * workloads, the wire held against the decision. Here ipip is the kernel's own, and IPv6 in it sit.
 *
 *     row-1  a ─ b      native (IPv4; the underlay has no IPv6)
 *            a ─── c    ipip
 *     row-2    b ─ c    vxlan
 */
import { writeFileSync } from 'node:fs';
import t from 'tap';
import { parseClusterFile } from '../../../src/config/index.js';
import { labDown } from '../../../src/lab/down.js';
import type { OnProgress } from '../../../src/lab/progress.js';
import { labRun } from '../../../src/lab/run.js';
import { labUp } from '../../../src/lab/up.js';

const configFile = '/run/three-modes.yaml';
const config = `
cluster: three-modes
zones:
  - { name: row-1, provider: onprem, subnets: [192.168.1.0/24] }
  - { name: row-2, provider: onprem, subnets: [192.168.2.0/24] }
rules:
  - { name: neighbours, same: subnet, family: 4, mode: native }
  - { name: by-ipip, between: [{ node: a }, { node: c }], mode: ipip, force: true }
  - { name: others, mode: vxlan }
nodes:
  - { name: a, address: 192.168.1.11, overlay: [10.64.1.0/24, 'fd64:0:0:101::/64'] }
  - { name: b, address: 192.168.1.12, overlay: [10.64.2.0/24, 'fd64:0:0:102::/64'] }
  - { name: c, address: 192.168.2.11, overlay: [10.64.3.0/24, 'fd64:0:0:103::/64'] }
`;

/** How far it came, for the report of a run that did not end. */
const tellOn =
  (stream: NodeJS.WritableStream): OnProgress =>
  ({ step, done, total }) =>
    void stream.write(`${process.uptime().toFixed(1)} s: ${step}, ${done} of ${total}\n`);

t.test('the lab on kernel ipip', async (t) => {
  const parsed = parseClusterFile({ file: configFile, text: config });
  if (!parsed.ok) throw new Error(parsed.problems.map((problem) => problem.message).join('; '));
  writeFileSync(configFile, config);
  const lab = await labUp({
    lab: 'uml',
    cluster: parsed.cluster,
    configFile,
    readyTimeoutMs: 90_000,
    onProgress: tellOn(process.stderr),
  });
  t.teardown(() => labDown('uml'));
  const matrix = await labRun(lab, {
    transferBytes: 64 * 1024,
    onProgress: tellOn(process.stderr),
  });
  for (const pair of matrix.pairs) {
    t.match(
      pair,
      { failures: [], lost: 0, fullSize: 'passed', oversize: 'refused', plane: 'kernel' },
      `${pair.from} to ${pair.to}, IPv${pair.family}: ${pair.decided}, ${pair.mtu ?? '?'} bytes`,
    );
    t.equal(pair.seen, pair.decided, 'the wire shows what was decided');
  }
  t.same(matrix.totals.decided, { native: 2, ipip: 4, vxlan: 6 }, 'all three modes are there');
});
