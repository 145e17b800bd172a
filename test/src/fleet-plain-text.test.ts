/** What a stolen node writes must not reach an operator's terminal as it is. */
import t from 'tap';
import { readConfigValue, readRecordValue, readStatusValue } from '../../src/store/fleet/values.js';

const escape = '\u001b]0;pwn\u0007';
const status = {
  version: 1,
  release: '\u001b[31m9',
  config: 8,
  receives: ['a'],
  sends: [],
  ready: true,
  problems: [`${escape} x\ny\u009b2J\u202eabc`, 'plain – und größer'],
  at: '\u2028',
};

t.test('a status is read with controls spelt out, whether they were escaped or not', (t) => {
  const escaped = JSON.stringify(status);
  const raw = escaped.replace('plain', '\u007fplain');
  for (const value of [escaped, raw]) {
    const read = readStatusValue({ value });
    t.ok(read.ok);
    if (!read.ok) continue;
    t.equal(read.value.release, '\\u001b[31m9');
    t.equal(read.value.problems[0], '\\u001b]0;pwn\\u0007 x\\u000ay\\u009b2J\\u202eabc');
    t.equal(read.value.problems[1], `${value === raw ? '\\u007f' : ''}plain – und größer`);
    t.equal(read.value.at, '\\u2028');
    t.equal(read.value.config, 8);
  }
  t.end();
});

t.test('a record too, in its keys and at any depth', (t) => {
  const node = { labels: { 'a\u009b31m': 'b\u2066' }, overlay: ['\n'], zone: null };
  const read = readRecordValue({ value: JSON.stringify({ version: 1, node }) });
  t.same(read.ok && read.value.node, {
    labels: { 'a\\u009b31m': 'b\\u2066' },
    overlay: ['\\u000a'],
    zone: null,
  });
  t.end();
});

t.test('a key that JavaScript knows stays a key', (t) => {
  const value = '{"version":1,"node":{"__proto__":{"polluted":"\\u001b"}}}';
  const read = readRecordValue({ value });
  t.ok(read.ok);
  t.equal(read.ok && read.value.node['polluted'], undefined);
  t.equal(({} as Record<string, unknown>)['polluted'], undefined);
  t.end();
});

t.test("a configuration's text keeps its lines", (t) => {
  const text = 'nodes: []\n# größer\n';
  const config = { version: 1, text, at: 'now', by: 'anna' };
  const read = readConfigValue({ value: JSON.stringify(config) });
  t.equal(read.ok && read.value.text, text);
  t.end();
});
