/** The answers of `ipam …`. */
import { tryParsePrefix } from '../../../encap/prefix.js';
import { checkIpam } from '../../fleet/ipam-check.js';
import { releaseBlocks } from '../../fleet/ipam-release.js';
import { showIpam } from '../../fleet/ipam-show.js';
import { readFleet } from '../../fleet/reading.js';
import { fleetKeys } from '../../store/fleet/keys.js';
import { exitCodes } from '../exit-codes.js';
import { usageFailure } from '../failure.js';
import type { Format } from '../options.js';
import { printAnswer } from '../output.js';
import { renderCheck, renderIpam, renderRelease } from '../render/ipam.js';
import type { CheckReport, ReleaseReport } from './reports.js';
import type { StoreFlags } from '../store-options.js';
import { requireOperatorStore, requireStore, withStore } from '../store-options.js';

type Question = StoreFlags & { readonly output: Format };

export async function ipamShow(
  question: Question & { readonly zone?: string | undefined },
): Promise<void> {
  const request = await requireStore(question);
  const { cluster } = request.address;
  const fleet = await withStore(request, (kv) => readFleet(kv, fleetKeys(cluster)));
  const { zone, output } = question;
  const zones = [...fleet.cluster.zones.keys()];
  if (zone !== undefined && !zones.includes(zone))
    throw usageFailure(`there is no zone "${zone}"; the configuration has ${zones.join(', ')}`);
  const now = new Date();
  await printAnswer(showIpam(fleet, { cluster, zone }), {
    output,
    render: (report, terminal) => renderIpam(report, { ...terminal, now }),
  });
}

export async function ipamCheck(question: Question): Promise<void> {
  const request = await requireStore(question);
  const { cluster } = request.address;
  const fleet = await withStore(request, (kv) => readFleet(kv, fleetKeys(cluster)));
  const findings = checkIpam(fleet);
  const report: CheckReport = {
    schema: 'selvage.ipam-check/1',
    cluster,
    config: fleet.version,
    blocks: fleet.blocks.length,
    records: fleet.records.size,
    findings,
  };
  await printAnswer(report, { output: question.output, render: renderCheck });
  process.exitCode = findings.length === 0 ? exitCodes.ok : exitCodes.found;
}

export async function ipamRelease(
  text: string | undefined,
  question: Question & { readonly node?: string | undefined; readonly force: boolean },
): Promise<void> {
  const what = released(text, question.node);
  const request = await requireOperatorStore(question);
  const { cluster } = request.address;
  const { blocks } = await withStore(request, (kv) =>
    releaseBlocks(kv, { keys: fleetKeys(cluster), what, force: question.force }),
  );
  const report: ReleaseReport = { schema: 'selvage.ipam-release/1', cluster, blocks };
  await printAnswer(report, { output: question.output, render: renderRelease });
}

function released(text: string | undefined, node: string | undefined) {
  if ((text === undefined) === (node === undefined))
    throw usageFailure('name a block, or a node with --node, and not both');
  if (node !== undefined) return { node };
  const prefix = tryParsePrefix(text!);
  if (typeof prefix !== 'string') return { prefix };
  throw usageFailure(`"${text}" is no prefix; write a block like 10.64.3.0/24`);
}
