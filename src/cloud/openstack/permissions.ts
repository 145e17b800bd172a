/**
 * Rules of Neutron's policy that the calls of control.ts need. A project's member has them all on
 * networks that the project owns; on shared and provider networks the allowed address pairs are the
 * administrator's.
 */
export const neutronPolicies = {
  read: ['get_port', 'get_router', 'get_security_group'],
  manage: ['update_port', 'update_port:allowed_address_pairs', 'update_ports_tags'],
} as const;

export type NeutronPolicy = (typeof neutronPolicies)['read' | 'manage'][number];
