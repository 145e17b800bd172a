/**
 * The published shape of `route-explain -o json`. A test holds real reports to it, and
 * nothing in them goes unmentioned; fields may be added within a version, so readers must let others be.
 */
import * as z from 'zod';
import { modes } from '../../encap/mode.js';
import { places, stages } from '../../routes/diagnose/evidence.js';
import { explainSchema } from '../../routes/explain-report.js';

/** Path of the published copy, from the root of the package. */
export const explainJsonSchemaPath = 'deploy/schema/route-explain-1.json';

const text = z.string();
const texts = z.array(text);
const maybe = text.nullable();
const bytes = z.int();
const mode = z.enum(modes);
const family = z.union([z.literal(4), z.literal(6)]);
const plane = z.enum(['kernel', 'ebpf', 'userspace', 'none']);
const verdictKind = z.enum(['LOCAL', 'NATIVE', 'IPIP', 'VXLAN', 'DENIED', 'NO-ROUTE']);
const health = z.enum(['OK', 'DEGRADED', 'BROKEN', 'UNDETERMINED']);
const trouble = health.exclude(['OK']);
const stage = z.enum(stages);
const place = z.enum(places);
const bothWays = z.enum(['there', 'back', 'both']);
const objectState = z.enum(['match', 'missing', 'drift', 'foreign']);
const fact = z.object({ text, source: text, mark: z.enum(['P', 'S', 'G']) });

const question = z.object({
  asked: text,
  kind: z.enum(['address', 'prefix', 'node']),
  address: text,
  family,
  from: z.object({ node: text, zone: text, provider: text }),
  note: maybe,
});
const outcome = z.object({
  kind: verdictKind,
  summary: text,
  mode: mode.nullable(),
  mtu: bytes.nullable(),
});
const basis = z.object({
  kind: z.enum(['agent', 'kernel', 'file']),
  cluster: text,
  revision: z.int(),
  localFacts: z.boolean(),
  note: maybe,
  whatIf: z.object({ patches: texts, now: outcome.nullable() }).nullable(),
});
const freeze = z.object({ since: text, until: maybe, reason: maybe });
const verdict = outcome.extend({
  owner: z.object({ node: text, zone: text, provider: text }).nullable(),
  prefix: maybe,
  outerFamily: family.nullable(),
  plane: plane.nullable(),
  reason: z
    .enum([
      'outside-pools',
      'underlay-address',
      'unowned',
      'withdrawn',
      'no-common-address',
      'no-mode',
      'no-underlay-route',
      'no-data-plane',
    ])
    .nullable(),
  health: health.nullable(),
  code: maybe,
  exitCode: z.union([z.literal(0), z.literal(1)]),
});
const candidate = z.object({
  name: text,
  mode,
  outerFamily: family,
  innerFamily: family,
  overheadBytes: bytes,
  plane,
  outcome: z.enum(['chosen', 'possible', 'excluded']),
  forced: z.boolean(),
  exclusions: z.array(z.object({ code: text, end: maybe, text, fact: fact.nullable() })),
  facts: z.array(fact),
});
const why = z.object({
  steps: z.array(
    z.object({
      step: z.enum(['local', 'membership', 'rule', 'feasible', 'next-hop', 'mtu']),
      outcome: z.enum(['pass', 'exclude', 'decide']),
      summary: text,
      lines: texts,
    }),
  ),
  rules: z.array(
    z.object({
      name: text,
      source: maybe,
      asksFor: z.enum([...modes, 'auto', 'deny']),
      outcome: z.enum(['matched', 'mismatched', 'not-reached']),
      text,
      shadowedBy: maybe,
      reason: maybe,
    }),
  ),
  candidates: z.array(candidate),
  flips: z.array(
    z.object({
      mode,
      text,
      changes: z.array(
        z.object({ text, patch: text, file: z.object({ where: text, lines: texts }) }),
      ),
      verified: z.literal(true),
      mtu: bytes.nullable(),
    }),
  ),
  unflippable: z.array(z.object({ mode, text })),
});
const whyNot = z.object({
  mode,
  summary: text,
  lines: z.array(z.object({ code: text, text, fact: fact.nullable() })),
  flip: maybe,
});
const wire = z.object({
  headers: z.array(
    z.object({
      header: text,
      bytes: bytes.nullable(),
      source: maybe,
      destination: maybe,
      fields: z.array(z.object({ name: text, value: text })),
      hex: maybe,
    }),
  ),
  nextHop: text,
  outer: z.object({ local: text, remote: text, why: text }).nullable(),
  ledger: z.object({
    limits: z.array(z.object({ what: text, bytes, text })),
    pathMtu: bytes,
    overhead: z.array(z.object({ header: text, bytes })),
    overheadBytes: bytes,
    largestInnerPacket: bytes,
    tcpMss: bytes,
    pingPayload: bytes,
  }),
});
const kernel = z.object({
  compared: z.boolean(),
  reason: maybe,
  objects: z.array(
    z.object({
      type: z.enum(['link', 'address', 'fdb', 'neighbour', 'route', 'sysctl']),
      key: text,
      state: objectState,
      desired: text,
      actual: maybe,
      attributes: texts,
      holder: maybe,
      changedAt: maybe,
      changedBy: maybe,
    }),
  ),
  effective: z.object({ route: text, ours: z.boolean() }).nullable(),
});
const returnPath = z.object({
  omitted: maybe,
  from: maybe,
  to: maybe,
  prefix: maybe,
  kind: verdictKind.nullable(),
  summary: maybe,
  rule: maybe,
  mode: mode.nullable(),
  mtu: bytes.nullable(),
  asymmetric: z.boolean(),
  differences: texts,
});
const finding = z.object({
  code: text,
  severity: z.enum(['cause', 'contributing', 'note']),
  health: trouble,
  node: maybe,
  stage: stage.nullable(),
  direction: bothWays,
  text,
  evidence: texts,
  lostBetween: z.tuple([place, place]).nullable(),
  alternatives: z.array(z.object({ code: text, test: text })),
  remedies: z.array(z.object({ text, command: maybe, patch: maybe, predicted: maybe })),
});
const view = z.object({
  node: text,
  agent: z.enum(['running', 'frozen', 'none']),
  terms: z.object({
    configDigest: text,
    vxlan: z.object({ vni: z.int(), port: z.int() }),
    verdict: text,
    mtu: bytes.nullable(),
    underlay: texts,
    overlay: texts,
    avoids: z.array(z.object({ mode, outerFamily: family, name: text, text })).optional(),
  }),
  segment: z.object({
    ownMacs: texts,
    peerMacs: z.array(z.object({ address: text, mac: text, device: text })),
  }),
  stages: z.array(
    z.object({
      stage,
      direction: bothWays,
      state: z.enum([...objectState.options, 'unknown']),
      key: text,
      desired: maybe,
      actual: maybe,
      attributes: texts,
      holder: maybe,
      changedAt: maybe,
      changedBy: maybe,
    }),
  ),
  guardDrops: z.record(text, z.int()),
});
const probes = z.object({
  probes: z.array(
    z.object({
      layer: z.enum(['underlay', 'control', 'tunnel', 'inner', 'size']),
      direction: z.enum(['there', 'back', 'round-trip']),
      family,
      mode: mode.nullable(),
      outerFamily: family.nullable(),
      path: z.enum(['routed', 'crafted']),
      sent: z.int(),
      answered: z.int(),
      seen: z.object({
        'sender-tunnel': z.int().optional(),
        'sender-nic': z.int().optional(),
        'receiver-nic': z.int().optional(),
        'receiver-tunnel': z.int().optional(),
        delivered: z.int().optional(),
      }),
      packetBytes: bytes,
      rttMs: z.object({ min: z.number(), avg: z.number(), max: z.number() }).nullable(),
      errors: texts,
    }),
  ),
  pathMtu: z
    .object({
      family,
      expectedBytes: bytes,
      measuredBytes: bytes.nullable(),
      blackHole: z.boolean(),
    })
    .nullable(),
  peerSilence: maybe,
  notes: texts,
});

export const explainReportSchema = z.object({
  schema: z.literal(explainSchema),
  question,
  basis,
  freeze: freeze.nullable(),
  verdict,
  why,
  whyNot: whyNot.optional(),
  wire: wire.nullable(),
  kernel,
  returnPath,
  guard: texts,
  findings: z.array(finding),
  hops: z.object({ from: view.nullable(), to: view.nullable() }),
  probes: probes.nullable(),
});

/** As it is written to the published copy. */
export function explainJsonSchemaText(): string {
  const { $schema, ...schema } = z.toJSONSchema(explainReportSchema, {
    target: 'draft-7',
    io: 'input',
  });
  const titled = { $schema, title: 'What route-explain answers, version 1', ...schema };
  return `${JSON.stringify(titled, null, 2)}\n`;
}
