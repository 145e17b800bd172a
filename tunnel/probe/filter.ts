/**
 * Classic BPF programs (linux/filter.h) for packet sockets, so that on a busy device only the
 * packets that are asked for ever leave the kernel.
 *
 *     struct sock_filter, 8 bytes:  code u16 · jump if true u8 · jump if false u8 · operand u32
 *
 * all in the order of the machine. Every test here ends in its own `return`, so no jump is longer
 * than a few instructions, however long the list.
 */
import { endianness } from 'node:os';
import type { Family } from '../../encap/address.js';
import { type Prefix, firstAddress } from '../../encap/prefix.js';
import { markBytes, sessionBytes } from '../../encap/probe/mark.js';
import { etherType, ipProtocol } from '../../encap/wire/protocol.js';
import { advertisementType } from '../../encap/wire/who-has.js';

/** linux/bpf_common.h: class | size | mode, or class | operation | source. */
const code = {
  loadLength: 0x80,
  loadWordAt: 0x20,
  loadHalfAt: 0x28,
  loadByteAt: 0x30,
  loadWordBehindX: 0x40,
  subtract: 0x14,
  and: 0x54,
  jump: 0x05,
  jumpIfEqual: 0x15,
  jumpIfAtLeast: 0x35,
  aToX: 0x07,
  return: 0x06,
} as const;

/** linux/filter.h: offsets from here count from the network header, whatever link is below it. */
const networkHeader = 0xfff0_0000;
/** SKF_AD_OFF + SKF_AD_PROTOCOL: the EtherType, also of devices without a link layer. */
const protocolWord = 0xffff_f000;

const wholePacket = 0xffff;
/** BPF_MAXINSNS of linux/bpf_common.h. */
const maxInstructions = 4096;

interface Instruction {
  readonly code: number;
  readonly ifTrue?: number;
  readonly ifFalse?: number;
  readonly operand?: number;
}

export type FilterProgram = Uint8Array;

/** Packets that end in a mark of this session (see encap/probe/mark.ts). */
export function sessionFilter(session: Uint8Array): FilterProgram {
  const words = new DataView(session.buffer, session.byteOffset, sessionBytes);
  const program: Instruction[] = [
    { code: code.loadLength },
    { code: code.jumpIfAtLeast, operand: markBytes, ifTrue: 1 },
    { code: code.return, operand: 0 },
    { code: code.subtract, operand: markBytes },
    { code: code.aToX },
  ];
  for (let offset = 0; offset < sessionBytes; offset += 4)
    program.push(
      { code: code.loadWordBehindX, operand: offset },
      { code: code.jumpIfEqual, operand: words.getUint32(offset), ifTrue: 1 },
      { code: code.return, operand: 0 },
    );
  program.push({ code: code.return, operand: wholePacket });
  return assemble(program);
}

/** ARP, and neighbour advertisements: who has an address? */
export function addressAnswerFilter(): FilterProgram {
  const isByte = (offset: number, value: number): readonly Instruction[] => [
    { code: code.loadByteAt, operand: networkHeader + offset },
    { code: code.jumpIfEqual, operand: value, ifTrue: 1 },
    { code: code.return, operand: 0 },
  ];
  return assemble([
    { code: code.loadHalfAt, operand: protocolWord },
    { code: code.jumpIfEqual, operand: etherType.arp, ifFalse: 1 },
    { code: code.return, operand: wholePacket },
    { code: code.jumpIfEqual, operand: etherType.ipv6, ifTrue: 1 },
    { code: code.return, operand: 0 },
    // Next header, and behind the IPv6 header the ICMP type.
    ...isByte(6, ipProtocol.icmpv6),
    ...isByte(40, advertisementType),
    { code: code.return, operand: wholePacket },
  ]);
}

/** Packets whose outermost IP header is from or to an address of these prefixes. */
export function prefixFilter(prefixes: readonly Prefix[]): FilterProgram {
  const checks = (family: Family, offsets: readonly number[]): readonly Instruction[] => [
    ...prefixes
      .filter((prefix) => prefix.family === family)
      .flatMap((prefix) => offsets.flatMap((offset) => contains(prefix, networkHeader + offset))),
    { code: code.return, operand: 0 },
  ];
  // Where source and destination are: RFC 791 section 3.1, RFC 8200 section 3.
  const v4 = checks(4, [12, 16]);
  return assemble([
    { code: code.loadHalfAt, operand: protocolWord },
    { code: code.jumpIfEqual, operand: etherType.ipv4, ifFalse: 1 },
    { code: code.jump, operand: 3 },
    { code: code.jumpIfEqual, operand: etherType.ipv6, ifTrue: 1 },
    { code: code.return, operand: 0 },
    { code: code.jump, operand: v4.length },
    ...v4,
    ...checks(6, [8, 24]),
  ]);
}

/** Takes the packet when the address at this offset is in the prefix, else goes on behind. */
function contains(prefix: Prefix, offset: number): readonly Instruction[] {
  const { bytes } = firstAddress(prefix);
  const address = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const tests: Instruction[][] = [];
  for (let at = 0; at * 8 < prefix.length; at += 4) {
    const bits = Math.min(32, prefix.length - at * 8);
    const mask = bits === 32 ? 0xffff_ffff : ~(0xffff_ffff >>> bits) >>> 0;
    tests.push([
      { code: code.loadWordAt, operand: offset + at },
      { code: code.and, operand: mask },
      { code: code.jumpIfEqual, operand: address.getUint32(at) },
    ]);
  }
  const program = [...tests.flat(), { code: code.return, operand: wholePacket }];
  return program.map((instruction, i) =>
    instruction.code === code.jumpIfEqual
      ? { ...instruction, ifFalse: program.length - i - 1 }
      : instruction,
  );
}

function assemble(program: readonly Instruction[]): FilterProgram {
  if (program.length > maxInstructions)
    throw new RangeError(
      `cannot filter packets with ${program.length} instructions, ${maxInstructions} are the most: ` +
        `name fewer prefixes`,
    );
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  const little = endianness() === 'LE';
  program.forEach((instruction, i) => {
    view.setUint16(i * 8, instruction.code, little);
    bytes[i * 8 + 2] = instruction.ifTrue ?? 0;
    bytes[i * 8 + 3] = instruction.ifFalse ?? 0;
    view.setUint32(i * 8 + 4, instruction.operand ?? 0, little);
  });
  return bytes;
}
