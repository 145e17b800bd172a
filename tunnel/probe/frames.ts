/**
 * Sends one Ethernet frame out of a device as it is, past routing and netfilter: for native packets
 * to a peer that natively nothing is sent to, which this node's own guard would hold back. The peer's
 * guard looks at it as at any other.
 */
import { nativeAddon } from '../native/addon.js';
import { errnoCode } from '../native/errno.js';

/** Undefined when the device took it, else the error's code. */
export function sendFrame(device: string, frame: Uint8Array): string | undefined {
  const addon = nativeAddon();
  const fd = addon.packetSocket(0);
  if (fd < 0) return errnoCode(-fd);
  try {
    const index = addon.deviceIndex(device);
    const sent = index < 0 ? index : addon.packetSend(fd, frame, index);
    return sent < 0 ? errnoCode(-sent) : undefined;
  } finally {
    addon.closeFd(fd);
  }
}
