/** The calls that change something, as changes that somebody else decides to carry out. */
import type { ClusterNode } from '../../../encap/cluster.js';
import type { CloudChange } from '../control.js';
import { CloudError } from '../control.js';
import { textsField } from '../json-values.js';
import type { ComputeClient } from './client.js';
import type { GceNode } from './nodes.js';
import type { NetworkRoute, RouteInsert } from './routes.js';
import { type ComputeInstance, lastPart, projectOf } from './wire.js';

export interface ChangeContext {
  readonly client: ComputeClient;
  readonly self: ClusterNode;
  readonly own: GceNode;
}

function instancePath(instance: ComputeInstance): string {
  return `projects/${projectOf(instance.selfLink)}/zones/${instance.zone}/instances/${instance.name}`;
}

/** What an operator types where the API does not do it on a running instance. */
export function forwardingCommand(instance: ComputeInstance): string {
  const place = `${instance.name} --project ${projectOf(instance.selfLink)} --zone ${instance.zone}`;
  const file = `${instance.name}.yaml`;
  return (
    `gcloud compute instances export ${place} --destination ${file} && ` +
    `sed -i 's/^canIpForward:.*/canIpForward: true/' ${file} && ` +
    `gcloud compute instances update-from-file ${place} --source ${file} --most-disruptive-allowed-action RESTART`
  );
}

/**
 * `canIpForward` of a running instance: instances.update takes the whole resource back, and is told
 * to refuse rather than to restart it.
 */
export function allowForwarding({ client, own }: ChangeContext): CloudChange {
  const { instance } = own;
  const path = instancePath(instance);
  const call = 'compute.instances.update';
  return {
    text: `let instance ${instance.name} forward packets (canIpForward)`,
    call,
    permission: call,
    makes: 'ipForwarding',
    tryOut: async (signal) => {
      const answer = await client.send({
        method: 'POST',
        path: `${path}/testIamPermissions`,
        body: { permissions: [call] },
        call: 'compute.instances.testIamPermissions',
        // It tells whoever asks; what is asked about is the update.
        permission: call,
        signal,
      });
      return textsField(answer, 'permissions').includes(call) ? 'allowed' : 'denied';
    },
    carryOut: async (signal) => {
      const whole = await client.send({
        path,
        call: 'compute.instances.get',
        permission: 'compute.instances.get',
        signal,
      });
      try {
        await client.change(
          {
            method: 'PUT',
            path,
            query: { minimalAction: 'NO_EFFECT', mostDisruptiveAllowedAction: 'REFRESH' },
            // The fingerprint in it makes GCE refuse if somebody else was faster.
            body: { ...(whole as object), canIpForward: true },
            call,
            permission: call,
            signal,
          },
          { project: projectOf(instance.selfLink) ?? '', zone: instance.zone },
        );
      } catch (error) {
        if (!(error instanceof CloudError) || error.failure !== 'other') throw error;
        throw new CloudError(
          `${error.message}; it may need a restart: ${forwardingCommand(instance)}`,
          error,
        );
      }
    },
  };
}

export function insertRoute({ client, own }: ChangeContext, insert: RouteInsert): CloudChange {
  const project = projectOf(own.nic.network) ?? '';
  return {
    text: `route ${insert.destRange} to instance ${own.instance.name} in network ${lastPart(own.nic.network)}`,
    call: 'compute.routes.insert',
    permission: 'compute.routes.create',
    makes: 'fabricRoutes',
    carryOut: async (signal) => {
      try {
        await client.change(
          {
            method: 'POST',
            path: `projects/${project}/global/routes`,
            body: { ...insert, network: own.nic.network, nextHopInstance: own.instance.selfLink },
            call: 'compute.routes.insert',
            permission: 'compute.routes.create',
            signal,
          },
          { project },
        );
      } catch (error) {
        // An earlier attempt whose end was not seen.
        if (error instanceof CloudError && error.code === 'alreadyExists') return;
        throw error;
      }
    },
  };
}

export function deleteRoute({ client, own }: ChangeContext, route: NetworkRoute): CloudChange {
  const project = projectOf(own.nic.network) ?? '';
  return {
    text: `delete route ${route.name} (${route.destRange} to ${route.nextHop}), ours and not wanted any more`,
    call: 'compute.routes.delete',
    permission: 'compute.routes.delete',
    makes: 'fabricRoutes',
    carryOut: async (signal) => {
      try {
        await client.change(
          {
            method: 'DELETE',
            path: `projects/${project}/global/routes/${encodeURIComponent(route.name)}`,
            call: 'compute.routes.delete',
            permission: 'compute.routes.delete',
            signal,
          },
          { project },
        );
      } catch (error) {
        if (error instanceof CloudError && error.failure === 'absent') return;
        throw error;
      }
    },
  };
}
