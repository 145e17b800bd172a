/** With what a store is opened: certificates, user and password. */
import { readFile, stat } from 'node:fs/promises';

export interface StoreAccess {
  /** Files in PEM. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Name that the server's certificate must have, where it is not that of the end point. */
  readonly serverName?: string;
  readonly user?: string;
  readonly passwordFile?: string;
  /** From the access file; never from the command line, where everybody sees it. */
  readonly password?: string;
  /** Without TLS to another machine: for networks that nobody else is on. */
  readonly insecure?: boolean;
}

/** It cannot be opened with these; the message says what to do. */
export class StoreAccessError extends Error {
  override readonly name = 'StoreAccessError';
}

/** What the files hold; secrets stay out of every message. */
export interface Credentials {
  readonly tls?: TlsCredentials;
  readonly login?: Login;
}

export interface TlsCredentials {
  /** Undefined: the authorities that the system trusts. */
  readonly ca?: Buffer;
  readonly pair?: { readonly cert: Buffer; readonly key: Buffer };
  readonly serverName?: string;
}

export interface Login {
  readonly user: string;
  readonly password: string;
}

export async function readCredentials(access: StoreAccess): Promise<Credentials> {
  const { ca, cert, key, serverName } = access;
  if ((cert === undefined) !== (key === undefined))
    throw new StoreAccessError(
      cert === undefined
        ? `the key ${key} of the store has no certificate; add --store-cert`
        : `the certificate ${cert} for the store has no key; add --store-key`,
    );
  const useTls = ca ?? cert ?? serverName;
  const [authority, certificate, privateKey, login] = await Promise.all([
    ca === undefined ? undefined : readPem(ca, 'CERTIFICATE'),
    cert === undefined ? undefined : readPem(cert, 'CERTIFICATE'),
    key === undefined ? undefined : readPem(key, 'PRIVATE KEY'),
    readLogin(access),
  ]);
  const pair =
    certificate === undefined || privateKey === undefined
      ? undefined
      : { cert: certificate, key: privateKey };
  return {
    ...(useTls === undefined
      ? {}
      : {
          tls: {
            ...(authority === undefined ? {} : { ca: authority }),
            ...(pair === undefined ? {} : { pair }),
            ...(serverName === undefined ? {} : { serverName }),
          },
        }),
    ...(login === undefined ? {} : { login }),
  };
}

async function readLogin(access: StoreAccess): Promise<Login | undefined> {
  const { user, passwordFile } = access;
  if (user === undefined) {
    if (passwordFile !== undefined || access.password !== undefined)
      throw new StoreAccessError('there is a password for the store and no user; name one');
    return undefined;
  }
  if (passwordFile !== undefined && access.password !== undefined)
    throw new StoreAccessError(
      `user ${user} of the store has a password and a password file; keep one of them`,
    );
  if (access.password !== undefined) return { user, password: access.password };
  if (passwordFile === undefined)
    throw new StoreAccessError(
      `user ${user} of the store has no password; name a file with --store-password-file`,
    );
  await refuseReadableByOthers(passwordFile);
  const password = (await readText(passwordFile)).toString('utf8').replace(/\r?\n$/, '');
  if (password === '')
    throw new StoreAccessError(`the password file ${passwordFile} is empty; write the password`);
  return { user, password };
}

/** A secret that others on this machine may read is none. */
export async function refuseReadableByOthers(path: string): Promise<void> {
  let mode: number;
  try {
    ({ mode } = await stat(path));
  } catch (error) {
    throw cannotRead(path, error);
  }
  if ((mode & 0o077) === 0) return;
  throw new StoreAccessError(
    `${path} holds a password and has mode ${(mode & 0o777).toString(8).padStart(4, '0')}, so others than its owner may read it; run "chmod 0600 ${path}"`,
  );
}

async function readPem(path: string, label: string): Promise<Buffer> {
  const content = await readText(path);
  if (!new RegExp(`-----BEGIN [A-Z ]*${label}-----`).test(content.toString('latin1')))
    throw new StoreAccessError(
      `${path} holds no ${label} in PEM; give a file with "-----BEGIN … ${label}-----" in it`,
    );
  return content;
}

async function readText(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw cannotRead(path, error);
  }
}

function cannotRead(path: string, error: unknown): StoreAccessError {
  const { code, message } = error as NodeJS.ErrnoException;
  const why =
    code === 'ENOENT'
      ? 'there is no such file'
      : code === 'EACCES' || code === 'EPERM'
        ? 'this user may not read it'
        : message;
  return new StoreAccessError(`cannot read ${path} for the store: ${why}; check the path`);
}
