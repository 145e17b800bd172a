/**
 * The certificates of a lab's store: an authority of its own, and one certificate that all members
 * share, good for the few days that a lab stands at most. Made by openssl, which every Debian has.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { command } from '../shell.js';

export interface StoreCertificates {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

const validDays = '7';

/** Where they are. */
export function certificatesIn(folder: string): StoreCertificates {
  const path = (name: string): string => join(folder, name);
  return { ca: path('ca.pem'), cert: path('member.pem'), key: path('member.key') };
}

export async function makeCertificates(
  folder: string,
  addresses: readonly string[],
): Promise<StoreCertificates> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = (name: string): string => join(folder, name);
  const { ca, cert, key } = certificatesIn(folder);
  const caKey = path('ca.key');
  const request = [
    'openssl',
    'req',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
  ];
  await command([
    ...request,
    ...['-x509', '-days', validDays, '-subj', '/CN=lab store authority'],
    ...['-keyout', caKey, '-out', ca],
  ]);
  const names = ['127.0.0.1', ...addresses].map((address) => `IP:${address}`).join(',');
  writeFileSync(
    path('member.ext'),
    `subjectAltName=${names}\nextendedKeyUsage=serverAuth,clientAuth\n`,
  );
  await command([...request, '-subj', '/CN=lab store', '-keyout', key, '-out', path('member.csr')]);
  await command([
    ...['openssl', 'x509', '-req', '-in', path('member.csr'), '-days', validDays],
    ...['-CA', ca, '-CAkey', caKey, '-CAcreateserial', '-extfile', path('member.ext')],
    ...['-out', cert],
  ]);
  return { ca, cert, key };
}
