/**
 * The actions of Azure's role definitions that the calls of control.ts need. A custom role of `read`
 * is enough for `manage: false`; both together for `manage: true`.
 */
export const azureActions = {
  read: [
    'Microsoft.Network/networkInterfaces/read',
    'Microsoft.Network/virtualNetworks/read',
    'Microsoft.Network/routeTables/read',
    'Microsoft.Network/networkSecurityGroups/read',
  ],
  manage: [
    'Microsoft.Network/networkInterfaces/write',
    // A NIC is written as a whole, and whoever writes it must be allowed all that it refers to.
    'Microsoft.Network/virtualNetworks/subnets/join/action',
    'Microsoft.Network/networkSecurityGroups/join/action',
    'Microsoft.Network/applicationSecurityGroups/joinIpConfiguration/action',
    'Microsoft.Network/publicIPAddresses/join/action',
    'Microsoft.Network/loadBalancers/backendAddressPools/join/action',
    'Microsoft.Network/loadBalancers/inboundNatRules/join/action',
    'Microsoft.Network/routeTables/routes/write',
    'Microsoft.Network/routeTables/routes/delete',
    // Long-running operations are followed to their end.
    'Microsoft.Network/locations/operations/read',
    'Microsoft.Network/locations/operationResults/read',
  ],
} as const;

export type AzureAction = (typeof azureActions)['read' | 'manage'][number];
