/**
 * Google APIs' partial responses (`fields=nextPageToken,items/name`), as "Improve performance" of
 * their guides describes them: `/` descends, `*` is any key, `(a,b)` chooses below, lists are
 * looked through.
 */
type Mask = Map<string, Mask>;

export function selectFields(value: unknown, fields: string): unknown {
  return pick(value, parseMask(fields));
}

function parseMask(text: string): Mask {
  let at = 0;
  const list = (): Mask => {
    const mask: Mask = new Map();
    for (;;) {
      item(mask);
      if (text[at] !== ',') return mask;
      at++;
    }
  };
  const item = (into: Mask): void => {
    const name = /^[\w*-]+/.exec(text.slice(at))?.[0];
    if (name === undefined) throw new SyntaxError(`fields: "${text}" at ${at}`);
    at += name.length;
    const below = into.get(name) ?? (new Map() as Mask);
    into.set(name, below);
    if (text[at] === '/') {
      at++;
      item(below);
    } else if (text[at] === '(') {
      at++;
      for (const [key, mask] of list()) below.set(key, mask);
      if (text[at] !== ')') throw new SyntaxError(`fields: "${text}" at ${at}`);
      at++;
    }
  };
  const mask = list();
  if (at !== text.length) throw new SyntaxError(`fields: "${text}" at ${at}`);
  return mask;
}

function pick(value: unknown, mask: Mask): unknown {
  if (mask.size === 0) return value;
  if (Array.isArray(value)) return value.map((entry) => pick(entry, mask));
  if (typeof value !== 'object' || value === null) return value;
  const chosen: Record<string, unknown> = {};
  for (const [key, entry] of Object.entries(value)) {
    const below = mask.get(key) ?? mask.get('*');
    if (below !== undefined) chosen[key] = pick(entry, below);
  }
  return chosen;
}
