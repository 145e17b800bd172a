/**
 * How a command is told of a fleet's store, with one wording for all of them: an address on the
 * command line or in the environment, else the file that `node join` leaves. What is typed goes
 * before what the file says, key by key.
 */
import type { Command, OptionValues } from '@commander-js/extra-typings';
import { Option } from '@commander-js/extra-typings';
import { defaultStoreFile } from '../agent/paths.js';
import type { StoreAccess } from '../store/access.js';
import type { StoreAddress } from '../store/address.js';
import type { KeyValue } from '../store/kv.js';
import { usageFailure } from './failure.js';

/** With what a store is opened, wherever its address comes from. */
export interface StoreAccessFlags {
  readonly storeFile: string;
  readonly storeCa?: string;
  readonly storeCert?: string;
  readonly storeKey?: string;
  readonly storeServerName?: string;
  readonly storeUser?: string;
  readonly storePasswordFile?: string;
  readonly storeInsecure?: true;
}

export interface StoreFlags extends StoreAccessFlags {
  readonly store?: string;
}

export interface StoreRequest {
  readonly address: StoreAddress;
  readonly access: StoreAccess;
}

/** Adds the options to a command; its action gets `StoreFlags` among its own. */
export function withStoreOptions<
  A extends unknown[],
  O extends OptionValues,
  G extends OptionValues,
>(command: Command<A, O, G>): Command<A, O & Plain<StoreFlags>, G> {
  for (const option of storeOptions()) command.addOption(option);
  return command as unknown as Command<A, O & Plain<StoreFlags>, G>;
}

/** For commands that ask a file about a cluster: the address of a store may stand in its place. */
export function withStoreAccess<
  A extends unknown[],
  O extends OptionValues,
  G extends OptionValues,
>(command: Command<A, O, G>): Command<A, O & Plain<StoreAccessFlags>, G> {
  for (const option of accessOptions())
    command.addOption(option.helpGroup('With etcd://…/CLUSTER in place of a file:'));
  return command as unknown as Command<A, O & Plain<StoreAccessFlags>, G>;
}

/** As an alias: an interface is never a record of options. */
type Plain<T> = { [K in keyof T]: T[K] };

function storeOptions(): readonly Option[] {
  return [
    new Option(
      '--store <address>',
      "the fleet's store, e.g. etcd://10.0.0.1:2379,10.0.0.2:2379/prod",
    ).env('SELVAGE_STORE'),
    ...accessOptions(),
  ];
}

function accessOptions(): readonly Option[] {
  return [
    new Option('--store-file <file>', 'where the store and its credentials are written down')
      .env('SELVAGE_STORE_FILE')
      .default(defaultStoreFile),
    new Option('--store-ca <file>', "authority of the store's certificates (PEM)").env(
      'SELVAGE_STORE_CA',
    ),
    new Option('--store-cert <file>', 'certificate to show to the store (PEM)').env(
      'SELVAGE_STORE_CERT',
    ),
    new Option('--store-key <file>', 'key of that certificate (PEM)').env('SELVAGE_STORE_KEY'),
    new Option(
      '--store-server-name <name>',
      "name in the store's certificate, where it is not the host's",
    ).env('SELVAGE_STORE_SERVER_NAME'),
    new Option('--store-user <user>', 'user of the store').env('SELVAGE_STORE_USER'),
    new Option('--store-password-file <file>', 'file of mode 0600 with its password').env(
      'SELVAGE_STORE_PASSWORD_FILE',
    ),
    new Option(
      '--store-insecure',
      'without TLS to another machine, for networks that nobody else is on',
    ).env('SELVAGE_STORE_INSECURE'),
  ];
}

/** Undefined when neither the command line nor the file names a store. */
export async function storeRequest(flags: StoreFlags): Promise<StoreRequest | undefined> {
  const [{ readAccessFile }, { storeAddress }] = await Promise.all([
    import('../store/access-file.js'),
    import('../store/registry.js'),
  ]);
  const file = await readAccessFile(flags.storeFile);
  if (file === undefined && flags.storeFile !== defaultStoreFile)
    throw usageFailure(`there is no file ${flags.storeFile}; name another with --store-file`);
  const text = flags.store ?? file?.store;
  if (text === undefined) return undefined;
  return { address: storeAddress(text), access: joined(file?.access ?? {}, flags) };
}

/**
 * For what a node's own account may not do. Where a store is typed, the file that a join left on
 * this machine counts for nothing: it has the node's credentials.
 */
export async function requireOperatorStore(flags: StoreFlags): Promise<StoreRequest> {
  if (flags.store === undefined || flags.storeFile !== defaultStoreFile) return requireStore(flags);
  const { storeAddress } = await import('../store/registry.js');
  return { address: storeAddress(flags.store), access: joined({}, flags) };
}

/** As `storeRequest`, for commands that are nothing without a store. */
export async function requireStore(flags: StoreFlags): Promise<StoreRequest> {
  const request = await storeRequest(flags);
  if (request !== undefined) return request;
  throw usageFailure(
    `no store is named, and there is none in ${flags.storeFile}; name one with --store etcd://HOST:PORT/CLUSTER`,
  );
}

/** Opens the store, hands it over, and closes it whatever happens. */
export async function withStore<T>(
  request: StoreRequest,
  use: (kv: KeyValue, address: StoreAddress) => Promise<T>,
): Promise<T> {
  const { openKeyValue } = await import('../store/registry.js');
  const kv = await openKeyValue(request);
  try {
    return await use(kv, request.address);
  } finally {
    kv.close();
  }
}

function joined(file: StoreAccess, flags: StoreFlags): StoreAccess {
  const { storeCa, storeCert, storeKey, storeServerName, storeUser, storePasswordFile } = flags;
  const typed = {
    ca: storeCa,
    cert: storeCert,
    key: storeKey,
    serverName: storeServerName,
    user: storeUser,
    passwordFile: storePasswordFile,
    insecure: flags.storeInsecure,
  };
  const given = Object.fromEntries(
    Object.entries(typed).filter(([, value]) => value !== undefined),
  );
  const { password, passwordFile, ...rest } = file;
  // Another user has another password.
  const secret =
    (storeUser ?? file.user) !== file.user || storePasswordFile !== undefined
      ? {}
      : {
          ...(password === undefined ? {} : { password }),
          ...(passwordFile === undefined ? {} : { passwordFile }),
        };
  return { ...rest, ...secret, ...given };
}
