/** Certificates for tests, by openssl: an authority, and what it has signed. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Teardown } from './netns.js';

export interface Pair {
  readonly cert: string;
  readonly key: string;
}

export interface Authority {
  readonly ca: string;
  /** `names` as in a certificate: `IP:127.0.0.1`, `DNS:etcd.example`. */
  issue(commonName: string, names?: readonly string[]): Pair;
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

export function makeAuthority(t: Teardown): Authority {
  const folder = mkdtempSync(join(tmpdir(), 'selvage-certificates-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const path = (name: string): string => join(folder, name);
  const openssl = (...args: readonly string[]): void =>
    void execFileSync('openssl', args, { stdio: 'ignore' });
  const [ca, caKey] = [path('ca.pem'), path('ca.key')];
  openssl('req', '-x509', ...newKey, '-subj', '/CN=authority', '-keyout', caKey, '-out', ca);
  let count = 0;
  return {
    ca,
    issue: (commonName, names = []) => {
      const base = path(String(++count));
      const [cert, key, request] = [`${base}.pem`, `${base}.key`, `${base}.csr`];
      const alternatives = names.length === 0 ? '' : `subjectAltName=${names.join(',')}\n`;
      writeFileSync(`${base}.ext`, `${alternatives}extendedKeyUsage=serverAuth,clientAuth\n`);
      const subject = ['-subj', `/CN=${commonName.replaceAll('/', '\\/')}`];
      openssl('req', ...newKey, ...subject, '-keyout', key, '-out', request);
      const signed = ['-CA', ca, '-CAkey', caKey, '-CAcreateserial', '-extfile', `${base}.ext`];
      openssl('x509', '-req', '-in', request, ...signed, '-days', '2', '-out', cert);
      return { cert, key };
    },
  };
}
