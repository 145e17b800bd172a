/**
 * What to do about a finding, the most promising first: the command that mends this very object,
 * who would have mended it by itself, and what change of the cluster file leads around it, with the
 * decision that it would bring.
 */
import type { ExplainReport } from '../explain-report.js';
import { codeEntry } from './codes.js';
import type { Draft } from './draft.js';
import type { NodeView } from './evidence.js';
import type { Remedy } from './finding.js';

/** What the decision becomes with a patch, in one line; null where the patch cannot be laid. */
export type Predict = (patch: string) => string | null;

export interface RemedyContext {
  readonly report: ExplainReport;
  readonly views: readonly NodeView[];
  readonly names: { readonly from: string; readonly to: string };
  readonly predict: Predict | undefined;
}

export function remediesFor(draft: Draft, context: RemedyContext): readonly Remedy[] {
  const found = [
    // Nobody's command mends somebody else's network: it is said in words what to ask for.
    ...(draft.report === null && draft.node === null
      ? [remedy(capital(codeEntry(draft.code).remedy))]
      : []),
    ...stateRemedies(draft, context),
    ...patchRemedies(draft, context),
    ...flipRemedies(draft, context),
  ];
  if (found.length > 0) return found;
  return [remedy(capital(codeEntry(draft.code).remedy))];
}

function remedy(text: string, more: Partial<Omit<Remedy, 'text'>> = {}): Remedy {
  return { text, command: null, patch: null, predicted: null, ...more };
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/** Of an object of one node. */
function stateRemedies(draft: Draft, context: RemedyContext): readonly Remedy[] {
  const { node, report: stage, code } = draft;
  if (code === 'peer-agent-not-running' || code === 'agent-not-running')
    return [
      remedy(`On ${node ?? context.names.to}: start the agent`, {
        command: 'systemctl start selvage-agent',
      }),
    ];
  if (code === 'peer-agent-silent')
    return [
      remedy(`On ${context.names.to}: see what the agent does, and start it again`, {
        command: 'systemctl status selvage-agent; systemctl restart selvage-agent',
      }),
    ];
  if (code === 'duplicate-node-address')
    return [
      remedy(
        node === null
          ? 'On the host that should not have it: take the address away'
          : `On ${node}: take the address away`,
        {
          command:
            stage === null ? null : `ip address show to ${addressIn(stage.desired ?? stage.key)}`,
        },
      ),
    ];
  if (stage === null || node === null) return [];
  const command = commandFor(draft);
  const own = ownStages.has(stage.stage) && code !== 'route-shadowed' && code !== 'fdb-foreign';
  const view = context.views.find((entry) => entry.node === node);
  const mend =
    command === null ? [] : [remedy(`On ${node}: ${codeEntry(code).remedy}`, { command })];
  if (!own || view === undefined) return mend;
  switch (view.agent) {
    case 'frozen':
      return [
        remedy(`On ${node}: thaw the agent, which then repairs it`, { command: 'selvage thaw' }),
        ...mend,
      ];
    case 'none':
      return [
        remedy(`On ${node}: start the agent, which then repairs it`, {
          command: 'systemctl start selvage-agent',
        }),
        ...mend,
      ];
    case 'running':
      return [
        ...mend,
        remedy(`On ${node}: see why its agent has not repaired it`, {
          command: 'selvage status; journalctl -u selvage-agent -n 50',
        }),
      ];
  }
}

const ownStages: ReadonlySet<string> = new Set([
  'forwarding',
  'route',
  'device',
  'address',
  'neighbour',
  'fdb',
  'own-filter',
  'reverse-path',
]);

/** The desired text of an object is the argument of the command that makes it. */
function commandFor(draft: Draft): string | null {
  const stage = draft.report!;
  const desired = stage.desired ?? '';
  const actual = stage.actual ?? '';
  const [kind = '', ...rest] = desired.split(' ');
  const words = rest.join(' ');
  const six = words.includes(':') && kind !== 'fdb' ? ' -6' : '';
  switch (draft.code) {
    case 'policy-rule-diverts':
      return `ip rule delete priority ${/^(\d+):/.exec(actual)?.[1] ?? '?'}`;
    case 'policy-rule-missing':
      return 'ip rule add lookup main priority 32766';
    case 'route-shadowed':
    case 'route-foreign':
      return `ip${six} ${actual.replace(/^route /, 'route delete ')}`;
    case 'address-duplicate': {
      const [address = '', , device = ''] = actual.split(' ');
      return `ip address delete ${address} dev ${device}`;
    }
    case 'fdb-foreign':
      return `bridge ${actual.replace(/^fdb /, 'fdb delete ')}`;
    case 'filter-drops-tunnel':
    case 'filter-drops-overlay':
    case 'masquerade-hits-overlay':
      return desired;
    case 'device-down':
      return `ip link set ${stage.key.slice('link '.length)} up`;
    case 'nic-down':
      return `ip link set ${stage.key.slice('nic '.length)} up`;
    case 'nic-arp-off':
      return `ip link set ${stage.key.slice('nic '.length)} arp on`;
    case 'nic-mtu-small':
      return `ip link set ${stage.key.slice('nic '.length)} mtu ${/mtu at least (\d+)/.exec(desired)?.[1] ?? '?'}`;
    case 'underlay-neighbour-static':
    case 'underlay-neighbour-unresolved':
      return `ip neighbour delete ${/^neigh (\S+)/.exec(actual)?.[1] ?? '?'} dev ${/dev (\S+)/.exec(actual)?.[1] ?? '?'}`;
    case 'underlay-route-missing':
    case 'underlay-route-foreign':
    case 'underlay-route-recursive':
      return `ip route get ${addressIn(stage.key)}; ip route show table all to match ${addressIn(stage.key)}`;
    case 'path-mtu-learned':
      return `ip route get ${addressIn(stage.key)}; ip route flush cache`;
    case 'conntrack-full':
      return 'sysctl net.netfilter.nf_conntrack_max; conntrack -S';
    default:
      break;
  }
  switch (kind) {
    case 'sysctl':
      return `sysctl -w ${words}`;
    case 'addr':
      return `ip address add ${words}`;
    case 'neigh':
      return `ip neighbour replace ${words}`;
    case 'fdb':
      return `bridge fdb replace ${words}`;
    case 'route':
      return `ip${six} route replace ${words}`;
    default:
      return null;
  }
}

function addressIn(text: string): string {
  return /(?:\d+\.){3}\d+|[0-9a-f:]*::?[0-9a-f:]+/.exec(text)?.[0] ?? text;
}

/** A fact that the file does not know, written into it: the decision then goes around the fault. */
function patchRemedies(draft: Draft, context: RemedyContext): readonly Remedy[] {
  const { predict, report } = context;
  const zone = report.verdict.owner?.zone;
  if (predict === undefined || zone === undefined) return [];
  const here = report.question.from.zone;
  return patchesFor(draft, { zones: [...new Set([zone, here])], from: here, to: zone }).flatMap(
    ({ text, patch }) => {
      const predicted = predict(patch);
      return predicted === null ? [] : [remedy(text, { patch, predicted })];
    },
  );
}

function patchesFor(
  draft: Draft,
  of: { readonly zones: readonly string[]; readonly from: string; readonly to: string },
): readonly { readonly text: string; readonly patch: string }[] {
  const blocked = (name: string, words: string) => [
    {
      text: `Until ${words} passes, say so in the cluster file, and auto goes around it`,
      patch: `zone ${of.to}: {firewall: {${name}: blocked}}`,
    },
  ];
  switch (draft.code) {
    case 'underlay-drops-ipip':
      return blocked('ipip', 'protocol 4');
    case 'underlay-drops-ipv6-in-ipv4':
      return blocked('ipv6InIpv4', 'protocol 41');
    case 'underlay-drops-vxlan':
      return blocked('vxlan', 'the VXLAN port');
    case 'source-destination-check':
    case 'underlay-drops-native':
      return of.zones.map((zone) => ({
        text: 'Until bare packets pass, say so in the cluster file, and auto encapsulates',
        patch: `zone ${zone}: {sourceDestinationCheck: enabled}`,
      }));
    case 'fabric-without-route':
      return of.zones.map((zone) => ({
        text: 'Until the fabric has the routes, say so in the cluster file, and auto encapsulates',
        patch: `zone ${zone}: {fabricRoutes: absent}`,
      }));
    default:
      return [];
  }
}

/** Where the underlay refuses the mode, or none is left: the smallest change that brings another. */
function flipRemedies(draft: Draft, context: RemedyContext): readonly Remedy[] {
  if (!refusals.has(draft.code)) return [];
  return context.report.why.flips.map((flip) =>
    remedy(`Or have it carried another way: ${flip.text}`, {
      patch: flip.changes.map((change) => change.patch).join('\n'),
      predicted: `${flip.mode.toUpperCase()}${flip.mtu === null ? '' : `, MTU ${flip.mtu}`}`,
    }),
  );
}

const refusals: ReadonlySet<string> = new Set([
  'underlay-drops-ipip',
  'underlay-drops-ipv6-in-ipv4',
  'underlay-drops-vxlan',
  'underlay-drops-native',
  'source-destination-check',
  'fabric-without-route',
  'no-mode',
]);
