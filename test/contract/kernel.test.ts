/**
 * One suite on both kernels: the one in memory, which everything above is tested with, and a real
 * network namespace. Which kinds of device there are is found out; under user-mode-linux this
 * same file meets all of them.
 */
import t from 'tap';
import { skipReason } from '../support/capabilities.js';
import { memoryBench, namespaceBench } from './bench.js';
import { realKernelOnly } from './real-only.js';
import { kernelContract } from './suite.js';

kernelContract(t, memoryBench());

const skip = skipReason('netns', 'kernel-vxlan');
if (skip === false) {
  const bench = namespaceBench(t);
  kernelContract(t, bench);
  realKernelOnly(t, bench);
} else void t.test('the kernel of a namespace', { skip }, (t) => t.end());
