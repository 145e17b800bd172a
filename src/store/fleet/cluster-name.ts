/**
 * A fleet's configuration belongs to the cluster that its store's address names: tunnel MACs derive
 * from the name, so one that says another name would cut every node off from every other.
 */
import type { Cluster } from '../../../encap/cluster.js';
import { defaultClusterName } from '../../config/limits.js';

/** A configuration that leaves the name out means the store's. */
export function clusterNamed<T extends Pick<Cluster, 'name'>>(
  cluster: T,
  name: string,
): { readonly ok: true; readonly cluster: T } | { readonly ok: false; readonly problem: string } {
  if (cluster.name === name) return { ok: true, cluster };
  if (cluster.name === defaultClusterName)
    return { ok: true, cluster: Object.freeze({ ...cluster, name }) };
  return {
    ok: false,
    problem: `it is of a cluster called "${cluster.name}", and this store is that of "${name}": write "cluster: ${name}", or name the other one at the end of the store's address`,
  };
}
