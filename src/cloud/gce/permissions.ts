/**
 * The IAM permissions that the calls of control.ts need, as `compute v1` documents them for each
 * method. A custom role of `read` is enough for `manage: false`; both together for `manage: true`.
 */
export const computePermissions = {
  read: [
    // instances.aggregatedList, instances.get
    'compute.instances.list',
    'compute.instances.get',
    // routes.list
    'compute.routes.list',
    // firewalls.list
    'compute.firewalls.list',
    // networks.getEffectiveFirewalls: policies of the organization, folders and the network
    'compute.networks.getEffectiveFirewalls',
  ],
  manage: [
    // instances.update, with a disruption of REFRESH at most
    'compute.instances.update',
    'compute.zoneOperations.get',
    // routes.insert: also the network's policy, and the instance as next hop
    'compute.routes.create',
    'compute.networks.updatePolicy',
    'compute.instances.use',
    // routes.delete
    'compute.routes.delete',
    'compute.globalOperations.get',
  ],
} as const;

export type ComputePermission = (typeof computePermissions)['read' | 'manage'][number];

/** The OAuth scopes of the instance's service account that let the token do as much. */
export const computeScopes = {
  read: 'https://www.googleapis.com/auth/compute.readonly',
  manage: 'https://www.googleapis.com/auth/compute',
} as const;
