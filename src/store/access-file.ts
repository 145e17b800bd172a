/**
 * The file that says where this node's store is and how it is opened, by default
 * /etc/selvage/store.yaml:
 *
 *     store: etcd://10.0.0.1:2379,10.0.0.2:2379/prod
 *     ca: /etc/selvage/store/ca.pem
 *     cert: /etc/selvage/store/node.pem
 *     key: /etc/selvage/store/node-key.pem
 *
 * Relative paths begin at the file's folder.
 */
import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import * as z from 'zod';
import { parseYaml, reportYamlErrors } from '../config/document.js';
import { readClusterBytes } from '../config/load.js';
import type { Problem } from '../config/problem.js';
import { formatProblem } from '../config/problem.js';
import { Report } from '../config/report.js';
import { readEntry } from '../config/shape.js';
import { decodeText } from '../config/text.js';
import { Tree } from '../config/tree.js';
import type { StoreAccess } from './access.js';
import { StoreAccessError, refuseReadableByOthers } from './access.js';

export interface AccessFile {
  readonly store?: string;
  readonly access: StoreAccess;
}

const text = z.string().min(1);

const schema = z.strictObject({
  store: text.optional(),
  ca: text.optional(),
  cert: text.optional(),
  key: text.optional(),
  serverName: text.optional(),
  user: text.optional(),
  password: text.optional(),
  passwordFile: text.optional(),
  insecure: z.boolean().optional(),
});

const pathKeys = ['ca', 'cert', 'key', 'passwordFile'] as const;

/** Undefined when there is no such file. */
export async function readAccessFile(path: string): Promise<AccessFile | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true)
    throw new StoreAccessError(`cannot read ${path}: this is a directory; name the file itself`);
  const read = await readClusterBytes(path);
  if (!read.ok) {
    const [problem] = read.problems;
    if (problem?.code === 'file-missing') return undefined;
    throw new StoreAccessError(`cannot read ${path}: ${problem?.message}; ${problem?.remedy}`);
  }
  const values = parse(read.bytes, path);
  if (values.password !== undefined) await refuseReadableByOthers(path);
  const { store, ...access } = values;
  const absolute = Object.fromEntries(
    pathKeys.flatMap((key) => {
      const value = access[key];
      return value === undefined ? [] : [[key, resolve(dirname(path), value)]];
    }),
  );
  return {
    ...(store === undefined ? {} : { store }),
    access: { ...access, ...absolute } as StoreAccess,
  };
}

function parse(bytes: Uint8Array, file: string): z.infer<typeof schema> {
  const decoded = decodeText(bytes);
  if (!decoded.ok)
    throw new StoreAccessError(
      `${file}:${decoded.line}:${decoded.column}: ${decoded.message} — ${decoded.remedy}`,
    );
  const parsed = parseYaml(decoded.text);
  if (parsed === 'nested-too-deeply')
    throw new StoreAccessError(`${file}: it is nested too deeply; write a mapping of one level`);
  const tree = new Tree(parsed);
  const report = new Report(file, tree);
  const data = reportYamlErrors(parsed, decoded.text, report) ? tree.toData(report) : undefined;
  if (data === null) return {};
  const entry = data === undefined ? undefined : readEntry(data, { schema, path: [], report });
  const problems = report.problems().map((problem) => formatProblem(withoutSecret(problem)));
  if (report.hasErrors || entry === undefined) throw new StoreAccessError(problems.join('\n'));
  return entry.value;
}

/** A password has no business in a message, nor has a piece of it that YAML stumbled on. */
function withoutSecret(problem: Problem): Problem {
  if (problem.path === 'password')
    return {
      ...problem,
      value: '',
      message: 'the password is no text',
      remedy: 'write it in quotes',
    };
  return problem.code === 'unknown-key' ? problem : { ...problem, value: '' };
}
