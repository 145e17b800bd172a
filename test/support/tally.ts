/**
 * Reads a TAP stream and tells it in plain lines: one a test file, each failure in full as soon as
 * it is known. `node tally.js RESULT.json < stream` also writes the numbers down, which is what the
 * run's last line is made of; tap's own summary is for people and its reporters draw on a terminal.
 */
import { writeFileSync } from 'node:fs';
import { Parser, type Result } from 'tap-parser';

type Point = Result & { readonly fullname?: string };

const tally = { passed: 0, failed: 0, skipped: 0, skips: [] as string[] };
let inFile = 0;

/** A single assertion, at any depth; also a test file that failed as a whole. */
function count(point: Point): void {
  const name = sourceName(point.fullname ?? point.name);
  inFile++;
  if (point.skip === 'no tests found') {
    tally.failed++;
    fail(`${name}: the file holds no test`, undefined);
  } else if (point.skip !== false) {
    // To TAP a skipped point is "ok"; here it has neither passed nor failed.
    tally.skipped++;
    tally.skips.push(`${name}: ${point.skip === true ? 'no reason given' : point.skip}`);
  } else if (point.ok) {
    tally.passed++;
  } else {
    tally.failed++;
    fail(name, point.diag);
  }
}

function fail(name: string, diagnosis: unknown): void {
  console.log(`\nFAILED ${name}`);
  if (typeof diagnosis !== 'object' || diagnosis === null) return;
  for (const [key, value] of Object.entries(diagnosis as Record<string, unknown>)) {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    console.log(`  ${key}: ${text.trimEnd().replaceAll('\n', '\n    ')}`);
  }
  console.log('');
}

/** Tests run compiled; people look for the source. */
function sourceName(name: string): string {
  return name.replace(/\bdist\/(test\/\S+)\.js/, '$1.ts');
}

/** What a test has measured, as a table of comments. */
function showTables(parser: Parser): void {
  parser.on('comment', (comment: string) => {
    const [, row] = /^\s*# (\|.*\|)\s*$/.exec(comment) ?? [];
    if (row !== undefined) console.log(`  ${row}`);
  });
  parser.on('child', showTables);
}

const parser = new Parser({});
showTables(parser);
parser.on('result', count);
parser.on('assert', (file: Point) => {
  const seconds = ((file.time ?? 0) / 1000).toFixed(1);
  console.log(
    `  ${file.ok ? 'ok' : 'FAILED'} ${sourceName(file.name)} (${inFile} in ${seconds} s)`,
  );
  inFile = 0;
});
parser.on('bailout', (reason: string) => {
  tally.failed++;
  fail('bail out', { reason });
});
parser.on('complete', () => {
  const path = process.argv[2];
  if (path !== undefined) writeFileSync(path, JSON.stringify(tally));
});
process.stdin.pipe(parser);
