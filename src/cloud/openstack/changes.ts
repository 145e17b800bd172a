/** The calls that change a port, as changes that somebody else decides to carry out. */
import type { CloudChange } from '../control.js';
import { CloudError } from '../control.js';
import { field, numberField, readPrefix, textField, textsField } from '../json-values.js';
import type { NeutronClient } from './client.js';
import { type PairPlan, type StackNode, pairTag } from './ports.js';

/**
 * Neutron takes the list of pairs as a whole: it is read once more, changed by our prefixes alone and
 * written on the condition that the port is still at that revision. Each pair that is added is tagged
 * before, so that it is known as ours whatever happens in between.
 */
export function changePairs(
  client: NeutronClient,
  { port }: StackNode,
  plan: PairPlan,
): CloudChange {
  const call = 'update_port:allowed_address_pairs';
  const path = `ports/${encodeURIComponent(port.id)}`;
  const tagPath = (tag: string): string => `${path}/tags/${encodeURIComponent(tag)}`;

  const write = async (signal: AbortSignal | undefined): Promise<void> => {
    const whole = field(await client.get({ path, call: 'get_port', signal }), 'port');
    const pairs = field(whole, 'allowed_address_pairs');
    const kept = ((Array.isArray(pairs) ? pairs : []) as readonly unknown[]).filter(
      (pair) => !plan.remove.some(({ text }) => text === prefixText(pair)),
    );
    const added = plan.add.filter(({ text }) => !kept.some((pair) => prefixText(pair) === text));
    const revision = numberField(whole, 'revision_number');
    await client.send({
      method: 'PUT',
      path,
      headers: revision === undefined ? {} : { 'if-match': `revision_number=${revision}` },
      body: {
        port: {
          allowed_address_pairs: [...kept, ...added.map(({ text }) => ({ ip_address: text }))],
        },
      },
      call,
      signal,
    });
  };

  return {
    text: describe(plan, port.name),
    call,
    permission: call,
    makes: 'sourceDestinationCheck',
    carryOut: async (signal) => {
      const tagged = { call: 'update_ports_tags', signal } as const;
      const known = new Set(
        textsField(await client.get({ path: `${path}/tags`, call: 'get_port', signal }), 'tags'),
      );
      for (const tag of plan.add.map(pairTag))
        if (!known.has(tag)) await client.send({ method: 'PUT', path: tagPath(tag), ...tagged });
      try {
        await write(signal);
      } catch (error) {
        if (!(error instanceof CloudError) || error.code !== 'RevisionNumberConstraintFailed')
          throw error;
        await write(signal);
      }
      for (const tag of plan.remove.map(pairTag))
        if (known.has(tag)) await client.send({ method: 'DELETE', path: tagPath(tag), ...tagged });
    },
  };
}

function prefixText(pair: unknown): string | undefined {
  return readPrefix(textField(pair, 'ip_address'))?.text;
}

function describe({ add, remove }: PairPlan, name: string): string {
  const list = (prefixes: PairPlan['add']): string => prefixes.map(({ text }) => text).join(', ');
  const parts = [
    ...(add.length === 0 ? [] : [`let port ${name} send from ${list(add)}`]),
    ...(remove.length === 0
      ? []
      : [`take the allowed address ${list(remove)}, ours, off port ${name}`]),
  ];
  return parts.join(', and ');
}
