/**
 * A fleet whose etcd takes certificates alone: a join, and the offline commands that ask the store in
 * place of a file, with the credentials from options, from the environment, or from what the join left.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { selvageProgram } from '../../src/lab/program.js';
import { readAccessFile } from '../../src/store/access-file.js';
import { fleetKeys } from '../../src/store/fleet/keys.js';
import { skipReason } from '../support/capabilities.js';
import { makeAuthority } from '../support/certificates.js';
import { startEtcd } from '../support/etcd.js';

t.setTimeout(180_000);

const config = `cluster: prod
overlay: { pools: [10.64.0.0/16] }
zones: [{ name: a, subnets: [10.1.0.0/24] }, { name: b, subnets: [10.2.0.0/24] }]
rules: [{ name: all, mode: vxlan }]
nodes: [{ name: listed, address: 10.2.0.1, overlay: 10.64.200.0/24 }]
`;

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

t.test('over TLS, by certificates', { skip: skipReason('etcd') }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'selvage-tls-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const authority = makeAuthority(t);
  const member = authority.issue('etcd', ['IP:127.0.0.1']);
  const [root, own] = [authority.issue('root'), authority.issue('selvage-prod/web-1')];
  const etcd = await startEtcd(t, { tls: { ca: authority.ca, ...member } });
  etcd.ctl(['user', 'add', 'root', '--no-password']);
  etcd.ctl(['user', 'grant-role', 'root', 'root']);
  etcd.ctl(['auth', 'enable']);
  const ctl = (...args: readonly string[]): string => etcd.ctl(args, { pair: root });
  ctl(
    ...['put', fleetKeys('prod').config(1)],
    JSON.stringify({ version: 1, text: config, at: '', by: 'test' }),
  );
  const store = `etcd://${etcd.authority}/prod`;
  const [command, ...before] = selvageProgram();
  const run = (args: readonly string[], more: Readonly<Record<string, string>> = {}) => {
    const { NO_COLOR, FORCE_COLOR, ...env } = process.env;
    return new Promise<Ran>((resolve) => {
      execFile(
        command!,
        [...before, ...args],
        { env: { ...env, ...more, COLUMNS: '110' } },
        (error, out, err) => {
          const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
          resolve({ code, out, err });
        },
      );
    });
  };
  const access = ['--store-ca', authority.ca, '--store-cert', root.cert, '--store-key', root.key];
  const write = join(folder, 'web-1', 'store.yaml');
  const joined = await run([
    ...['node', 'join', '--store', store, ...access, '--name', 'web-1'],
    ...['--address', '10.1.0.7/24', '--write', write, '--socket', join(folder, 'none.sock')],
    ...['--node-cert', own.cert, '--node-key', own.key, '--no-cloud'],
  ]);
  t.equal(joined.code, 0, joined.err);
  t.match(joined.out, /account +selvage-prod\/web-1\n/);
  const { access: left } = (await readAccessFile(write))!;
  t.match(left, { cert: own.cert, key: own.key, user: 'selvage-prod/web-1' });
  t.equal(readFileSync(left.ca!, 'utf8'), readFileSync(authority.ca, 'utf8'));

  const itself = ['--store-file', write];
  const explain = ['explain', 'web-1', '--from', 'listed', '-c', store, '-o', 'json'];
  const [verify, diff, graph, typed, refused] = await Promise.all([
    run(['verify', '-c', store, ...itself, '-o', 'json']),
    run(['diff', store, '--what-if', 'rule all: {mode: deny}', ...itself, '-o', 'json']),
    run(['graph', store, '--format', 'dot'], { SELVAGE_STORE_FILE: write }),
    run([...explain, ...access]),
    run(['verify', '-c', store, '--store-ca', authority.ca]),
  ]);
  t.match(JSON.parse(verify.out), { basis: { file: store } }, verify.err);
  t.match(JSON.parse(diff.out), { same: false }, diff.err);
  t.match(graph.out, /^(di)?graph [^]*vxlan/, graph.err);
  t.equal(typed.code, 0, typed.err);
  t.match(JSON.parse(typed.out), { verdict: { kind: /./, exitCode: 0 } });
  t.equal(refused.code, 3);
  t.match(refused.err, /^selvage: cannot .*etcd:\/\/[^]*--store-cert and --store-key/);
});
