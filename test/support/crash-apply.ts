/**
 * A program that applies one configuration of `crashPair` in a namespace, in batches of one, and
 * kills itself with SIGKILL after so many ops: `crash-apply.js NAMESPACE PEERS`, then on its
 * standard input the number of ops. It starts slowly, so it is started ahead and waits for that.
 */
import { openKernel } from '../../tunnel/real-kernel.js';
import { converge, crashPair, opByOp } from './crash.js';

const [, , netns = '', peers = ''] = process.argv;
const { after } = crashPair(Number(peers));
const kernel = openKernel({ netns });
process.stdout.write('ready\n');
process.stdin.once('data', (text) => {
  let left = Number(text.toString());
  const mortal = opByOp(kernel, () => {
    if (--left <= 0) process.kill(process.pid, 'SIGKILL');
    return Promise.resolve();
  });
  converge(mortal, after).then(
    () => process.stdout.write('done\n', () => process.exit(0)),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    },
  );
});
