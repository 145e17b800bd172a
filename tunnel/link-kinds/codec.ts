/**
 * What each kind of tunnel device must know of itself: its IFLA_INFO_DATA, both ways, and which of
 * its attributes the kernel fixes at creation.
 */
import type { OwnLink } from '../kernel.js';
import type { Attributes } from '../netlink/attributes.js';
import type { MessageWriter } from '../netlink/writer.js';

/** The part of a link that every kind has. */
export interface LinkCommon {
  readonly type: 'link';
  readonly name: string;
  readonly mtu: number;
  readonly up: boolean;
}

export interface DecodeContext {
  readonly common: LinkCommon;
  readonly mac: string | undefined;
  /** IFLA_TXQLEN. */
  readonly queuePackets: number;
  /** IFLA_INFO_DATA. */
  readonly data: Attributes;
  /** Device name of an index of the same dump. */
  nameOf(index: number): string | undefined;
}

export interface EncodeContext {
  /** Index of the device below; 0 when there is none. */
  readonly parentIndex: number;
}

export interface LinkKind<L extends OwnLink> {
  /** IFLA_INFO_KIND. */
  readonly kernelKind: string;
  /** Writes IFLA_INFO_DATA's content for a new device. */
  encode(writer: MessageWriter, options: { readonly link: L } & EncodeContext): void;
  /** As `encode`, but only what may and must be sent to change `actual` into `link`. */
  encodeChange(
    writer: MessageWriter,
    options: { readonly actual: L; readonly link: L } & EncodeContext,
  ): void;
  /** Undefined when what every device of the kind has is missing. */
  decode(context: DecodeContext): L | undefined;
  /** Attributes that differ and that the kernel cannot change in place, by name. */
  needsRecreate(actual: L, desired: L): readonly string[];
}

/** The kernel's code for "TOS of the outer header is that of the inner one" (linux/if_tunnel.h). */
const TOS_INHERIT = 1;

export function encodeTos(tos: number | 'inherit'): number {
  return tos === 'inherit' ? TOS_INHERIT : tos;
}

export function decodeTos(tos: number | undefined): number | 'inherit' {
  return tos === TOS_INHERIT ? 'inherit' : (tos ?? 0);
}

/** For spreading: the property is absent when there is nothing in it. */
export function extraFeatures(names: readonly string[]): { readonly extra?: readonly string[] } {
  return names.length === 0 ? {} : { extra: names };
}
