/** Opens what a node's work needs: its kernel, its guard, and the way to its userspace planes. */
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { openGuard } from '../../tunnel/guard/index.js';
import type { Kernel } from '../../tunnel/kernel.js';
import { openKernel } from '../../tunnel/real-kernel.js';
import { userspacePlane } from '../../tunnel/userspace/client.js';
import type { UserspacePlane } from '../../tunnel/userspace/plane.js';
import { NodeRuntime, planeLogFile } from './node-runtime.js';
import type { AgentPaths } from './paths.js';
import { planeSocket } from './paths.js';

/** The kernel alone, for reading. */
export function openNodeKernel(): Kernel {
  return openKernel();
}

export async function openRuntime(options: {
  readonly paths: AgentPaths;
  readonly log: Logger;
}): Promise<NodeRuntime> {
  const { paths, log } = options;
  const kernel = openKernel();
  try {
    const guard = await openGuard({ log: (line) => log.warn(line) });
    return new NodeRuntime({
      kernel,
      guard,
      paths,
      log,
      planeFor: (device) => plane(paths, device),
    });
  } catch (error) {
    kernel.close();
    throw error;
  }
}

function plane(paths: AgentPaths, device: string): UserspacePlane {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  const entry = fileURLToPath(new URL(`../plane/main${extension}`, import.meta.url));
  return userspacePlane({
    socketPath: planeSocket(paths, device),
    start: {
      command: [process.execPath, ...process.execArgv, entry],
      logFile: planeLogFile(paths, device),
    },
  });
}
