/**
 * A change in words, as a patch for `--what-if`, and as lines of the cluster file with the place
 * they belong to. Words are clauses that stand behind "if": "rule x asked for native".
 */
import type { Cluster } from '../cluster.js';
import { describeExclusion, describeRule, describeSource } from '../describe.js';
import type { FirewallClass, Need } from '../underlay/fact.js';
import type { Change, LinkPlace, Place } from './change.js';
import { endName } from './change.js';
import type { Flip } from './flip.js';

export interface ChangeText {
  readonly text: string;
  /** For `--what-if`. */
  readonly patch: string;
  /** For the cluster file. */
  readonly file: {
    /** The entry, with its line. */
    readonly where: string;
    /** YAML, to be indented as the entry is; a key that is there already is to be replaced. */
    readonly lines: readonly string[];
  };
}

/** The cluster is the one that is changed, not the result. */
export function describeChange(change: Change, cluster: Cluster): ChangeText {
  return {
    text: clause(change, { cluster, subjects: [subject(change)] }),
    patch: patchText(change),
    file: { where: whereOf(change, cluster), lines: fileLines(change) },
  };
}

/** `NATIVE would be chosen if …`, or why nothing in the file would do it. */
export function describeFlip(flip: Flip, cluster: Cluster): string {
  const mode = flip.mode.toUpperCase();
  if (flip.possible) {
    const clauses = [...alike(flip.changes).values()].map(([first, ...others]) =>
      clause(first!, { cluster, subjects: [first!, ...others].map(subject) }),
    );
    return `${mode} would be chosen if ${enumerate(clauses)}`;
  }
  const why = [...new Set(flip.because.map((one) => describeExclusion(one, flip.pair)))];
  return `${mode}: nothing in this file would: ${why.length === 0 ? 'too much would have to change' : why.join('; ')}`;
}

/** Changes that differ in the place only are told in one clause. */
function alike(changes: readonly Change[]): ReadonlyMap<string, readonly Change[]> {
  const groups = new Map<string, Change[]>();
  for (const change of changes) {
    const { place, ...rest } = 'place' in change ? change : { ...change, place: undefined };
    const key = JSON.stringify(rest);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [change]);
    else group.push(change);
  }
  return groups;
}

function subject(change: Change): string {
  return 'place' in change ? change.place.name : '';
}

function clause(
  change: Change,
  context: { readonly cluster: Cluster; readonly subjects: readonly string[] },
): string {
  const { cluster, subjects } = context;
  const whose = enumerate(subjects.map((name) => `${name}'s`));
  switch (change.kind) {
    case 'switch':
      return switchClause(change.need, { whose, confirmed: change.actual === undefined });
    case 'firewall': {
      const admit = change.actual === undefined ? 'were confirmed to admit' : 'admitted';
      const noun = subjects.length > 1 ? 'firewalls' : 'firewall';
      return `${whose} ${noun} ${admit} ${traffics[change.traffic]}`;
    }
    case 'link-modes':
      return change.link.exists
        ? `${linkWords(change.link, cluster)} listed ${change.added} among its modes`
        : `${linkWords(change.link, cluster)} listed the modes ${change.modes.join(', ')}`;
    case 'link-public':
      return `${linkWords(change.link, cluster)} allowed public addresses`;
    case 'link-mtu':
      return `${linkWords(change.link, cluster)} carried ${change.bytes} bytes`;
    case 'nic-mtu':
      return `${whose} MTU were ${change.bytes}`;
    case 'accepts':
      return `${change.node} received ${change.carriage.split(':')[0]} in its kernel`;
    case 'rule-mode':
      return `${ruleWords(change.rule, cluster)} asked for ${change.mode}${change.unforce ? ' without force' : ''}`;
    case 'rule-added':
      return `a rule before all others asked for ${change.mode} between ${change.nodes.join(' and ')}`;
  }
}

function switchClause(
  need: Need,
  of: { readonly whose: string; readonly confirmed: boolean },
): string {
  const be = of.confirmed ? 'were confirmed' : 'were';
  switch (need.switch) {
    case 'sourceDestinationCheck':
      return `${of.whose} source/destination check ${be} off`;
    case 'ipForwarding':
      return `${of.whose} IP forwarding ${be} on`;
    case 'fabricRoutes':
      return of.confirmed
        ? `${of.whose} routers were confirmed to know the overlay prefixes`
        : `${of.whose} routers knew the overlay prefixes`;
  }
}

const traffics: Readonly<Record<FirewallClass, string>> = {
  ipip: 'IP protocol 4',
  ipv6InIpv4: 'IP protocol 41',
  vxlan: 'UDP to the VXLAN port',
  native: 'packets with overlay addresses',
};

function linkWords(link: LinkPlace, cluster: Cluster): string {
  const names = link.ends.map(endName).join(' – ');
  const source = linkSource(link, cluster);
  return source === undefined ? `a link ${names}` : `link ${names} (${source})`;
}

function linkSource(place: LinkPlace, cluster: Cluster): string | undefined {
  const link = place.exists ? cluster.links.find(({ ends }) => ends === place.ends) : undefined;
  return link && describeSource(link.source);
}

function ruleWords(name: string, cluster: Cluster): string {
  const rule = cluster.rules.find((one) => one.name === name);
  return `rule ${rule === undefined ? name : describeRule(rule)}`;
}

function patchText(change: Change): string {
  switch (change.kind) {
    case 'switch':
    case 'firewall':
    case 'nic-mtu':
      return `${placeKey(change.place)}: ${flow(change)}`;
    case 'link-modes':
    case 'link-public':
    case 'link-mtu':
      return `link ${change.link.ends.map(endName).join(' ')}: ${flow(change)}`;
    case 'accepts':
      return `node ${change.node}: ${flow(change)}`;
    case 'rule-mode':
      return `${key(`rule ${change.rule}`)}: ${flow(change)}`;
    case 'rule-added':
      return `rules: prepend ${flow(change)}`;
  }
}

function placeKey(place: Place): string {
  return `${place.kind} ${place.name}`;
}

/** What is said of the entry, in one line. */
function flow(change: Change): string {
  switch (change.kind) {
    case 'switch':
      return `{${change.need.switch}: ${change.need.value}}`;
    case 'firewall':
      return `{firewall: {${change.traffic}: allowed}}`;
    case 'nic-mtu':
    case 'link-mtu':
      return `{mtu: ${change.bytes}}`;
    case 'link-modes':
      return `{modes: [${change.modes.join(', ')}]}`;
    case 'link-public':
      return '{allowPublic: true}';
    case 'accepts':
      return `{accepts: {${acceptsKey(change.carriage)}: kernel}}`;
    case 'rule-mode':
      return `{mode: ${change.mode}${change.unforce ? ', force: false' : ''}}`;
    case 'rule-added':
      return `{between: ${betweenNodes(change)}${change.family === undefined ? '' : `, family: ${change.family}`}, mode: ${change.mode}}`;
  }
}

function fileLines(change: Change): readonly string[] {
  switch (change.kind) {
    case 'firewall':
      return ['firewall:', `  ${change.traffic}: allowed`];
    case 'accepts':
      return ['accepts:', `  ${acceptsKey(change.carriage)}: kernel`];
    case 'rule-added':
      return [
        `- between: ${betweenNodes(change)}`,
        ...(change.family === undefined ? [] : [`  family: ${change.family}`]),
        `  mode: ${change.mode}`,
      ];
    case 'link-modes':
    case 'link-public':
    case 'link-mtu': {
      const said = flow(change).slice(1, -1);
      return change.link.exists
        ? [said]
        : [
            `- between: [${change.link.ends.map((end) => scalar(endName(end))).join(', ')}]`,
            `  ${said}`,
          ];
    }
    case 'switch':
    case 'nic-mtu':
    case 'rule-mode':
      return flow(change).slice(1, -1).split(', ');
  }
}

function whereOf(change: Change, cluster: Cluster): string {
  switch (change.kind) {
    case 'switch':
    case 'firewall':
    case 'nic-mtu': {
      const { kind, name } = change.place;
      const at = kind === 'zone' ? cluster.zones.get(name) : cluster.nodes.get(name);
      return `${placeKey(change.place)} (${describeSource(at?.source)})`;
    }
    case 'accepts': {
      const { source } = cluster.nodes.get(change.node) ?? {};
      return `node ${change.node} (${describeSource(source)})`;
    }
    case 'link-modes':
    case 'link-public':
    case 'link-mtu':
      return change.link.exists ? linkWords(change.link, cluster) : 'below "links:"';
    case 'rule-mode':
      return ruleWords(change.rule, cluster);
    case 'rule-added':
      return 'below "rules:", before all others';
  }
}

function betweenNodes(change: Extract<Change, { readonly kind: 'rule-added' }>): string {
  return `[${change.nodes.map((name) => `{node: ${scalar(name)}}`).join(', ')}]`;
}

/** `ipip:4:4` of the model is `ipip/4/4` of the file. */
function acceptsKey(carriage: string): string {
  return carriage.replaceAll(':', '/');
}

/** Plain where YAML reads it as the text that it is. */
function scalar(text: string): string {
  const plain = /^[a-z][a-z0-9._-]*$/.test(text) && !['true', 'false', 'null'].includes(text);
  return plain ? text : JSON.stringify(text);
}

function key(text: string): string {
  return /^[\w][\w ./+-]*$/.test(text) ? text : JSON.stringify(text);
}

function enumerate(parts: readonly string[]): string {
  const last = parts[parts.length - 1] ?? '';
  return parts.length < 2 ? last : `${parts.slice(0, -1).join(', ')} and ${last}`;
}
