/** One datagram to a unix socket: Node has stream sockets of that family only. */
import { nativeAddon } from './addon.js';
import { SystemCallError } from './errno.js';

/** `@NAME` is an abstract socket. Throws `SystemCallError`; EAGAIN: its queue is full just now. */
export function sendUnixDatagram(path: string, text: string): void {
  const result = nativeAddon().unixDatagram(path, Buffer.from(text, 'utf8'));
  if (result < 0) throw new SystemCallError(`cannot send to ${path}`, -result);
}
