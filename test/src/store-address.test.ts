/** How a fleet's store is named and opened: addresses, credentials, the access file, the options. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Command } from '@commander-js/extra-typings';
import fc from 'fast-check';
import t from 'tap';
import type { StoreRequest } from '../../src/cli/store-options.js';
import { requireStore, storeRequest, withStoreOptions } from '../../src/cli/store-options.js';
import { readAccessFile } from '../../src/store/access-file.js';
import { readCredentials } from '../../src/store/access.js';
import { isLoopback } from '../../src/store/address.js';
import { decodeRange, decodeTxn } from '../../src/store/etcd/messages.js';
import { decodeWatch } from '../../src/store/etcd/watch-messages.js';
import { WireError } from '../../src/store/etcd/wire.js';
import { endOfPrefix } from '../../src/store/etcd/listing.js';
import { openKeyValue, storeAddress } from '../../src/store/registry.js';
import { property } from '../support/property.js';

function messageOf(attempt: () => unknown): string {
  try {
    return `none: ${JSON.stringify(attempt())}`;
  } catch (error) {
    return (error as Error).message;
  }
}

async function failureOf(attempt: Promise<unknown>): Promise<string> {
  return attempt.then(
    (value) => `none: ${JSON.stringify(value)}`,
    (error: unknown) => `${(error as Error).name}: ${(error as Error).message}`,
  );
}

t.test('an address names the engine, the end points and the cluster', (t) => {
  t.same(storeAddress('etcd://10.0.0.1:2379,ETCD-2.example,[2001:db8::3]:2380/prod'), {
    engine: 'etcd',
    endpoints: [
      { host: '10.0.0.1', port: 2379, text: '10.0.0.1:2379' },
      { host: 'etcd-2.example', port: 2379, text: 'etcd-2.example:2379' },
      { host: '2001:db8::3', port: 2380, text: '[2001:db8::3]:2380' },
    ],
    cluster: 'prod',
    text: 'etcd://10.0.0.1:2379,etcd-2.example:2379,[2001:db8::3]:2380/prod',
  });
  for (const [host, own] of [
    ['127.0.0.1', true],
    ['127.9.9.9', true],
    ['[::1]', true],
    ['localhost', true],
    ['10.0.0.1', false],
    ['127.example', false],
    ['localhost.example', false],
    ['[::]', false],
    ['0.0.0.0', false],
  ] as const)
    t.equal(isLoopback(storeAddress(`etcd://${host}/x`).endpoints[0]!), own, host);
  t.end();
});

t.test('what is no address is refused with what is wrong in it', (t) => {
  for (const [text, why] of [
    ['10.0.0.1:2379', /this is no address of a store: "10.0.0.1:2379"; write it as etcd:/],
    ['etcd:/10.0.0.1/x', /this is no address/],
    ['zookeeper://h/x', /no store of the kind "zookeeper".*known: etcd, memory/],
    ['etcd://10.0.0.1:2379', /does not say which cluster/],
    ['etcd://10.0.0.1:2379/', /does not say which cluster/],
    ['etcd:///prod', /names no host/],
    ['etcd://10.0.0.1/Prod', /"Prod" is no name of a cluster/],
    ['etcd://10.0.0.1/a/b', /"a\/b" is no name of a cluster/],
    ['etcd://2001:db8::1/prod', /needs brackets, \[2001:db8::1\]/],
    ['etcd://[2001:db8::g]/prod', /is no IPv6 address/],
    ['etcd://10.0.0.256/prod', /"10.0.0.256" is neither/],
    ['etcd://host:/prod', /no port from 1 to 65535/],
    ['etcd://host:0/prod', /no port/],
    ['etcd://host:65536/prod', /no port/],
    ['etcd://host:x/prod', /is no host with a port/],
    ['etcd://a,,b/prod', /an end point has no host/],
    ['etcd://a,a:2379/prod', /a:2379 is named twice/],
    ['etcd://a b/prod', /neither an IP address nor a host name/],
  ] as const)
    t.match(
      messageOf(() => storeAddress(text)),
      why,
      text,
    );
  const secret = messageOf(() => storeAddress('etcd://root:hunter2@10.0.0.1/prod'));
  t.match(secret, /holds no credentials.*--store-password-file/);
  t.notMatch(secret, /hunter2/);
  t.end();
});

const host = fc.oneof(
  fc.ipV4(),
  fc.ipV6().map((text) => `[${text}]`),
  fc.stringMatching(/^[a-z][a-z0-9]{0,8}(\.[a-z][a-z0-9]{0,5})?$/),
);
const endpoint = fc.tuple(host, fc.integer({ min: 1, max: 65_535 }));

property(
  'an address that was read is written so that it is read the same',
  [fc.uniqueArray(endpoint, { minLength: 1, maxLength: 4, selector: String })],
  (ends) => {
    const text = `etcd://${ends.map(([name, port]) => `${name}:${port}`).join(',')}/prod`;
    const address = storeAddress(text);
    return address.text === text && isDeepStrictEqual(storeAddress(address.text), address);
  },
);

t.test('the access file', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'selvage-store-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'store.yaml');
  const write = (text: string, mode = 0o600): void => {
    writeFileSync(path, text);
    chmodSync(path, mode);
  };
  t.equal(await readAccessFile(path), undefined, 'there is none');
  write(
    'store: etcd://h/prod\nca: pki/ca.pem\ncert: /abs/c.pem\nkey: k.pem\ninsecure: false\n',
    0o644,
  );
  t.same(await readAccessFile(path), {
    store: 'etcd://h/prod',
    access: {
      ca: join(folder, 'pki/ca.pem'),
      cert: '/abs/c.pem',
      key: join(folder, 'k.pem'),
      insecure: false,
    },
  });
  write('');
  t.same(await readAccessFile(path), { access: {} });
  write('user: node-a\npassword: "hunter2"\n');
  t.same(await readAccessFile(path), { access: { user: 'node-a', password: 'hunter2' } });
  for (const mode of [0o640, 0o604, 0o620]) {
    write('user: node-a\npassword: hunter2\n', mode);
    const said = await failureOf(readAccessFile(path));
    t.match(said, new RegExp(`^StoreAccessError: .*store.yaml.*0${mode.toString(8)}.*chmod 0600`));
    t.notMatch(said, /hunter2/);
  }
  write('store: etcd://h/prod\nsevrerName: x\n');
  t.match(
    await failureOf(readAccessFile(path)),
    /store\.yaml:2:1: .*unknown key "sevrerName".*"serverName"/,
  );
  write('user: a\npassword: 12345\n');
  const said = await failureOf(readAccessFile(path));
  t.match(said, /store\.yaml:2:11: .*the password is no text — write it in quotes/);
  t.notMatch(said, /12345/);
  write('store: [etcd\n');
  t.match(await failureOf(readAccessFile(path)), /StoreAccessError: .*store\.yaml:\d+:\d+: /);
  write('- a\n');
  t.match(await failureOf(readAccessFile(path)), /StoreAccessError: .*store\.yaml:1:1: /);
  mkdirSync(join(folder, 'dir'));
  t.match(await failureOf(readAccessFile(join(folder, 'dir'))), /cannot read .*directory/);
});

t.test('what is typed goes before the environment and the file', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'selvage-store-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'store.yaml');
  writeFileSync(path, 'store: etcd://file/prod\nuser: node-a\npassword: secret\nca: /file/ca\n', {
    mode: 0o600,
  });
  const ask = async (...args: readonly string[]): Promise<StoreRequest | undefined> => {
    let found: StoreRequest | undefined;
    const command = withStoreOptions(new Command('x')).action(async (flags) => {
      found = await storeRequest(flags);
    });
    await command.parseAsync(['node', 'x', '--store-file', path, ...args]);
    return found;
  };
  const file = { user: 'node-a', password: 'secret', ca: '/file/ca' };
  t.match(await ask(), { address: { text: 'etcd://file:2379/prod' } });
  t.same((await ask())?.access, file);
  t.same((await ask('--store-ca', '/typed'))?.access, { ...file, ca: '/typed' });
  t.same((await ask('--store-user', 'node-a'))?.access, file);
  t.same((await ask('--store-user', 'root', '--store-password-file', '/p'))?.access, {
    ca: '/file/ca',
    user: 'root',
    passwordFile: '/p',
  });
  t.same((await ask('--store-user', 'root'))?.access, { ca: '/file/ca', user: 'root' });
  t.match(await ask('--store', 'etcd://typed/lab', '--store-insecure'), {
    address: { text: 'etcd://typed:2379/lab' },
    access: { insecure: true },
  });
  t.match(await failureOf(ask('--store-file', join(folder, 'none'))), /there is no file .*none/);
  const nothing = { storeFile: path };
  writeFileSync(path, 'ca: /file/ca\n');
  t.equal(await storeRequest(nothing), undefined);
  t.match(await failureOf(requireStore(nothing)), /no store is named.*--store etcd:/);
});

t.test('credentials that do not fit together are refused before anybody is asked', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'selvage-store-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const text = join(folder, 'text');
  writeFileSync(text, '\n', { mode: 0o600 });
  for (const [access, why] of [
    [{ cert: '/c' }, /certificate \/c .*no key; add --store-key/],
    [{ key: '/k' }, /key \/k .*no certificate; add --store-cert/],
    [{ ca: '/none' }, /cannot read \/none .*no such file/],
    [{ ca: text }, /holds no CERTIFICATE in PEM/],
    [{ user: 'a' }, /user a .*no password/],
    [{ password: 'x' }, /a password for the store and no user/],
    [{ user: 'a', password: 'x', passwordFile: text }, /keep one of them/],
    [{ user: 'a', passwordFile: text }, /is empty/],
  ] as const)
    t.match(await failureOf(readCredentials(access)), why, JSON.stringify(access));
  t.same(await readCredentials({ serverName: 'a' }), { tls: { serverName: 'a' } });
  t.same(await readCredentials({}), {});

  const open = (address: string, insecure?: true): Promise<string> =>
    failureOf(
      openKeyValue({
        address: storeAddress(address),
        access: insecure === undefined ? {} : { insecure },
      }).then((kv) => {
        kv.close();
        return kv.name;
      }),
    );
  t.match(
    await open('etcd://192.0.2.1/x'),
    /KeyValueError: cannot use 192.0.2.1:2379 without TLS.*--store-ca.*--store-insecure/,
  );
  t.match(await open('etcd://127.0.0.1,192.0.2.1/x'), /cannot use 192.0.2.1:2379 without TLS/);
  t.equal(await open('etcd://192.0.2.1/x', true), 'none: "etcd://192.0.2.1:2379"');
  t.equal(await open('etcd://127.0.0.1,[::1]/x'), 'none: "etcd://127.0.0.1:2379,[::1]:2379"');
});

t.test('a store in memory is one in this process, by its name', async (t) => {
  const open = (name: string): ReturnType<typeof openKeyValue> =>
    openKeyValue({ address: storeAddress(`memory://${name}/lab`), access: {} });
  const [one, same, other] = await Promise.all([open('a'), open('a'), open('b')]);
  await one.put('/k', 'v');
  t.equal((await same.get('/k'))?.value, 'v');
  t.equal(await other.get('/k'), undefined);
});

property(
  'bytes that are no message of etcd end in one kind of error',
  [fc.uint8Array({ maxLength: 60 })],
  (bytes) => {
    for (const decode of [decodeRange, decodeTxn, decodeWatch])
      try {
        decode(Buffer.from(bytes));
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
      }
    return true;
  },
);

t.test('a prefix ends where the first key without it would be', (t) => {
  t.equal(endOfPrefix('/a/').toString(), '/a0');
  t.same([...endOfPrefix('a\u007f')], [0x61, 0x80]);
  t.same([...endOfPrefix('')], [0], 'to the end of all keys');
  t.end();
});
