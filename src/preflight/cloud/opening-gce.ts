/** GCE: VPC firewall rules of a network. They know no types of ICMP. */
import type { Opening, OpeningWords } from './opening-words.js';

export function gceOpening({ id, name, direction, protocol, port, ranges }: Opening): OpeningWords {
  const word = protocol === 17 ? 'udp' : protocol === 1 ? 'icmp' : String(protocol);
  const allow = port === undefined ? word : `${word}:${port}`;
  const side = direction === 'ingress' ? 'source' : 'destination';
  const texts = ranges.map(({ text }) => text);
  return {
    commands: [
      `gcloud compute firewall-rules create selvage-${name} --network ${id} --direction ${direction.toUpperCase()} --allow ${allow} --${side}-ranges ${texts.join(',')}`,
    ],
    terraform: [
      `resource "google_compute_firewall" "selvage_${name.replaceAll('-', '_')}" {`,
      `  name      = "selvage-${name}"`,
      `  network   = "${id}"`,
      `  direction = "${direction.toUpperCase()}"`,
      `  ${side}_ranges = [${texts.map((text) => `"${text}"`).join(', ')}]`,
      '  allow {',
      `    protocol = "${word}"`,
      ...(port === undefined ? [] : [`    ports    = ["${port}"]`]),
      '  }',
      '}',
    ],
  };
}
