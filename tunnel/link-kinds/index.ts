/**
 * The kinds of device that Selvage makes, one file each. `needsRecreate` is what the diff asks;
 * the encoding and decoding is for `netlink/link.ts`.
 */
import type { Address } from '../../encap/address.js';
import type { OwnLink } from '../kernel.js';
import type { DecodeContext, EncodeContext } from './codec.js';
import type { MessageWriter } from '../netlink/writer.js';
import { ip6tnl } from './ip6tnl.js';
import { ipip } from './ipip.js';
import { sit } from './sit.js';
import { tun } from './tun.js';
import { vxlan } from './vxlan.js';

const kinds = { vxlan, ipip, sit, ip6tnl, tun } as const;

/** All kinds, in the order they are tried by `probeKinds`. */
export const ownKinds = Object.keys(kinds) as readonly OwnLink['kind'][];

/**
 * Attributes in which the two differ and which the kernel fixes at creation: when there are any,
 * the device must be deleted and made anew. Empty: `set` changes it in place.
 */
export function needsRecreate(actual: OwnLink, desired: OwnLink): readonly string[] {
  if (actual.kind === 'vxlan' && desired.kind === 'vxlan')
    return vxlan.needsRecreate(actual, desired);
  if (actual.kind !== desired.kind) return ['kind'];
  return 'extra' in actual ? (actual.extra ?? []) : [];
}

/** Attributes in which the two differ, by name: what a diff or a plan prints. */
export function changedAttributes(actual: OwnLink, desired: OwnLink): readonly string[] {
  const flat = (link: OwnLink): Map<string, string> =>
    new Map(
      Object.entries(link).map(([name, value]) => [
        name,
        isAddress(value) ? value.text : String(value),
      ]),
    );
  const [before, after] = [flat(actual), flat(desired)];
  return [...new Set([...before.keys(), ...after.keys()])].filter(
    (name) => before.get(name) !== after.get(name),
  );
}

function isAddress(value: unknown): value is Address {
  return typeof value === 'object' && value !== null && 'text' in value;
}

export function kernelKind(kind: OwnLink['kind']): string {
  return kinds[kind].kernelKind;
}

/** Writes the content of IFLA_INFO_DATA, for a new device or, with `actual`, for a change. */
export function encodeKindData(
  writer: MessageWriter,
  options: { readonly link: OwnLink; readonly actual: OwnLink | undefined } & EncodeContext,
): void {
  const { link, actual, parentIndex } = options;
  switch (link.kind) {
    case 'vxlan':
      if (actual?.kind === 'vxlan') vxlan.encodeChange(writer, { link, actual, parentIndex });
      else vxlan.encode(writer, { link, parentIndex });
      return;
    case 'ipip':
    case 'sit':
    case 'ip6tnl':
      kinds[link.kind].encode(writer, { link, parentIndex });
      return;
    case 'tun':
      return;
  }
}

/** The device as one of ours; undefined when its kind or its features are not. */
export function decodeKind(kernelKindText: string, context: DecodeContext): OwnLink | undefined {
  const kind = ownKinds.find((candidate) => kinds[candidate].kernelKind === kernelKindText);
  return kind === undefined ? undefined : kinds[kind].decode(context);
}
