/**
 * What a machine keeps of its fleet: where the store is, who it is there, and its password. The
 * agent's unit needs nothing more to start.
 *
 *     /etc/selvage/store.yaml       0600, written last: with it the others are there
 *     /etc/selvage/store-ca.pem     a copy, as the agent sees no home directories
 *     /etc/selvage/store-password   0600
 */
import { readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { replaceFile } from '../agent/replace-file.js';
import type { StoreAccess } from '../store/access.js';
import type { StoreAddress } from '../store/address.js';

export interface NodeAccess {
  readonly node: string;
  readonly address: StoreAddress;
  /** Of whoever lets the node join: its server's part is the node's too. */
  readonly operator: StoreAccess;
  /** Undefined: nobody has to log in. */
  readonly login: { readonly user: string; readonly password: string } | undefined;
  /** Of the node, where the store wants one. */
  readonly certificate: { readonly cert: string; readonly key: string } | undefined;
}

/** Paths of what was written; `path` is that of the main file. */
export function writeAccessFiles(path: string, access: NodeAccess): readonly string[] {
  const { node, address, operator, login, certificate } = access;
  const { ca, serverName, insecure } = operator;
  const files = filesBeside(path);
  const written: string[] = [];
  const put = (file: string, content: Uint8Array | string, mode: number): void => {
    // A mode that somebody widened is not kept.
    rmSync(file, { force: true });
    replaceFile(file, Buffer.from(content), { mode });
    written.push(file);
  };
  if (ca !== undefined) {
    const content = readFileSync(ca);
    put(files.ca, content, 0o644);
  }
  if (login !== undefined) put(files.password, `${login.password}\n`, 0o600);
  const values = {
    store: address.text,
    ...(ca === undefined ? {} : { ca: basename(files.ca) }),
    ...certificate,
    ...(serverName === undefined ? {} : { serverName }),
    ...(login === undefined ? {} : { user: login.user, passwordFile: basename(files.password) }),
    ...(insecure === undefined ? {} : { insecure }),
  };
  put(path, `${mark(node)}; the next join writes it anew.\n${stringify(values)}`, 0o600);
  return written.reverse();
}

/** Removes what a join of that node wrote, and nothing else; returns the paths. */
export function removeAccessFiles(path: string, node: string): readonly string[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return [];
  }
  if (!text.startsWith(`${mark(node)};`)) return [];
  const { ca, password } = filesBeside(path);
  const found = [path, password, ca];
  for (const file of found) rmSync(file, { force: true });
  return found;
}

function mark(node: string): string {
  return `# Written when node ${node} joined`;
}

function filesBeside(path: string): { readonly ca: string; readonly password: string } {
  const stem = join(dirname(path), basename(path).replace(/\.ya?ml$/, ''));
  return { ca: `${stem}-ca.pem`, password: `${stem}-password` };
}

/** The unit reads the node's name from there, where it is not the host's. */
export function writeNodeName(path: string, node: string): boolean {
  const line = `SELVAGE_NODE=${node}`;
  let before = '';
  try {
    before = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const kept = before.split('\n').filter((one) => one !== '' && !one.startsWith('SELVAGE_NODE='));
  const text = `${[...kept, line].join('\n')}\n`;
  if (text === before) return false;
  replaceFile(path, Buffer.from(text), { mode: 0o644 });
  return true;
}
