/** Which string of the firmware gives a provider away, for `CloudProvider.recognises`. */
import type { Dmi } from './dmi.js';

/** As the kernel names the files below /sys/class/dmi/id. */
const files: Readonly<Record<keyof Dmi, string>> = {
  sysVendor: 'sys_vendor',
  productName: 'product_name',
  productVersion: 'product_version',
  boardVendor: 'board_vendor',
  boardAssetTag: 'board_asset_tag',
  chassisAssetTag: 'chassis_asset_tag',
  biosVendor: 'bios_vendor',
};

/** The first field that matches, as a phrase. */
export function dmiMatch(
  dmi: Dmi,
  patterns: Readonly<Partial<Record<keyof Dmi, RegExp>>>,
): string | undefined {
  for (const [field, pattern] of Object.entries(patterns) as [keyof Dmi, RegExp][])
    if (pattern.test(dmi[field])) return `${files[field]} is "${dmi[field]}"`;
  return undefined;
}
