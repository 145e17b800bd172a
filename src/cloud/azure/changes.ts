/** The calls that change something, as changes that somebody else decides to carry out. */
import { field } from '../json-values.js';
import type { CloudChange } from '../control.js';
import { CloudError } from '../control.js';
import type { ResourceManager } from './client.js';
import type { RouteChange } from './routes.js';
import { type AzureNic, lastPart } from './wire.js';

const call = {
  readNic: 'Microsoft.Network/networkInterfaces/read',
  writeNic: 'Microsoft.Network/networkInterfaces/write',
  writeRoute: 'Microsoft.Network/routeTables/routes/write',
  deleteRoute: 'Microsoft.Network/routeTables/routes/delete',
} as const;

/**
 * `enableIPForwarding` of a NIC. Azure takes a NIC as a whole, and what is left out is taken away: so
 * all of it is read, one field changed, and all of it written, on the condition (its etag) that
 * nobody else wrote in between. If somebody did, it is read once more.
 */
export function enableForwarding(client: ResourceManager, nic: AzureNic): CloudChange {
  const once = async (signal: AbortSignal | undefined): Promise<void> => {
    const read = { path: nic.id, call: call.readNic, permission: call.readNic, signal };
    const answer = await client.send(read);
    const whole = answer.body as Record<string, unknown>;
    const properties = field(whole, 'properties') as Record<string, unknown>;
    if (properties.enableIPForwarding === true) return;
    const etag = field(whole, 'etag') ?? answer.headers.get('etag');
    if (typeof etag !== 'string')
      throw new CloudError(`Azure shows NIC ${nic.name} without an etag, so it is not written`, {
        failure: 'other',
        code: 'NoEtag',
        call: call.writeNic,
      });
    await client.change({
      method: 'PUT',
      path: nic.id,
      headers: { 'if-match': etag },
      body: { ...whole, properties: { ...properties, enableIPForwarding: true } },
      call: call.writeNic,
      permission: call.writeNic,
      signal,
    });
  };
  return {
    text: `switch IP forwarding of NIC ${nic.name} on`,
    call: call.writeNic,
    permission: call.writeNic,
    makes: 'ipForwarding',
    carryOut: async (signal) => {
      try {
        await once(signal);
      } catch (error) {
        if (!(error instanceof CloudError) || error.code !== 'PreconditionFailed') throw error;
        await once(signal);
      }
    },
  };
}

export function changeRoute(client: ResourceManager, change: RouteChange): CloudChange {
  const { table, name, to } = change;
  const path = `${table}/routes/${encodeURIComponent(name)}`;
  const where = `route table ${lastPart(table)}`;
  if (to === undefined)
    return {
      text: `delete route ${name} of ${where}, ours and not wanted any more`,
      call: call.deleteRoute,
      permission: call.deleteRoute,
      makes: 'fabricRoutes',
      carryOut: async (signal) => {
        try {
          await client.change({
            method: 'DELETE',
            path,
            call: call.deleteRoute,
            permission: call.deleteRoute,
            signal,
          });
        } catch (error) {
          if (error instanceof CloudError && error.failure === 'absent') return;
          throw error;
        }
      },
    };
  return {
    text: `route ${to.prefix} to ${to.address} in ${where}`,
    call: call.writeRoute,
    permission: call.writeRoute,
    makes: 'fabricRoutes',
    carryOut: (signal) =>
      client.change({
        method: 'PUT',
        path,
        body: {
          name,
          properties: {
            addressPrefix: to.prefix,
            nextHopType: 'VirtualAppliance',
            nextHopIpAddress: to.address,
          },
        },
        call: call.writeRoute,
        permission: call.writeRoute,
        signal,
      }),
  };
}
