/** What this machine is, as far as joining a fleet needs it: the kernel's word, and the provider's. */
import { networkInterfaces } from 'node:os';
import type { Address } from '../../encap/address.js';
import { isLinkLocal, isUnusable, tryParseAddress } from '../../encap/address.js';
import { isOwnDeviceName } from '../../routes/ownership.js';
import type { Detection } from '../cloud/detect.js';
import type { Accepts } from '../../encap/cluster.js';
import { deviceMtu } from '../cloud/kernel-nics.js';
import type { MachineAddress } from './placement.js';

export interface Machine {
  readonly addresses: readonly MachineAddress[];
  /** The provider's name of its zone. */
  readonly toldZone: string | undefined;
  readonly publicAddresses: readonly Address[];
  /** Bytes; undefined where the device is not known. */
  mtuOf(address: Address): number | undefined;
  /** What its kernel does not do; undefined: it was not asked. */
  readonly planes: Accepts | undefined;
}

/** `detection`: undefined where no provider was to be asked; `planes`: where the kernel was not. */
export function thisMachine(
  detection: Detection | undefined,
  planes: Accepts | undefined,
): Machine {
  const addresses = kernelAddresses();
  const facts = detection?.kind === 'found' ? detection.facts : undefined;
  return {
    addresses,
    toldZone: facts?.zone,
    publicAddresses: facts?.publicAddresses ?? [],
    planes,
    mtuOf: ({ text }) => {
      const device = addresses.find(({ address }) => address.text === text)?.device;
      return device === undefined ? undefined : deviceMtu(device);
    },
  };
}

/** Addresses that others could reach; those of our own devices belong to the overlay. */
function kernelAddresses(): readonly MachineAddress[] {
  return Object.entries(networkInterfaces()).flatMap(([device, entries]) =>
    isOwnDeviceName(device)
      ? []
      : (entries ?? []).flatMap(({ address: text, cidr, internal }): MachineAddress[] => {
          const address = tryParseAddress(text);
          if (internal || address === undefined || cidr === null) return [];
          if (isLinkLocal(address) || isUnusable(address)) return [];
          return [{ device, address, length: Number(cidr.split('/')[1]) }];
        }),
  );
}
