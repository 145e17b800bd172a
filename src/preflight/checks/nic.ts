/** The NIC under the tunnels: does it have the node's address, alone, is it up, is it wide enough? */
import { underlayFacts } from '../../../encap/underlay/index.js';
import type { DeviceDetails } from '../../../tunnel/kernel-details.js';
import { isOwnDeviceName } from '../../../routes/ownership.js';
import { type Check, type Outcome, fail, fix, ok, onKernel, skip, warn } from '../check.js';
import type { KernelFacts, NodeFacts } from '../facts.js';

/** Device of an address of the machine, none of ours. */
function holderOf({ details }: KernelFacts, text: string) {
  return details.addresses.find(
    (entry) => entry.address.text === text && !isOwnDeviceName(entry.device),
  );
}

function nicsOf(kernel: KernelFacts, { node }: NodeFacts): readonly DeviceDetails[] {
  const names = new Set(node.underlay.map(({ address }) => holderOf(kernel, address.text)?.device));
  return kernel.details.devices.filter(({ name }) => names.has(name));
}

export const underlayAddress: Check = onKernel(
  {
    id: 'underlay-address',
    group: 'underlay',
    title: 'own address',
    about: "this machine has the node's underlay addresses, and nobody else's",
  },
  (kernel, { node, cluster }) => {
    const found: Outcome[] = [];
    for (const { address, length } of node.underlay) {
      const holder = holderOf(kernel, address.text);
      const written = `${address.text}/${length}`;
      if (holder === undefined)
        found.push(
          fail({
            found: `no device of this machine has ${address.text}`,
            needed: `${written}, the address of node ${node.name}, on a NIC`,
            fix: fix(
              'give it to the NIC, correct the address in the cluster file, or name the node that this is',
              `ip address add ${written} dev NIC`,
              'selvage preflight --node NAME',
            ),
          }),
        );
      else if (holder.duplicate)
        found.push(
          fail({
            found: `${address.text} is not usable on ${holder.device}: another host of the link has it`,
            needed: `${address.text} for this machine alone`,
            fix: fix(
              'take it away from the other host, then set it again',
              `ip address show ${holder.device}`,
            ),
          }),
        );
    }
    for (const { address, device } of kernel.details.addresses) {
      const other = ownerOfAddress(cluster, address.text);
      if (other !== undefined && other !== node.name && !isOwnDeviceName(device))
        found.push(
          fail({
            found: `${device} has ${address.text}, the address of node ${other}`,
            needed: `${address.text} on ${other} alone`,
            fix: fix('take it away here', `ip address delete ${address.text} dev ${device}`),
          }),
        );
    }
    if (found.length > 0) return found;
    return ok(
      node.underlay
        .map(({ address }) => `${address.text} on ${holderOf(kernel, address.text)!.device}`)
        .join(', '),
    );
  },
);

function ownerOfAddress(cluster: NodeFacts['cluster'], text: string): string | undefined {
  for (const node of cluster.nodes.values())
    if (!node.withdrawn && node.underlay.some(({ address }) => address.text === text))
      return node.name;
  return undefined;
}

/** A router of a cloud answers for every address, so that an answer says nothing there. */
export const duplicateAddress: Check = onKernel(
  {
    id: 'duplicate-address',
    group: 'underlay',
    title: 'nobody else',
    about: "no other host of the link answers for the node's addresses (ARP, neighbour discovery)",
  },
  async (kernel, { node, cluster, programs }) => {
    const zone = cluster.zones.get(node.zone);
    if (zone === undefined || underlayFacts[zone.provider].layer2.domain === 'none')
      return skip('there is no link of hosts here');
    const asked: string[] = [];
    const outcomes: Outcome[] = [];
    for (const { address } of node.underlay) {
      const device = holderOf(kernel, address.text)?.device;
      const nic = kernel.details.devices.find(({ name }) => name === device);
      if (nic?.mac === undefined || !nic.up || !nic.carrier) continue;
      const answers = await programs.whoHas({ device: nic.name, mac: nic.mac }, address);
      // Another NIC of this machine on the same link.
      const others = answers.filter(
        (mac) => !kernel.details.devices.some((own) => own.mac === mac),
      );
      asked.push(address.text);
      if (others.length === 0) continue;
      outcomes.push(
        fail({
          found: `${others.join(', ')} answers for ${address.text} as well`,
          needed: `${address.text} for this machine alone`,
          fix: fix(
            'find that host by its MAC, and take the address away there',
            `arping -D -I ${nic.name} ${address.text}`,
          ),
        }),
      );
    }
    if (outcomes.length > 0) return outcomes;
    return asked.length === 0
      ? skip('no NIC to ask by')
      : ok(`nobody answers for ${asked.join(', ')}`);
  },
);

export const nicState: Check = onKernel(
  {
    id: 'nic-state',
    group: 'underlay',
    title: 'NIC',
    about: "the NIC is up, has a carrier, and nothing sits between it and the node's packets",
  },
  (kernel, facts) => {
    const nics = nicsOf(kernel, facts);
    if (nics.length === 0) return skip("no NIC has the node's address");
    const outcomes = nics.flatMap((nic): readonly Outcome[] => {
      const lacks = [
        nic.up ? [] : ['down'],
        nic.up && !nic.carrier ? ['without carrier'] : [],
      ].flat();
      if (lacks.length > 0)
        return [
          fail({
            found: `${nic.name} is ${lacks.join(', ')}`,
            needed: `${nic.name} up and connected`,
            fix: fix('bring it up', `ip link set ${nic.name} up`),
          }),
        ];
      if (nic.xdp || nic.master !== undefined)
        return [
          warn({
            found: nic.xdp
              ? `an XDP program sees the packets of ${nic.name} first`
              : `${nic.name} is a port of ${nic.master}, which sees its packets first`,
            needed: 'tunnel packets passed on by it',
            fix: fix('look at what it does with UDP and protocol 4', `ip -d link show ${nic.name}`),
          }),
        ];
      return [];
    });
    return outcomes.length > 0 ? outcomes : ok(nics.map(({ name }) => `${name} up`).join(', '));
  },
);

export const nicMtu: Check = onKernel(
  {
    id: 'nic-mtu',
    group: 'underlay',
    title: 'NIC MTU',
    about: 'the NIC takes the packets that peers count on: by file, zone, provider, metadata',
  },
  (kernel, facts) => {
    const nics = nicsOf(kernel, facts);
    if (nics.length === 0) return skip("no NIC has the node's address");
    const { node, cluster, cloud } = facts;
    const zone = cluster.zones.get(node.zone);
    const provider = zone === undefined ? undefined : underlayFacts[zone.provider].mtu.bytes;
    const [bytes, source] =
      node.mtu !== undefined
        ? [node.mtu, 'by its record in the cluster file']
        : zone?.mtu !== undefined
          ? [zone.mtu, `by zone ${zone.name} in the cluster file`]
          : [provider ?? 1500, `as ${zone?.provider ?? 'networks'} has it`];
    const outcomes = nics.flatMap((nic): readonly Outcome[] => {
      if (nic.mtu < bytes)
        return [
          fail({
            found: `${nic.name} has ${nic.mtu}, and peers count on ${bytes}, ${source}: larger packets of theirs are lost here`,
            needed: `${bytes} here, or ${nic.mtu} in the cluster file of all nodes`,
            fix: {
              text: 'raise it, or write what it is into the cluster file',
              commands: [
                `ip link set ${nic.name} mtu ${bytes}`,
                `# cluster file: - { name: ${node.name}, mtu: ${nic.mtu}, … }`,
              ],
            },
          }),
        ];
      const told = 'absent' in cloud ? undefined : cloudMtu(cloud.machine.nics, nic.name);
      if (told !== undefined && nic.mtu > told)
        return [
          warn({
            found: `${nic.name} has ${nic.mtu}, and the cloud says ${told}`,
            needed: `at most ${told}`,
            fix: fix('lower it', `ip link set ${nic.name} mtu ${told}`),
          }),
        ];
      return [];
    });
    if (outcomes.length > 0) return outcomes;
    return ok(nics.map(({ name, mtu }) => `${name} ${mtu}, peers count on ${bytes}`).join(', '));
  },
);

function cloudMtu(
  nics: readonly { readonly device: string | undefined; readonly mtu: number | undefined }[],
  name: string,
): number | undefined {
  return nics.find((nic) => nic.device === name)?.mtu;
}
