/**
 * The exact command, and the lines of Terraform, that open a firewall of a provider for a kind of
 * traffic. Protocol 4 is always written as the number: names have meant 94 before.
 */
import type { CloudProviderName } from '../../cloud/machine.js';
import type { Fix } from '../check.js';
import { awsOpening } from './opening-aws.js';
import { azureOpening } from './opening-azure.js';
import { gceOpening } from './opening-gce.js';
import { openstackOpening } from './opening-openstack.js';
import type { Opening, OpeningWords } from './opening-words.js';

type Words = (opening: Opening) => OpeningWords;

const byProvider: Readonly<Partial<Record<CloudProviderName, Words>>> = {
  aws: awsOpening,
  gce: gceOpening,
  azure: azureOpening,
  openstack: openstackOpening,
};

export function openingFix(provider: CloudProviderName, opening: Opening): Fix {
  const words = byProvider[provider]?.(opening);
  const ranges = opening.ranges.map(({ text }) => text).join(', ');
  const text = `admit it ${opening.direction === 'ingress' ? 'from' : 'to'} ${ranges} in ${opening.id}`;
  return words === undefined ? { text, commands: [] } : { text, ...words };
}
