/**
 * The classic pcap format as a stream (the savefile of pcap-savefile(5)):
 *
 *     file:   magic 4 | version 2+2 | zone 4 | sigfigs 4 | snaplen 4 | linktype 4
 *     packet: seconds 4 | microseconds 4 | captured 4 | original 4 | captured bytes
 *
 * All in the byte order of the machine that wrote it, which the magic number tells.
 */
const fileHeaderBytes = 24;
const packetHeaderBytes = 16;
const magic = 0xa1b2c3d4;
const linktypeEthernet = 1;

export interface CapturedFrame {
  /** As much as was captured, from the Ethernet header on. */
  readonly bytes: Uint8Array;
  /** Length on the wire. */
  readonly originalLength: number;
}

export class PcapReader {
  readonly #onFrame: (frame: CapturedFrame) => void;
  #pending: Buffer = Buffer.alloc(0);
  #little: boolean | undefined;

  constructor(onFrame: (frame: CapturedFrame) => void) {
    this.#onFrame = onFrame;
  }

  /** Takes the next piece of the stream; throws when it is not pcap of Ethernet frames. */
  push(chunk: Buffer): void {
    const data = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    let offset = 0;
    if (this.#little === undefined) {
      if (data.length < fileHeaderBytes) {
        this.#pending = data;
        return;
      }
      this.#little = byteOrder(data);
      const linktype = this.#read(data, 20);
      if (linktype !== linktypeEthernet)
        throw new Error(`cannot read the capture: its link type is ${linktype}, not Ethernet`);
      offset = fileHeaderBytes;
    }
    while (data.length - offset >= packetHeaderBytes) {
      const captured = this.#read(data, offset + 8);
      const end = offset + packetHeaderBytes + captured;
      if (data.length < end) break;
      this.#onFrame({
        bytes: data.subarray(offset + packetHeaderBytes, end),
        originalLength: this.#read(data, offset + 12),
      });
      offset = end;
    }
    this.#pending = data.subarray(offset);
  }

  #read(data: Buffer, offset: number): number {
    return this.#little === true ? data.readUInt32LE(offset) : data.readUInt32BE(offset);
  }
}

/** True for little-endian. */
function byteOrder(data: Buffer): boolean {
  if (data.readUInt32LE(0) === magic) return true;
  if (data.readUInt32BE(0) === magic) return false;
  throw new Error(
    `cannot read the capture: it begins with ${data.toString('hex', 0, 4)}, not pcap`,
  );
}
