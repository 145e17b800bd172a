/** A real etcd with users, certificates, odd bytes, large answers and a store that was put back. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { StoreAccess } from '../../src/store/access.js';
import type { OpenEtcdOptions } from '../../src/store/etcd/open.js';
import { openEtcd } from '../../src/store/etcd/open.js';
import type { KeyValue } from '../../src/store/kv.js';
import { storeAddress } from '../../src/store/registry.js';
import { skipReason } from '../support/capabilities.js';
import { makeAuthority } from '../support/certificates.js';
import type { Etcd } from '../support/etcd.js';
import { requireLogin, startEtcd } from '../support/etcd.js';
import { startRelay } from '../support/relay.js';
import { follow } from './kv-follower.js';

t.setTimeout(240_000);

const skip = skipReason('etcd');
const settings = { skip, timeout: 150_000 };

async function open(
  t: { teardown(handler: () => unknown): void },
  authority: string,
  options: OpenEtcdOptions & { readonly access?: StoreAccess } = {},
): Promise<KeyValue> {
  const { access = {}, timing } = options;
  const kv = await openEtcd(
    { address: storeAddress(`etcd://${authority}/lab`), access },
    { timing: { callMs: 20_000, ...timing } },
  );
  t.teardown(() => kv.close());
  return kv;
}

/** `denied: cannot …` */
async function failureOf(call: Promise<unknown>): Promise<string> {
  const error = await call.then(
    () => new Error('it succeeded'),
    (error: unknown) => error as Error,
  );
  return 'failure' in error ? `${String(error.failure)}: ${error.message}` : String(error);
}

/** `root` may do everything, `node-a` may write one key and read /selvage/lab/. */
function enableUsers(etcd: Etcd): void {
  const ctl = (...args: readonly string[]): string => etcd.ctl(args);
  ctl('user', 'add', 'node-a:node-secret');
  ctl('role', 'add', 'node-a');
  ctl('role', 'grant-permission', 'node-a', '--prefix=true', 'read', '/selvage/lab/');
  ctl('role', 'grant-permission', 'node-a', 'readwrite', '/selvage/lab/record/a');
  ctl('user', 'grant-role', 'node-a', 'node-a');
  requireLogin(etcd, 'root-secret');
}

t.test('users, roles, and tokens that are forgotten', settings, async (t) => {
  const etcd = await startEtcd(t, { flags: ['--auth-token-ttl=1'] });
  enableUsers(etcd);
  const node = { user: 'node-a', password: 'node-secret' };
  const kv = await open(t, etcd.authority, { access: node });
  const root = await open(t, etcd.authority, {
    access: { user: 'root', password: 'root-secret' },
  });

  t.equal((await kv.put('/selvage/lab/record/a', 'mine')).kind, 'written');
  t.match(
    await failureOf(kv.put('/selvage/lab/record/b', 'not mine')),
    /^denied: .*record\/b in etcd:.* as user node-a: .*roles/,
  );
  t.match(await failureOf(kv.delete('/selvage/lab/record/b')), /^denied: /);
  t.match(await failureOf(kv.list('/selvage/other/')), /^denied: cannot list \/selvage\/other\//);
  const lease = await kv.lease(20);
  t.equal((await kv.put('/selvage/lab/record/a', 'leased', { lease })).kind, 'written');

  const wrong = await open(t, etcd.authority, { access: { ...node, password: 'wrong' } });
  const said = await failureOf(wrong.get('/selvage/lab/record/a'));
  t.match(said, /^denied: .*user or the password is wrong/);
  t.notMatch(said, /node-secret|"wrong"/);
  const nobody = await open(t, etcd.authority);
  t.match(await failureOf(nobody.get('/selvage/lab/record/a')), /^denied: .*it wants a user/);

  const seen = follow(kv, '/selvage/lab/');
  await seen.until(({ states }) => states.includes('synced'), 'in sync');
  const forbidden = follow(kv, '/selvage/');
  await forbidden.until(({ states }) => states.at(-1) === 'broken', 'a refusal');
  t.match(forbidden.problems[0], /cannot list \/selvage\/ .* as user node-a/);
  forbidden.close();

  // Longer than a token lives without being used.
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  t.equal((await kv.get('/selvage/lab/record/a'))?.value, 'leased');
  await root.put('/selvage/lab/config/1', 'x');
  await seen.until(({ view }) => view.has('/selvage/lab/config/1'), 'a change after it');

  await etcd.members[0]!.kill();
  await seen.until(({ states }) => states.at(-1) === 'broken', 'told of the outage');
  await etcd.members[0]!.start();
  await root.put('/selvage/lab/config/2', 'y');
  await seen.until(({ view }) => view.has('/selvage/lab/config/2'), 'a change after a restart');
  await seen.until(({ states }) => states.at(-1) === 'synced', 'in sync again');
  t.equal(seen.snapshots.length, 1);
  t.same(await lease.revoke(), undefined);

  seen.close();
});

t.test('users that are switched on while a client is at work', settings, async (t) => {
  const etcd = await startEtcd(t);
  const access = { user: 'node-a', password: 'node-secret' };
  const kv = await open(t, etcd.authority, { access });
  t.equal((await kv.put('/selvage/lab/record/a', '1')).kind, 'written');
  const seen = follow(kv, '/selvage/lab/');
  await seen.until(({ states }) => states.includes('synced'), 'in sync');
  enableUsers(etcd);
  t.equal((await kv.put('/selvage/lab/record/a', '2')).kind, 'written');
  await seen.until(({ view }) => view.get('/selvage/lab/record/a') === '2', 'the change');
  seen.close();
});

t.test('certificates of both sides; the name in the client’s is its user', settings, async (t) => {
  const authority = makeAuthority(t);
  const stranger = makeAuthority(t);
  const member = authority.issue('etcd', ['IP:127.0.0.1', 'DNS:etcd.example']);
  const etcd = await startEtcd(t, { tls: { ca: authority.ca, ...member } });
  const root = authority.issue('root');
  enableUsers({ ...etcd, ctl: (args) => etcd.ctl(args, { pair: root }) });
  const node = authority.issue('node-a');

  const kv = await open(t, etcd.authority, { access: { ca: authority.ca, ...node } });
  t.equal((await kv.put('/selvage/lab/record/a', 'mine')).kind, 'written');
  t.match(await failureOf(kv.put('/selvage/lab/record/b', '')), /^denied: .*roles/);
  const seen = follow(kv, '/selvage/lab/');
  await seen.until(({ view }) => view.has('/selvage/lab/record/a'), 'a watch');
  seen.close();

  const named = await open(t, etcd.authority, {
    access: { ca: authority.ca, ...node, serverName: 'etcd.example' },
  });
  t.equal((await named.get('/selvage/lab/record/a'))?.value, 'mine');
  const patience = { callMs: 1_500 };
  for (const { access, why } of [
    {
      access: { ca: authority.ca, ...node, serverName: 'other.example' },
      why: /^denied: .*another's .*other\.example.*--store-server-name/,
    },
    { access: { ca: stranger.ca, ...node }, why: /^denied: .*not trusted: .*--store-ca/ },
    { access: { ca: authority.ca, ...stranger.issue('node-a') }, why: /^denied: .*--store-cert/ },
    { access: { ca: authority.ca }, why: /^denied: .*--store-cert/ },
    { access: {}, why: /^unavailable: .*does it want TLS/ },
  ]) {
    const refused = await open(t, etcd.authority, { access, timing: patience });
    t.match(await failureOf(refused.get('/selvage/lab/record/a')), why, JSON.stringify(why.source));
  }
});

t.test('a server without TLS that is asked for it', settings, async (t) => {
  const authority = makeAuthority(t);
  const etcd = await startEtcd(t);
  const kv = await open(t, etcd.authority, {
    access: { ca: authority.ca },
    timing: { callMs: 500 },
  });
  t.match(await failureOf(kv.get('/a')), /^unavailable: .*does it speak TLS/);
});

t.test('bytes, sizes and times that nobody expects', settings, async (t) => {
  const etcd = await startEtcd(t, { flags: ['--max-txn-ops=2000'] });
  const relay = await startRelay(t, etcd.members[0]!.endpoint);
  const [kv, other] = [await open(t, relay.endpoint), await open(t, etcd.authority)];

  await t.test('values that are no text', async (t) => {
    const seen = follow(kv, '/odd/');
    await seen.until(({ states }) => states.includes('synced'), 'in sync');
    const bytes = Buffer.from([0x61, 0xff, 0xfe, 0x00, 0xc3, 0x28, 0x62]);
    etcd.ctl(['put', '/odd/value'], { input: bytes });
    etcd.ctl(['put', `/odd/key\u0007\u001b`, 'x']);
    await seen.until(({ view }) => view.size === 2, 'both');
    t.equal(seen.view.get('/odd/value'), 'a\ufffd\ufffd\0\ufffd(b');
    t.equal((await kv.get('/odd/value'))?.value, 'a\ufffd\ufffd\0\ufffd(b');
    t.equal((await kv.put('/odd/value', 'text')).kind, 'written');
    seen.close();
  });

  await t.test('a value that is too large is refused, and the next one is not', async (t) => {
    t.match(
      await failureOf(kv.put('/large', 'x'.repeat(2_000_000))),
      /^unusable: cannot write \/large .*: the value has 2000000 bytes, and etcd takes 1572864 unless .*--max-request-bytes/,
    );
    const text = 'ä'.repeat(500_000);
    t.equal((await kv.put('/large', text)).kind, 'written');
    t.equal((await kv.get('/large'))?.value, text);
  });

  await t.test('more changes than a message holds, after an outage', async (t) => {
    const seen = follow(kv, '/many/');
    await seen.until(({ states }) => states.includes('synced'), 'in sync');
    relay.cut();
    await seen.until(({ states }) => states.at(-1) === 'broken', 'the outage');
    const value = 'y'.repeat(120_000);
    await Promise.all(
      Array.from({ length: 60 }, (_, i) => other.put(`/many/${i}`, `${i}${value}`)),
    );
    relay.mend();
    await seen.until(({ view }) => view.size === 60, 'all of them');
    t.equal(seen.snapshots.length, 1);
    t.equal(seen.events.length, 60);
    t.ok([...seen.view].every(([key, text]) => text === key.slice('/many/'.length) + value));
    seen.close();
  });

  await t.test('ten thousand records, in one moment', async (t) => {
    const value = 'z'.repeat(300);
    for (let start = 0; start < 10_000; start += 2_000) {
      const puts = Array.from({ length: 2_000 }, (_, i) => `put /fleet/${start + i} ${value}`);
      etcd.ctl(['txn'], { input: Buffer.from(`\n${puts.join('\n')}\n\n\n`) });
    }
    let stopped = false;
    const writing = (async () => {
      while (!stopped) await other.put('/fleet/9999', value);
    })();
    const listing = await kv.list('/fleet/');
    stopped = true;
    await writing;
    t.equal(listing.entries.length, 10_000);
    t.equal(new Set(listing.entries.map(({ key }) => key)).size, 10_000);
    t.ok(listing.entries.every(({ modRevision }) => modRevision <= listing.revision));
  });

  await t.test('a store that was emptied is listed anew', async (t) => {
    await kv.put('/put-back/a', '1');
    const seen = follow(kv, '/put-back/');
    await seen.until(({ states }) => states.includes('synced'), 'in sync');
    await etcd.members[0]!.kill();
    etcd.members[0]!.wipe();
    await etcd.members[0]!.start();
    await seen.until(({ snapshots }) => snapshots.length === 2, 'a second listing');
    t.equal(seen.view.size, 0);
    await kv.put('/put-back/b', '1');
    await seen.until(({ view }) => view.has('/put-back/b'), 'a change of the new one');
    seen.close();
  });
});

t.test('the password file of an access is read, and kept from others', settings, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'selvage-access-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const passwordFile = join(folder, 'password');
  writeFileSync(passwordFile, 'node-secret\n', { mode: 0o600 });
  const etcd = await startEtcd(t);
  enableUsers(etcd);
  const access = { user: 'node-a', passwordFile };
  const kv = await open(t, etcd.authority, { access });
  t.equal((await kv.put('/selvage/lab/record/a', 'x')).kind, 'written');
  chmodSync(passwordFile, 0o640);
  t.match(
    await failureOf(open(t, etcd.authority, { access })),
    /^StoreAccessError: .* mode 0640.*chmod 0600/,
  );
});
