/**
 * `kill -9` after every single op of a change to 12 peers, on a real kernel: what works before and
 * after goes on at every moment, and a start from there ends where an undisturbed one does.
 */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { ownState } from '../../routes/ownership.js';
import { formatObject } from '../../tunnel/format.js';
import type { Kernel } from '../../tunnel/kernel.js';
import { openKernel } from '../../tunnel/real-kernel.js';
import { skipReason } from '../support/capabilities.js';
import { converge, crashPair, pathsOf, stopped } from '../support/crash.js';
import { createNamespace } from '../support/netns.js';

const skip = skipReason('root', 'netns', 'kernel-vxlan');
const peers = 12;
const { before, after } = crashPair(peers);

t.setTimeout(150_000);
t.test('kill -9 after every op', { skip, timeout: 140_000 }, async (t) => {
  const a = createNamespace(t);
  a.ip(
    'link add eth0 type veth peer name eth1',
    'addr add 172.16.0.1/12 dev eth0',
    'link set eth0 up',
    'link set eth1 up',
  );
  const kernel = openKernel({ netns: a.path });
  t.teardown(() => kernel.close());
  await converge(kernel, after);
  const wanted = await picture(kernel);
  const pathsAfter = await pathsOf(kernel);
  await converge(kernel, before);
  const ends = { before: await pathsOf(kernel), after: pathsAfter };

  // The next one starts while this one works.
  let next = mortal(a.path);
  t.teardown(() => next.process.kill('SIGKILL'));
  let ops = 1;
  for (; ; ops++) {
    const { process, ready } = next;
    next = mortal(a.path);
    await ready;
    const end = new Promise<string | number | null>((resolve) =>
      process.once('exit', (code, signal) => resolve(signal ?? code)),
    );
    process.stdin!.write(`${ops}\n`);
    const ended = await end;
    if (ended === 0) break;
    if (ended !== 'SIGKILL') return t.fail(`ended with ${ended} after ${ops} ops`);
    const complaints = stopped(await pathsOf(kernel), ends);
    if (complaints.length > 0) t.fail(`after ${ops} ops: ${complaints.join('; ')}`);
    await converge(kernel, after);
    const found = await picture(kernel);
    if (found !== wanted) t.equal(found, wanted, `a start after ${ops} ops`);
    await converge(kernel, before);
  }
  t.equal(await picture(kernel), wanted, 'and one that nobody killed');
  t.ok(ops > peers, `${ops - 1} kills`);
});

function mortal(netns: string): { process: ChildProcess; ready: Promise<unknown> } {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  const program = fileURLToPath(new URL(`../support/crash-apply${extension}`, import.meta.url));
  const child = spawn(process.execPath, [...process.execArgv, program, netns, String(peers)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  return { process: child, ready: new Promise((resolve) => child.stdout.once('data', resolve)) };
}

async function picture(kernel: Kernel): Promise<string> {
  const own = ownState(await kernel.dump());
  return [...own.links, ...own.addresses, ...own.neighbours, ...own.fdb, ...own.routes]
    .map(formatObject)
    .sort()
    .join('\n');
}
