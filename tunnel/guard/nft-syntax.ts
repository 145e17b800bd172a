/**
 * A rule of `nft -j list ruleset` in nft's own syntax, as `nft list ruleset` would print it, so that
 * an operator finds it there. Statements that are not known here give undefined: half a rule would
 * be another rule. Counters are left out, as they change all the time.
 */
type Json = Readonly<Record<string, unknown>>;

/** An expression or statement that is not known here. */
class Unknown extends Error {}

export function nftSyntax(expressions: readonly Json[]): string | undefined {
  try {
    return expressions
      .map(statement)
      .filter((text) => text !== '')
      .join(' ');
  } catch (error) {
    if (error instanceof Unknown) return undefined;
    throw error;
  }
}

function statement(entry: Json): string {
  const [kind, value] = only(entry);
  const body = (value ?? {}) as Json;
  switch (kind) {
    case 'counter':
      return '';
    case 'match':
      return match(body);
    case 'accept':
    case 'drop':
    case 'return':
    case 'continue':
    case 'notrack':
      return kind;
    case 'jump':
    case 'goto':
      return `${kind} ${text(body['target'])}`;
    case 'vmap':
      return `${expression(body['key'])} vmap ${expression(body['data'])}`;
    case 'mangle':
      return `${expression(body['key'])} set ${valueOf(body['key'], body['value'])}`;
    case 'reject':
      return reject(body);
    case 'masquerade':
    case 'redirect':
    case 'snat':
    case 'dnat':
      return translation(kind, body);
    case 'log':
      return ['log', ...option('prefix', body['prefix'], true), ...option('level', body['level'])]
        .concat(option('group', body['group']))
        .join(' ');
    case 'limit': {
      const over = body['inv'] === true ? 'over ' : '';
      const unit = body['rate_unit'] === undefined ? '' : ` ${text(body['rate_unit'])}`;
      const burst = body['burst_unit'] ?? (unit === '' ? 'packets' : 'bytes');
      const rate = `limit rate ${over}${text(body['rate'])}${unit}/${text(body['per'])}`;
      return body['burst'] === undefined || body['burst'] === 0
        ? rate
        : `${rate} burst ${text(body['burst'])} ${text(burst)}`;
    }
    default:
      throw new Unknown(kind);
  }
}

function match({ op, left, right }: Json): string {
  const value = valueOf(left, right);
  const field = expression(left);
  // nft leaves "==" out but after a bitwise expression; "in" is for flags.
  const bitwise = isRecord(left) && ['&', '|', '^'].includes(only(left)[0]);
  if ((op === '==' && !bitwise) || op === 'in') return `${field} ${value}`;
  return `${field} ${text(op)} ${value}`;
}

function reject(body: Json): string {
  if (body['type'] === undefined) return 'reject';
  if (body['type'] === 'tcp reset') return 'reject with tcp reset';
  return `reject with ${text(body['type'])} ${text(body['expr'])}`;
}

function translation(kind: string, body: Json): string {
  const { addr, port, family, flags } = body;
  const to = [
    ...(addr === undefined ? [] : [expression(addr)]),
    ...(port === undefined ? [] : [`:${expression(port)}`]),
  ].join('');
  return [
    kind,
    ...(family === undefined ? [] : [text(family)]),
    ...(to === '' ? [] : ['to', to]),
    ...(flags === undefined ? [] : [[flags].flat().map(text).join(',')]),
  ].join(' ');
}

function option(name: string, value: unknown, quotes = false): string[] {
  if (value === undefined) return [];
  return [`${name} ${quotes ? `"${text(value)}"` : text(value)}`];
}

/** As nft writes values of this field: names of devices in quotes, marks in hexadecimal. */
function valueOf(field: unknown, value: unknown): string {
  const [kind, body] = isRecord(field) ? only(field) : [];
  if (kind === '&' && Array.isArray(body) && typeof value === 'number')
    return valueOf(body[0], value);
  const key = isRecord(body) ? body['key'] : undefined;
  if (key === 'mark' && typeof value === 'number')
    return `0x${value.toString(16).padStart(8, '0')}`;
  return expression(
    value,
    ['iifname', 'oifname', 'ibrname', 'obrname'].some((name) => name === key),
  );
}

function expression(value: unknown, quotes = false): string {
  if (Array.isArray(value)) return value.map((entry) => expression(entry, quotes)).join(',');
  if (!isRecord(value)) {
    const plain = text(value);
    return quotes && !plain.startsWith('@') ? `"${plain}"` : plain;
  }
  const [kind, inner] = only(value);
  const body = (inner ?? {}) as Json;
  switch (kind) {
    case 'payload':
      return body['base'] === undefined
        ? `${text(body['protocol'])} ${text(body['field'])}`
        : `@${text(body['base'])},${text(body['offset'])},${text(body['len'])}`;
    case 'meta': {
      const key = text(body['key']);
      return /^[io]if(name|group)?$/.test(key) ? key : `meta ${key}`;
    }
    case 'ct': {
      const words = [body['dir'], body['family'], body['key']];
      return ['ct', ...words.filter((word) => word !== undefined).map(text)].join(' ');
    }
    case 'fib':
      return `fib ${[body['flags']].flat().map(text).join(' . ')} ${text(body['result'])}`;
    case 'set':
      return `{ ${(inner as readonly unknown[]).map((entry) => element(entry, quotes)).join(', ')} }`;
    case 'range':
      return (inner as readonly unknown[]).map((end) => expression(end, quotes)).join('-');
    case 'prefix':
      return `${expression(body['addr'])}/${text(body['len'])}`;
    case 'concat':
      return (inner as readonly unknown[]).map((part) => expression(part, quotes)).join(' . ');
    case 'elem':
      return expression(body['val'], quotes);
    case '&':
    case '|':
    case '^':
      return (inner as readonly unknown[]).map(operand).join(` ${kind} `);
    case 'accept':
    case 'drop':
    case 'return':
    case 'continue':
    case 'jump':
    case 'goto':
      return statement(value);
    default:
      throw new Unknown(kind);
  }
}

/** Of a set, or `key : value` of a map. */
function element(entry: unknown, quotes: boolean): string {
  return Array.isArray(entry) && entry.length === 2
    ? `${expression(entry[0], quotes)} : ${expression(entry[1])}`
    : expression(entry, quotes);
}

function operand(value: unknown): string {
  if (Array.isArray(value)) return `(${value.map(text).join(' | ')})`;
  const inner = expression(value);
  return isRecord(value) && only(value)[0] === '|' ? `(${inner})` : inner;
}

function text(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  throw new Unknown(JSON.stringify(value));
}

function only(entry: Json): [string, unknown] {
  const [first] = Object.entries(entry);
  if (first === undefined) throw new Unknown('{}');
  return first;
}

function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
