/** The packet on the underlay, one line a header, and the sum of its bytes. */
import type { ExplainReport, HeaderReport, LedgerReport } from '../../../routes/explain-report.js';
import type { Terminal } from '../terminal.js';
import type { Span, Style } from './layout.js';
import { fill, pad, padStart, row, widest } from './layout.js';

export function explainWireSection(
  report: ExplainReport,
  terminal: Terminal,
  options: { readonly hex?: boolean } = {},
): string[] {
  const { wire } = report;
  if (wire === null) return [];
  const { paint } = terminal;
  const names = widest(wire.headers.map((header) => header.header));
  const sizes = widest(wire.headers.map(size));
  const inner = wire.headers.at(-1)!;
  return [
    paint.bold('On the wire') + paint.dim(`, next hop ${wire.nextHop}`),
    ...wire.headers.flatMap((header) =>
      row(
        [
          { text: pad(header.header, names), style: header === inner ? undefined : paint.cyan },
          { text: padStart(size(header), sizes), style: paint.dim },
        ],
        content(header, paint.dim),
        { ...terminal, indent: 2 },
      ),
    ),
    ...(wire.outer === null
      ? []
      : fill(
          {
            text: `outer addresses ${wire.outer.local} → ${wire.outer.remote}: ${wire.outer.why}`,
            style: paint.dim,
          },
          { width: terminal.width, indent: 2, hang: 4 },
        )),
    ...(options.hex === true ? hexLines(wire.headers, terminal) : []),
    ...ledgerLines(wire.ledger, terminal),
  ];
}

/** As a capture prints them: 16 bytes a line, an offset before them. */
function hexLines(headers: readonly HeaderReport[], terminal: Terminal): string[] {
  const { paint } = terminal;
  let offset = 0;
  return headers.flatMap((header) => {
    if (header.hex === null) return [];
    const bytes = header.hex.match(/../g) ?? [];
    const lines: string[] = [];
    for (let at = 0; at < bytes.length; at += 16) {
      const place = (offset + at).toString(16).padStart(4, '0');
      lines.push(`    ${paint.dim(place)}  ${bytes.slice(at, at + 16).join(' ')}`);
    }
    offset += bytes.length;
    return [`  ${paint.cyan(header.header)}`, ...lines];
  });
}

function size(header: HeaderReport): string {
  return header.bytes === null ? '' : `${header.bytes} B`;
}

function content(header: HeaderReport, dim: Style): Span[] {
  const { source, destination } = header;
  const fields = header.fields.map(({ name, value }) => `${name} ${value}`).join(', ');
  if (source === null || destination === null) return [{ text: fields, style: dim }];
  const ends = { text: `${source} → ${destination}${fields === '' ? '' : ','}` };
  return [ends, { text: fields, style: dim }];
}

function ledgerLines(ledger: LedgerReport, terminal: Terminal): string[] {
  const { paint, width } = terminal;
  const sum =
    ledger.overheadBytes === 0
      ? `path MTU ${ledger.pathMtu}, no overhead:`
      : `path MTU ${ledger.pathMtu} − ${ledger.overheadBytes} =`;
  return fill(
    [
      { text: sum, style: paint.dim },
      {
        text: `largest ${ledger.overheadBytes === 0 ? '' : 'inner '}packet ${ledger.largestInnerPacket}`,
        style: paint.bold,
      },
      {
        text: `(TCP MSS ${ledger.tcpMss}; ping -M do -s ${ledger.pingPayload} passes, one byte more does not)`,
        style: paint.dim,
      },
    ],
    { width, indent: 2, hang: 4 },
  );
}
