/**
 * The wire of the EC2 Query API: forms in, XML out. Shapes are those of the service model that AWS
 * publishes for its SDKs (botocore, data/ec2/2016-11-15/service-2.json, protocol "ec2"); the codes
 * and messages are from "Error codes for the Amazon EC2 API".
 */
export const namespace = 'http://ec2.amazonaws.com/doc/2016-11-15/';

/** How EC2 says no. */
export class Ec2Fault extends Error {
  readonly code: string;
  readonly status: number;

  constructor(code: string, message: string, status = 400) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

export type XmlValue =
  | string
  | number
  | boolean
  | undefined
  | readonly XmlValue[]
  | { readonly [name: string]: XmlValue };

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

/** A list becomes an element whose children are named `item`. */
export function xml(name: string, value: XmlValue): string {
  if (value === undefined) return '';
  if (Array.isArray(value)) {
    const items = (value as readonly XmlValue[]).map((item) => xml('item', item)).join('');
    return items === '' ? `<${name}/>` : `<${name}>${items}</${name}>`;
  }
  if (typeof value === 'object')
    return `<${name}>${Object.entries(value)
      .map(([child, content]) => xml(child, content))
      .join('')}</${name}>`;
  return `<${name}>${escaped(String(value))}</${name}>`;
}

export function answerXml(action: string, body: Readonly<Record<string, XmlValue>>): string {
  const content = Object.entries(body)
    .map(([name, value]) => xml(name, value))
    .join('\n    ');
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${action}Response xmlns="${namespace}">\n    ${content}\n</${action}Response>`;
}

export function errorXml(fault: Ec2Fault, requestId: string): string {
  const error = xml('Error', { Code: fault.code, Message: fault.message });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors>${error}</Errors><RequestID>${requestId}</RequestID></Response>`;
}

export interface Filter {
  readonly name: string;
  readonly values: readonly string[];
}

/** What a client posted. */
export class Form {
  readonly #fields: URLSearchParams;

  constructor(body: string) {
    this.#fields = new URLSearchParams(body);
  }

  text(name: string): string | undefined {
    return this.#fields.get(name) ?? undefined;
  }

  need(name: string): string {
    const value = this.text(name);
    if (value === undefined || value === '') {
      const spoken = name.charAt(0).toLowerCase() + name.slice(1);
      throw new Ec2Fault('MissingParameter', `The request must contain the parameter ${spoken}`);
    }
    return value;
  }

  flag(name: string): boolean | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    if (/^(true|false)$/i.test(value)) return value.toLowerCase() === 'true';
    throw new Ec2Fault(
      'InvalidParameterValue',
      `Value (${value}) for parameter ${name} is invalid`,
    );
  }

  /** `Name.1`, `Name.2`, … */
  list(name: string): readonly string[] {
    return this.#numbers(name).flatMap((number) => this.text(`${name}.${number}`) ?? []);
  }

  /** `Tag.1.Key` and `Tag.1.Value`. */
  pairs(name: string): readonly (readonly [string, string | undefined])[] {
    return this.#numbers(name).map((number) => [
      this.text(`${name}.${number}.Key`) ?? '',
      this.text(`${name}.${number}.Value`),
    ]);
  }

  filters(): readonly Filter[] {
    return this.#numbers('Filter').map((number) => {
      const name = this.need(`Filter.${number}.Name`);
      const values = this.list(`Filter.${number}.Value`);
      if (values.length > 200)
        throw new Ec2Fault(
          'FilterLimitExceeded',
          'The maximum number of filter values specified on a single call is 200',
        );
      return { name, values };
    });
  }

  /** All but what a log should not have. */
  entries(): readonly (readonly [string, string])[] {
    return [...this.#fields].filter(([name]) => name !== 'Action' && name !== 'Version');
  }

  #numbers(name: string): readonly number[] {
    const found = new Set<number>();
    for (const key of this.#fields.keys()) {
      const match = key.startsWith(`${name}.`)
        ? /^(\d+)(\.|$)/.exec(key.slice(name.length + 1))
        : null;
      if (match !== null) found.add(Number(match[1]));
    }
    return [...found].sort((a, b) => a - b);
  }
}

/** `*` and `?` are wildcards in the values of filters; a backslash takes that away. */
export function matchesValue(pattern: string, value: string): boolean {
  if (!/[*?\\]/.test(pattern)) return pattern === value;
  const source = pattern.replace(
    /\\([*?\\])|([*?])|([^\w])/g,
    (_, plain?: string, wild?: string, other?: string) =>
      plain !== undefined ? `\\${plain}` : wild === '*' ? '.*' : wild === '?' ? '.' : `\\${other}`,
  );
  return new RegExp(`^${source}$`, 's').test(value);
}
