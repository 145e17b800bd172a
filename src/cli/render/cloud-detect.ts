/** The machine as its cloud describes it: who says so first, then the facts, then the file. */
import type { CloudProviderName } from '../../cloud/machine.js';
import type { MachineNicJson } from '../../cloud/machine-json.js';
import type { CloudDetectReport, FileReport } from '../cloud-detect.js';
import type { Terminal } from '../terminal.js';
import type { Text } from './layout.js';
import { fill, pad, row } from './layout.js';

const names: Readonly<Record<CloudProviderName, string>> = {
  aws: 'AWS',
  gce: 'GCE',
  azure: 'Azure',
  openstack: 'OpenStack',
  ibm: 'IBM Cloud',
  oci: 'OCI',
  hetzner: 'Hetzner',
  digitalocean: 'DigitalOcean',
  alibaba: 'Alibaba Cloud',
};

export function renderCloudDetect(report: CloudDetectReport, terminal: Terminal): string {
  const { paint, width } = terminal;
  const lines = [...head(report, terminal), ...facts(report, terminal)];
  for (const problem of report.problems)
    lines.push(...fill([{ text: '✗', style: paint.red }, problem], { width, hang: 2 }));
  for (const nic of report.machine?.nics ?? [])
    lines.push('', ...nicLines(nic, { report, terminal }));
  if (report.notes.length > 0) lines.push('');
  for (const note of report.notes)
    lines.push(...fill([{ text: '!', style: paint.yellow }, note], { width, hang: 2 }));
  if (report.file !== null && report.machine !== null)
    lines.push('', ...fileLines(report.file, terminal));
  if (report.draft !== null)
    lines.push(
      '',
      'For the cluster file, with a PREFIX of the overlay that is free:',
      ...['zones:', `  - ${report.draft.zone}`, 'nodes:', `  - ${report.draft.node}`].map(
        (line) => `  ${line}`,
      ),
    );
  return lines.join('\n');
}

function head(report: CloudDetectReport, { paint, width }: Terminal): string[] {
  const { provider, machine } = report;
  if (provider === 'none')
    return fill(
      [
        { text: 'none', style: paint.bold },
        'nothing names a cloud: not the firmware, not the cluster file, not a variable; nobody was asked',
      ],
      { width, hang: 2 },
    );
  if (machine === null)
    return fill(
      [
        { text: names[provider], style: (text) => paint.bold(paint.red(text)) },
        'is named, and its metadata service told nothing',
      ],
      { width },
    );
  const place = machine.zone ?? machine.region;
  return fill(
    [
      { text: names[provider], style: (text) => paint.bold(paint.green(text)) },
      `${machine.instanceId ?? 'an instance without an id'}${place === undefined ? '' : ` in ${place}`}`,
    ],
    { width },
  );
}

const labelWidth = 9;

function facts(report: CloudDetectReport, terminal: Terminal): string[] {
  const { machine, evidence, ageSeconds } = report;
  const because = evidence.map(({ provider, text }) =>
    machine === null || provider === report.provider ? text : `${names[provider]}: ${text}`,
  );
  return labelled(
    [
      ...because.map((text, i): Labelled => [i === 0 ? 'because' : '', text]),
      ['name', machine?.instanceName],
      ['region', machine?.region],
      ['account', machine?.account],
      ['public', machine?.publicAddresses.join(', ')],
      ['told', ageSeconds === null || ageSeconds === 0 ? undefined : `${ageSeconds} s ago`],
    ],
    terminal,
  );
}

type Labelled = readonly [string, Text | undefined];

function labelled(entries: readonly Labelled[], { paint, width }: Terminal): string[] {
  return entries.flatMap(([label, text]) => {
    if (text === undefined || text === '') return [];
    return row([{ text: pad(label, labelWidth), style: paint.dim }], text, { width, indent: 2 });
  });
}

function nicLines(
  nic: MachineNicJson,
  { report, terminal }: { readonly report: CloudDetectReport; readonly terminal: Terminal },
): string[] {
  const { paint, width } = terminal;
  const title = nic.device ?? 'no device here';
  const subnets = [nic.subnets.join(', '), nic.subnetId].filter((text) => text && text !== '');
  return [
    ...fill(
      [
        { text: title, style: nic.device === undefined ? paint.yellow : paint.bold },
        [nic.id, nic.mac].filter((text) => text !== undefined).join('  '),
      ],
      { width },
    ),
    ...labelled(
      [
        ['address', nic.addresses.join(', ')],
        ['public', nic.publicAddresses.join(', ')],
        ['subnet', subnets.join('  ')],
        ['network', nic.network],
        ['aliases', nic.aliases.join(', ')],
        ['groups', nic.securityGroups.join(', ')],
        ['MTU', mtuText(nic, report)],
      ],
      terminal,
    ),
  ];
}

function mtuText(nic: MachineNicJson, { mtu }: CloudDetectReport): string {
  const device = nic.device === undefined ? undefined : mtu?.devices[nic.device];
  const here = device === undefined ? '' : `; ${nic.device} has ${device}`;
  if (nic.mtu !== undefined) return `${nic.mtu}${here}`;
  return `not told${here}; ${mtu?.believed.bytes} is believed: ${mtu?.believed.text}`;
}

function fileLines(file: FileReport, { paint, width }: Terminal): string[] {
  const lines = fill([{ text: file.file, style: paint.bold }, `node ${file.node}`], { width });
  const add = (mark: Parameters<typeof row>[0], text: string): void =>
    void lines.push(...row(mark, text, { width, indent: 2 }));
  for (const { at, text } of file.contradictions)
    add([{ text: '✗', style: paint.red }], `${at === null ? '' : `${at}: `}${text}; the file wins`);
  for (const { field, value, source } of file.filled)
    add([{ text: '+', style: paint.green }], `${field} ${value}, which it leaves out (${source})`);
  for (const { text, because } of file.proposals)
    add([{ text: '·', style: paint.yellow }], `write "${text}": ${because}`);
  if (lines.length === 1)
    add([{ text: '✓', style: paint.green }], 'leaves nothing out, and has nothing otherwise');
  return lines;
}
