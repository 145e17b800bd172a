/**
 * The strings that a machine's firmware carries (SMBIOS, as the kernel shows it below
 * /sys/class/dmi/id): they name the provider without a packet being sent.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Dmi {
  readonly sysVendor: string;
  readonly productName: string;
  readonly productVersion: string;
  readonly boardVendor: string;
  readonly boardAssetTag: string;
  readonly chassisAssetTag: string;
  readonly biosVendor: string;
}

export const dmiFolder = '/sys/class/dmi/id';

/** What cannot be read is empty. */
export function readDmi(folder = dmiFolder): Dmi {
  const read = (name: string): string => {
    try {
      return readFileSync(join(folder, name), 'utf8').trim();
    } catch {
      return '';
    }
  };
  return {
    sysVendor: read('sys_vendor'),
    productName: read('product_name'),
    productVersion: read('product_version'),
    boardVendor: read('board_vendor'),
    boardAssetTag: read('board_asset_tag'),
    chassisAssetTag: read('chassis_asset_tag'),
    biosVendor: read('bios_vendor'),
  };
}
