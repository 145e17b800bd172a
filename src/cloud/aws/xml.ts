/**
 * EC2's answers as a tree of texts. A list is an element whose children are all named `item`; they
 * are an array here however many there are, and an empty element is an empty list.
 *
 *     <DescribeRouteTablesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
 *       <routeTableSet><item><routeTableId>rtb-1</routeTableId> … </item></routeTableSet>
 *       <nextToken>…</nextToken>
 *
 * Nothing becomes a number or a boolean on its own: an account's leading zeros would go.
 */
export class Element {
  readonly #content: unknown;

  constructor(content: unknown) {
    this.#content = content;
  }

  /** The text of a child; undefined where it is absent or empty. */
  text(name: string): string | undefined {
    const value = this.#child(name);
    return typeof value === 'string' && value !== '' ? value : undefined;
  }

  /** `true` or `false`; undefined for all else. */
  flag(name: string): boolean | undefined {
    const value = this.text(name);
    return value === 'true' ? true : value === 'false' ? false : undefined;
  }

  number(name: string): number | undefined {
    const value = this.text(name);
    return value !== undefined && /^-?\d{1,15}$/.test(value) ? Number(value) : undefined;
  }

  /** A child element; an empty one where it is absent. */
  element(name: string): Element {
    return new Element(this.#child(name));
  }

  /** The items of a list. */
  items(name: string): readonly Element[] {
    const list = this.#child(name);
    const items: unknown =
      typeof list === 'object' && list !== null ? (list as Record<string, unknown>)['item'] : [];
    return Array.isArray(items) ? items.map((item) => new Element(item)) : [];
  }

  #child(name: string): unknown {
    const content = this.#content;
    return typeof content === 'object' && content !== null && Object.hasOwn(content, name)
      ? (content as Record<string, unknown>)[name]
      : undefined;
  }
}

export type ReadXml = (text: string) => Element;

/** Loads the parser; a text that is not XML throws. */
export async function xmlReader(): Promise<ReadXml> {
  const { XMLParser } = await import('fast-xml-parser');
  const parser = new XMLParser({
    ignoreAttributes: true,
    ignoreDeclaration: true,
    parseTagValue: false,
    trimValues: true,
    isArray: (name) => name === 'item',
  });
  return (text) => {
    // EC2 sends no document type; whoever does wants its entities expanded.
    if (text.includes('<!DOCTYPE')) throw new SyntaxError('a document type');
    const root = /<([A-Za-z]\w*)/.exec(text)?.[1];
    // The parser closes what is open at the end, and half an answer is none.
    if (root === undefined || !text.trimEnd().endsWith(`</${root}>`))
      throw new SyntaxError('not a whole document');
    return new Element(parser.parse(text));
  };
}
