/** One suite on all engines of a fleet's store, and what only a real etcd can do wrong. */
import t from 'tap';
import { skipReason } from '../support/capabilities.js';
import { startEtcd } from '../support/etcd.js';
import { etcdBench, memoryBench } from './kv-bench.js';
import { kvContract } from './kv-suite.js';

t.setTimeout(240_000);

kvContract(t, memoryBench());

const skip = skipReason('etcd');
if (skip === false) kvContract(t, etcdBench(t, await startEtcd(t)));
else void t.test('etcd', { skip }, (t) => t.end());
