/** Following the cluster file through every way it is written. */
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  type ConfigSource,
  type ConfigSourceOptions,
  type ConfigUpdate,
  openConfigSource,
} from '../../src/config/index.js';

const file = (cluster: string): string =>
  `cluster: ${cluster}\nnodes: [{ name: a, address: 10.0.0.1, overlay: 10.64.1.0/24 }]\n`;

interface Followed {
  readonly folder: string;
  readonly path: string;
  readonly source: ConfigSource;
  /** Names of the clusters delivered, or the code of the first problem. */
  readonly seen: readonly string[];
  /** Waits until this is what was seen last. */
  last(text: string): Promise<void>;
}

const quick: ConfigSourceOptions = { debounceMs: 20, longestWaitMs: 200, pollIntervalMs: 60_000 };

/** A source on `cluster.yaml` in a folder that `prepare` has filled; no poll, so that only events count. */
async function follow(
  t: Test,
  options: ConfigSourceOptions & { readonly prepare?: (folder: string) => void } = {},
): Promise<Followed> {
  const folder = mkdtempSync(join(tmpdir(), 'selvage-source-'));
  const path = join(folder, 'cluster.yaml');
  if (options.prepare === undefined) writeFileSync(path, file('one'));
  else options.prepare(folder);
  const seen: string[] = [];
  const onUpdate = (update: ConfigUpdate): void => {
    if (update.kind === 'changed') seen.push(update.cluster.name);
    if (update.kind === 'rejected') seen.push(update.problems[0]!.code);
  };
  const source = await openConfigSource(path, { ...quick, ...options, onUpdate });
  await source.watch();
  t.teardown(() => {
    source.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const last = async (text: string): Promise<void> => {
    const deadline = performance.now() + 5_000;
    while (seen.at(-1) !== text && performance.now() < deadline) await pause(5);
    t.equal(seen.at(-1), text, `the last that was seen of ${seen.join(', ')}`);
  };
  return { folder, path, source, seen, last };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

t.test('a replaced file and a file written in place are both seen', async (t) => {
  const { path, source, seen, last } = await follow(t);
  t.same(seen, ['one']);
  t.equal(source.current?.revision, 1);
  writeFileSync(`${path}.new`, file('two'));
  renameSync(`${path}.new`, path);
  await last('two');
  writeFileSync(path, file('three'));
  await last('three');
  renameSync(path, `${path}~`);
  writeFileSync(path, file('four'));
  await last('four');
  t.equal(source.current?.name, 'four');
  t.ok(source.current!.revision >= 4, 'each change has a higher revision');
});

t.test('a revision that was claimed is nobody else’s', async (t) => {
  const { path, source, last } = await follow(t);
  t.equal(source.claimRevision(), 2);
  writeFileSync(path, file('two'));
  await last('two');
  t.ok(source.current!.revision > 2, `revision ${source.current!.revision}`);
  t.ok(source.claimRevision() > source.current!.revision);
});

t.test('a bad file never replaces a good one, and its problems are kept', async (t) => {
  const { path, source, seen, last } = await follow(t);
  writeFileSync(path, file('two').replace('10.0.0.1', '10.0.0.999'));
  await last('bad-address');
  t.equal(source.current?.name, 'one');
  t.match(source.lastProblems, [{ code: 'bad-address', line: 2, file: path }]);
  rmSync(path);
  await last('file-missing');
  t.equal(source.current?.name, 'one');
  writeFileSync(path, file('one'));
  const deadline = performance.now() + 5_000;
  while (source.lastProblems.length > 0 && performance.now() < deadline) await pause(5);
  t.same(source.lastProblems, [], 'the old content again is no change, and no longer a problem');
  t.equal(source.current?.revision, 1);
  t.same(seen, ['one', 'bad-address', 'file-missing']);
});

t.test('a swapped symbolic link is seen, as Kubernetes does it', async (t) => {
  const { folder, last } = await follow(t, {
    prepare: (folder) => {
      mkdirSync(join(folder, '..v1'));
      writeFileSync(join(folder, '..v1/cluster.yaml'), file('one'));
      symlinkSync('..v1', join(folder, '..data'));
      symlinkSync('..data/cluster.yaml', join(folder, 'cluster.yaml'));
    },
  });
  for (const version of ['v2', 'v3']) {
    mkdirSync(join(folder, `..${version}`));
    writeFileSync(join(folder, `..${version}/cluster.yaml`), file(version));
    symlinkSync(`..${version}`, join(folder, '..next'));
    renameSync(join(folder, '..next'), join(folder, '..data'));
    rmSync(join(folder, version === 'v2' ? '..v1' : '..v2'), { recursive: true });
    await last(version);
  }
  writeFileSync(join(folder, '..v3/cluster.yaml'), file('in-place'));
  await last('in-place');
});

t.test('a directory on the way that is replaced is followed', async (t) => {
  const { folder, last } = await follow(t, {
    prepare: (folder) => {
      mkdirSync(join(folder, 'v1'));
      writeFileSync(join(folder, 'v1/real.yaml'), file('one'));
      symlinkSync('v1/real.yaml', join(folder, 'cluster.yaml'));
    },
    // The event of the directory's own replacement comes from a directory that nothing leads through.
    pollIntervalMs: 50,
  });
  rmSync(join(folder, 'v1'), { recursive: true });
  await last('file-missing');
  mkdirSync(join(folder, 'v1'));
  writeFileSync(join(folder, 'v1/real.yaml'), file('two'));
  await last('two');
  writeFileSync(join(folder, 'v1/real.yaml'), file('three'));
  await last('three');
});

t.test('a file written in several steps is read when the writer pauses', async (t) => {
  const { path, seen, last } = await follow(t, { debounceMs: 400, longestWaitMs: 5_000 });
  truncateSync(path);
  for (const part of file('two').match(/.{1,20}|\n/g) ?? []) {
    appendFileSync(path, part);
    await pause(10);
  }
  await last('two');
  t.same(seen, ['one', 'two'], 'no half file was taken for a whole one');
});

t.test('a writer that never pauses does not put the reading off for ever', async (t) => {
  const { path, seen } = await follow(t, { debounceMs: 100, longestWaitMs: 300 });
  const end = performance.now() + 1_500;
  for (let i = 0; performance.now() < end; i++) {
    writeFileSync(`${path}.new`, file(`n${i}`));
    renameSync(`${path}.new`, path);
    await pause(20);
  }
  t.ok(seen.length >= 3, `${seen.length} were seen meanwhile`);
});

t.test('reload reads at once, and calls in the meantime share one read', async (t) => {
  const { path, source, seen } = await follow(t, { debounceMs: 60_000, longestWaitMs: 60_000 });
  writeFileSync(path, file('two'));
  const updates = await Promise.all([source.reload(), source.reload(), source.reload()]);
  t.same(
    updates.map((it) => it.kind),
    ['changed', 'unchanged', 'unchanged'],
  );
  t.same(seen, ['one', 'two']);
  t.equal(source.current?.revision, 2);
});

t.test('a source that starts with a bad file has no cluster until it is mended', async (t) => {
  const { path, source, last } = await follow(t, { prepare: () => undefined });
  t.equal(source.current, undefined);
  t.match(source.lastProblems, [{ code: 'file-missing' }]);
  writeFileSync(path, file('one'));
  await last('one');
  t.equal(source.current?.revision, 1);
});
